"""The end of a scan: a track that could be seen in it and was not has evidence against it.

What enters: the table, and the track numbers that took a plot of the scan. What leaves: rows whose evidence is spent.
A scan a ship could not be seen in is not evidence: only rows inside the coverage of a sensor that scanned count a
miss.
"""

from __future__ import annotations

import math

import numpy as np

from kuroshio.picture.compiled import fetch, fetch_part, inner, kernel
from kuroshio.picture.grid import M_PER_DEG
from kuroshio.picture.model import AIS
from kuroshio.picture.motion import local_offset
from kuroshio.picture.pdmap import BLIND_PD, cell_at, turn_of
from kuroshio.picture.seen import last_seen
from kuroshio.picture.table import CONFIRMED, FED_MAX, TENTATIVE, byte_of
from kuroshio.schema import FLAG_CONFLICT, FLAG_DRAG

EDGE_IN_M = 2000.0  # misses are not counted this near the edge of the coverage
SPEED_DEG_MAX = 0.5  # a track is not further than this from where it was last updated
US = 1e-6
AHEAD = 6  # rows whose memory is asked for before their turn
UID_BYTE = byte_of("uid")  # from here on a record says who fed it
VOUCH_S = 60.0  # a ship heard by AIS so lately is there: whether radar sees it says how well radar sees


@inner
def _slot_of(uid, mask):  # type: ignore[no-untyped-def]
    return (uid * 2654435761) & mask


@kernel
def _set_of(uids):  # type: ignore[no-untyped-def]
    """Track numbers as a set by open addressing, 0 where there is none."""
    size = 16
    while size < 2 * len(uids):
        size *= 2
    members = np.zeros(size, np.int64)
    for uid in uids:
        slot = _slot_of(uid, size - 1)
        while members[slot] != 0 and members[slot] != uid:
            slot = (slot + 1) & (size - 1)
        members[slot] = uid
    return members


@inner
def _is_in(members, uid):  # type: ignore[no-untyped-def]
    slot = _slot_of(uid, len(members) - 1)
    while members[slot] != 0 and members[slot] != uid:
        slot = (slot + 1) & (len(members) - 1)
    return members[slot] == uid


@kernel
def _in_sight(tracks, rows, last_us, sensor, reach, sight_m):  # type: ignore[no-untyped-def]
    """(rows that a sensor looks at, cell of the map, range in m) at the end of a scan."""
    coarse = 1.05 * reach / M_PER_DEG  # a box of degrees around the circle
    near, cell, range_m = np.empty(len(rows), np.int64), np.empty((len(rows), 2), np.int64), np.empty(len(rows))
    n = 0
    for k in range(len(rows)):
        fetch(tracks, rows[min(k + AHEAD, len(rows) - 1)], 1)
        t = tracks[rows[k]]
        if abs(t.lat - sensor[0]) > coarse + SPEED_DEG_MAX:
            continue
        dt = (last_us - t.t_us) * 1e-6
        e, no = local_offset(sensor[0], sensor[1], t.lat, t.lon)
        e += t.ve * dt
        no += t.vn * dt
        far = math.sqrt(e * e + no * no)
        if far >= reach:
            continue
        turn = turn_of(e, no)
        if far <= sight_m[min(int(turn * 360.0), 359)]:
            near[n], range_m[n] = rows[k], far
            cell[n, 0], cell[n, 1] = cell_at(turn, far, sensor[2])
            n += 1
    return near[:n], cell[:n], range_m[:n]


@kernel
def after_scan(  # type: ignore[no-untyped-def]
    tracks, rows, began_us, last_us, sensor, hit_uids, pd, sight_m, tried, seen, limits
):
    """Rows that end after a scan in which they could be seen and were not; ``llr`` and ``misses`` are changed.

    Parameters
    ----------
    began_us, last_us
        First and last plot of the scan: a row born in it misses nothing.
    sensor
        As in `gate.gate_frame`.
    hit_uids
        Track numbers that took or began with a plot of the scan.
    pd
        Probability of detection by cell, as `pdmap.PdMap.pd` gives it.
    sight_m
        Range at which land ends the view, by degree.
    tried, seen
        Counts of the map: changed by ships that AIS vouches for.
    """
    reach = sensor[2] - min(EDGE_IN_M, 0.1 * sensor[2])
    sure = min(reach, sensor[5])
    near, cell, range_m = _in_sight(tracks, rows, last_us, sensor, reach, sight_m)
    hits, dead, n = _set_of(hit_uids), np.empty(len(near), np.int64), 0
    for k in range(len(near)):
        fetch_part(tracks, near[min(k + AHEAD, len(near) - 1)], UID_BYTE, 4)
        i, sector, ring = near[k], cell[k, 0], cell[k, 1]
        t = tracks[i]
        if t.born_us >= began_us:
            continue
        hit = _is_in(hits, t.uid)
        heard = t.fed[AIS] > 0 and abs(last_us - last_seen(t, AIS)) * US < VOUCH_S
        if heard and t.status == CONFIRMED and t.flags & (FLAG_CONFLICT | FLAG_DRAG) == 0:
            tried[sector, ring] += 1.0
            seen[sector, ring] += 1.0 if hit else 0.0
        if hit:
            continue
        t.llr = max(t.llr + math.log(1.0 - pd[sector, ring]), -limits.llr_max)
        if pd[sector, ring] < BLIND_PD:
            continue
        if range_m[k] < sure:
            t.misses = min(t.misses + 1, FED_MAX)
        floor = limits.tentative_end_llr if t.status == TENTATIVE else limits.confirmed_end_llr
        if t.mmsi == 0 and t.llr < floor:
            dead[n] = i
            n += 1
    return dead[:n]
