"""Releases as files: the same bundles on a stick or through a diode, and what becomes of those that came so.

What enters: bundles. What leaves: one file of length-prefixed bundles with a header line, readable from its start, and
the same bundles again. Every bundle proves itself; the file is only their carrier. `Carrier` takes them one by one: a
file has no certificate that says who brings it, so the party a bundle names must have signed it before anything else
is made of it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from kuroshio.errors import KuroshioError, StoreError, VerificationError
from kuroshio.exchange.desk import Accepted
from kuroshio.exchange.receive import signed_header
from kuroshio.schema.release import MAX_BUNDLE, Release
from kuroshio.schema.signing import KeyRing

HEAD = b"KUROSHIO-BUNDLES-1\n"
_LENGTH = struct.Struct(">I")
SEEN_MAX = 10_000  # statements taken: what waits for a partner is in each file until it arrived
REFUSALS_MAX = 100  # named in the answer; all are counted
# where only files go, no cosignature comes back: each checkpoint is proven from the beginning, and nothing is wrong
UNANSWERED = "record.consistency_start"

Accept = Callable[[str, bytes, int], Accepted]
Gone = Callable[[str, str], None]


def write_bundles(file: BinaryIO, bundles: Iterable[bytes]) -> int:
    """Number of bundles written."""
    file.write(HEAD)
    count = 0
    for bundle in bundles:
        file.write(_LENGTH.pack(len(bundle)) + bundle)
        count += 1
    return count


def read_bundles(file: BinaryIO) -> Iterator[bytes]:
    """Bundles of a file in order.

    Raises
    ------
    VerificationError
        ``exchange.carrier`` when it is not such a file, or ends within a bundle (those before it were given out).
    """
    if file.read(len(HEAD)) != HEAD:
        raise VerificationError("not a file of bundles", code="exchange.carrier")
    while head := file.read(_LENGTH.size):
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else -1
        if not 0 < length <= MAX_BUNDLE:
            raise VerificationError(f"a bundle of {length} bytes", code="exchange.carrier")
        bundle = file.read(length)
        if len(bundle) != length:
            raise VerificationError("the file ends within a bundle", code="exchange.carrier")
        yield bundle


@dataclass
class Taken:
    """What became of a file: bundles taken by kind, held before, refused, and why it could not be read to its end."""

    taken: dict[str, int] = field(default_factory=dict)
    held_before: int = 0
    refused: int = 0
    refusals: list[dict[str, str | int]] = field(default_factory=list)
    error: str | None = None

    @property
    def whole(self) -> bool:
        """True when all of it was taken, now or before."""
        return self.error is None and not self.refused


class Carrier:
    """Takes bundles that no link brought.

    Parameters
    ----------
    me
        Own party code.
    keys
        Gives the keys trusted now.
    accept
        Takes a bundle of a partner at a time as its link would; raises for one who is no partner.
    gone
        Takes a release off the queue of a partner.
    seen
        Ids of what was taken before.
    """

    def __init__(
        self, me: str, *, keys: Callable[[], KeyRing], accept: Accept, gone: Gone, seen: Iterable[str] = ()
    ) -> None:
        self._me, self._keys, self._accept, self._gone = me, keys, accept, gone
        self._seen: dict[str, None] = dict.fromkeys(seen)

    def work(self, file: BinaryIO, taken: Taken, now_us: Callable[[], int], *, arrived: bool) -> Iterator[None]:
        """Take the bundles of a file one after another, each before the next is asked for.

        Parameters
        ----------
        arrived
            True for a file that this node wrote and that its partner has by now: what is in it waits no more.

        Raises
        ------
        StoreError
            When one cannot be kept now: then the file is to be taken again from its beginning.
        """
        try:
            for number, bundle in enumerate(read_bundles(file)):
                self._one(bundle, number, taken, now_us(), arrived=arrived)
                yield
        except VerificationError as err:
            taken.error = err.message

    def seen(self) -> list[str]:
        """Ids of what was taken, the newest at most: to be kept durably once a file is done."""
        for old in list(self._seen)[:-SEEN_MAX]:
            del self._seen[old]
        return list(self._seen)

    def _one(self, bundle: bytes, number: int, taken: Taken, now_us: int, *, arrived: bool) -> None:
        try:
            release = Release.from_bytes(bundle)
            signed_header(release, self._keys(), now_us=now_us)  # before anything is read of it
            if self._has_arrived(release) if arrived else self._take(release, bundle, now_us):
                taken.taken[release.kind] = taken.taken.get(release.kind, 0) + 1
            else:
                taken.held_before += 1
        except StoreError:
            raise
        except KuroshioError as err:
            taken.refused += 1
            if len(taken.refusals) < REFUSALS_MAX:
                taken.refusals.append({"bundle": number, "code": err.error_code, "text": err.message})

    def _has_arrived(self, release: Release) -> bool:
        if release.releaser != self._me:
            raise VerificationError(f"a release of {release.releaser}, not of {self._me}", code="exchange.stranger")
        self._gone(release.to, release.release_id)
        return True

    def _take(self, release: Release, bundle: bytes, now_us: int) -> bool:
        """False where it was taken before; what a receipt in it answers waits for no link any more."""
        if release.release_id in self._seen:
            return False
        try:
            accepted = self._accept(release.releaser, bundle, now_us)
        except VerificationError as err:
            if err.error_code != UNANSWERED or release.kind != "checkpoint":
                raise
            return False
        self._seen[release.release_id] = None
        if accepted.kind == "receipt":
            for receipt in (accepted.body or {})["receipts"]:
                self._gone(release.releaser, str(receipt["release_id"]))
        return accepted.received is not None
