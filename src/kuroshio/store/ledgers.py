"""Alerts on two time axes, verdicts, operators' actions, the audit log and named checkpoints."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from kuroshio.schema import ALERTS
from kuroshio.store.engine import Engine
from kuroshio.store.tables import actions, alerts, audit, checkpoints, verdicts
from kuroshio.units import UtcMicros

VERDICTS = ("acknowledged", "true", "false", "duplicate", "silenced", "assigned")
LIMIT = 10_000  # rows of one answer
_TIMES = ("start_at", "end_at", "known_at")
_CLOSED = ("close", "void")


def as_json(value: Any) -> str:
    """JSON text with sorted keys and no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


class Ledgers:
    """Append-only books of the watch; part of `Operations`."""

    _engine: Engine

    def append_alerts(self, rows: pa.Table, *, recorded_us: UtcMicros) -> int:
        """Append rows of ALERTS to the ledger; the number of the last one.

        ``known_at`` is when the node knew, ``recorded_us`` when this row was written: a ledger read as of a time
        shows what stood then, whatever came later.
        """
        values = alert_values(rows, recorded_us)
        if not values:
            return 0

        def write(connection: sa.Connection) -> int:
            connection.execute(alerts.insert(), values)
            return int(connection.execute(sa.select(sa.func.max(alerts.c.number))).scalar() or 0)

        return self._engine.write(write)

    def alerts(
        self,
        *,
        open_only: bool = False,
        recorded_by_us: UtcMicros | None = None,
        known_by_us: UtcMicros | None = None,
        limit: int = LIMIT,
    ) -> pa.Table:
        """ALERTS, newest first: the last row of each alert, as the ledger stood at a time (None: now).

        ``known_by_us`` is by the node's clock: in a replay or a simulation not that of ``recorded_by_us``.
        """
        last = sa.select(sa.func.max(alerts.c.number)).group_by(alerts.c.alert_id)
        if recorded_by_us is not None:
            last = last.where(alerts.c.recorded_us <= recorded_by_us)
        if known_by_us is not None:
            last = last.where(alerts.c.known_us <= known_by_us)
        query = sa.select(alerts.c.body).where(alerts.c.number.in_(last))
        if open_only:
            query = query.where(alerts.c.change.not_in(_CLOSED))
        query = query.order_by(alerts.c.number.desc()).limit(min(limit, LIMIT))
        return alert_table(self._engine.read(lambda c: c.execute(query).scalars().all()))

    def alerts_after(self, number: int, limit: int = LIMIT) -> tuple[pa.Table, int]:
        """(ALERTS rows written after the row of a number, oldest first; number of the last of them, or of all)."""
        query = sa.select(alerts.c.number, alerts.c.body).where(alerts.c.number > number)
        query = query.order_by(alerts.c.number).limit(limit)
        rows = self._engine.read(lambda c: c.execute(query).all())
        if rows:
            return alert_table([row.body for row in rows]), int(rows[-1].number)
        newest = sa.select(sa.func.max(alerts.c.number))
        return ALERTS.empty(), int(self._engine.read(lambda c: c.execute(newest)).scalar() or 0)

    def alert_history(self, alert_id: str) -> pa.Table:
        """ALERTS: every row of one alert, oldest first."""
        query = sa.select(alerts.c.body).where(alerts.c.alert_id == alert_id).order_by(alerts.c.number).limit(LIMIT)
        return alert_table(self._engine.read(lambda c: c.execute(query).scalars().all()))

    def add_verdict(
        self,
        alert_id: str,
        verdict: str,
        *,
        by: str,
        at_us: UtcMicros,
        note: str = "",
        until_us: UtcMicros | None = None,
    ) -> int:
        """Append a person's verdict; its number."""
        values = {"alert_id": alert_id, "verdict": verdict, "by": by, "note": note, "until_us": until_us}
        return self._append(verdicts, {**values, "at_us": at_us})

    def verdicts(self, alert_id: str | None = None, *, by_us: UtcMicros | None = None) -> list[dict[str, Any]]:
        """Verdicts of one alert or all, oldest first, up to a time."""
        query = sa.select(verdicts).order_by(verdicts.c.number)
        if alert_id is not None:
            query = query.where(verdicts.c.alert_id == alert_id)
        if by_us is not None:
            query = query.where(verdicts.c.at_us <= by_us)
        return self._rows(query)

    def add_action(self, action: str, arguments: dict[str, Any], *, by: str, at_us: UtcMicros) -> int:
        """Append an operator's action on tracks; its number."""
        return self._append(actions, {"action": action, "arguments": as_json(arguments), "by": by, "at_us": at_us})

    def has_action(self, action: str, arguments: dict[str, Any], *, by: str, at_us: UtcMicros) -> bool:
        """True when the book has this action of a time."""
        said = {"action": action, "arguments": as_json(arguments), "by": by, "at_us": at_us}
        query = sa.select(actions.c.number).where(*(actions.c[name] == value for name, value in said.items())).limit(1)
        return self._engine.read(lambda c: c.execute(query).first()) is not None

    def actions(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Operators' actions after a number, oldest first, to be replayed on a restart."""
        rows = self._rows(sa.select(actions).where(actions.c.number > after).order_by(actions.c.number))
        return [{**row, "arguments": json.loads(row["arguments"])} for row in rows]

    def append_audit(
        self,
        who: str,
        what: str,
        *,
        outcome: str,
        at_us: UtcMicros,
        peer: str = "",
        detail: dict[str, Any] | None = None,
    ) -> int:
        """Append one line of the audit log: who asked what, from where, and what came of it."""
        values = {"who": who, "what": what, "outcome": outcome, "peer": peer, "detail": as_json(detail or {})}
        return self._append(audit, {**values, "at_us": at_us})

    def audit(self, *, limit: int = 200, before: int | None = None) -> list[dict[str, Any]]:
        """Audit log newest first, a page at a time."""
        query = sa.select(audit).order_by(audit.c.number.desc()).limit(min(limit, LIMIT))
        if before is not None:
            query = query.where(audit.c.number < before)
        return [{**row, "detail": json.loads(row["detail"])} for row in self._rows(query)]

    def put_checkpoint(self, key: str, value: Any, *, at_us: UtcMicros) -> None:
        """Set a named JSON value, such as the journal position that the archive holds."""
        self.put_checkpoints({key: value}, at_us=at_us)

    def put_checkpoints(self, values: dict[str, Any], *, at_us: UtcMicros) -> None:
        """Set several named values in one transaction."""
        rows = [{"key": key, "value": as_json(value), "at_us": at_us} for key, value in values.items()]

        def write(connection: sa.Connection) -> None:
            for row in rows:
                update = checkpoints.update().where(checkpoints.c.key == row["key"]).values(row)
                if connection.execute(update).rowcount == 0:
                    connection.execute(checkpoints.insert().values(row))

        self._engine.write(write)

    def checkpoint(self, key: str, default: Any = None) -> Any:
        """The named value, or the default."""
        query = sa.select(checkpoints.c.value).where(checkpoints.c.key == key)
        found = self._engine.read(lambda c: c.execute(query).scalar())
        return default if found is None else json.loads(found)

    def _append(self, table: sa.Table, values: dict[str, Any]) -> int:
        def write(connection: sa.Connection) -> int:
            key = connection.execute(table.insert(), values).inserted_primary_key
            assert key is not None
            return int(key[0])

        return self._engine.write(write)

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        return [dict(row) for row in self._engine.read(lambda c: c.execute(query).mappings().all())]


def alert_values(rows: pa.Table, recorded_us: UtcMicros) -> list[dict[str, Any]]:
    """Rows of the table of alerts for ALERTS rows."""
    plain = ALERTS.conform(rows)
    for name in _TIMES:
        index = plain.schema.get_field_index(name)
        plain = plain.set_column(index, name, plain.column(name).cast(pa.int64()))
    # a few alerts an hour, not a hot path
    return [
        {
            "alert_id": row["alert_id"],
            "recorded_us": recorded_us,
            "known_us": row["known_at"],
            "change": row["change"],
            "body": as_json(row),
        }
        for row in plain.to_pylist()
    ]


def alert_table(bodies: Any) -> pa.Table:
    """ALERTS rows of their JSON."""
    return ALERTS.from_rows(json.loads(body) for body in bodies)
