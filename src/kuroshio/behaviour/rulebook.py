"""Which rules are on at a time: entries of a book that only grows, read as spans of time.

What enters: entries (a rule proposed, dry-run, switched, silenced) in the order they were made. What leaves: the rules
that judge an alert first known at a time, the silence over a ship and zone then, and how each rule stands. An entry
never changes what was judged before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kuroshio.behaviour.rules import MAX_RULES, Rule, parse_rule
from kuroshio.errors import ConfigError, InputError, NotFound

EVER, NEVER = -(1 << 62), 1 << 62
STATES = ("proposed", "shadow", "active", "withdrawn")
State = Literal["proposed", "shadow", "active", "withdrawn"]
Key = tuple[tuple[int, ...], str | None]  # whom and where: tracks, zone


@dataclass(frozen=True)
class Span:
    """A rule that judged, raising or in shadow, what became known from a time to another."""

    rule: Rule
    shadow: bool
    from_us: int
    to_us: int = NEVER


@dataclass
class Stand:
    """How a rule stands after the last entry."""

    rule: Rule
    origin: str
    state: State = "proposed"
    since_us: int = EVER
    by: str = ""
    dry_run: Mapping[str, Any] | None = None
    spans: list[Span] = field(default_factory=list)


class RuleBook:
    """Rules by id, with their past.

    Entries are dicts: ``rule_id``, ``action`` (propose, dry_run, state, silence), ``version``, ``body``, ``by``,
    ``at_us``.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]] = ()) -> None:
        self.stands: dict[str, Stand] = {}
        self._silences: dict[tuple[str, Key | None], list[tuple[int, int]]] = {}
        for entry in entries:
            self.add(entry)

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> RuleBook:
        """Rules that were always on, or in shadow where they say so: for an archive."""
        book = cls()
        for rule in rules:
            stand = Stand(rule, "file", "shadow" if rule.shadow else "active")
            stand.spans.append(Span(rule, rule.shadow, EVER))
            book.stands[rule.id] = stand
        return book

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take in one entry, later than all before."""
        name, body, at_us = str(entry["rule_id"]), entry["body"], int(entry["at_us"])
        if entry["action"] == "propose":
            rule = parse_rule(body["rule"], f"rule {name}")
            stand = self.stands.get(name)
            if stand is None:
                stand = self.stands[name] = Stand(rule, body["origin"])
            _end(stand, at_us)
            stand.rule, stand.origin, stand.state, stand.dry_run = rule, body["origin"], "proposed", None
            stand.since_us, stand.by = at_us, entry["by"]
            return
        stand = self.stands[name]
        if entry["action"] == "dry_run":
            stand.dry_run = body
        elif entry["action"] == "state":
            _end(stand, at_us)
            stand.state, stand.since_us, stand.by = body["state"], at_us, entry["by"]
            if stand.state in ("active", "shadow"):
                stand.spans.append(Span(stand.rule, stand.state == "shadow", at_us))
        elif entry["action"] == "silence":
            key = (tuple(body["tracks"]), body["zone"]) if body.get("tracks") is not None else None
            self._silences.setdefault((name, key), []).append((at_us, int(body["until_us"])))

    def named(self, name: str) -> Stand:
        """How a rule stands.

        Raises
        ------
        NotFound
            When there is none of that name.
        """
        if name not in self.stands:
            raise NotFound(f"no rule {name[:80]!r}", code="rule.unknown")
        return self.stands[name]

    def check_room(self, name: str) -> None:
        """Refuse one rule more than there may be."""
        if name not in self.stands and len(self.stands) >= MAX_RULES:
            raise ConfigError(f"{len(self.stands)} rules, limit {MAX_RULES}", code="behaviour.limit")

    def check_switch(self, name: str, state: State) -> None:
        """Refuse to switch a rule on before its dry run.

        Raises
        ------
        NotFound, InputError
            When there is no such rule, or this version of it was not dry-run.
        """
        stand = self.named(name)
        if state == "active" and (stand.dry_run is None or stand.dry_run["version"] != stand.rule.version):
            raise InputError(
                f"rule {name} was not dry-run as it is now (version {stand.rule.version})",
                code="rule.no_dry_run",
                advice="Dry-run it first and look at what it would have raised.",
            )

    @property
    def behaviours(self) -> set[str]:
        """Definitions whose alerts any rule judges or judged."""
        return {name for stand in self.stands.values() for span in stand.spans for name in span.rule.behaviours}

    def judging(self, definition: str, known_us: int) -> list[Span]:
        """Spans whose rules judge an alert of a definition that was first known at a time."""
        return [
            span
            for stand in self.stands.values()
            for span in stand.spans
            if span.from_us <= known_us < span.to_us and definition in span.rule.behaviours
        ]

    def silent_until_us(self, rule: Rule, key: Key, known_us: int) -> int:
        """Behaviour that began before it is silent, as it was ordered at a time."""
        ordered = [rule.silent_until_us if rule.silent_until_us is not None else EVER]
        for over in (None, key):
            said = [until for at_us, until in self._silences.get((rule.id, over), ()) if at_us <= known_us]
            ordered += said[-1:]
        return max(ordered)

    def silence_us(self, name: str) -> int | None:
        """Behaviour that began before it is silent by the last order for a whole rule; None where there is none."""
        said = self._silences.get((name, None), [])
        own = self.stands[name].rule.silent_until_us
        until = max(said[-1][1] if said else EVER, EVER if own is None else own)
        return until if until > EVER else None


def _end(stand: Stand, at_us: int) -> None:
    if stand.spans and stand.spans[-1].to_us == NEVER:
        last = stand.spans[-1]
        stand.spans[-1] = Span(last.rule, last.shadow, last.from_us, at_us)
