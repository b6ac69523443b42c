"""What rules would have raised of past alerts: a dry run before a rule is switched on, and rules over an archive.

What enters: ALERTS rows in the order of a ledger, or as they stand in the end. What leaves: counts, or the alerts of
the rules. It is the live step (`ruling`) with every rule on all the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from kuroshio import clock, schema
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.ledger import fold
from kuroshio.behaviour.rulebook import RuleBook
from kuroshio.behaviour.rules import Rule, check_rule
from kuroshio.behaviour.ruling import Row, Ruling
from kuroshio.geo.zones import Zones


@dataclass(frozen=True)
class DryRun:
    """What a rule would have done: alerts by day and behaviour, what joined them, and what it would have kept back."""

    rule: str
    version: str
    raised: int
    joined: int
    over_budget: int
    silenced: int
    by_day: Mapping[str, int]
    by_behaviour: Mapping[str, int]
    examples: Sequence[str]


class Rules:
    """Rules over an archive: all of them always on, or in shadow where they say so."""

    def __init__(self, rules: Sequence[Rule], definitions: Definitions, zones: Zones | None = None) -> None:
        for rule in rules:
            check_rule(rule, definitions, zones)
        self.rules, self.zones = tuple(rules), zones
        self.ruling = Ruling(RuleBook.of(rules), zones)

    @property
    def counts(self) -> Mapping[str, int]:
        """What each rule raised, joined, kept back and silenced; ``shadow_`` before what raises nothing."""
        return self.ruling.counts

    def apply(self, alerts: pa.Table, types: Mapping[int, int] | None = None) -> pa.Table:
        """ALERTS of the rules as they stand, of ALERTS in the order of the ledger; ship types by MMSI where known."""
        self.ruling.types.update(types or {})
        return fold(schema.ALERTS.from_rows(self.ruling.step(alerts.to_pylist())[0]))

    def dry_run(self, alerts: pa.Table, types: Mapping[int, int] | None = None) -> list[DryRun]:
        """For each rule, shadow or not, what it would have raised of an archive's alerts, each given once or often."""
        return [dry_run(rule, alerts.to_pylist(), self.zones, types or {}) for rule in self.rules]


def dry_run(rule: Rule, rows: Iterable[Row], zones: Zones | None, types: Mapping[int, int]) -> DryRun:
    """What one rule would have raised had it been on all the time."""
    ruling = Ruling(RuleBook.of([rule]), zones)
    ruling.types.update(types)
    summaries: list[str] = []
    kinds: dict[str, str] = {}
    by_day: Counter[str] = Counter()
    by_behaviour: Counter[str] = Counter()
    for row in rows:
        kinds[str(row["alert_id"])] = str(row["definition"])
        for hit in ruling.step([row])[1]:
            if hit.outcome == "raised":
                by_day[clock.rfc3339(hit.start_us)[:10]] += 1
                by_behaviour[kinds[hit.alert_id]] += 1
                if len(summaries) < 10:
                    summaries.append(str(row["summary"]))
    found = Counter(hit.outcome for hit in ruling.hits.values())
    numbers = {name: found[name] for name in ("raised", "joined", "over_budget", "silenced")}
    days, kinds_found = dict(sorted(by_day.items())), dict(sorted(by_behaviour.items()))
    return DryRun(rule.id, rule.version, **numbers, by_day=days, by_behaviour=kinds_found, examples=summaries)
