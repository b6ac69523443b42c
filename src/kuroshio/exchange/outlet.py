"""What one recipient has been given and will be given: the bounded memory that delay and time buckets need.

What enters: rows that a decision lets flow. What leaves: the rows that are due now. The outlet knows each track's
opaque reference for its recipient, the newest state released, and states held back until they are old enough. It
decides nothing and seals nothing: `seal` alone does.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.errors import ReleaseRefused
from kuroshio.exchange import coarsen
from kuroshio.exchange.ageing import Ageing
from kuroshio.exchange.columns import int64_of, newest_per
from kuroshio.exchange.lineage import mark_of
from kuroshio.schema import Obligations, concat
from kuroshio.schema.release import RELEASED_TRACKS
from kuroshio.units import US_PER_S

MAX_TRACKS = 1_000_000
MAX_HELD_ROWS = 4_000_000
COUNTED = ("held", "dropped_held", "echo", "superseded", "released", "repeated")
NEVER = np.iinfo(np.int64).min


class Outlet:
    """Memory for one recipient.

    Parameters
    ----------
    recipient
        Party code.
    secret
        At least 16 secret bytes of this node: references, shifts and salts come from it, so it must stay the same.
    resume_after_us
        Time of the last release before a restart: a time bucket that began before it is not used twice.
    form
        Newest form of a release of tracks this recipient reads and is told, where an accord allows all its columns.

    Attributes
    ----------
    counters
        held, dropped_held (limit reached), echo (the recipient's own tracks, never sent back), superseded (states
        that a newer one replaced before they were due), repeated (alerts asked for that the recipient was told).
    """

    def __init__(self, recipient: str, secret: bytes, *, resume_after_us: int | None = None, form: int = 1) -> None:
        if len(secret) < 16:
            raise ReleaseRefused("the secret of an outlet needs 16 bytes", code="exchange.secret")
        self.recipient = recipient
        self.secret = secret
        self.form = form
        self.counters: dict[str, int] = dict.fromkeys(COUNTED, 0)
        self._floor_us = NEVER if resume_after_us is None else resume_after_us
        self._sent_us: dict[int, int] = {}
        self._refs: dict[int, str] = {}
        self._tracks: dict[str, int] = {}
        self._marks: set[str] = set()
        self._offsets: dict[tuple[int, float], tuple[float, float]] = {}
        self._young: dict[tuple[int, int], Ageing] = {}
        self._given: list[pa.Table] = []

    def ref(self, track_id: int) -> str:
        """Opaque reference of a track: keyed by the recipient, so that two partners cannot join theirs."""
        known = self._refs.get(track_id)
        if known is None:
            tag = hashlib.blake2b(
                f"kuroshio/ref/1|{self.recipient}|{track_id}".encode(), key=self.secret[:64], digest_size=10
            ).digest()
            known = base64.b32encode(tag).decode("ascii").lower()
            if len(self._refs) >= MAX_TRACKS:
                self._forget()
            self._refs[track_id] = known
            self._tracks[known] = track_id
            self._marks.add(mark_of(known))
        return known

    def refs(self, track_ids: list[int]) -> list[str]:
        """References of tracks, in their order."""
        known = self._refs.get
        return [known(i) or self.ref(i) for i in track_ids]

    def alert_ref(self, alert_id: str) -> str:
        """Opaque reference of an alert for this recipient."""
        tag = hashlib.blake2b(
            f"kuroshio/alert/1|{self.recipient}|{alert_id}".encode(), key=self.secret[:64], digest_size=10
        ).digest()
        return base64.b32encode(tag).decode("ascii").lower()

    def salt_seed(self, payload_digest: str, at_us: int) -> bytes:
        """Seed of the salts of one release: secret until the release is shown, the same for the same bytes."""
        tag = f"kuroshio/salt/1|{self.recipient}|{at_us}|{payload_digest}".encode()
        return hashlib.blake2b(tag, key=self.secret[:64], digest_size=16).digest()

    def shown_cells(self, track_ids: set[int]) -> dict[int, tuple[float, float, int]]:
        """(lat, lon, time) last given of tracks that were given."""
        if not self._given:
            return {}
        given = self.picture()
        wanted = given.filter(pc.is_in(given.column("ref"), value_set=pa.array([self.ref(i) for i in track_ids])))
        rows = zip(
            wanted.column("ref").to_pylist(),
            wanted.column("lat_deg").to_pylist(),
            wanted.column("lon_deg").to_pylist(),
            wanted.column("observed_at").cast(pa.int64()).to_pylist(),
            strict=True,
        )
        return {self._tracks[ref]: (lat, lon, at) for ref, lat, lon, at in rows}

    def track_of(self, ref: str) -> int | None:
        """Track of this node behind a reference given out, for the releaser's own eyes."""
        return self._tracks.get(ref)

    def gave(self, mark: str) -> bool:
        """True for the mark of a track that this recipient was, or could have been, given."""
        return mark in self._marks

    def _forget(self) -> None:
        """Drop the oldest half of the tracks; their references come back the same from the secret."""
        for track_id in list(self._refs)[: MAX_TRACKS // 2]:
            ref = self._refs.pop(track_id)
            self._tracks.pop(ref, None)
            self._marks.discard(mark_of(ref))
            self._sent_us.pop(track_id, None)
        self._offsets.clear()

    def offsets_deg(self, track_ids: np.ndarray[Any, np.dtype[np.int64]], grid_deg: float) -> tuple[Any, Any]:
        """(lat, lon) shifts of tracks for a grid, in degrees."""
        cache, pairs = self._offsets, []
        if len(cache) > MAX_TRACKS:
            cache.clear()
        for track_id in track_ids.tolist():
            key = (track_id, grid_deg)
            pair = cache.get(key)
            if pair is None:
                pair = cache[key] = coarsen.offset_deg(self.secret, track_id, grid_deg)
            pairs.append(pair)
        array = np.array(pairs, np.float64).reshape(len(pairs), 2)
        return array[:, 0], array[:, 1]

    def due(
        self, tracks: pa.Table, obligations: Obligations, now_us: int, *, keep: bool = True, most: int | None = None
    ) -> pa.Table:
        """Newest row of each track that may go now under delay and time bucket.

        Parameters
        ----------
        tracks
            TRACKS rows that changed, in any order.
        obligations
            Terms of the decision.
        now_us
            Time of the release.
        keep
            False looks without holding rows back for later: for a view of what would be sent.
        most
            Rows that may go now of those a delay held back, the oldest first; the others stay due.
        """
        tracks = self._without_echo(tracks)
        if obligations.delay_s > 0:
            tracks = self._aged(tracks, obligations, now_us, keep=keep)
        ids, at = int64_of(tracks, "track_id"), int64_of(tracks, "observed_at")
        pick = newest_per(ids, at)
        self.counters["superseded"] += len(ids) - len(pick)
        ids, at = ids[pick], at[pick]
        sent = np.array([self._sent_us.get(i, self._floor_us) for i in ids.tolist()], np.int64)
        bucket_us = bucket_s_of(obligations) * US_PER_S
        fresh = at // bucket_us > np.floor_divide(sent, bucket_us) if bucket_us else at > sent
        ended = pc.equal(tracks.column("status").cast(pa.string()).take(pick), "ended")
        # a track that ends within a bucket already used is told as ended where it was last shown
        fresh |= (at > sent) & ended.to_numpy(zero_copy_only=False).astype(bool) & (sent > self._floor_us)
        pick, at = pick[fresh], at[fresh]
        if keep and most is not None and obligations.delay_s > 0 and len(pick) > most:
            order = np.argsort(at, kind="stable")
            self._ageing(obligations).put_back(tracks.take(pa.array(pick[order[most:]])))
            self._count_held()
            pick = pick[np.sort(order[:most])]
        return tracks.take(pa.array(pick))

    def hold(self, tracks: pa.Table, obligations: Obligations, now_us: int) -> None:
        """Let states grow old while nothing can go: those due meanwhile are kept, the newest of each track.

        A partner that comes back after an outage gets at once what is old enough by then.
        """
        due = self._aged(self._without_echo(tracks), obligations, now_us, keep=True)
        self._ageing(obligations).put_back(due)

    def was_given(self, track_ids: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """One flag a track: the recipient has been given it."""
        return np.fromiter((i in self._sent_us for i in track_ids.tolist()), bool, len(track_ids))

    def _without_echo(self, tracks: pa.Table) -> pa.Table:
        partner = tracks.column("partner")
        if partner.null_count == tracks.num_rows:
            return tracks
        echo = pc.fill_null(pc.equal(partner, self.recipient), False)
        self.counters["echo"] += int(pc.sum(echo).as_py() or 0)
        return tracks.filter(pc.invert(echo))

    def _aged(self, tracks: pa.Table, obligations: Obligations, now_us: int, *, keep: bool) -> pa.Table:
        young = self._ageing(obligations)
        if not keep:
            return young.copy().age(tracks, now_us)
        due = young.age(tracks, now_us)
        self._count_held()
        return due

    def _ageing(self, obligations: Obligations) -> Ageing:
        """What grows old under these terms."""
        key = (obligations.delay_s, bucket_s_of(obligations))
        return self._young.setdefault(key, Ageing(obligations.delay_s * US_PER_S, MAX_HELD_ROWS))

    def _count_held(self) -> None:
        self.counters["held"] = sum(len(y) for y in self._young.values())
        self.counters["dropped_held"] = sum(y.dropped for y in self._young.values())

    def preview(self) -> Outlet:
        """A look at what would be due if nothing had been sent yet; shares what is held back, changes nothing."""
        look = Outlet(self.recipient, self.secret, form=self.form)
        look._young = {key: young.copy() for key, young in self._young.items()}
        look._offsets, look._refs, look._tracks, look._marks = self._offsets, self._refs, self._tracks, self._marks
        return look

    def mark(self, tracks: pa.Table, released: pa.Table) -> None:
        """Remember rows as released; called by `seal` when the release exists."""
        ids, at = int64_of(tracks, "track_id").tolist(), int64_of(tracks, "observed_at").tolist()
        self._sent_us.update(zip(ids, at, strict=True))
        self._given.append(released)
        self.counters["released"] += len(ids)
        if len(self._given) >= 64:
            self._given = [self.picture()]

    def picture(self) -> pa.Table:
        """RELEASED_TRACKS: the newest row of each track this recipient has been given and that was not withdrawn."""
        every = concat(RELEASED_TRACKS, [RELEASED_TRACKS.conform(part) for part in self._given])
        if not every.num_rows:
            return every
        codes = every.column("ref").combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
        order = np.arange(len(codes))
        self._given = [every.take(pa.array(newest_per(codes, order)))]
        return self._given[0]

    def untold(self, refs: list[str]) -> list[int]:
        """Let states go again that a release had which never left, as one the recipient cannot read; their tracks."""
        tracks = [self._tracks[ref] for ref in refs if ref in self._tracks]
        self._sent_us.update(dict.fromkeys(tracks, NEVER))
        return tracks

    def withdraw(self, refs: set[str]) -> None:
        """Take tracks out of the picture given: their release was recalled."""
        kept = self.picture()
        if kept.num_rows:
            gone = pc.is_in(kept.column("ref"), value_set=pa.array(sorted(refs), pa.string()))
            self._given = [kept.filter(pc.invert(gone))]


def bucket_s_of(obligations: Obligations) -> int:
    """Time bucket in force: grid and bucket are one unit, so a grid alone brings the least bucket with it."""
    if obligations.grid_deg > 0.0:
        return max(int(obligations.time_bucket_s), coarsen.MIN_BUCKET_S)
    return int(obligations.time_bucket_s)
