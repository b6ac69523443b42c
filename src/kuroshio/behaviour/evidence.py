"""What is said of a fact: its id, the sentence, the severity and the evidence as JSON.

The evidence holds every threshold with the value it was held against and the margin, the geometry, the inputs by track
and time, what else was tested, what would have cancelled it and the versions it rests on. It says nothing of when this
node knew: the same rows give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, NamedTuple

from kuroshio import clock
from kuroshio.behaviour.definition import Definition, Threshold, fill
from kuroshio.behaviour.state import Fact
from kuroshio.geo.zones import Zones


def alert_id(definition: Definition, fact: Fact) -> str:
    """Stable id: definition, version, tracks, zone and the start of the fact, hashed (SHA-256, 20 hex digits)."""
    return _hashed(definition.id, definition.version, fact.tracks, fact.zone, fact.start_us)


@lru_cache(16_384)  # a fact is found again as often as it goes on, and in each repair
def _hashed(name: str, version: str, tracks: tuple[int, ...], zone: str | None, start_us: int) -> str:
    key = json.dumps([name, version, list(tracks), zone, start_us])
    return hashlib.sha256(key.encode()).hexdigest()[:20]


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
    numbers = dict.fromkeys(fact.mmsis)  # two tracks may claim one
    who = " and ".join(map(str, numbers)) or " and ".join(f"track {t}" for t in fact.tracks)
    text = fill(definition.summary, sentence_values(fact))
    return f"{text} ({who})" if who else text


class Writer:
    """Evidence of the facts of one definition as JSON text with sorted keys; what all share is written once."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        plain = {
            "id": definition.id,
            "version": definition.version,
            "title": definition.title,
            "sentence": definition.prose(),
        }
        self._head = (
            f'{{"alternatives":{as_json(definition.known_false_positives)},'
            f'"cancelled_by":{as_json(definition.cancelled_by)},"definition":{as_json(plain)}'
        )
        self._limits = as_json(definition.limits)
        self._thresholds = [_rest(t) for t in definition.thresholds.values()]

    def text(self, fact: Fact, zones: Zones | None, void_because: str | None = None) -> str:
        """JSON of the evidence; see the module. Equal facts give equal bytes."""
        thresholds = ",".join(self._threshold(t, rest, fact) for t, rest in self._thresholds)
        digest = zones.digest if zones is not None and fact.zone else None
        parts = [
            self._head,
            f'"ended_because":{as_json(fact.cause)}',
            f'"geometry":[{_geometry(fact)}]',
            f'"inputs":[{_inputs(fact)}]',
            f'"limits":{self._limits}',
            f'"met_at":"{clock.rfc3339(fact.met_us)}"',
            f'"notes":[{",".join(map(as_json, fact.notes))}]',
            f'"rows":{fact.rows}',
            f'"thresholds":[{thresholds}]',
            f'"values":{{{_values(fact)}}}',
        ]
        if void_because is not None:
            parts.append(f'"void_because":{as_json(void_because)}')
        return ",".join([*parts, f'"zones_digest":{as_json(digest)}}}'])

    def _threshold(self, t: Threshold, rest: _Texts, fact: Fact) -> str:
        measured = fact.values.get(t.measured) if t.measured else None
        if not isinstance(measured, int | float) or not isinstance(t.value, int | float):
            return rest.alone
        margin = measured - t.value if t.sense == "at least" else t.value - measured
        return f'{{"margin":{as_json(margin)},{rest.before}"measured":{as_json(measured)},{rest.after}'


class _Texts(NamedTuple):
    """What is said of a threshold whatever it is held against: alone, and before and after what was measured."""

    alone: str
    before: str
    after: str


def _rest(t: Threshold) -> tuple[Threshold, _Texts]:
    value = list(t.value) if isinstance(t.value, tuple) else t.value
    meaning, name = f'"meaning":{as_json(t.meaning)},', f'"name":{as_json(t.name)}'
    end = f'"source":{as_json(t.source)},"unit":{as_json(t.unit)},"value":{as_json(value)}}}'
    return t, _Texts(f"{{{meaning}{name},{end}", meaning, f'{name},"sense":{as_json(t.sense)},{end}')


def _geometry(fact: Fact) -> str:
    return ",".join(
        f'{{"at":"{clock.rfc3339(t)}","label":{as_json(label)},"lat_deg":{as_json(lat)},"lon_deg":{as_json(lon)}}}'
        for label, t, lat, lon in fact.points
        if lat == lat
    )


def _inputs(fact: Fact) -> str:
    begin = clock.rfc3339(fact.start_us)
    end = clock.rfc3339(fact.end_us if fact.end_us is not None else fact.met_us)
    mmsis = fact.mmsis if len(fact.mmsis) == len(fact.tracks) else (None,) * len(fact.tracks)
    return ",".join(
        f'{{"from":"{begin}","mmsi":{as_json(mmsi)},"to":"{end}","track_id":{as_json(track)}}}'
        for track, mmsi in zip(fact.tracks, mmsis, strict=True)
    )


def _values(fact: Fact) -> str:
    return ",".join(f"{as_json(name)}:{as_json(value)}" for name, value in sorted(fact.values.items()))


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def as_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same value gives the same bytes."""
    kind = type(value)
    if kind is int or (kind is float and isfinite(value)):
        return repr(value)  # as the encoder writes it, which makes a new one of itself for each value
    if kind is str:
        return encode_basestring(value)
    return "null" if value is None else _ENCODER.encode(value)
