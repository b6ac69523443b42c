"""Retentions that their releaser ended earlier: asked of a partner and confirmed, or carried out here.

What enters: releases and times. What leaves: the same from the ledger's file. An end only ever comes earlier.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from kuroshio.errors import InputError

ENDS_MAX = 1_000  # said again at once
ENDED = "exchange.expired"  # why a release that comes after its end is refused
_RETAINED = "retain_until_us="  # detail of a receipt that confirms an earlier end
_DIGITS = 18


class Ends:
    """Earlier ends; part of `Ledger`."""

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        raise NotImplementedError

    def release(self, release_id: str) -> dict[str, Any]:
        """State of one release made here."""
        raise NotImplementedError

    # -- the releaser's side

    def shorten(self, release_id: str, retain_until_us: int, *, by: str, reason: str, now_us: int) -> dict[str, Any]:
        """Note that a release made here must be gone by a time; ``release_id``, ``to_party`` and ``retain_until_us``.

        Raises
        ------
        NotFound
            When this node made no such release.
        InputError
            When it was withdrawn, or must be gone by then already.
        """
        row = self.release(release_id)
        if row["state"].startswith("withdraw"):
            raise InputError(f"release {release_id[:70]} was withdrawn", code="release.withdrawn")
        until_us = self.must_be_gone(row)
        if until_us is not None and until_us <= retain_until_us:
            raise InputError(
                f"release {release_id[:70]} must be gone by then already", code="release.longer",
                advice="An end can only come earlier.",
            )  # fmt: skip
        self._run(
            "INSERT OR REPLACE INTO ends VALUES (?,?,?,?,?,?,?,NULL)",
            (release_id, row["to_party"], retain_until_us, by, reason[:500], now_us, now_us),
        )
        return {"release_id": release_id, "to_party": row["to_party"], "retain_until_us": retain_until_us}

    def over(self, row: dict[str, Any], now_us: int) -> bool:
        """True for a release made here that must be gone at its recipient by now: it goes no more."""
        until_us = self.must_be_gone(row)
        return until_us is not None and until_us <= now_us

    def must_be_gone(self, row: dict[str, Any]) -> int | None:
        """When a release made here must be gone at its recipient, by its obligations or an earlier end; None: never."""
        end = self.end(row["release_id"])
        if end is not None:
            return int(end["retain_until_us"])
        retention_s = row["obligations"].get("retention_s")
        return None if retention_s is None else int(row["at_us"]) + int(retention_s) * 1_000_000

    def end(self, release_id: str) -> dict[str, Any] | None:
        """The earlier end asked for of a release made here; None where none was."""
        rows = self._run("SELECT * FROM ends WHERE release_id=?", (release_id,))
        return dict(rows[0]) if rows else None

    def unconfirmed_ends(self, *, before_us: int) -> list[dict[str, Any]]:
        """Earlier ends that were last asked for before a time and are not confirmed, oldest first.

        What was recalled since is gone sooner than at any end: nobody would confirm it any more.
        """
        sql = (
            "SELECT ends.* FROM ends JOIN sent USING (release_id) WHERE ends.confirmed_us IS NULL AND ends.asked_us<?"
            " AND state NOT IN ('withdrawn','withdrawal_confirmed') ORDER BY ends.asked_us, release_id LIMIT ?"
        )
        return [dict(row) for row in self._run(sql, (before_us, ENDS_MAX))]

    def asked_again(self, release_id: str, now_us: int) -> None:
        """An earlier end was said again."""
        self._run("UPDATE ends SET asked_us=? WHERE release_id=?", (now_us, release_id))

    def end_confirmed(self, release_id: str, retain_until_us: int, at_us: int) -> None:
        """The partner's signed receipt says that it will be gone by a time."""
        self._run(
            "UPDATE ends SET confirmed_us=coalesce(confirmed_us,?) WHERE release_id=? AND retain_until_us>=?",
            (at_us, release_id, retain_until_us),
        )

    # -- the receiver's side

    def shorten_here(self, release_ids: Iterable[str], partner: str, retain_until_us: int, *, now_us: int) -> None:
        """Shorten the retention of releases of a partner, also of one still on its way; never lengthens it.

        A receipt that says so is owed for each that came. Of one that has not come by its end a mark is left, as of one
        recalled: it is not taken when it comes, and the receipt says that nothing of it is here. Else its releaser
        would ask for ever.
        """
        for release_id in release_ids:
            self._run(
                "INSERT INTO ends_here VALUES (?1,?2,?3) ON CONFLICT(release_id) DO UPDATE"
                " SET retain_until_us=min(retain_until_us,?3) WHERE partner=?2",
                (release_id, partner, retain_until_us),
            )
            self._run(
                "UPDATE held SET retain_until_us=min(coalesce(retain_until_us,?1),?1),"
                " answered='' WHERE release_id=?2 AND from_party=?3",
                (retain_until_us, release_id, partner),
            )
            if retain_until_us <= now_us:
                self._run(
                    "INSERT INTO held VALUES (?,?,'',?,0,'[]','{}',?,'[]',NULL,'withdrawn',?,'')"
                    " ON CONFLICT(release_id) DO NOTHING",
                    (release_id, partner, now_us, retain_until_us, now_us),
                )

    def kept_until(self, release_id: str, partner: str, retain_until_us: int | None) -> int | None:
        """When a release that comes now must be gone, by its own words and by what its releaser said since."""
        rows = self._run(
            "SELECT retain_until_us FROM ends_here WHERE release_id=? AND partner=?", (release_id, partner)
        )
        told = [int(rows[0]["retain_until_us"])] if rows else []
        return min([*told, *([] if retain_until_us is None else [retain_until_us])], default=None)

    def shortened_here(self, release_ids: Iterable[str]) -> dict[str, int]:
        """Of these releases of partners, the earlier ends that were asked for."""
        rows = self._run(
            "SELECT release_id, retain_until_us FROM ends_here WHERE release_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(release_ids)),),
        )
        return {row["release_id"]: int(row["retain_until_us"]) for row in rows}


def retained(until_us: int | None) -> str:
    """Detail of a receipt: empty, or that a release will be gone by a time."""
    return "" if until_us is None else f"{_RETAINED}{until_us}"


def end_of(detail: str) -> int | None:
    """What `retained` said; None for any other detail."""
    text = detail.removeprefix(_RETAINED)
    return int(text) if text != detail and text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
