"""The book of a watch's rules and of the alerts they met; part of `Operations`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from kuroshio.schema import ALERTS
from kuroshio.store.engine import Engine
from kuroshio.store.ledgers import alert_table, alert_values, as_json
from kuroshio.store.tables import alerts, rule_entries, rule_hits
from kuroshio.units import UtcMicros

NAMES_MAX = 500  # ids asked for in one query


class RuleBooks:
    """Append-only books of rules."""

    _engine: Engine

    def add_rule_entry(
        self, rule_id: str, action: str, *, version: str, body: Mapping[str, Any], by: str, at_us: UtcMicros
    ) -> int:
        """Append what was done with a rule; its number."""
        values = {"rule_id": rule_id, "action": action, "version": version, "body": as_json(body)}

        def write(connection: sa.Connection) -> int:
            key = connection.execute(rule_entries.insert(), {**values, "by": by, "at_us": at_us}).inserted_primary_key
            return int((key or [0])[0])

        return self._engine.write(write)

    def rule_entries(self) -> list[dict[str, Any]]:
        """Everything done with rules, oldest first."""
        query = sa.select(rule_entries).order_by(rule_entries.c.number)
        rows = self._engine.read(lambda c: c.execute(query).mappings().all())
        return [{**row, "body": json.loads(row["body"])} for row in rows]

    def append_ruled(self, rows: pa.Table, hits: Sequence[Mapping[str, Any]], *, recorded_us: UtcMicros) -> None:
        """Append ALERTS rows of definitions and rules with the hits they came of: all of them or none."""
        values = alert_values(rows, recorded_us)
        met = [{**hit, "tracks": as_json(list(hit["tracks"]))} for hit in hits]

        def write(connection: sa.Connection) -> None:
            if values:
                connection.execute(alerts.insert(), values)
            if met:
                connection.execute(rule_hits.insert(), met)

        self._engine.write(write)

    def rule_hits(self, *, rule_id: str | None = None, limit: int = 20_000) -> list[dict[str, Any]]:
        """Alerts that rules met, oldest first, the newest ``limit`` of them."""
        query = sa.select(rule_hits).order_by(rule_hits.c.number.desc()).limit(limit)
        if rule_id is not None:
            query = query.where(rule_hits.c.rule_id == rule_id)
        rows = self._engine.read(lambda c: c.execute(query).mappings().all())
        return [{**row, "tracks": tuple(json.loads(row["tracks"]))} for row in reversed(rows)]

    def hit_counts(self) -> dict[tuple[str, str, bool, str], int]:
        """Hits by (rule, version, in shadow, outcome)."""
        kinds = (rule_hits.c.rule_id, rule_hits.c.version, rule_hits.c.shadow, rule_hits.c.outcome)
        query = sa.select(*kinds, sa.func.count()).group_by(*kinds)
        rows = self._engine.read(lambda c: c.execute(query).all())
        return {(str(r[0]), str(r[1]), bool(r[2]), str(r[3])): int(r[4]) for r in rows}

    def last_alerts(self, names: Sequence[str]) -> pa.Table:
        """ALERTS: the last row of each alert named."""
        found: list[str] = []
        for at in range(0, len(names), NAMES_MAX):
            some = list(names[at : at + NAMES_MAX])
            last = (
                sa.select(sa.func.max(alerts.c.number)).where(alerts.c.alert_id.in_(some)).group_by(alerts.c.alert_id)
            )
            found += self._bodies(sa.select(alerts.c.body).where(alerts.c.number.in_(last)))
        return alert_table(found) if found else ALERTS.empty()

    def _bodies(self, query: sa.Select[Any]) -> list[str]:
        return list(self._engine.read(lambda c: c.execute(query).scalars().all()))

    def first_known_us(self, alert_id: str) -> int | None:
        """When an alert was first known; None where it never was."""
        query = sa.select(sa.func.min(alerts.c.known_us)).where(alerts.c.alert_id == alert_id)
        found = self._engine.read(lambda c: c.execute(query)).scalar()
        return None if found is None else int(found)

    def alerts_known_from(self, known_us: UtcMicros, *, after: int = 0, limit: int = 5_000) -> tuple[pa.Table, int]:
        """(ALERTS rows known from a time on, of numbers after one, oldest first; number of the last, 0 at the end)."""
        query = sa.select(alerts.c.number, alerts.c.body).where(alerts.c.number > after, alerts.c.known_us >= known_us)
        rows = self._engine.read(lambda c: c.execute(query.order_by(alerts.c.number).limit(limit)).all())
        return (alert_table([r.body for r in rows]), int(rows[-1].number)) if rows else (ALERTS.empty(), 0)
