"""What a releaser may still do about a release: recall it, end its retention earlier, and say either again.

What enters: a release made here, who asks and why. What leaves: parcels for the partner, on record and in the ledger
first. Both are confirmed by the partner's signed receipt, and said again until it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from kuroshio.exchange.outlet import Outlet

if TYPE_CHECKING:
    from kuroshio.exchange.desk import Parcel
    from kuroshio.exchange.ledger import Ledger

REMIND_US = 60_000_000
SAID_AGAIN_US = 24 * 3600 * 1_000_000  # receipts of records that a start says again
CARRIED_US = 3600 * 1_000_000  # a file that somebody carries holds what was said before, until it is answered


class Aftercare:
    """Recalls and earlier ends; part of `Desk`."""

    ledger: Ledger
    _reminded: dict[str, int]

    outlet: Callable[[str], Outlet]
    control: Callable[..., Parcel]

    def recall(self, release_id: str, *, by: str, reason: str, now_us: int) -> Parcel:
        """Withdraw a release: in the ledger as withdrawn, on record, and a parcel the partner must confirm.

        Raises
        ------
        NotFound
            When this node made no such release.
        """
        row = self.ledger.recall(release_id, by=by, reason=reason, now_us=now_us)
        self.outlet(row["to_party"]).withdraw(set(row["refs"]))
        body = {"release_ids": [release_id], "reason": word(reason), "at_us": now_us}
        told = {"kind": "recalled", "release_id": release_id, "by": by, "reason": word(reason), "at_us": now_us}
        return self.control("recall", body, to=row["to_party"], now_us=now_us, also=[told])

    def remind(
        self, now_us: int, *, after_us: int = REMIND_US, to: Collection[str] | None = None,
        carried: Collection[str] = (),
    ) -> list[Parcel]:  # fmt: skip
        """Parcels that say again each recall and earlier end that a partner has not confirmed; twice changes nothing.

        With ``to`` only those partners are reminded: for one that is away the recall waits in its outbound log already.
        Those in ``carried``, whom only files reach, once an hour.
        """
        waiting: dict[str, list[str]] = {}
        late = self.ledger.withdrawn(before_us=now_us - after_us)
        self._reminded = {i: self._reminded[i] for i in late if i in self._reminded}  # confirmed ones are forgotten
        for release_id in late:
            if self._reminded.get(release_id, 0) <= now_us - after_us:
                row = self.ledger.release(release_id)
                partner, said_us = row["to_party"], self._reminded.get(release_id, row["withdrawn_us"])
                if (to is None or partner in to) and (partner not in carried or said_us <= now_us - CARRIED_US):
                    self._reminded[release_id] = now_us
                    waiting.setdefault(partner, []).append(release_id)
        parcels = [
            self.control(
                "recall", {"release_ids": ids, "reason": "reminder", "at_us": now_us}, to=partner, now_us=now_us
            )
            for partner, ids in waiting.items()
        ]
        for row in self.ledger.unconfirmed_ends(before_us=now_us - after_us):
            partner = row["to_party"]
            if (to is None or partner in to) and (partner not in carried or row["asked_us"] <= now_us - CARRIED_US):
                self.ledger.asked_again(row["release_id"], now_us)
                parcels.append(self._end(row, "reminder", now_us))
        return parcels

    def tighten(self, release_id: str, retain_until_us: int, *, by: str, reason: str, now_us: int) -> Parcel:
        """End the retention of a release earlier: in the ledger, on record, and a parcel the partner must confirm.

        Raises as `Ends.shorten` does.
        """
        row = self.ledger.shorten(release_id, retain_until_us, by=by, reason=reason, now_us=now_us)
        told = {"kind": "tightened", "release_id": release_id, "retain_until_us": retain_until_us, "by": by,
                "reason": word(reason), "at_us": now_us}  # fmt: skip
        return self._end(row, reason, now_us, also=[told])

    def _end(self, row: Mapping[str, Any], reason: str, now_us: int, *, also: Any = ()) -> Parcel:
        body = {"release_ids": [row["release_id"]], "retain_until_us": row["retain_until_us"], "reason": word(reason),
                "at_us": now_us}  # fmt: skip
        return self.control("tighten", body, to=row["to_party"], now_us=now_us, also=also)


def word(text: str) -> str:
    """A reason as one word of the record's alphabet."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in text)[:200]
    return kept or "unstated"
