"""Stores of a node: the journal of received bytes, the operations database and the archive of columns.

Enters: raw bytes before they are acknowledged (`Journal`), small precious facts (`Operations`), Arrow tables
(`Archive`). Leaves: the same, after a crash too. It does not know what an alert or a release means, and shares
nothing with anyone.
"""

from __future__ import annotations

from kuroshio.store.archive import Archive
from kuroshio.store.erasing import names_any
from kuroshio.store.frames import Entry
from kuroshio.store.journal import Journal
from kuroshio.store.layout import DAY_US
from kuroshio.store.operations import Operations, url_of
from kuroshio.store.people import ROLES, Session, User

__all__ = ["DAY_US", "ROLES", "Archive", "Entry", "Journal", "Operations", "Session", "User", "names_any", "url_of"]
