"""The book of consents: what people answered where a release waited for a person."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from kuroshio.store.engine import Engine
from kuroshio.store.tables import consents
from kuroshio.units import UtcMicros


class Consents:
    """Who agreed to what, and who refused; part of `Operations`."""

    _engine: Engine

    def add_consent(self, item_id: str, to: str, *, granted: bool, by: str, at_us: UtcMicros, note: str = "") -> int:
        """Append a person's answer; its number."""
        values = {"item_id": item_id, "to": to, "granted": granted, "by": by, "note": note, "at_us": at_us}

        def write(connection: sa.Connection) -> int:
            key = connection.execute(consents.insert().values(values)).inserted_primary_key
            assert key is not None
            return int(key[0])

        return self._engine.write(write)

    def consents(
        self, item_id: str | None = None, to: str | None = None, *, since_us: UtcMicros | None = None
    ) -> list[dict[str, Any]]:
        """Answers oldest first; the last one for an item and party stands."""
        query = sa.select(consents).order_by(consents.c.number)
        if item_id is not None:
            query = query.where(consents.c.item_id == item_id)
        if to is not None:
            query = query.where(consents.c.to == to)
        if since_us is not None:
            query = query.where(consents.c.at_us >= since_us)
        return [dict(row) for row in self._engine.read(lambda c: c.execute(query).mappings().all())]
