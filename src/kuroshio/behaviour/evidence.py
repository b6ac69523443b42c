"""What is said of a fact: its id, the sentence, the severity and the evidence as JSON.

The evidence holds every threshold with the value it was held against and the margin, the geometry, the inputs by track
and time, what else was tested, what would have cancelled it and the versions it rests on. It says nothing of when this
node knew: the same rows give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kuroshio import clock
from kuroshio.behaviour.definition import Definition, fill
from kuroshio.behaviour.state import Fact
from kuroshio.geo.zones import Zones


def alert_id(definition: Definition, fact: Fact) -> str:
    """Stable id: definition, version, tracks, zone and the start of the fact, hashed (SHA-256, 20 hex digits)."""
    key = [definition.id, definition.version, list(fact.tracks), fact.zone, fact.start_us]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]


def sentence_values(fact: Fact) -> dict[str, Any]:
    """Values a summary may name: those of the fact, and durations and speeds in the units of the watch."""
    values = dict(fact.values)
    for name, value in fact.values.items():
        if isinstance(value, int | float):
            if name.endswith("_s"):
                values[f"{name[:-2]}_min"], values[f"{name[:-2]}_h"] = value / 60, value / 3600
            elif name.endswith("_mps"):
                values[f"{name[:-4]}_kn"] = value / 1852.0 * 3600.0
            elif name.endswith("_m"):
                values[f"{name[:-2]}_nm"] = value / 1852.0
    values["zone"] = fact.zone
    return values


def summary(definition: Definition, fact: Fact) -> str:
    """One sentence with the reason, ending with who."""
    who = " and ".join(str(m) for m in fact.mmsis) or " and ".join(f"track {t}" for t in fact.tracks)
    text = fill(definition.summary, sentence_values(fact))
    return f"{text} ({who})"


def _threshold(definition: Definition, name: str, fact: Fact) -> dict[str, Any]:
    t = definition.thresholds[name]
    value = list(t.value) if isinstance(t.value, tuple) else t.value
    row: dict[str, Any] = {"name": name, "value": value, "unit": t.unit, "meaning": t.meaning, "source": t.source}
    measured = fact.values.get(t.measured) if t.measured else None
    if isinstance(measured, int | float) and isinstance(t.value, int | float):
        margin = measured - t.value if t.sense == "at least" else t.value - measured
        row |= {"measured": measured, "sense": t.sense, "margin": margin}
    return row


def evidence(definition: Definition, fact: Fact, zones: Zones | None) -> dict[str, Any]:
    """Evidence of a fact as a plain dict; see the module."""
    return {
        "definition": {
            "id": definition.id,
            "version": definition.version,
            "title": definition.title,
            "sentence": definition.prose(),
        },
        "thresholds": [_threshold(definition, name, fact) for name in definition.thresholds],
        "values": dict(fact.values),
        "geometry": [
            {"label": label, "at": clock.rfc3339(t), "lat_deg": lat, "lon_deg": lon}
            for label, t, lat, lon in fact.points
            if lat == lat
        ],
        "inputs": [
            {
                "track_id": track,
                "mmsi": fact.mmsis[i] if i < len(fact.mmsis) and len(fact.mmsis) == len(fact.tracks) else None,
                "from": clock.rfc3339(fact.start_us),
                "to": clock.rfc3339(fact.end_us if fact.end_us is not None else fact.met_us),
            }
            for i, track in enumerate(fact.tracks)
        ],
        "rows": fact.rows,
        "met_at": clock.rfc3339(fact.met_us),
        "ended_because": fact.cause,
        "notes": list(fact.notes),
        "alternatives": list(definition.known_false_positives),
        "cancelled_by": definition.cancelled_by,
        "limits": definition.limits,
        "zones_digest": zones.digest if zones is not None and fact.zone else None,
    }


def as_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same value gives the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
