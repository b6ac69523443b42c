"""Memory asked for before its turn, so that it is there when a report needs it.

What enters: the reports to come. What leaves: nothing; no result depends on it. A track is found by its pair, or by
its name in the table of names, its block of reports only from the track, and the place in the block only from its
head: three or four steps, each some reports ahead of the next.
"""

from __future__ import annotations

from kuroshio.picture.compiled import fetch, fetch_part, inner
from kuroshio.picture.replay import fetch_report
from kuroshio.picture.table import TRACK, find_key, key_slot

LAST_BYTE = TRACK.itemsize - 1


@inner
def fetch_track(tracks, row):  # type: ignore[no-untyped-def]
    """Ask for a whole record. It begins anywhere in a cache line, so that half of all records end in a ninth one."""
    fetch(tracks, row, 8)
    fetch_part(tracks, row, LAST_BYTE, 1)


@inner
def fetch_named(j, b, tracks, keys, pool, obs, soon):  # type: ignore[no-untyped-def]
    """Ask for the memory of the reports to come: a name, its track, its block, then the place of its next report."""
    if j + 18 < b:
        fetch(keys, key_slot(keys, obs[j + 18].mmsi), 1)
    if j + 9 < b:
        slot = find_key(keys, obs[j + 9].mmsi)
        row = keys[slot].head if slot >= 0 else -1
        soon[(j + 9) & 15] = row
        if row >= 0:
            fetch_track(tracks, row)
    row = soon[(j + 5) & 15] if j + 5 < b else -1
    if row >= 0:
        fetch(pool.heads, tracks[row].block, 1)
    row = soon[(j + 2) & 15] if j + 2 < b else -1
    if row >= 0:
        fetch_report(tracks[row], pool)


@inner
def fetch_plots(q, pair, track, tracks, pool):  # type: ignore[no-untyped-def]
    """Ask for the memory of the plots to come: a track, then its block, then the place of its next report."""
    if q + 9 < len(pair) and pair[q + 9] >= 0:
        fetch_track(tracks, track[pair[q + 9]])
    if q + 5 < len(pair) and pair[q + 5] >= 0:
        fetch(pool.heads, tracks[track[pair[q + 5]]].block, 1)
    if q + 2 < len(pair) and pair[q + 2] >= 0:
        fetch_report(tracks[track[pair[q + 2]]], pool)
