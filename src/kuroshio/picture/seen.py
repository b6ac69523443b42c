"""When each source last fed a track: six entries in the track's record, of which all else about "last seen" follows.

What enters: the kind, source and time of each report a track takes. What leaves: the last time of a kind, and of each
source. An entry is one number, time before kind before source, so that the newest entry is the greatest. Where more
than `SEEN_MAX` sources feed one ship, the oldest entry that is not the newest of its kind gives way: the last time of
each kind is never lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.picture.compiled import bare, inner, kernel
from kuroshio.units import IntArray

NEVER = np.int64(-(1 << 62))
KINDS = 6  # ais, radar, image, vms, human, other: partners' tracks are kept beside, and feed none
SEEN_MAX = 6  # entries a track: no fewer than kinds
EMPTY = -1
TIME_BITS, KIND_BITS = 9, 6  # where time and kind begin; sources number up to 62
TIME_MAX_US = 1 << (63 - TIME_BITS)  # year 2540
_LATEST = np.int64((1 << 63) - 1)
_SAME = (1 << TIME_BITS) - 1
_KIND = (1 << (TIME_BITS - KIND_BITS)) - 1
_SOURCE = (1 << KIND_BITS) - 1


@inner
def kind_at(kind):  # type: ignore[no-untyped-def]
    """Place of a kind of sensor in ``fed``, and its number in entries of ``seen``."""
    return min(kind, KINDS - 1)


@inner
def clear_seen(t):  # type: ignore[no-untyped-def]
    """Nothing has fed the track."""
    for k in range(SEEN_MAX):
        t.seen[k] = EMPTY


@inner
def last_seen(t, kind):  # type: ignore[no-untyped-def]
    """Last time a kind of sensor fed a track, or `NEVER`."""
    best = np.int64(EMPTY)
    for k in range(SEEN_MAX):
        entry = t.seen[k]
        if entry < 0:
            break
        if ((entry >> KIND_BITS) & _KIND) == kind and entry > best:
            best = entry
    return best >> TIME_BITS if best >= 0 else NEVER


@inner
def _superseded(t, entry):  # type: ignore[no-untyped-def]
    """True when another entry of the track has a newer time of the same kind."""
    for k in range(SEEN_MAX):
        other = t.seen[k]
        if other > entry and ((other ^ entry) >> KIND_BITS) & _KIND == 0:
            return True
    return False


@inner
def _put_entry(t, entry):  # type: ignore[no-untyped-def]
    for k in range(SEEN_MAX):
        old = t.seen[k]
        if old < 0 or (old & _SAME) == (entry & _SAME):
            t.seen[k] = max(old, entry)
            return
    place, oldest = -1, entry if _superseded(t, entry) else _LATEST
    for k in range(SEEN_MAX):  # of seven entries and six kinds one is not the newest of its kind
        old = t.seen[k]
        rival = ((old ^ entry) >> KIND_BITS) & _KIND == 0 and entry > old
        if old < oldest and (rival or _superseded(t, old)):
            place, oldest = k, old
    if place >= 0:
        t.seen[place] = entry


@inner
def note_seen(t, kind, source, t_us):  # type: ignore[no-untyped-def]
    """Note that a source of a kind (`kind_at`) fed the track at a time, in whatever order reports come."""
    _put_entry(t, (np.int64(t_us) << TIME_BITS) | (np.int64(kind) << KIND_BITS) | np.int64(source))


@bare
def take_seen(tracks, row, other):  # type: ignore[no-untyped-def]
    """Note for a row what fed another."""
    for k in range(SEEN_MAX):
        entry = tracks[other].seen[k]
        if entry >= 0:
            _put_entry(tracks[row], entry)


def seen_us(seen: IntArray, kind: int) -> Any:
    """Last time a kind of sensor fed each track, or `NEVER`; ``seen`` (..., `SEEN_MAX`) as tracks keep it."""
    entries = np.where((seen >= 0) & ((seen >> KIND_BITS) & _KIND == kind), seen, EMPTY).max(axis=-1)
    return np.where(entries >= 0, entries >> TIME_BITS, NEVER)


def only_kind(seen: IntArray, kind: int) -> tuple[IntArray, int]:
    """(the entries of one kind, set of the sources in them) of one track."""
    mine = seen[(seen >= 0) & ((seen >> KIND_BITS) & _KIND == kind)]
    kept = np.full(SEEN_MAX, EMPTY, np.int64)
    kept[: len(mine)] = mine
    return kept, int(np.bitwise_or.reduce(np.int64(1) << (mine & _SOURCE), initial=0))


@kernel
def seen_columns(seen, sources, words):  # type: ignore[no-untyped-def]
    """((rows, `KINDS`) last time of each kind, times of the sources of all rows one after another, first of each row).

    ``sources`` (rows,) are sets as bits, ``words`` how many sources have a name. `NEVER` where none is kept.
    """
    n = len(seen)
    kinds, first = np.full((n, KINDS), NEVER), np.zeros(n + 1, np.int32)
    for i in range(n):
        count = 0
        for s in range(words):
            count += (sources[i] >> s) & 1
        first[i + 1] = first[i] + count
    times = np.full(first[n], NEVER)
    for i in range(n):
        for k in range(SEEN_MAX):
            entry = seen[i, k]
            if entry < 0:
                break
            kind, source, t_us = (entry >> KIND_BITS) & _KIND, entry & _SOURCE, entry >> TIME_BITS
            kinds[i, kind] = max(kinds[i, kind], t_us)
            if source < words and (sources[i] >> source) & 1:
                at = first[i]
                for s in range(source):
                    at += (sources[i] >> s) & 1
                times[at] = max(times[at], t_us)
    return kinds, times, first
