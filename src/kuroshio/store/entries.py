"""Entries of the exchange ledger: steps of support, equipment and access, answers to duties; append-only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from kuroshio.store.engine import Engine
from kuroshio.store.ledgers import as_json
from kuroshio.store.tables import entries
from kuroshio.units import UtcMicros

ENTRIES_LIMIT = 100_000  # rows of one read; the caller reads on from the last number


class Entries:
    """Ledger lines in the order they were recorded; part of `Operations`."""

    _engine: Engine

    def add_entry(self, entry_id: str, body: Mapping[str, Any], *, source: str, recorded_us: UtcMicros) -> bool:
        """Append one entry; False when it was there already.

        Parameters
        ----------
        entry_id
            From its content, so that the same entry twice is one.
        body
            The entry as JSON.
        source
            Party it came from.
        """
        values = {"entry_id": entry_id, "body": as_json(dict(body)), "source": source, "recorded_us": recorded_us}

        def write(connection: sa.Connection) -> bool:
            if connection.execute(sa.select(entries.c.number).where(entries.c.entry_id == entry_id)).first():
                return False
            connection.execute(entries.insert().values(values))
            return True

        return self._engine.write(write)

    def entries(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Entries after a number, oldest first, at most `ENTRIES_LIMIT`: number, source, recorded_us, body."""
        query = sa.select(entries).where(entries.c.number > after).order_by(entries.c.number).limit(ENTRIES_LIMIT)
        rows = self._engine.read(lambda c: c.execute(query).mappings().all())
        return [{**row, "body": json.loads(row["body"])} for row in rows]
