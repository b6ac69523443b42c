"""User rules: which alerts a watch wants raised, composed from behaviours, areas, flags, types, numbers and hours.

What enters: YAML files. What leaves: `Rules`, which take ALERTS rows and give those a rule raises, at the severity it
asks for. A rule without a bound (a zone, a number, a flag or a ship type) is refused: one saved without criteria floods
a watch. `dry_run` counts what a rule would have raised over an archive before it is switched on; a rule in shadow is
counted and raises nothing. A silence is for a time of behaviour, not of the clock on the wall.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from kuroshio import clock, schema
from kuroshio.behaviour.definition import SEVERITIES, Definitions
from kuroshio.errors import ConfigError
from kuroshio.geo.zones import Zones

MAX_RULES = 1000
MAX_FILE_BYTES = 1 << 20
_KEYS = {"id", "title", "behaviours", "zones", "zone_kinds", "flags", "mmsi", "not_mmsi", "hours_utc", "severity"}
_KEYS |= {"shadow", "max_per_day", "silent_until", "grades"}
_BOUNDS = ("zones", "zone_kinds", "flags", "mmsi")
VERDICTS = ("true", "false", "duplicate")


@dataclass(frozen=True)
class Rule:
    """One rule; empty means any.

    ``flags`` are maritime identification digits (first three of the MMSI); ``hours_utc`` a pair, which may run over
    midnight; ``max_per_day`` the budget beyond which it raises nothing more that UTC day; ``silent_until_us`` silences
    behaviour that began before it.
    """

    id: str
    title: str
    behaviours: tuple[str, ...]
    zones: tuple[str, ...] = ()
    zone_kinds: tuple[str, ...] = ()
    flags: tuple[int, ...] = ()
    mmsi: tuple[int, ...] = ()
    not_mmsi: tuple[int, ...] = ()
    hours_utc: tuple[int, int] | None = None
    severity: str | None = None
    grades: tuple[str, ...] = ()
    shadow: bool = False
    max_per_day: int = 100
    silent_until_us: int | None = None


@dataclass(frozen=True)
class DryRun:
    """What a rule would have done: alerts by day and behaviour, and how many its budget would have kept back."""

    rule: str
    raised: int
    over_budget: int
    by_day: Mapping[str, int]
    by_behaviour: Mapping[str, int]


class Rules:
    """Rules over one set of definitions and zones; `health` counts what each raised, shadowed and kept back."""

    def __init__(self, rules: Sequence[Rule], definitions: Definitions, zones: Zones | None = None) -> None:
        if len(rules) > MAX_RULES:
            raise ConfigError(f"{len(rules)} rules, limit {MAX_RULES}", code="behaviour.limit")
        self.rules, self.zones = tuple(rules), zones
        self.counts: Counter[str] = Counter()
        self._day: Counter[tuple[str, int]] = Counter()
        known = {z.name for z in zones.zones} | {z.zone_id for z in zones.zones} if zones is not None else set()
        for rule in rules:
            missing = [b for b in rule.behaviours if b not in definitions]
            if missing:
                raise ConfigError(f"rule {rule.id}: no behaviour {missing[0]!r}", code="behaviour.rule")
            lost = [z for z in rule.zones if z not in known]
            if lost:
                raise ConfigError(f"rule {rule.id}: no zone {lost[0]!r} is loaded", code="behaviour.rule")

    def apply(self, alerts: pa.Table) -> pa.Table:
        """Rows that a rule raises, with its id in front of the summary and its severity, in the order given."""
        raised: list[dict[str, Any]] = []
        for row in alerts.to_pylist():  # alerts are few
            for rule in self.rules:
                if not self._holds(rule, row):
                    continue
                if rule.shadow:
                    self.counts[f"{rule.id}.shadow"] += 1
                    continue
                day = (rule.id, _micros(row["start_at"]) // 86_400_000_000)
                if row["change"] == "open":
                    self._day[day] += 1
                    if self._day[day] > rule.max_per_day:
                        self.counts[f"{rule.id}.over_budget"] += 1
                        continue
                self.counts[f"{rule.id}.raised"] += 1
                text = f"{rule.title}: {row['summary']}"
                raised.append(row | {"summary": text, "severity": rule.severity or row["severity"]})
                break
        return schema.ALERTS.from_rows(raised)

    def dry_run(self, alerts: pa.Table) -> list[DryRun]:
        """For each rule, shadow or not, what it would have raised of an archive's alerts."""
        rows = alerts.to_pylist()
        result = []
        for rule in self.rules:
            mine = [row for row in rows if self._holds(rule, row)]
            days = Counter(str(row["start_at"].date()) for row in mine)
            over = sum(max(0, n - rule.max_per_day) for n in days.values())
            kinds = Counter(str(row["definition"]) for row in mine)
            result.append(DryRun(rule.id, len(mine), over, dict(sorted(days.items())), dict(sorted(kinds.items()))))
        return result

    def _holds(self, rule: Rule, row: Mapping[str, Any]) -> bool:
        if row["definition"] not in rule.behaviours or (rule.grades and row["grade"] not in rule.grades):
            return False
        numbers = row["mmsis"] or []
        if rule.mmsi and not set(numbers) & set(rule.mmsi):
            return False
        if rule.not_mmsi and numbers and set(numbers) <= set(rule.not_mmsi):
            return False
        if rule.flags and not any(n // 1_000_000 in rule.flags for n in numbers):
            return False
        if rule.silent_until_us is not None and _micros(row["start_at"]) < rule.silent_until_us:
            return False
        if rule.hours_utc is not None:
            first, last = rule.hours_utc
            hour = row["start_at"].hour
            inside = first <= hour < last if first < last else hour >= first or hour < last
            if not inside:
                return False
        return not (rule.zones or rule.zone_kinds) or self._in_zone(rule, row)

    def _in_zone(self, rule: Rule, row: Mapping[str, Any]) -> bool:
        if self.zones is None or row["lat_deg"] is None:
            return False
        here = self.zones.at(row["lat_deg"], row["lon_deg"])
        at = _micros(row["start_at"])
        return any(
            (z.name in rule.zones or z.zone_id in rule.zones or z.kind in rule.zone_kinds)
            and z.valid_from_us <= at < z.valid_to_us
            for z in here
        )


def _micros(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1e6)


def precision(
    rule_of: Mapping[str, str], verdicts: Iterable[tuple[str, str]]
) -> dict[str, dict[str, float | int | None]]:
    """Verdicts counted a rule: true, false, duplicate, and the share that was true.

    Parameters
    ----------
    rule_of
        Alert id -> rule (or behaviour) that raised it.
    verdicts
        (alert id, verdict) in the order given; the last on an alert counts.
    """
    last = {alert: word for alert, word in verdicts if word in VERDICTS and alert in rule_of}
    tally: dict[str, Counter[str]] = {}
    for alert, word in last.items():
        tally.setdefault(rule_of[alert], Counter())[word] += 1
    return {
        rule: {
            **{word: n[word] for word in VERDICTS},
            "precision": n["true"] / (n["true"] + n["false"]) if n["true"] + n["false"] else None,
        }
        for rule, n in sorted(tally.items())
    }


def load_rules(path: str | Path) -> list[Rule]:
    """Rules of a YAML file: a list under ``rules``.

    Raises
    ------
    ConfigError
        Naming file, rule and key: unknown key, value of the wrong form, or a rule without bounds.
    """
    file = Path(path)
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{file}: larger than {MAX_FILE_BYTES} bytes", code="behaviour.limit")
        raw = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as err:
        raise ConfigError(f"{file}: cannot be read: {err}", code="behaviour.file") from err
    if not isinstance(raw, dict) or set(raw) != {"rules"} or not isinstance(raw["rules"], list):
        raise ConfigError(f"{file}: a list under the key 'rules' is expected", code="behaviour.file")
    rules = [_rule(item, f"{file}: rule {n}") for n, item in enumerate(raw["rules"])]
    names = Counter(r.id for r in rules)
    twice = [name for name, n in names.items() if n > 1]
    if twice:
        raise ConfigError(f"{file}: rule {twice[0]!r} is there twice", code="behaviour.rule")
    return rules


def _rule(raw: Any, place: str) -> Rule:
    if not isinstance(raw, dict):
        raise ConfigError(f"{place}: not a table of keys", code="behaviour.rule")
    unknown = sorted(set(raw) - _KEYS)
    if unknown:
        raise ConfigError(
            f"{place}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}", code="behaviour.key"
        )
    name = raw.get("id")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{place}: key 'id' is missing", code="behaviour.key")
    place = f"{place} ({name})"
    texts = {k: _list(raw, k, str, place) for k in ("behaviours", "zones", "zone_kinds", "grades")}
    numbers = {k: _list(raw, k, int, place) for k in ("flags", "mmsi", "not_mmsi")}
    if not texts["behaviours"]:
        raise ConfigError(f"{place}: names no behaviour", code="behaviour.unbounded")
    if not any(raw.get(b) for b in _BOUNDS):
        raise ConfigError(
            f"{place}: has no bound",
            code="behaviour.unbounded",
            advice=f"Give at least one of {', '.join(_BOUNDS)}.",
        )
    severity = raw.get("severity")
    if severity is not None and severity not in SEVERITIES:
        raise ConfigError(f"{place}: severity {severity!r} is none of {', '.join(SEVERITIES)}", code="behaviour.value")
    hours = raw.get("hours_utc")
    if hours is not None and not (
        isinstance(hours, list) and len(hours) == 2 and all(isinstance(h, int) and 0 <= h <= 24 for h in hours)
    ):
        raise ConfigError(f"{place}: hours_utc {hours!r} is not two hours from 0 to 24", code="behaviour.value")
    budget, shadow = raw.get("max_per_day", 100), raw.get("shadow", False)
    if not isinstance(budget, int) or not 1 <= budget <= 10_000:
        raise ConfigError(f"{place}: max_per_day {budget!r} is not within 1 to 10,000", code="behaviour.value")
    if not isinstance(shadow, bool):
        raise ConfigError(f"{place}: shadow {shadow!r} is not true or false", code="behaviour.value")
    rule = Rule(id=name, title=str(raw.get("title", name)), behaviours=texts["behaviours"], severity=severity)
    silent = raw.get("silent_until")
    return replace(
        rule,
        zones=texts["zones"],
        zone_kinds=texts["zone_kinds"],
        grades=texts["grades"],
        flags=numbers["flags"],
        mmsi=numbers["mmsi"],
        not_mmsi=numbers["not_mmsi"],
        hours_utc=(hours[0], hours[1]) if hours is not None else None,
        shadow=shadow,
        max_per_day=budget,
        silent_until_us=clock.parse_rfc3339(str(silent)) if silent is not None else None,
    )


def _list(raw: Mapping[str, Any], key: str, kind: type, place: str) -> tuple[Any, ...]:
    value = raw.get(key, [])
    value = value if isinstance(value, list) else [value]
    if not all(isinstance(v, kind) and not isinstance(v, bool) for v in value):
        raise ConfigError(f"{place}: {key} {value!r} is not a list of {kind.__name__}", code="behaviour.value")
    return tuple(value)
