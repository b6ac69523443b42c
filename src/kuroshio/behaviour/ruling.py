"""Alerts that rules raise of the alerts that definitions make: a pure step over the changes of the ledger.

What enters: ALERTS rows of the ledger in their order, and a `RuleBook`. What leaves: ALERTS rows of the rules, with
``rule.`` and the id as their definition, and a `Hit` for each alert that a rule met, whether it raised one or not. Of
one rule, tracks and zone alerts that overlap in time are one; a rule's alert is extended, closed, revised and voided as
those it rests on. Which alerts they are follows from the last rows of the ledger alone, not from the order they came
in; only a budget is spent in that order. A silence is over behaviour that began before a time, whatever the clock says.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kuroshio import clock
from kuroshio.behaviour.definition import SEVERITIES
from kuroshio.behaviour.evidence import as_json
from kuroshio.behaviour.fixes import DAY_US
from kuroshio.behaviour.rulebook import Key, RuleBook, Span
from kuroshio.behaviour.rules import PREFIX, Rule
from kuroshio.geo.zones import Zones

Row = dict[str, Any]
Outcome = Literal["raised", "joined", "over_budget", "silenced"]
MAX_BASES = 20_000  # alerts remembered that a rule met: later ones may overlap them
MAX_HITS = 100_000
_GRADES = ("provisional", "confirmed", "final")
_Group = tuple[str, str, Key]  # rule, version, whom and where


@dataclass(frozen=True)
class Hit:
    """An alert that a rule met, and what became of it: an alert of the rule raised or joined, or none."""

    rule_id: str
    version: str
    alert_id: str
    shadow: bool
    outcome: Outcome
    tracks: tuple[int, ...]
    zone: str | None
    start_us: int
    known_us: int


@dataclass
class _Base:
    row: Row
    known_us: int
    spans: list[Span]
    at: dict[str, _Group] = field(default_factory=dict)


class Ruling:
    """Rules at work; `health` counts what each raised, joined, kept back and silenced.

    Parameters
    ----------
    book
        Which rules judge when; entries may be added between steps.
    zones
        Areas that rules name.
    """

    def __init__(self, book: RuleBook, zones: Zones | None = None) -> None:
        self.book, self.zones = book, zones
        self.types: dict[int, int] = {}  # ship type by MMSI, as last told
        self.hits: dict[tuple[str, str, str], Hit] = {}
        self.counts: Counter[str] = Counter()
        self._bases: dict[str, _Base] = {}
        self._members: dict[_Group, set[str]] = {}
        self._raised: dict[_Group, dict[str, Row]] = {}
        self._days: Counter[tuple[str, str, int]] = Counter()

    def step(self, rows: Iterable[Row], first_known: Callable[[str], int] | None = None) -> tuple[list[Row], list[Hit]]:
        """(ALERTS rows of rules, new hits) of ledger rows in their order.

        ``first_known`` tells since when an alert is known whose opening is not among the rows; without it, since now.
        """
        out: list[Row] = []
        hits: list[Hit] = []
        for row in rows:  # alerts are few
            if str(row["definition"]) not in self.book.behaviours or str(row["definition"]).startswith(PREFIX):
                continue
            base = self._base(row, first_known)
            for span in base.spans:
                self._judge(span, base, out, hits)
            over = row["grade"] == "final" or row["change"] == "void"
            if not base.at and (over or not base.spans):
                self._bases.pop(str(row["alert_id"]), None)
        return out, hits

    def restore(self, hits: Iterable[Hit], rows: Mapping[str, Row], known: Callable[[str], int]) -> list[str]:
        """Take up hits of the past and the last rows of their alerts; the ids of the rules' alerts that stand.

        Rows of those go to `stand`.
        """
        for hit in hits:
            self._note(hit)
            row = rows.get(hit.alert_id)
            if row is None or hit.outcome not in ("raised", "joined"):
                continue
            base = self._base(row, known)
            rule = next((s.rule for s in base.spans if _is_of(s, hit)), None)
            key = None if rule is None or row["change"] == "void" else self._key(rule, row, known=True)
            if key is not None:
                group = (hit.rule_id, hit.version, key)
                base.at[hit.rule_id] = group
                self._members.setdefault(group, set()).add(hit.alert_id)
        return [self._id(group, part) for group in self._members for part in self._parts(group)]

    def stand(self, rows: Mapping[str, Row]) -> None:
        """The rules' own alerts that stand, by id, after `restore`."""
        for group in self._members:
            ids = [self._id(group, part) for part in self._parts(group)]
            self._raised[group] = {name: rows[name] for name in ids if name in rows}

    # -- one alert and one rule

    def _base(self, row: Row, first_known: Callable[[str], int] | None) -> _Base:
        name = str(row["alert_id"])
        base = self._bases.get(name)
        if base is not None:
            base.row = row
            return base
        known_us = micros(row["known_at"])
        if row["change"] != "open" and first_known is not None:
            known_us = first_known(name)
        if len(self._bases) >= MAX_BASES:
            self._prune()
        base = _Base(row, known_us, self.book.judging(str(row["definition"]), known_us))
        self._bases[name] = base
        return base

    def _judge(self, span: Span, base: _Base, out: list[Row], hits: list[Hit]) -> None:
        rule, row = span.rule, base.row
        name = str(row["alert_id"])
        hit = self.hits.get((rule.id, rule.version, name))
        key = None if row["change"] == "void" else self._key(rule, row, known=hit is not None)
        if hit is None:
            if key is None:
                return
            hit = self._first(span, base, key)
            self._note(hit)
            hits.append(hit)
        if hit.outcome not in ("raised", "joined"):
            return
        now = None if key is None else (rule.id, rule.version, key)
        before = base.at.get(rule.id)
        for group in {g for g in (before, now) if g is not None}:
            members = self._members.setdefault(group, set())
            members.discard(name) if group != now else members.add(name)
        if now is None:
            base.at.pop(rule.id, None)
        else:
            base.at[rule.id] = now
        for group in sorted({g for g in (before, now) if g is not None}, key=str):
            self._regroup(span, group, row["known_at"], out)

    def _first(self, span: Span, base: _Base, key: Key) -> Hit:
        """What becomes of an alert when a rule first meets it."""
        rule, start_us = span.rule, micros(base.row["start_at"])
        group = (rule.id, rule.version, key)
        outcome: Outcome = "raised"
        if start_us < self.book.silent_until_us(rule, key, base.known_us):
            outcome = "silenced"
        elif any(_overlap(base.row, row) for row in self._rows(group)):
            outcome = "joined"
        elif self._days[rule.id, rule.version, start_us // DAY_US] >= rule.max_per_day:
            outcome = "over_budget"
        known_us = micros(base.row["known_at"])
        return Hit(rule.id, rule.version, str(base.row["alert_id"]), span.shadow, outcome, *key, start_us, known_us)

    def _note(self, hit: Hit) -> None:
        if len(self.hits) >= MAX_HITS:
            self.hits.pop(next(iter(self.hits)))
        self.hits[hit.rule_id, hit.version, hit.alert_id] = hit
        self.counts[f"{hit.rule_id}.{'shadow_' if hit.shadow else ''}{hit.outcome}"] += 1
        if hit.outcome == "raised":
            self._days[hit.rule_id, hit.version, hit.start_us // DAY_US] += 1

    def _key(self, rule: Rule, row: Row, *, known: bool) -> Key | None:
        """Whom and where, when the rule asks for such an alert."""
        if rule.grades and row["grade"] not in _GRADES[min(map(_GRADES.index, rule.grades)) :]:
            return None
        numbers = row["mmsis"] or []
        if rule.mmsi and not set(numbers) & set(rule.mmsi):
            return None
        if rule.not_mmsi and numbers and set(numbers) <= set(rule.not_mmsi):
            return None
        if rule.flags and not any(n // 1_000_000 in rule.flags for n in numbers):
            return None
        if rule.ship_types and not known and not any(self._is_type(n, rule) for n in numbers):
            return None
        if rule.hours_utc is not None:
            first, last = rule.hours_utc
            hour = row["start_at"].hour
            inside = first <= hour < last if first < last else hour >= first or hour < last
            if not inside:
                return None
        zone = row["zone"]
        if rule.zones or rule.zone_kinds:
            zone = self._zone(rule, row)
            if zone is None:
                return None
        return tuple(sorted(row["track_ids"])), zone

    def _is_type(self, mmsi: int, rule: Rule) -> bool:
        kind = self.types.get(mmsi)
        return kind is not None and (kind in rule.ship_types or kind // 10 in rule.ship_types)

    def _zone(self, rule: Rule, row: Row) -> str | None:
        if self.zones is None or row["lat_deg"] is None:
            return None
        at = micros(row["start_at"])
        found = [
            z.name
            for z in self.zones.at(row["lat_deg"], row["lon_deg"])
            if (z.name in rule.zones or z.zone_id in rule.zones or z.kind in rule.zone_kinds)
            and z.valid_from_us <= at < z.valid_to_us
        ]
        return min(found, default=None)

    # -- alerts of a rule

    def _rows(self, group: _Group) -> list[Row]:
        return [self._bases[name].row for name in self._members.get(group, ()) if name in self._bases]

    def _parts(self, group: _Group) -> list[list[Row]]:
        """Alerts of a group that overlap in time, together; each part in order of start."""
        rows = sorted(self._rows(group), key=lambda r: (r["start_at"], r["alert_id"]))
        parts: list[list[Row]] = []
        for row in rows:
            if parts and any(_overlap(row, other) for other in parts[-1]):
                parts[-1].append(row)
            else:
                parts.append([row])
        return parts

    def _id(self, group: _Group, part: Sequence[Row]) -> str:
        key = ["rule", group[0], group[1], list(group[2][0]), group[2][1], micros(part[0]["start_at"])]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]

    def _regroup(self, span: Span, group: _Group, known_at: dt.datetime, out: list[Row]) -> None:
        was = self._raised.get(group, {})
        now = {self._id(group, part): self._row(span.rule, group, part) for part in self._parts(group)}
        rows: list[Row] = []
        for name, row in was.items():
            if name not in now:
                evidence = json.loads(row["evidence"])
                evidence["void_because"] = "no alert it rested on stands as it did"
                rows.append(row | {"change": "void", "evidence": as_json(evidence)})
        for name, row in now.items():
            rows += changes(was.get(name), row | {"alert_id": name})
        self._raised[group] = {row["alert_id"]: row for row in rows if row["change"] != "void"} | {
            name: row for name, row in was.items() if name in now and not any(r["alert_id"] == name for r in rows)
        }
        if not span.shadow:
            out += [row | {"known_at": known_at} for row in rows]

    def _prune(self) -> None:
        """Forget groups that are wholly final, those met first before others, down to nine tenths of the room."""
        for group in list(self._members):
            if len(self._bases) <= MAX_BASES * 9 // 10:
                return
            if all(row["grade"] == "final" for row in self._rows(group)):
                self._forget(group)
        while len(self._bases) > MAX_BASES:  # all of them go on: the oldest are let go, and counted
            self.counts["bases_dropped"] += 1
            self._bases.pop(next(iter(self._bases)))

    def _forget(self, group: _Group) -> None:
        for name in self._members.pop(group, set()):
            base = self._bases.get(name)
            if base is not None:
                base.at.pop(group[0], None)
                if not base.at:
                    del self._bases[name]
        self._raised.pop(group, None)

    def _row(self, rule: Rule, group: _Group, part: Sequence[Row]) -> Row:
        lead = part[0]
        ends = [row["end_at"] for row in part]
        worst = max((str(row["severity"]) for row in part), key=SEVERITIES.index)
        grades = [_GRADES.index(str(row["grade"])) for row in part]
        more = f" and {len(part) - 1} more" if len(part) > 1 else ""
        evidence = json.loads(lead["evidence"])
        evidence["rule"] = {
            "id": rule.id,
            "version": rule.version,
            "title": rule.title,
            "sentence": rule.sentence(),
            "asks": rule.plain(),
            "zone": group[2][1],
            "ship_types": {str(n): self.types[n] for n in lead["mmsis"] or () if rule.ship_types and n in self.types},
        }
        evidence["raised_of"] = [
            {
                **{name: str(row[name]) for name in ("alert_id", "definition", "version", "grade", "summary")},
                **{n: None if row[n] is None else clock.rfc3339(micros(row[n])) for n in ("start_at", "end_at")},
            }
            for row in part
        ]
        return lead | {
            "definition": rule.definition,
            "version": rule.version,
            "grade": "final" if min(grades) == 2 else _GRADES[min(1, max(grades))],
            "severity": rule.severity or worst,
            "end_at": None if None in ends else max(ends),
            "zone": group[2][1],
            "summary": f"{rule.title}: {lead['summary']}{more}",
            "evidence": as_json(evidence),
        }


def changes(was: Row | None, row: Row) -> list[Row]:
    """Ledger rows that bring an alert from what it was to what it is."""
    if was is None:
        opened = row | {"change": "open"}
        return [opened] if row["end_at"] is None else [opened | {"end_at": None}, row | {"change": "close"}]
    apart = ("change", "known_at")
    if {k: v for k, v in was.items() if k not in apart} == {k: v for k, v in row.items() if k not in apart}:
        return []
    if was["end_at"] is not None:
        return [row | {"change": "revise"}]
    if row["end_at"] is not None:
        return [row | {"change": "close"}]
    return [row | {"change": "extend" if was["grade"] == row["grade"] else "revise"}]


def _overlap(a: Row, b: Row) -> bool:
    return (a["end_at"] is None or b["start_at"] <= a["end_at"]) and (
        b["end_at"] is None or a["start_at"] <= b["end_at"]
    )


def _is_of(span: Span, hit: Hit) -> bool:
    return (span.rule.id, span.rule.version) == (hit.rule_id, hit.version)


def micros(moment: dt.datetime) -> int:
    """UTC microseconds of a time of a row."""
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
