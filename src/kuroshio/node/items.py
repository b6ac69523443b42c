"""What an accord is asked about: tracks and alerts turned into items with their attributes.

The level of a thing is the highest of the sources it rests on, its originator the party that saw it, and what came
from a partner keeps the accords it was received under: their ties go with it for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.schema import FLAG_DARK, ITEMS

LEVELS = ("U", "R", "C", "S", "TS")


@dataclass
class Holdings:
    """Terms under which things are held at this node.

    Parameters
    ----------
    levels
        Level of each own source by name.
    originators
        Party of each own source by name, where it is not this node's.
    """

    party: str
    levels: Mapping[str, str]
    originators: Mapping[str, str]
    purpose: str
    ties: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    partner_levels: dict[str, str] = field(default_factory=dict)


def of_tracks(tracks: pa.Table, holdings: Holdings) -> pa.Table:
    """ITEMS of TRACKS rows, in the same order.

    A track that rests on a partner alone has that partner as originator; one that both hold has this node as
    originator and the partner's ties.
    """
    count = tracks.num_rows
    ids = tracks["track_id"].to_pylist()
    flags = np.asarray(pc.fill_null(tracks["flags"], 0))
    partners = tracks["partner"].to_pylist()
    references = tracks["partner_track"].to_pylist()
    sources = tracks["sources"].to_pylist()
    sensors = tracks["sensors"].to_pylist()
    originators, levels, held = [], [], []
    for partner, reference, own_sources, own_sensors in zip(partners, references, sources, sensors, strict=True):
        # a Python loop over rows: each is a few dictionary look-ups, a thousand rows a second
        seen_by_own = bool(set(own_sensors or ()) - {"partner"})
        parties = {holdings.originators.get(s, holdings.party) for s in own_sources or () if s in holdings.levels}
        if partner and not seen_by_own:
            originators.append(partner)
        else:
            originators.append(next(iter(parties)) if len(parties) == 1 else holdings.party)
        ranks = [LEVELS.index(holdings.levels[s]) for s in own_sources or () if s in holdings.levels]
        if partner:
            ranks.append(LEVELS.index(holdings.partner_levels.get(partner, "R")))
        levels.append(LEVELS[max(ranks, default=1)])
        tie = holdings.ties.get((partner, reference), frozenset()) if partner else frozenset()
        held.append(sorted(tie))
    dark = (flags & FLAG_DARK) > 0
    return ITEMS.build(
        {
            "item_id": [f"track:{i}" for i in ids],
            "kind": ["information"] * count,
            "subject": np.where(dark, "dark_vessel", "vessel").tolist(),
            "originator": originators,
            "level": levels,
            "purpose": [holdings.purpose] * count,
            "observed_at": tracks["observed_at"],
            "lat_deg": tracks["lat_deg"],
            "lon_deg": tracks["lon_deg"],
            "sensors": tracks["sensors"],
            "held_under": held,
            "releasable_to": [None] * count,
            "caveats": [[]] * count,
            "exercise": tracks["exercise"],
        },
        rows=count,
    )


def of_alerts(alerts: pa.Table, track_items: Mapping[int, Mapping[str, Any]], holdings: Holdings) -> pa.Table:
    """ITEMS of ALERTS rows: an alert has the highest level and all ties of the tracks it is about.

    Parameters
    ----------
    track_items
        ITEMS row of each live track by its number; a track no longer live counts as own, level R.
    """
    rows = []
    for alert in alerts.select(["alert_id", "track_ids", "start_at", "lat_deg", "lon_deg", "exercise"]).to_pylist():
        about = [track_items[t] for t in alert["track_ids"] if t in track_items]
        originators = {str(item["originator"]) for item in about}
        ranks = [LEVELS.index(str(item["level"])) for item in about]
        ties: set[str] = set()
        for item in about:
            ties.update(item["held_under"] or ())
        rows.append(
            {
                "item_id": f"alert:{alert['alert_id']}",
                "kind": "information",
                "subject": "alert",
                "originator": originators.pop() if len(originators) == 1 else holdings.party,
                "level": LEVELS[max(ranks, default=1)],
                "purpose": holdings.purpose,
                "observed_at": alert["start_at"],
                "lat_deg": alert["lat_deg"],
                "lon_deg": alert["lon_deg"],
                "sensors": sorted({s for item in about for s in (item["sensors"] or ())}),
                "held_under": sorted(ties),
                "releasable_to": None,
                "caveats": [],
                "exercise": alert["exercise"],
            }
        )
    return ITEMS.from_rows(rows)
