"""Users, their roles, and the sessions and tokens they hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from kuroshio.errors import InputError, NotFound, StoreError
from kuroshio.store.engine import Engine
from kuroshio.store.tables import sessions, users
from kuroshio.units import UtcMicros

ROLES = ("watch", "release", "policy", "logistics", "admin", "feed")
NAME_LIMIT = 64


@dataclass(frozen=True)
class User:
    """A person or program that may sign in; ``password_hash`` is None for one that only holds tokens."""

    name: str
    roles: tuple[str, ...]
    password_hash: str | None
    created_us: UtcMicros
    changed_us: UtcMicros


@dataclass(frozen=True)
class Session:
    """A signed-in browser (``cookie``) or a program's ``token``, with the roles its user has now."""

    digest: str
    name: str
    kind: str
    label: str
    roles: tuple[str, ...]
    opened_us: UtcMicros
    seen_us: UtcMicros
    expires_us: UtcMicros | None


def check_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """The roles, sorted and without repeats; InputError on one that does not exist."""
    chosen = sorted(set(roles))
    unknown = [role for role in chosen if role not in ROLES]
    if unknown:
        raise InputError(f"no role {unknown[0]!r}", code="user.role", advice=f"Roles are {', '.join(ROLES)}.")
    return tuple(chosen)


def check_name(name: str) -> str:
    """The user name; InputError when it is empty, too long or has characters that could deceive a reader."""
    if not 0 < len(name) <= NAME_LIMIT or not name.isprintable() or name != name.strip():
        raise InputError(
            f"user name {name[:80]!r} is not 1 to {NAME_LIMIT} printable characters",
            code="user.name",
            advice="Use letters, digits, dot, dash.",
        )
    return name


class People:
    """Users and sessions; part of `Operations`."""

    _engine: Engine

    def add_user(self, name: str, *, roles: Iterable[str], password_hash: str | None, now_us: UtcMicros) -> User:
        """Add a user; StoreError ``user.exists`` when the name is taken."""
        user = User(check_name(name), check_roles(roles), password_hash, now_us, now_us)

        def write(connection: sa.Connection) -> User:
            if connection.execute(sa.select(users.c.name).where(users.c.name == name)).first():
                raise StoreError(f"user {name!r} exists", code="user.exists", advice="Remove it first, or change it.")
            values = {
                "name": user.name,
                "password_hash": password_hash,
                "roles": json.dumps(user.roles),
                "created_us": now_us,
                "changed_us": now_us,
            }
            connection.execute(users.insert().values(values))
            return user

        return self._engine.write(write)

    def change_user(
        self,
        name: str,
        *,
        now_us: UtcMicros,
        roles: Iterable[str] | None = None,
        password_hash: str | None = None,
    ) -> None:
        """Change roles or password; every session and token of the user ends with the change of a password."""
        values: dict[str, object] = {"changed_us": now_us}
        if roles is not None:
            values["roles"] = json.dumps(check_roles(roles))
        if password_hash is not None:
            values["password_hash"] = password_hash

        def write(connection: sa.Connection) -> None:
            if connection.execute(users.update().where(users.c.name == name).values(values)).rowcount == 0:
                raise NotFound(f"no user {name!r}", code="user.unknown")
            if password_hash is not None:
                connection.execute(sessions.delete().where(sessions.c.name == name))

        self._engine.write(write)

    def remove_user(self, name: str) -> None:
        """Remove a user with all sessions and tokens; NotFound when there is none."""

        def write(connection: sa.Connection) -> None:
            if connection.execute(users.delete().where(users.c.name == name)).rowcount == 0:
                raise NotFound(f"no user {name!r}", code="user.unknown")
            connection.execute(sessions.delete().where(sessions.c.name == name))

        self._engine.write(write)

    def user(self, name: str) -> User | None:
        """User of that name, or None."""
        rows = self._engine.read(lambda c: c.execute(sa.select(users).where(users.c.name == name)).all())
        return _user(rows[0]) if rows else None

    def list_users(self) -> list[User]:
        """All users by name."""
        rows = self._engine.read(lambda c: c.execute(sa.select(users).order_by(users.c.name)).all())
        return [_user(row) for row in rows]

    def open_session(
        self,
        digest: str,
        name: str,
        *,
        now_us: UtcMicros,
        expires_us: UtcMicros | None,
        kind: str = "cookie",
        label: str = "",
    ) -> None:
        """Keep a session or token by the SHA-256 of its secret."""
        values = {
            "digest": digest,
            "name": name,
            "kind": kind,
            "label": label,
            "opened_us": now_us,
            "seen_us": now_us,
            "expires_us": expires_us,
        }
        self._engine.write(lambda c: c.execute(sessions.insert().values(values)))

    def session(self, digest: str, *, now_us: UtcMicros) -> Session | None:
        """Session of that digest with its user's roles now; None when it ended, or its user was removed."""
        query = sa.select(sessions, users.c.roles).join(users, users.c.name == sessions.c.name)
        rows = self._engine.read(lambda c: c.execute(query.where(sessions.c.digest == digest)).all())
        if not rows or (rows[0].expires_us is not None and rows[0].expires_us <= now_us):
            return None
        return _session(rows[0])

    def sessions_of(self, name: str) -> list[Session]:
        """Sessions and tokens of a user, oldest first."""
        query = sa.select(sessions, users.c.roles).join(users, users.c.name == sessions.c.name)
        query = query.where(sessions.c.name == name).order_by(sessions.c.opened_us, sessions.c.digest)
        return [_session(row) for row in self._engine.read(lambda c: c.execute(query).all())]

    def touch_session(self, digest: str, *, now_us: UtcMicros) -> None:
        """Note that a session was used."""
        statement = sessions.update().where(sessions.c.digest == digest).values(seen_us=now_us)
        self._engine.write(lambda c: c.execute(statement))

    def close_session(self, digest: str) -> bool:
        """End a session; False when there was none."""
        return self._engine.write(
            lambda c: c.execute(sessions.delete().where(sessions.c.digest == digest)).rowcount > 0
        )

    def expire_sessions(self, *, now_us: UtcMicros) -> int:
        """Forget sessions past their end; how many."""
        statement = sessions.delete().where(sessions.c.expires_us.is_not(None), sessions.c.expires_us <= now_us)
        return self._engine.write(lambda c: c.execute(statement).rowcount)


def _user(row: sa.Row) -> User:
    return User(row.name, tuple(json.loads(row.roles)), row.password_hash, row.created_us, row.changed_us)


def _session(row: sa.Row) -> Session:
    roles = tuple(json.loads(row.roles))
    return Session(row.digest, row.name, row.kind, row.label, roles, row.opened_us, row.seen_us, row.expires_us)
