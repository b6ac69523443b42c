"""Version of the operations store: makes it, brings an older one up step by step, refuses a newer one.

Each step is a function from the version before to its own, run in the transaction that records it, so that a
store is never between versions.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from kuroshio.errors import StoreError
from kuroshio.store import tables

# of versions 1 to 3, never used by a node: what is released and held is in the ledger of the exchange
_UNUSED = ("releases", "release_states", "received", "received_states", "pending")


def _without_unused(connection: sa.Connection) -> None:
    for name in _UNUSED:
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {name}"))
    next(i for i in tables.consents.indexes if i.name == "consents_by_time").create(connection, checkfirst=True)


# version reached -> step that reaches it; version 1 is made whole by create_all
STEPS: dict[int, Callable[[sa.Connection], None]] = {
    2: lambda connection: tables.entries.create(connection),
    3: lambda connection: tables.META.create_all(connection, tables=[tables.rule_entries, tables.rule_hits]),
    4: _without_unused,
}


def version_of(connection: sa.Connection) -> int:
    """Version of the store, 0 when it is empty."""
    if not sa.inspect(connection).has_table("store_version"):
        return 0
    found = connection.execute(sa.select(sa.func.max(tables.store_version.c.version))).scalar()
    return int(found or 0)


def bring_up(
    connection: sa.Connection,
    *,
    now_us: int,
    steps: dict[int, Callable[[sa.Connection], None]] | None = None,
    target: int = tables.VERSION,
) -> int:
    """Bring the store to the version of this code; the version it had is returned.

    Raises
    ------
    StoreError
        ``store.newer`` when it was written by a newer Kuroshio, ``store.migration`` when a step is missing.
    """
    if connection.dialect.name == "postgresql":
        # two nodes started at once must not both create the tables
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7318349394477056)"))
    found = version_of(connection)
    if found > target:
        raise StoreError(
            f"store has version {found}, this Kuroshio knows {target}",
            code="store.newer",
            advice="Start the newer Kuroshio that wrote it, or restore a backup of the older store.",
        )
    if found == 0:
        tables.META.create_all(connection)
        connection.execute(tables.store_version.insert().values(version=target, at_us=now_us))
        return 0
    known = STEPS if steps is None else steps
    for version in range(found + 1, target + 1):
        if version not in known:
            raise StoreError(f"no step from store version {version - 1} to {version}", code="store.migration")
        known[version](connection)
        connection.execute(tables.store_version.insert().values(version=version, at_us=now_us))
    return found
