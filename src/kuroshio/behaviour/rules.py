"""User rules: which alerts a watch wants raised, composed from behaviours, areas, flags, types, numbers and hours.

What enters: YAML files, or what the API was sent. What leaves: `Rule`, checked. A rule without a bound (a zone, a
number, a flag or a ship type) is refused: one saved without criteria floods a watch. `ruling` raises alerts by rules,
`rulebook` says which of them are on at a time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from kuroshio import clock
from kuroshio.behaviour.definition import SEVERITIES, Definitions
from kuroshio.errors import ConfigError, InputError
from kuroshio.geo.zones import Zones

MAX_RULES = 1000
MAX_FILE_BYTES = 1 << 20
MAX_LIST = 10_000  # numbers, zones ... of one key
PREFIX = "rule."  # of the definition that the alerts of a rule name
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KEYS = {"id", "title", "behaviours", "zones", "zone_kinds", "flags", "mmsi", "not_mmsi", "hours_utc", "severity"}
_KEYS |= {"shadow", "max_per_day", "silent_until", "grades", "ship_types"}
_BOUNDS = ("zones", "zone_kinds", "flags", "mmsi", "ship_types")
_GRADES = ("provisional", "confirmed", "final")
VERDICTS = ("true", "false", "duplicate")


@dataclass(frozen=True)
class Rule:
    """One rule; empty means any.

    ``flags`` are maritime identification digits (first three of the MMSI); ``ship_types`` numbers of ITU-R M.1371,
    where one digit stands for its ten (7: 70 to 79); ``hours_utc`` a pair, which may run over midnight; ``max_per_day``
    the budget beyond which it raises nothing more that UTC day; ``silent_until_us`` silences behaviour that began
    before it.
    """

    id: str
    title: str
    behaviours: tuple[str, ...]
    zones: tuple[str, ...] = ()
    zone_kinds: tuple[str, ...] = ()
    flags: tuple[int, ...] = ()
    mmsi: tuple[int, ...] = ()
    not_mmsi: tuple[int, ...] = ()
    ship_types: tuple[int, ...] = ()
    hours_utc: tuple[int, int] | None = None
    severity: str | None = None
    grades: tuple[str, ...] = ()
    shadow: bool = False
    max_per_day: int = 100
    silent_until_us: int | None = None

    @property
    def definition(self) -> str:
        """What its alerts name as their definition."""
        return PREFIX + self.id

    @cached_property
    def version(self) -> str:
        """Eight hex digits over what it asks for; shadow and silence are states of a rule, and no part of them."""
        asked = {k: v for k, v in self.plain().items() if k not in ("shadow", "silent_until")}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]

    def plain(self) -> dict[str, Any]:
        """As it is written in a file; what says nothing is left out."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        until = found.pop("silent_until_us")
        found = {k: list(v) if isinstance(v, tuple) else v for k, v in found.items() if v not in ((), None, False)}
        return found | ({} if until is None else {"silent_until": clock.rfc3339(until)})

    def sentence(self) -> str:
        """What it asks for, in words."""
        hours = "" if self.hours_utc is None else f"begun from {self.hours_utc[0]} to {self.hours_utc[1]} h UTC"
        parts = [
            f"Alerts of {', '.join(self.behaviours)}",
            _said("in", (*self.zones, *(f"any {kind}" for kind in self.zone_kinds))),
            _said("of ships of flag", self.flags),
            _said("of ships of type", self.ship_types),
            _said("of", self.mmsi),
            _said("not of", self.not_mmsi),
            hours,
            _said("once", self.grades),
            f"at most {self.max_per_day} a day",
        ]
        return ", ".join(part for part in parts if part) + "."


def _said(word: str, values: tuple[Any, ...]) -> str:
    some = ", ".join(map(str, values[:20])) + (f" and {len(values) - 20} more" if len(values) > 20 else "")
    return f"{word} {some}" if values else ""


def check_rule(rule: Rule, definitions: Definitions, zones: Zones | None) -> None:
    """Refuse a rule that names what is not there.

    Raises
    ------
    ConfigError
        When a behaviour is unknown or switched off, or a zone or a kind of zones is not loaded.
    """
    on = {d.id for d in definitions.enabled}
    for name in rule.behaviours:
        if name not in on:
            why = "is switched off" if name in definitions else "there is none"
            raise ConfigError(f"rule {rule.id}: no behaviour {name!r}: {why}", code="behaviour.rule")
    there = zones.zones if zones is not None else ()
    known, kinds = {z.name for z in there} | {z.zone_id for z in there}, {z.kind for z in there}
    for wanted, have, what in ((rule.zones, known, "zone"), (rule.zone_kinds, kinds, "zone of kind")):
        lost = [name for name in wanted if name not in have]
        if lost:
            raise ConfigError(f"rule {rule.id}: no {what} {lost[0]!r} is loaded", code="behaviour.rule")


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
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as err:
        raise ConfigError(f"{file}: cannot be read: {err}", code="behaviour.file") from err
    if not isinstance(raw, dict) or set(raw) != {"rules"} or not isinstance(raw["rules"], list):
        raise ConfigError(f"{file}: a list under the key 'rules' is expected", code="behaviour.file")
    if len(raw["rules"]) > MAX_RULES:
        raise ConfigError(f"{file}: {len(raw['rules'])} rules, limit {MAX_RULES}", code="behaviour.limit")
    rules = [parse_rule(item, f"{file}: rule {n}") for n, item in enumerate(raw["rules"])]
    names = Counter(r.id for r in rules)
    twice = [name for name, n in names.items() if n > 1]
    if twice:
        raise ConfigError(f"{file}: rule {twice[0]!r} is there twice", code="behaviour.rule")
    return rules


