"""Index of releases sent and received with their states, and the items that wait for a person's consent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from kuroshio.errors import NotFound
from kuroshio.store.engine import Engine
from kuroshio.store.ledgers import LIMIT, as_json
from kuroshio.store.tables import consents, pending, received, received_states, release_states, releases
from kuroshio.units import UtcMicros


class Exchanges:
    """What went out, what came in, who agreed; part of `Operations`."""

    _engine: Engine

    # -- sent

    def add_release(
        self,
        release_id: str,
        *,
        to: str,
        at_us: UtcMicros,
        accord: str,
        clause: str,
        obligations: Mapping[str, Any],
        rows: int,
        digest: str,
        body: Mapping[str, Any] | None = None,
        state: str = "sealed",
        by: str = "",
    ) -> None:
        """Index a release with its first state; StoreError ``store.conflict`` when the id is there."""
        self.add_releases(
            [
                {
                    "release_id": release_id,
                    "to": to,
                    "at_us": at_us,
                    "accord": accord,
                    "clause": clause,
                    "obligations": dict(obligations),
                    "rows": rows,
                    "digest": digest,
                    "body": dict(body or {}),
                }
            ],
            state=state,
            by=by,
        )

    def add_releases(self, rows: Sequence[Mapping[str, Any]], *, state: str = "sealed", by: str = "") -> None:
        """Index many releases in one transaction; keys as in `add_release`."""
        values = [
            {**row, "obligations": as_json(row.get("obligations", {})), "body": as_json(row.get("body", {}))}
            for row in rows
        ]
        states = [
            {"release_id": row["release_id"], "state": state, "by": by, "note": "", "at_us": row["at_us"]}
            for row in rows
        ]
        if not values:
            return

        def write(connection: sa.Connection) -> None:
            connection.execute(releases.insert(), values)
            connection.execute(release_states.insert(), states)

        self._engine.write(write)

    def set_release_state(self, release_id: str, state: str, *, at_us: UtcMicros, by: str = "", note: str = "") -> None:
        """Append a state: sealed, sent, received, withdrawn, confirmed, expired; NotFound for an unknown release."""
        values = {"release_id": release_id, "state": state, "by": by, "note": note, "at_us": at_us}

        def write(connection: sa.Connection) -> None:
            if (
                connection.execute(sa.select(releases.c.number).where(releases.c.release_id == release_id)).first()
                is None
            ):
                raise NotFound(f"no release {release_id!r}", code="release.unknown")
            connection.execute(release_states.insert().values(values))

        self._engine.write(write)

    def releases(self, *, to: str | None = None, limit: int = 200, before: int | None = None) -> list[dict[str, Any]]:
        """Releases newest first, each with its last ``state`` and ``state_at_us``."""
        query = _with_last_state(releases, release_states, ("release_id",)).order_by(releases.c.number.desc())
        if to is not None:
            query = query.where(releases.c.to == to)
        if before is not None:
            query = query.where(releases.c.number < before)
        return self._parsed(query.limit(min(limit, LIMIT)))

    def release(self, release_id: str) -> dict[str, Any]:
        """One release with its ``history`` of states; NotFound when there is none."""
        query = _with_last_state(releases, release_states, ("release_id",)).where(releases.c.release_id == release_id)
        rows = self._parsed(query)
        if not rows:
            raise NotFound(f"no release {release_id!r}", code="release.unknown")
        states = sa.select(release_states).where(release_states.c.release_id == release_id)
        return {**rows[0], "history": self._plain(states.order_by(release_states.c.number))}

    # -- received

    def add_received(
        self,
        release_id: str,
        *,
        from_party: str,
        at_us: UtcMicros,
        accord: str,
        clause: str,
        obligations: Mapping[str, Any],
        rows: int,
        digest: str,
        expires_us: UtcMicros | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bool:
        """Index a partner's release with its ties; False when it was there already (the same digest)."""
        values = {
            "release_id": release_id,
            "from_party": from_party,
            "at_us": at_us,
            "accord": accord,
            "clause": clause,
            "obligations": as_json(dict(obligations)),
            "rows": rows,
            "digest": digest,
            "expires_us": expires_us,
            "body": as_json(dict(body or {})),
        }
        state = {"from_party": from_party, "release_id": release_id, "state": "received", "note": "", "at_us": at_us}

        def write(connection: sa.Connection) -> bool:
            mine = sa.and_(received.c.release_id == release_id, received.c.from_party == from_party)
            if connection.execute(sa.select(received.c.digest).where(mine, received.c.digest == digest)).first():
                return False
            connection.execute(received.insert().values(values))
            connection.execute(received_states.insert().values(state))
            return True

        return self._engine.write(write)

    def set_received_state(
        self, release_id: str, state: str, *, from_party: str, at_us: UtcMicros, note: str = ""
    ) -> None:
        """Append a state: received, withdrawn, expired, refused; NotFound for an unknown release."""
        values = {"from_party": from_party, "release_id": release_id, "state": state, "note": note, "at_us": at_us}

        def write(connection: sa.Connection) -> None:
            mine = sa.and_(received.c.release_id == release_id, received.c.from_party == from_party)
            if connection.execute(sa.select(received.c.number).where(mine)).first() is None:
                raise NotFound(f"no release {release_id!r} from {from_party}", code="release.unknown")
            connection.execute(received_states.insert().values(values))

        self._engine.write(write)

    def received(self, *, from_party: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Partners' releases newest first, each with its last state."""
        query = _with_last_state(received, received_states, ("from_party", "release_id"))
        query = query.order_by(received.c.number.desc()).limit(min(limit, LIMIT))
        if from_party is not None:
            query = query.where(received.c.from_party == from_party)
        return self._parsed(query)

    # -- consent

    def put_pending(
        self,
        item_id: str,
        to: str,
        *,
        role: str,
        accord: str,
        clause: str,
        since_us: UtcMicros,
        body: Mapping[str, Any] | None = None,
    ) -> bool:
        """Note that an item waits for a role; False when it waited already (its first time stays)."""
        values = {
            "item_id": item_id,
            "to": to,
            "role": role,
            "accord": accord,
            "clause": clause,
            "since_us": since_us,
            "body": as_json(dict(body or {})),
        }

        def write(connection: sa.Connection) -> bool:
            mine = sa.and_(pending.c.item_id == item_id, pending.c.to == to)
            if connection.execute(sa.select(pending.c.since_us).where(mine)).first():
                return False
            connection.execute(pending.insert().values(values))
            return True

        return self._engine.write(write)

    def drop_pending(self, item_id: str, to: str) -> bool:
        """Forget that an item waits (it is gone, or the agreement changed); False when it did not."""
        mine = sa.and_(pending.c.item_id == item_id, pending.c.to == to)
        return self._engine.write(lambda c: c.execute(pending.delete().where(mine)).rowcount > 0)

    def pending(self) -> list[dict[str, Any]]:
        """Items that wait, longest first."""
        rows = self._plain(sa.select(pending).order_by(pending.c.since_us, pending.c.item_id, pending.c.to))
        return [{**row, "body": json.loads(row["body"])} for row in rows]

    def add_consent(self, item_id: str, to: str, *, granted: bool, by: str, at_us: UtcMicros, note: str = "") -> int:
        """Append a person's answer and end the wait, in one transaction; the answer's number."""
        values = {"item_id": item_id, "to": to, "granted": granted, "by": by, "note": note, "at_us": at_us}

        def write(connection: sa.Connection) -> int:
            key = connection.execute(consents.insert().values(values)).inserted_primary_key
            connection.execute(pending.delete().where(pending.c.item_id == item_id, pending.c.to == to))
            assert key is not None
            return int(key[0])

        return self._engine.write(write)

    def consents(self, item_id: str | None = None, to: str | None = None) -> list[dict[str, Any]]:
        """Answers oldest first; the last one for an item and party stands."""
        query = sa.select(consents).order_by(consents.c.number)
        if item_id is not None:
            query = query.where(consents.c.item_id == item_id)
        if to is not None:
            query = query.where(consents.c.to == to)
        return self._plain(query)

    def _plain(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        return [dict(row) for row in self._engine.read(lambda c: c.execute(query).mappings().all())]

    def _parsed(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        rows = self._plain(query)
        return [{**row, "obligations": json.loads(row["obligations"]), "body": json.loads(row["body"])} for row in rows]


def _with_last_state(book: sa.Table, states: sa.Table, key: tuple[str, ...]) -> sa.Select[Any]:
    same = sa.and_(*(states.c[name] == book.c[name] for name in key))
    last = sa.select(sa.func.max(states.c.number)).where(same).correlate(book).scalar_subquery()
    columns = (states.c.state, states.c.at_us.label("state_at_us"), states.c.note.label("state_note"))
    return sa.select(book, *columns).join(states, states.c.number == last)
