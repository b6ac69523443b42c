"""What a node keeps of its tracks: what its own sensors gave, by its own rule; what partners told, under their terms.

What enters: the rows of each step, and which release brought which partner's track. What leaves: rows of the archive.
A row that rests on a partner's release is kept apart from what own sensors say of the same ship. When the release is
recalled or its retention ends, the row is shown no more at once, and soon it is not on the disk either.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.errors import StoreError
from kuroshio.node.config import ArchiveSection
from kuroshio.node.items import keys_of
from kuroshio.schema import TIED_TRACKS, TRACKS
from kuroshio.store import DAY_US, Archive, names_any
from kuroshio.units import US_PER_S

log = logging.getLogger(__name__)

Key = tuple[str, str]  # partner, its reference of a track
Told = tuple[str | None, pa.Table]  # TRACKS rows for the picture, and the release of a partner that brought them
SWEEP_EVERY_US = 600 * US_PER_S
RELEASES = "releases"


class Past:
    """Archive of tracks of one node, rows that partners' releases are in kept apart.

    Parameters
    ----------
    keep
        For how many days rows of each table are kept.

    Attributes
    ----------
    counters
        ``rows_untied`` rest on a release that is gone or unknown and were not kept; ``rows_erased``; ``days_expired``;
        ``sweeps_failed``.
    """

    def __init__(self, archive: Archive, keep: ArchiveSection) -> None:
        self._archive, self._keep = archive, keep
        self._held: Callable[[], set[str]] = set
        self._release_of: dict[Key, str] = {}
        self._gone = frozenset[str]()  # whose rows may still be on the disk
        self._looked = False
        self._lock = threading.Lock()
        self._due_us = 0
        self._sweeping: threading.Thread | None = None
        self.counters = dict.fromkeys(("rows_untied", "rows_erased", "days_expired", "sweeps_failed"), 0)

    def attach(self, held: Callable[[], set[str]]) -> None:
        """Say what gives the releases that are held, as the exchange's ledger has them.

        Until it was asked for the first time (`sweep`), rows that rest on releases are not shown: one may have ended
        while the node was down.
        """
        self._held = held

    # -- in

    def heard(self, release_id: str | None, rows: pa.Table) -> None:
        """Rows of partners' tracks go to the picture: from a release, or None where they end what is gone."""
        for key in itertools.chain.from_iterable(keys_of(rows)):
            if release_id is None:
                self._release_of.pop(key, None)
            else:
                self._release_of[key] = release_id

    def forget(self, keys: Iterable[Key]) -> None:
        """Let go of tracks that nobody shows any more."""
        for key in keys:
            self._release_of.pop(key, None)

    def releases(self) -> set[str]:
        """The releases that brought partners' tracks which are still shown."""
        return set(self._release_of.values())

    def keep(self, tracks: pa.Table, unfused: pa.Table) -> None:
        """Give the rows of a step to the archive.

        Parameters
        ----------
        tracks, unfused
            The same TRACKS rows in the same order, with and without what partners added.
        """
        if tracks["partner"].null_count == tracks.num_rows:
            self._archive.append(TRACKS.name, tracks)
            return
        self._archive.append(TRACKS.name, unfused.filter(pc.is_null(unfused["partner"])))
        tied, whole = self._tied(tracks.filter(pc.is_valid(tracks["partner"])))
        self.counters["rows_untied"] += int((~whole).sum())
        self._archive.append(TIED_TRACKS.name, tied.filter(pa.array(whole)))

    def _tied(self, rows: pa.Table) -> tuple[pa.Table, npt.NDArray[np.bool_]]:
        """TIED_TRACKS rows, and one flag a row: all releases that it rests on are known and held."""
        releases = [list(dict.fromkeys(map(self._release_of.get, keys))) for keys in keys_of(rows)]
        whole = np.array([None not in some and self._gone.isdisjoint(some) for some in releases], np.bool_)
        kind = TIED_TRACKS.arrow.field(RELEASES).type
        listed = pa.array([some if ok else [] for some, ok in zip(releases, whole.tolist(), strict=True)], kind)
        return TIED_TRACKS.conform(rows.append_column(RELEASES, listed)), whole

    # -- out

    def read(self, *, columns: Sequence[str] | None = None, **asked: Any) -> pa.Table:
        """TRACKS rows in the order of time; a row that partners tightened stands for the own one while it may be kept.

        Parameters
        ----------
        asked
            As for `Archive.read`.
        """
        wanted = list(columns) if columns is not None else TRACKS.names
        needed = list(dict.fromkeys([*wanted, "track_id", "observed_at"]))
        own = self._archive.read(TRACKS.name, columns=list(dict.fromkeys([*needed, "partner"])), **asked)
        own = own.filter(pc.is_null(own["partner"])).select(needed)
        if not self._looked:
            return own.select(wanted)
        tied = self._archive.read(TIED_TRACKS.name, columns=[*needed, RELEASES], **asked)
        tied = tied.filter(pa.array(~_rest_on(self._gone, tied)))
        if not tied.num_rows:
            return own.select(wanted)
        keys = ["track_id", "observed_at"]
        numbered = own.select(keys).append_column("row", pa.array(np.arange(own.num_rows)))
        alone = numbered.join(tied.select(keys), keys=keys, join_type="left anti")["row"].to_numpy()
        rows = pa.concat_tables([own.take(np.sort(alone)), tied.select(needed).cast(own.schema)]).unify_dictionaries()
        return rows.take(pc.sort_indices(rows, sort_keys=[("observed_at", "ascending")])).select(wanted)

    # -- what must be gone

    def let_go(self, release_ids: Iterable[str]) -> None:
        """These releases are recalled or have ended: nothing that rests on them is shown from now on."""
        with self._lock:
            self._gone |= frozenset(release_ids)

    def sweep(self, now_us: int) -> None:
        """Take off the disk what must be gone, every ten minutes, in a thread of its own."""
        if now_us < self._due_us <= now_us + SWEEP_EVERY_US or (self._sweeping and self._sweeping.is_alive()):
            return
        self._due_us = now_us + SWEEP_EVERY_US
        self._sweeping = threading.Thread(target=self._sweep, args=(now_us,), name="kuroshio-past", daemon=True)
        self._sweeping.start()

    def _sweep(self, now_us: int) -> None:
        try:
            self._erase()
            self._expire(now_us)
        except (StoreError, OSError, pa.ArrowException) as err:
            self.counters["sweeps_failed"] += 1
            log.error("what must be gone of the archive is still on the disk, and tried again: %s", err)

    def _erase(self) -> None:
        if not self._looked:
            found = self._archive.words(TIED_TRACKS.name, RELEASES)
            self.let_go(found - self._held())  # asked after: what came since is held
            self._looked = True
            # an older archive has partners' rows among the own ones, under terms nobody knows any more
            self.counters["rows_erased"] += self._archive.erase(TRACKS.name, ["partner"], _told_by_partners)
        gone = self._gone
        if gone:
            resting = partial(_rest_on, gone)
            self.counters["rows_erased"] += self._archive.erase(TIED_TRACKS.name, [RELEASES], resting)
            with self._lock:
                self._gone -= gone

    def _expire(self, now_us: int) -> None:
        for name in self._archive.tables:
            days = self._keep.days_of(name)
            if days is not None:
                rule = f"[archive] keeps {name} {days} days"
                over = self._archive.expire(name, before_us=now_us - days * DAY_US, rule=rule, now_us=now_us)
                self.counters["days_expired"] += len(over)

    def close(self) -> None:
        """Wait for a sweep under way."""
        if self._sweeping is not None:
            self._sweeping.join()

    # -- checkpoint

    def state(self) -> pa.Table:
        """Which release each partner's track came with."""
        parties, refs = ([key[k] for key in self._release_of] for k in (0, 1))
        columns = {"partner": parties, "partner_track": refs, "release": list(self._release_of.values())}
        return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})

    def restore(self, state: pa.Table) -> None:
        """Take `state` back."""
        keys = zip(state["partner"].to_pylist(), state["partner_track"].to_pylist(), strict=True)
        self._release_of = dict(zip(keys, state["release"].to_pylist(), strict=True))


def _rest_on(releases: Collection[str], rows: pa.Table) -> npt.NDArray[np.bool_]:
    return names_any(rows[RELEASES], releases)


def _told_by_partners(rows: pa.Table) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_valid(rows["partner"]).to_numpy())
