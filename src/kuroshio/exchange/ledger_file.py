"""The file of a ledger: its tables, and how a row's lists are written.

What enters: lists of references. What leaves: the bytes they are kept as. References are most of what a ledger keeps of
a release, so those of the usual form (lower base 32 of ten bytes) are kept as those bytes; others, and those of files
written before, are JSON.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kuroshio.schema.release import Release

SENT = "sent"
TOLD, TAKEN = 0, 1  # ways of a content
REF_CHARS = 16
_ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)  # RFC 4648, section 6, in lower case
_NONE = 255
_VALUE_OF = np.full(256, _NONE, np.uint8)
_VALUE_OF[_ALPHABET] = np.arange(32)
# What is asked in every turn has an index of the few rows it is about: a ledger keeps every release of months.
SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (
  release_id TEXT PRIMARY KEY, to_party TEXT NOT NULL, kind TEXT NOT NULL, at_us INTEGER NOT NULL,
  rows INTEGER NOT NULL, cited TEXT NOT NULL, obligations TEXT NOT NULL, refs BLOB NOT NULL,
  state TEXT NOT NULL, received_us INTEGER, withdrawn_us INTEGER, confirmed_us INTEGER, reason TEXT, by_person TEXT,
  receipt TEXT, bundle BLOB);
CREATE INDEX IF NOT EXISTS sent_to ON sent(to_party, at_us);
CREATE INDEX IF NOT EXISTS sent_newest ON sent(at_us DESC, release_id);
CREATE INDEX IF NOT EXISTS sent_unconfirmed ON sent(withdrawn_us, release_id, to_party) WHERE state='withdrawn';
CREATE TABLE IF NOT EXISTS held (
  release_id TEXT PRIMARY KEY, from_party TEXT NOT NULL, kind TEXT NOT NULL, at_us INTEGER NOT NULL,
  rows INTEGER NOT NULL, held_under TEXT NOT NULL, obligations TEXT NOT NULL, retain_until_us INTEGER,
  refs BLOB NOT NULL, bundle BLOB, state TEXT NOT NULL, gone_us INTEGER, answered TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS held_newest ON held(from_party, kind, at_us, release_id);
CREATE INDEX IF NOT EXISTS held_owed ON held(at_us, release_id, from_party, state)
  WHERE answered='' OR (state='withdrawn' AND answered='held');
CREATE INDEX IF NOT EXISTS held_expiring ON held(retain_until_us, release_id, from_party) WHERE state='held';
CREATE TABLE IF NOT EXISTS refused (
  partner TEXT NOT NULL, release_id TEXT NOT NULL, code TEXT NOT NULL, at_us INTEGER NOT NULL,
  answered INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (partner, release_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refused_owed ON refused(at_us, release_id, partner, code) WHERE answered=0;
CREATE TABLE IF NOT EXISTS told (partner TEXT PRIMARY KEY, alerts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS numbers (partner TEXT PRIMARY KEY, next_seq INTEGER NOT NULL, ahead TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS content (
  partner TEXT NOT NULL, way INTEGER NOT NULL, id BLOB NOT NULL, release_id TEXT NOT NULL,
  PRIMARY KEY (partner, way, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS content_of ON content(release_id);
CREATE TABLE IF NOT EXISTS ends (
  release_id TEXT PRIMARY KEY, to_party TEXT NOT NULL, retain_until_us INTEGER NOT NULL, by_person TEXT NOT NULL,
  reason TEXT NOT NULL, at_us INTEGER NOT NULL, asked_us INTEGER NOT NULL, confirmed_us INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ends_unconfirmed ON ends(asked_us, release_id) WHERE confirmed_us IS NULL;
CREATE TABLE IF NOT EXISTS ends_here (
  release_id TEXT PRIMARY KEY, partner TEXT NOT NULL, retain_until_us INTEGER NOT NULL) WITHOUT ROWID;
DROP INDEX IF EXISTS held_answer;
DROP INDEX IF EXISTS held_retention;
"""


@dataclass(frozen=True)
class Sealed:
    """A release for the ledger's book of what was sent.

    Parameters
    ----------
    bundle
        Kept until `Ledger.offered`, so that a crash before the session has it loses nothing.
    contents
        What it tells, known to have been told from the same moment on.
    """

    release: Release
    refs: Iterable[str] = ()
    bundle: bytes | None = None
    contents: Sequence[bytes] = ()

    def row(self) -> tuple[Any, ...]:
        """Columns of ``sent``."""
        header = self.release.fields
        cited = header["clauses"][0] if header["clauses"] else ""
        return (
            self.release.release_id, header["to"], header["kind"], header["released_at_us"], header["rows"], cited,
            json.dumps(header["obligations"], sort_keys=True), pack_refs(self.refs), SENT, self.bundle,
        )  # fmt: skip


def pack_refs(refs: Iterable[str]) -> bytes | str:
    """References as the ledger keeps them, sorted, each once."""
    ordered = sorted(set(refs))
    joined = "".join(ordered)
    if any(len(ref) != REF_CHARS for ref in ordered) or not joined.isascii():
        return json.dumps(ordered)
    fives = _VALUE_OF[np.frombuffer(joined.encode("ascii"), np.uint8)]
    if (fives == _NONE).any():
        return json.dumps(ordered)
    return np.packbits(np.unpackbits(fives[:, None], axis=1)[:, 3:].ravel()).tobytes()


def unpack_refs(kept: bytes | str) -> list[str]:
    """References that `pack_refs` packed."""
    if isinstance(kept, str):
        return [str(ref) for ref in json.loads(kept)]
    fives = np.packbits(np.unpackbits(np.frombuffer(kept, np.uint8)).reshape(-1, 5), axis=1)[:, 0] >> 3
    joined = _ALPHABET[fives].tobytes().decode("ascii")
    return [joined[at : at + REF_CHARS] for at in range(0, len(joined), REF_CHARS)]


def plain(row: sqlite3.Row) -> dict[str, Any]:
    """A row with its lists read, without its bundle."""
    value = {name: row[name] for name in row.keys() if name != "bundle"}  # noqa: SIM118
    for name in ("obligations", "held_under", "receipt"):
        if isinstance(value.get(name), str):
            value[name] = json.loads(value[name])
    if "refs" in value:
        value["refs"] = unpack_refs(value["refs"])
    return value
