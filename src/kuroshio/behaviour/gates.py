"""Ships through each gate by day and kind, and what is usual there.

What enters: fixes and zones of kind gate. What leaves: a table of counts, a row a day, gate and kind of ship; norms
learned from it; and each day held against them. A day on which nothing at all was heard has no row: no sensor is not no
ship. A day on which ships were heard elsewhere and none in a gate has a row with 0. A day of which only a part
was heard has a row that is not whole: it is shown, but no norm is learned from it, and it is held against none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuroshio.behaviour.area import holding, poisson_tail, whole_days
from kuroshio.behaviour.definition import load_definitions
from kuroshio.behaviour.fixes import DAY_US, HOUR_US, Fixes
from kuroshio.errors import InputError
from kuroshio.geo.zones import Zones

FILE = "gates.parquet"
KINDS = ("all", "fishing", "passenger", "cargo", "tanker", "other")
_OF_TENS = {6: "passenger", 7: "cargo", 8: "tanker"}  # ITU-R M.1371-5, table 53: first digit of the type of ship
_FISHING = 30


def kinds_of(ship_type: Any) -> Any:
    """Number of the kind of each type of ship among `KINDS`, "other" where it is unknown."""
    kind = np.full(len(ship_type), KINDS.index("other"), np.int64)
    for tens, name in _OF_TENS.items():
        kind[ship_type // 10 == tens] = KINDS.index(name)
    kind[ship_type == _FISHING] = KINDS.index("fishing")
    return kind


def count(fixes: Fixes, zones: Zones | None) -> pa.Table:
    """Table (day, gate, kind, ships, whole): different ships with a fix in it, on days on which it holds throughout.

    A day is whole as `gate_norm` says, with the limit that is shipped.

    Raises
    ------
    InputError
        When no zone is a gate.
    """
    gates = np.flatnonzero(zones.mask(["gate"])) if zones is not None else np.zeros(0, np.int64)
    if zones is None or not len(gates):
        raise InputError("no zone of kind gate among the zones", code="gates.none", advice="Give --zones with one.")
    hours, limit = np.unique(fixes.t // HOUR_US), int(load_definitions()["gate_norm"]["max_silent_h"])
    whole = set(whole_days(hours, limit).tolist())
    ptr, zone = zones.members_at(fixes.lat, fixes.lon, fixes.t)
    owner = np.repeat(np.arange(len(fixes)), np.diff(ptr))
    inside = zones.mask(["gate"])[zone]
    owner, zone = owner[inside], zone[inside].astype(np.int64)
    ship = np.where(fixes.mmsi[owner] >= 0, fixes.mmsi[owner], -fixes.track[owner] - 2)
    seen = np.stack([fixes.t[owner] // DAY_US, zone, ship, kinds_of(fixes.ship_type)[owner]], axis=1)
    seen = seen[np.lexsort(seen.T[::-1])]
    if len(seen):
        seen = seen[np.append(True, (np.diff(seen[:, :3], axis=0) != 0).any(axis=1))]  # a ship once a day and gate
    rows: dict[str, list[Any]] = {"day": [], "gate": [], "kind": [], "ships": [], "whole": []}
    for day in np.unique(hours // 24).tolist():
        for gate in gates[holding(zones, day)[gates]].tolist():
            mine = seen[(seen[:, 0] == day) & (seen[:, 1] == gate), 3]
            tally = np.bincount(mine, minlength=len(KINDS))
            for k, kind in enumerate(KINDS):
                rows["day"].append(day)
                rows["gate"].append(zones.zones[gate].name)
                rows["kind"].append(kind)
                rows["ships"].append(len(mine) if k == 0 else int(tally[k]))
                rows["whole"].append(day in whole)
    typed = {"day": pa.array(rows["day"], pa.int32()).cast(pa.date32()), "whole": pa.array(rows["whole"], pa.bool_())}
    return pa.table(rows | typed)


def learn(counts: pa.Table) -> pa.Table:
    """Table (gate, kind, days, norm_ships, least, most): what a whole day there is like."""
    grouped = (
        counts.filter(counts["whole"])
        .group_by(["gate", "kind"])
        .aggregate([("ships", "count"), ("ships", "mean"), ("ships", "min"), ("ships", "max")])
    )
    grouped = grouped.rename_columns(["gate", "kind", "days", "norm_ships", "least", "most"])
    return grouped.sort_by([("gate", "ascending"), ("kind", "ascending")])


def compare(counts: pa.Table, norms: pa.Table) -> list[dict[str, Any]]:
    """Each day, gate and kind with its norm; of whole days the change as a share of it, and how probable it is."""
    usual = {(row["gate"], row["kind"]): row for row in norms.to_pylist()}
    out = []
    for row in counts.to_pylist():  # days times gates
        norm = usual.get((row["gate"], row["kind"]))
        rate = None if norm is None else norm["norm_ships"]
        change = None if not rate or not row["whole"] else row["ships"] / rate - 1.0
        p = None if rate is None or not row["whole"] else poisson_tail(row["ships"], rate)
        out.append({**row, "day": row["day"].isoformat(), "norm_ships": rate, "change": change, "p": p})
    return out


def save(norms: pa.Table, folder: Path) -> Path:
    """Write the norms of gates into a folder of norms."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(norms, folder / FILE)
    return folder / FILE


def load(folder: Path) -> pa.Table:
    """Norms of gates of a folder.

    Raises
    ------
    InputError
        When there are none, or they are damaged.
    """
    try:
        table = pq.read_table(folder / FILE)
        return table.select(["gate", "kind", "days", "norm_ships", "least", "most"])
    except (OSError, pa.ArrowInvalid, KeyError) as err:
        raise InputError(f"{folder / FILE}: no norms of gates: {err}", code="gates.norms") from err


def busiest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that have ships or a norm, "all" first: what a person reads."""
    return [r for r in rows if r["kind"] == "all" or r["ships"] or (r["norm_ships"] or 0) > 0]


def days_of(counts: pa.Table) -> int:
    """Days that have rows."""
    return len(pc.unique(counts["day"]))