def parse_rule(raw: Any, place: str) -> Rule:
    """Rule of a table of keys; ``place`` says where it stands.

    Raises
    ------
    ConfigError
        Naming place and key: unknown key, value of the wrong form, or a rule without bounds.
    """
    if not isinstance(raw, dict):
        raise ConfigError(f"{place}: not a table of keys", code="behaviour.rule")
    unknown = sorted(set(map(str, raw)) - _KEYS)
    if unknown:
        raise ConfigError(
            f"{place}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}", code="behaviour.key"
        )
    name = raw.get("id")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{place}: key 'id' is missing", code="behaviour.key")
    place = f"{place} ({name[:80]})"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{place}: id is not up to 64 letters, digits, '_', '.' and '-'", code="behaviour.value")
    texts: dict[str, Any] = {k: _list(raw, k, str, place) for k in ("behaviours", "zones", "zone_kinds", "grades")}
    numbers: dict[str, Any] = {k: _list(raw, k, int, place) for k in ("flags", "mmsi", "not_mmsi", "ship_types")}
    if not texts["behaviours"]:
        raise ConfigError(f"{place}: names no behaviour", code="behaviour.unbounded")
    if not any(raw.get(b) for b in _BOUNDS):
        raise ConfigError(
            f"{place}: has no bound",
            code="behaviour.unbounded",
            advice=f"Give at least one of {', '.join(_BOUNDS)}.",
        )
    wrong = [g for g in texts["grades"] if g not in _GRADES]
    if wrong:
        raise ConfigError(f"{place}: grade {wrong[0]!r} is none of {', '.join(_GRADES)}", code="behaviour.value")
    silent, title = raw.get("silent_until"), raw.get("title", name)
    if not isinstance(title, str) or len(title) > 200:
        raise ConfigError(f"{place}: title is not text of up to 200 characters", code="behaviour.value")
    return Rule(
        id=name,
        title=title,
        **texts,
        **numbers,
        **_settings(raw, place),
        silent_until_us=_time(silent, place) if silent is not None else None,
    )


def _settings(raw: Mapping[str, Any], place: str) -> dict[str, Any]:
    severity = raw.get("severity")
    if severity is not None and severity not in SEVERITIES:
        raise ConfigError(f"{place}: severity {severity!r} is none of {', '.join(SEVERITIES)}", code="behaviour.value")
    hours = raw.get("hours_utc")
    if hours is not None and not (
        isinstance(hours, list) and len(hours) == 2 and all(type(h) is int and 0 <= h <= 24 for h in hours)
    ):
        raise ConfigError(f"{place}: hours_utc {hours!r} is not two hours from 0 to 24", code="behaviour.value")
    budget, shadow = raw.get("max_per_day", 100), raw.get("shadow", False)
    if type(budget) is not int or not 1 <= budget <= 10_000:
        raise ConfigError(f"{place}: max_per_day {budget!r} is not within 1 to 10,000", code="behaviour.value")
    if not isinstance(shadow, bool):
        raise ConfigError(f"{place}: shadow {shadow!r} is not true or false", code="behaviour.value")
    when = (hours[0], hours[1]) if hours is not None else None
    return {"severity": severity, "hours_utc": when, "max_per_day": budget, "shadow": shadow}


def _time(value: Any, place: str) -> int:
    try:
        return clock.parse_rfc3339(str(value))
    except (InputError, OverflowError) as err:
        raise ConfigError(f"{place}: silent_until {value!r} is no RFC 3339 time", code="behaviour.value") from err


def _list(raw: Mapping[str, Any], key: str, kind: type, place: str) -> tuple[Any, ...]:
    value = raw.get(key, [])
    value = value if isinstance(value, list) else [value]
    if not all(isinstance(v, kind) and not isinstance(v, bool) for v in value):
        raise ConfigError(f"{place}: {key} {value!r} is not a list of {kind.__name__}", code="behaviour.value")
    if len(value) > MAX_LIST:
        raise ConfigError(f"{place}: {len(value)} {key}, limit {MAX_LIST}", code="behaviour.limit")
    return tuple(value)
