"""Releases of tracks that their partner cannot read: their tracks wait anew, and go in the form it reads.

What enters: releases that do not go since the partner speaks an older version now, and refusals for that reason. What
leaves: rows that wait for the partner. A track that ended meanwhile has left the picture: its last row is taken back
from the release that would have told it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import exchange
from kuroshio.schema import TRACKS, concat
from kuroshio.schema.release import RELEASED_TRACKS, Release

if TYPE_CHECKING:
    from kuroshio.node.sharing import Sharing

UNREAD_MAX = 10_000
FORM_UNKNOWN = "exchange.version"  # how a partner refuses what it cannot read


class Unread:
    """What waits to be told anew; noted from any thread, told from the worker's.

    Parameters
    ----------
    sharing
        Whose ledger and outlets know the releases.
    counters
        Where ``unread_dropped`` counts the oldest that gave way beyond `UNREAD_MAX`.
    """

    def __init__(self, sharing: Sharing, counters: Counter[str]) -> None:
        self._sharing = sharing
        self._counters = counters
        self._waits: deque[tuple[str, list[str], pa.Table]] = deque(maxlen=UNREAD_MAX)
        self.old: set[str] = set()

    def not_sent(self, release: Release) -> None:
        """A release of tracks does not go, for its partner speaks an older version now."""
        rows = exchange.rows_of(release)
        over = rows.filter(pc.equal(rows["status"].cast(pa.string()), "ended"))
        self._wait(release.to, [str(ref) for ref in rows["ref"].to_pylist()], over)

    def refused(self, party: str, receipts: Iterable[dict[str, str]]) -> None:
        """Receipts came in a file: what was refused for its form goes in the oldest one from now on."""
        ledger = self._sharing.ledger
        for receipt in receipts:
            if receipt["detail"] == FORM_UNKNOWN and ledger.made(receipt["release_id"]):
                self.old.add(party)
                self._wait(party, ledger.release(receipt["release_id"])["refs"], TRACKS.empty())

    def _wait(self, party: str, refs: list[str], over: pa.Table) -> None:
        self._counters["unread_dropped"] += len(self._waits) == UNREAD_MAX
        self._waits.append((party, refs, over))

    def tell(self, picture: pa.Table) -> None:
        """Let all of it wait for its partners."""
        while self._waits:
            party, refs, over = self._waits.popleft()
            outlet = self._sharing.desk.outlet(party)
            tracks = outlet.untold(refs)
            rows = picture.filter(pc.is_in(picture["track_id"], pa.array(tracks, pa.int64())))
            self._sharing.waiting[party].add(concat(TRACKS, [rows, self._ended(outlet, over)]), outlet.was_given)

    def _ended(self, outlet: exchange.Outlet, over: pa.Table) -> pa.Table:
        numbers = {ref: outlet.track_of(ref) for ref in over["ref"].to_pylist()} if over.num_rows else {}
        known = [ref for ref, number in numbers.items() if number is not None]
        if not known:
            return TRACKS.empty()
        rows = RELEASED_TRACKS.conform(over.filter(pc.is_in(over["ref"], pa.array(known, pa.string()))))
        track_ids = [numbers[ref] or 0 for ref in rows["ref"].to_pylist()]
        return exchange.as_tracks(rows, track_ids=track_ids, partner=None, held_by="told")
