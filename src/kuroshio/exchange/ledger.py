"""What became of each release, on both sides: sent, received, withdrawn, withdrawal confirmed; held, gone.

What enters: releases sealed or received, receipts, recalls. What leaves: states, and the rows of a partner that must
go. It is one SQLite file, or memory; every write is durable when the method returns.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kuroshio.errors import NotFound, StoreError, VerificationError
from kuroshio.exchange.contents import content_ids
from kuroshio.exchange.ends import ENDED, Ends, end_of
from kuroshio.exchange.ledger_file import SCHEMA, SENT, TAKEN, TOLD, Sealed, pack_refs, plain, unpack_refs
from kuroshio.exchange.receive import Received
from kuroshio.schema.release import RECEIVED, REFUSED, WITHDRAWN, Receipt

EXPIRED, HELD = "expired", "held"
PAGE = 64  # releases read at once: their references are many
REFUSED_MAX = 10_000  # releases of one partner that were refused here and are remembered


class Ledger(Ends):
    """Releases of one node.

    Parameters
    ----------
    path
        SQLite file, or ``:memory:``.
    """

    def __init__(self, path: str = ":memory:") -> None:
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + SCHEMA)
        except sqlite3.Error as err:
            raise StoreError(f"ledger {path}: {err}", code="exchange.ledger") from err
        self._db.row_factory = sqlite3.Row
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as err:
                raise StoreError(f"ledger: {err}", code="exchange.ledger") from err

    def _write(self, *statements: tuple[str, Sequence[Any]], told: Iterable[Sequence[Any]]) -> None:
        """Statements on releases together with the contents they tell, so that a crash leaves all or nothing."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for sql, values in statements:
                    self._db.execute(sql, values)
                self._db.executemany("INSERT OR IGNORE INTO content VALUES (?,?,?,?)", told)
                self._db.execute("COMMIT")
            except sqlite3.Error as err:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise StoreError(f"ledger: {err}", code="exchange.ledger") from err

    def _others(self, partner: str, way: int, contents: Sequence[bytes], release_id: str = "") -> list[bool]:
        """One flag a content: another release told it."""
        sql = "SELECT release_id FROM content WHERE partner=? AND way=? AND id=?"
        found = [self._run(sql, (partner, way, content)) for content in contents]
        return [bool(rows) and rows[0]["release_id"] != release_id for rows in found]

    # -- the releaser's side

    def told_before(self, to: str, contents: Sequence[bytes]) -> list[bool]:
        """One flag a content: a release to that party tells it already, however long ago."""
        return self._others(to, TOLD, contents)

    def sealed(self, *entries: Sealed) -> None:
        """Releases were made, all or none of them; each counts as sent until a receipt says more."""
        sql = (
            "INSERT OR IGNORE INTO sent(release_id,to_party,kind,at_us,rows,cited,obligations,refs,state,bundle)"
            " VALUES (?,?,?,?,?,?,?,?,?,?)"
        )
        told = ((e.release.to, TOLD, content, e.release.release_id) for e in entries for content in e.contents)
        self._write(*((sql, entry.row()) for entry in entries), told=told)

    def offered(self, *release_ids: str) -> None:
        """The session has these bundles durably."""
        sql = "UPDATE sent SET bundle=NULL WHERE release_id IN (SELECT value FROM json_each(?))"
        self._run(sql, (json.dumps(release_ids),))

    def unoffered(self) -> list[bytes]:
        """Bundles sealed whose session never got them: a crash came between. Offer them again, oldest first."""
        rows = self._run("SELECT bundle FROM sent WHERE bundle IS NOT NULL ORDER BY rowid")
        return [bytes(row["bundle"]) for row in rows]

    def recall(self, release_id: str, *, by: str, reason: str, now_us: int) -> dict[str, Any]:
        """Mark a release as withdrawn; the caller sends the recall. Idempotent.

        Raises
        ------
        NotFound
            When this node made no such release.
        """
        row = self.release(release_id)
        if row["state"] != "withdrawal_confirmed":
            self._run(
                "UPDATE sent SET state='withdrawn', withdrawn_us=coalesce(withdrawn_us,?), reason=?, by_person=?"
                " WHERE release_id=?",
                (now_us, reason, by, release_id),
            )
        return self.release(release_id)

    def receipted(self, receipt: Receipt) -> None:
        """A verified receipt of the partner came.

        Raises
        ------
        VerificationError
            When it speaks of a release this node did not make, or of one made for another party.
        """
        rows = self._run("SELECT to_party, state FROM sent WHERE release_id=?", (receipt.release_id,))
        if not rows or rows[0]["to_party"] != receipt.by:
            raise VerificationError(
                f"{receipt.by} receipts a release it was not given", code="exchange.receipt_stranger"
            )
        state, text = rows[0]["state"], json.dumps(receipt.as_dict(), sort_keys=True)
        if receipt.status in (RECEIVED, WITHDRAWN) and (until_us := end_of(receipt.detail)) is not None:
            self.end_confirmed(receipt.release_id, until_us, receipt.at_us)
            if receipt.status == WITHDRAWN and state == SENT and self.end(receipt.release_id) is not None:
                self._refused(receipt.release_id, text, ENDED)  # the earlier end was there before it, and none is here
        if receipt.status == WITHDRAWN and state in ("withdrawn", "withdrawal_confirmed"):
            self._run(
                "UPDATE sent SET state='withdrawal_confirmed', confirmed_us=coalesce(confirmed_us,?), receipt=?"
                " WHERE release_id=?",
                (receipt.at_us, text, receipt.release_id),
            )
        elif receipt.status == RECEIVED:  # also of one that was refused before: then it came again, whole
            self._run(
                "UPDATE sent SET state=iif(state IN ('sent','refused'),'received',state),"
                " received_us=coalesce(received_us,?), receipt=iif(state='refused',?,coalesce(receipt,?))"
                " WHERE release_id=?",
                (receipt.at_us, text, text, receipt.release_id),
            )
        elif receipt.status == REFUSED and state == SENT:
            self._refused(receipt.release_id, text, receipt.detail)

    def _refused(self, release_id: str, receipt: str, reason: str) -> None:
        self._run(
            "UPDATE sent SET state='refused', receipt=?, reason=? WHERE release_id=?",
            (receipt, reason[:200], release_id),
        )

    def made(self, release_id: str) -> bool:
        """True when this node made the release."""
        return bool(self._run("SELECT 1 FROM sent WHERE release_id=?", (release_id,)))

    def release(self, release_id: str) -> dict[str, Any]:
        """State of one release made here.

        Raises
        ------
        NotFound
            When there is none.
        """
        rows = self._run("SELECT * FROM sent WHERE release_id=?", (release_id,))
        if not rows:
            raise NotFound(f"no release {release_id[:70]}", code="exchange.release_unknown")
        return plain(rows[0])

    def releases(self, *, to: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Releases made here, newest first."""
        if to is None:
            rows = self._run("SELECT * FROM sent ORDER BY at_us DESC, release_id LIMIT ?", (limit,))
        else:
            sql = "SELECT * FROM sent WHERE to_party=? ORDER BY at_us DESC, release_id LIMIT ?"
            rows = self._run(sql, (to, limit))
        return [plain(row) for row in rows]

    def unconfirmed(self, to: str) -> int:
        """Withdrawn releases that the partner has not confirmed."""
        rows = self._run(
            "SELECT count(*) AS n FROM sent INDEXED BY sent_unconfirmed WHERE to_party=? AND state='withdrawn'", (to,)
        )
        return int(rows[0]["n"])

    def withdrawn(self, *, before_us: int) -> list[str]:
        """Releases withdrawn before a time and not confirmed, oldest first: their recall must be said again."""
        rows = self._run(
            "SELECT release_id FROM sent WHERE state='withdrawn' AND withdrawn_us<? ORDER BY withdrawn_us, release_id"
            " LIMIT 1000",
            (before_us,),
        )
        return [row["release_id"] for row in rows]

    def keep_told(self, alerts: Mapping[str, int]) -> None:
        """Remember per partner the number in the book of alerts up to which nothing is left to tell it."""
        for partner, number in alerts.items():
            self._run("INSERT OR REPLACE INTO told VALUES (?,?)", (partner, number))

    def told(self) -> dict[str, int]:
        """What `keep_told` kept, by partner."""
        return {row["partner"]: int(row["alerts"]) for row in self._run("SELECT partner, alerts FROM told ORDER BY 1")}

    def last_release_us(self, to: str) -> int | None:
        """Time of the newest release to a party, for an `Outlet` after a restart."""
        rows = self._run("SELECT max(at_us) AS t FROM sent WHERE to_party=?", (to,))
        return None if rows[0]["t"] is None else int(rows[0]["t"])

    # -- the receiver's side

    def hold(self, received: Received, *, keep_bundle: bool = True) -> bool:
        """Keep a received release and its terms; False when it is already held, expired or recalled."""
        release = received.release
        refs = received.released.column("ref").to_pylist() if received.kind == "tracks" and received.released else []
        header = release.fields
        before = self._run("SELECT state FROM held WHERE release_id=?", (release.release_id,))
        if before:
            return False
        contents = content_ids(received.released) if received.kind == "alerts" and received.released else ()
        until_us = self.kept_until(release.release_id, header["from"], header["retain_until_us"])
        row = (
            release.release_id, header["from"], header["kind"], header["released_at_us"], header["rows"],
            json.dumps(list(received.held_under)), json.dumps(header["obligations"], sort_keys=True),
            until_us, pack_refs(refs), release.to_bytes() if keep_bundle else None, HELD,
        )  # fmt: skip
        told = ((header["from"], TAKEN, content, release.release_id) for content in contents)
        self._write(("INSERT INTO held VALUES (?,?,?,?,?,?,?,?,?,?,?,NULL,'')", row), told=told)
        self._run("DELETE FROM refused WHERE partner=? AND release_id=?", (header["from"], release.release_id))
        return True

    def first_told(self, received: Received) -> list[bool]:
        """One flag a row of alerts: no other release held of this partner told it before."""
        contents = content_ids(received.released) if received.released is not None else []
        return [not t for t in self._others(received.partner, TAKEN, contents, received.release.release_id)]

    def refuse(self, release_id: str, partner: str, *, code: str, now_us: int) -> None:
        """A release of a partner was refused for good: a signed receipt says so, until it is answered.

        Past `REFUSED_MAX` of a partner the oldest are forgotten, those that were answered first.
        """
        self._run("INSERT OR REPLACE INTO refused VALUES (?,?,?,?,0)", (partner, release_id, code[:200], now_us))
        self._run(
            "DELETE FROM refused WHERE partner=?1 AND release_id IN (SELECT release_id FROM refused WHERE partner=?1"
            " ORDER BY answered, at_us DESC, release_id LIMIT -1 OFFSET ?2)",
            (partner, REFUSED_MAX),
        )

    def keep_numbers(self, partner: str, next_seq: int, ahead: Iterable[int]) -> None:
        """Remember which numbers of a partner to us were seen: all below ``next_seq``, and those ahead of it."""
        self._run("INSERT OR REPLACE INTO numbers VALUES (?,?,?)", (partner, next_seq, json.dumps(sorted(ahead))))

    def numbers(self) -> dict[str, tuple[int, set[int]]]:
        """What `keep_numbers` kept, by partner."""
        rows = self._run("SELECT partner, next_seq, ahead FROM numbers ORDER BY partner")
        return {row["partner"]: (int(row["next_seq"]), set(json.loads(row["ahead"]))) for row in rows}

    def refusals(self, limit: int) -> dict[str, list[tuple[str, str]]]:
        """Per partner, (release_id, code) of what was refused and not answered yet, oldest first."""
        found: dict[str, list[tuple[str, str]]] = {}
        for row in self._run(
            "SELECT partner, release_id, code FROM refused WHERE answered=0 ORDER BY at_us, release_id LIMIT ?",
            (limit,),
        ):
            found.setdefault(row["partner"], []).append((row["release_id"], row["code"]))
        return found

    def withdraw(self, release_ids: Iterable[str], partner: str, *, now_us: int) -> list[str]:
        """Carry out a partner's recall; the releases that were held until now.

        A recall that comes before its release leaves a mark, so that the release is not taken when it comes. One said
        again is answered again: the answer before may be lost.
        """
        gone: list[str] = []
        for release_id in release_ids:
            rows = self._run("SELECT from_party, state FROM held WHERE release_id=?", (release_id,))
            if rows and rows[0]["from_party"] != partner:
                continue  # only the releaser may recall
            if rows and rows[0]["state"] == HELD:
                gone.append(release_id)
            self._run(
                "INSERT INTO held VALUES (?,?,'',?,0,'[]','{}',NULL,'[]',NULL,'withdrawn',?,'')"
                " ON CONFLICT(release_id) DO UPDATE SET bundle=NULL, refs='[]', state='withdrawn', gone_us=?,"
                " answered=''",
                (release_id, partner, now_us, now_us, now_us),
            )
            self._run("DELETE FROM content WHERE release_id=? AND way=?", (release_id, TAKEN))
        return gone

    def expire(self, now_us: int) -> dict[str, list[str]]:
        """Drop what its retention says must be gone: per partner, the releases."""
        rows = self._run(
            "SELECT release_id, from_party FROM held WHERE retain_until_us<=? AND state='held'"
            " ORDER BY retain_until_us, release_id",
            (now_us,),
        )
        gone: dict[str, list[str]] = {}
        for row in rows:
            gone.setdefault(row["from_party"], []).append(row["release_id"])
            self._run(
                "UPDATE held SET state=?, bundle=NULL, refs='[]', gone_us=? WHERE release_id=?",
                (EXPIRED, now_us, row["release_id"]),
            )
        return gone

    def unanswered(self, limit: int) -> dict[str, list[tuple[str, str]]]:
        """Per partner, (release_id, status) of what a signed receipt is still owed for."""
        rows = self._run(
            "SELECT release_id, from_party, state FROM held"
            " WHERE answered='' OR (state='withdrawn' AND answered='held') ORDER BY at_us, release_id LIMIT ?",
            (limit,),
        )
        found: dict[str, list[tuple[str, str]]] = {}
        for row in rows:
            status = WITHDRAWN if row["state"] == WITHDRAWN else RECEIVED
            found.setdefault(row["from_party"], []).append((row["release_id"], status))
        return found

    def mark_answered(self, answers: Iterable[tuple[str, str]]) -> None:
        """A receipt of that status is on its way."""
        refused = (
            "UPDATE refused INDEXED BY refused_owed SET answered=1"
            " WHERE answered=0 AND release_id IN (SELECT value FROM json_each(?))"
        )
        held = "UPDATE held SET answered=? WHERE release_id IN (SELECT value FROM json_each(?))"
        ids: dict[str, list[str]] = {}
        for release_id, status in answers:
            ids.setdefault(status, []).append(release_id)
        for status, some in ids.items():
            if status == REFUSED:
                self._run(refused, (json.dumps(some),))
            else:
                self._run(held, (WITHDRAWN if status == WITHDRAWN else HELD, json.dumps(some)))

    def answer_again(self, since_us: int, *, records: bool = False) -> None:
        """Owe receipts once more for releases made since a time: the key they were signed with counts no more.

        With ``records`` only for what is no state of tracks, of which the newest alone matters: a start owes them, as
        an outbound log may have come back from a copy older than they are, and nobody could notice.
        """
        self._run("UPDATE held SET answered='' WHERE at_us>=? AND (kind<>'tracks' OR NOT ?)", (since_us, records))
        self._run("UPDATE refused SET answered=0 WHERE at_us>=?", (since_us,))

    def holding(self, release_id: str) -> dict[str, Any] | None:
        """What is held of a partner's release; None when it never came."""
        rows = self._run("SELECT * FROM held WHERE release_id=?", (release_id,))
        return plain(rows[0]) if rows else None

    def bundle(self, release_id: str) -> bytes | None:
        """Bundle of a release held, as it came; None when it is gone or was not kept."""
        rows = self._run("SELECT bundle FROM held WHERE release_id=? AND state='held'", (release_id,))
        return bytes(rows[0]["bundle"]) if rows and rows[0]["bundle"] is not None else None

    def held_ids(self) -> set[str]:
        """Ids of all releases held now."""
        return {row["release_id"] for row in self._run("SELECT release_id FROM held WHERE state='held'")}

    def made_ids(self) -> list[tuple[str, str, str]]:
        """(id, recipient, kind) of every release made here, oldest first."""
        return [tuple(row) for row in self._run("SELECT release_id, to_party, kind FROM sent ORDER BY rowid")]

    def newest(
        self, partner: str, kind: str, *, since_us: int = 0, limit: int = 100_000
    ) -> Iterator[tuple[str, set[str]]]:
        """(id, references of its tracks) of releases held of a partner and kind, newest first, read page by page."""
        at_us, last = 1 << 62, ""
        while limit > 0:
            rows = self._run(
                "SELECT release_id, at_us, refs FROM held WHERE from_party=? AND kind=? AND state='held' AND at_us>=?"
                " AND (at_us, release_id) < (?, ?) ORDER BY at_us DESC, release_id DESC LIMIT ?",
                (partner, kind, since_us, at_us, last, min(PAGE, limit)),
            )
            if not rows:
                return
            limit -= len(rows)
            at_us, last = int(rows[-1]["at_us"]), str(rows[-1]["release_id"])
            yield from ((row["release_id"], set(unpack_refs(row["refs"]))) for row in rows)

    def givers(self) -> list[tuple[str, str]]:
        """(partner, kind) of all releases held."""
        return [
            tuple(r) for r in self._run("SELECT DISTINCT from_party, kind FROM held WHERE state='held' ORDER BY 1, 2")
        ]

    def holdings(self, partner: str | None = None) -> list[dict[str, Any]]:
        """Releases held of a partner, oldest first, without their bundles."""
        rows = self._run(
            "SELECT * FROM held WHERE state='held' AND (?1 IS NULL OR from_party=?1) ORDER BY at_us, release_id",
            (partner,),
        )
        return [plain(row) for row in rows]
