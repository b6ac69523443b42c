"""Behaviour over an archive: one table of positions or tracks in, the alerts it holds out.

It is the live core in one big batch. Positions without a ``track_id`` are split into tracks per identity first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import schema
from kuroshio.behaviour.columns import ints, whole
from kuroshio.behaviour.core import Core, Facts
from kuroshio.behaviour.definition import Definitions, load_definitions
from kuroshio.behaviour.detector import Surroundings
from kuroshio.behaviour.fixes import COASTED, NEVER, TENTATIVE, Fixes, from_positions, from_tracks
from kuroshio.behaviour.ledger import Ledger, fold, table
from kuroshio.behaviour.norms import Norms
from kuroshio.behaviour.segment import split_identities
from kuroshio.behaviour.state import Fact
from kuroshio.errors import InputError
from kuroshio.geo.zones import Zones
from kuroshio.units import IntArray

_NO_TRACK = NEVER + 1  # not told: unlike `NEVER`, such a row is given one


def archive_fixes(rows: pa.Table, counts: Counter[str] | None = None) -> Fixes:
    """Rows of TRACKS (it has ``status`` and ``track_id``) or POSITIONS as fixes in canonical order.

    Positions without a track are split into tracks per identity. ``counts`` gets the rows that are left out, by reason.

    Raises
    ------
    InputError
        When the table has neither form, or a column cannot be read as what it should hold.
    """
    if "track_id" in rows.column_names and "status" in rows.column_names:
        fixes = from_tracks(rows)
        measured = fixes.take((fixes.status != COASTED) & (fixes.status != TENTATIVE))
        return _counted(counts, rows.num_rows, fixes, measured)
    missing = [c for c in ("mmsi", "observed_at", "lat_deg", "lon_deg") if c not in rows.column_names]
    if missing:
        raise InputError(f"not positions and not tracks: missing column {', '.join(missing)}", code="behaviour.columns")
    n = rows.num_rows
    fixes = from_positions(rows, ints(whole(rows), "track_id", n, _NO_TRACK))
    lost = np.flatnonzero(fixes.track == _NO_TRACK)
    if len(lost):
        columns = (fixes.mmsi, fixes.t, fixes.lat, fixes.lon, fixes.sog, fixes.cog)
        track = split_identities(*(c[lost] for c in columns))  # type: ignore[arg-type]
        fixes.track = track if len(lost) == len(fixes) else _put(fixes.track, lost, track)
    return _counted(counts, n, fixes, fixes)


def with_tracks(rows: pa.Table, mmsis: Sequence[int]) -> pa.Table:
    """POSITIONS with the ``track_id`` that `archive_fixes` gives the rows of some numbers; of others as they have it.

    The number of a track hangs on all rows of an MMSI before it: of a part of them it comes out as another.
    """
    track = ints(whole(rows), "track_id", rows.num_rows, _NO_TRACK)
    named = pc.fill_null(pc.is_in(rows["mmsi"].cast(pa.int64()), pa.array(mmsis, pa.int64())), False)
    lost = np.flatnonzero(np.asarray(named) & (track == _NO_TRACK))
    f = from_positions(rows.take(pa.array(lost)), lost)  # the place of each row where its track will stand
    if len(f):
        track = _put(track, f.track, split_identities(f.mmsi, f.t, f.lat, f.lon, f.sog, f.cog))
    column = pa.array(track, mask=track == _NO_TRACK)
    without = rows.drop_columns("track_id") if "track_id" in rows.column_names else rows
    return without.append_column("track_id", column)


def _put(into: IntArray, at: IntArray, values: IntArray) -> IntArray:
    result = into.copy()
    result[at] = values
    return result


def _counted(counts: Counter[str] | None, rows: int, whole: Fixes, measured: Fixes) -> Fixes:
    """Fixes in order; the rows that are none are counted."""
    fixes = measured.ordered()
    if counts is not None:
        counts["not_whole"] += rows - len(whole)
        counts["not_measured"] += len(whole) - len(measured)
        counts["twice"] += len(measured) - len(fixes)
    return fixes


def detect(
    rows: pa.Table,
    definitions: Definitions | None = None,
    *,
    zones: Zones | None = None,
    norms: Norms | None = None,
    now_us: int | None = None,
    counts: Counter[str] | None = None,
) -> pa.Table:
    """ALERTS, one row an alert as it stands at the end of the archive.

    Parameters
    ----------
    rows
        POSITIONS (MMSI, time, place; ``track_id`` optional) or TRACKS, in any order.
    definitions
        What to look for; by default what is shipped.
    zones, norms
        Reference layers.
    now_us
        Time the archive is looked at from; by default its last row. It is ``known_at`` of every alert.
    counts
        Gets the rows that are not looked at, by reason: ``not_whole`` (no place, no time between 1970 and 10000, no
        track or status where there should be one), ``not_measured``, ``twice`` (same track and time), ``later``.

    Raises
    ------
    InputError
        When columns are missing.
    """
    definitions = definitions if definitions is not None else load_definitions()
    fixes = archive_fixes(rows, counts)
    if not len(fixes):
        return schema.ALERTS.empty()
    end_us = int(fixes.t.max()) if now_us is None else now_us
    if counts is not None:
        counts["later"] += int((fixes.t > end_us).sum())
    ledger = Ledger(definitions, zones)
    facts: dict[str, tuple[Fact, int]] = {}
    for fact in run(fixes, definitions, end_us, zones=zones, norms=norms):
        facts[ledger.id_of(fact)] = (fact, 1 if fact.end_us is None else 2)
    return fold(table(ledger.update(facts, end_us)))


def run(
    fixes: Fixes, definitions: Definitions, end_us: int, *, zones: Zones | None = None, norms: Norms | None = None
) -> list[Fact]:
    """Facts as they stand at ``end_us``: the last word on each, in the order they were found."""
    core = Core(definitions, Surroundings(zones, norms))
    out: Facts = []
    core.step(fixes.take(fixes.t <= end_us) if len(fixes) and fixes.t.max() > end_us else fixes, out)
    core.advance(end_us, out)
    return list({fact.key: fact for _, fact in out}.values())
