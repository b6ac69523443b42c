"""Relational tables of the operations store, for SQLite and PostgreSQL alike.

Times are int64 UTC microseconds, JSON is text in a fixed form, digests are lower-case hexadecimal. Ledgers (alerts,
rules and their hits, verdicts, consents, actions, audit) only grow: nothing updates them in place.
"""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 4  # of this schema; see migrations.py

META = sa.MetaData()

# SQLite gives row numbers to INTEGER PRIMARY KEY only
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _serial() -> sa.Column[int]:
    return sa.Column("number", _SERIAL, primary_key=True, autoincrement=True)


def _time(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null, primary_key=key)


store_version = sa.Table("store_version", META, sa.Column("version", sa.Integer, primary_key=True), _time("at_us"))

alerts = sa.Table(
    "alerts",
    META,
    _serial(),
    _text("alert_id"),
    _time("recorded_us"),
    _time("known_us"),
    _text("change"),
    _text("body"),  # the ALERTS row as JSON
    sa.Index("alerts_by_id", "alert_id", "number"),
)

verdicts = sa.Table(
    "verdicts",
    META,
    _serial(),
    _text("alert_id"),
    _text("verdict"),
    _text("by"),
    _text("note"),
    _time("until_us", null=True),
    _time("at_us"),
    sa.Index("verdicts_by_alert", "alert_id", "number"),
)

rule_entries = sa.Table(
    "rule_entries",
    META,
    _serial(),
    _text("rule_id"),
    _text("action"),  # propose, dry_run, state or silence
    _text("version"),
    _text("body"),  # JSON
    _text("by"),
    _time("at_us"),
)

rule_hits = sa.Table(
    "rule_hits",
    META,
    _serial(),
    _text("rule_id"),
    _text("version"),
    _text("alert_id"),  # of the definition's alert that the rule met
    sa.Column("shadow", sa.Boolean, nullable=False),
    _text("outcome"),  # raised, joined, over_budget or silenced
    _text("tracks"),  # JSON list
    _text("zone", null=True),
    _time("start_us"),
    _time("known_us"),
    sa.Index("rule_hits_by_rule", "rule_id", "number"),
)

users = sa.Table(
    "users",
    META,
    _text("name", key=True),
    _text("password_hash", null=True),
    _text("roles"),  # JSON list, sorted
    _time("created_us"),
    _time("changed_us"),
)

sessions = sa.Table(
    "sessions",
    META,
    _text("digest", key=True),  # SHA-256 of the secret; the secret itself is never kept
    _text("name"),
    _text("kind"),  # cookie or token
    _text("label"),
    _time("opened_us"),
    _time("seen_us"),
    _time("expires_us", null=True),
    sa.Index("sessions_by_name", "name"),
)

consents = sa.Table(
    "consents",
    META,
    _serial(),
    _text("item_id"),
    _text("to"),
    sa.Column("granted", sa.Boolean, nullable=False),
    _text("by"),
    _text("note"),
    _time("at_us"),
    sa.Index("consents_by_item", "item_id", "to", "number"),
    sa.Index("consents_by_time", "at_us"),
)

entries = sa.Table(  # since version 2
    "exchange_entries",
    META,
    _serial(),
    sa.Column("entry_id", sa.Text, nullable=False, unique=True),
    _text("source"),
    _time("recorded_us"),
    _text("body"),  # the entry as JSON
)

actions = sa.Table("actions", META, _serial(), _text("action"), _text("arguments"), _text("by"), _time("at_us"))

audit = sa.Table(
    "audit",
    META,
    _serial(),
    _time("at_us"),
    _text("who"),
    _text("what"),
    _text("outcome"),
    _text("peer"),
    _text("detail"),  # JSON
)

checkpoints = sa.Table("checkpoints", META, _text("key", key=True), _text("value"), _time("at_us"))
