"""What happened to tracks, as columns: one line per update, and one per event of a track's life.

What enters: rows of the table at the moment of a change. What leaves: `Log` arrays that `emit` turns into the
TRACKS table, and events that tell a track's story. Writing is cheap; Arrow is built only when somebody looks.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kuroshio.picture.compiled import inner, kernel
from kuroshio.picture.table import CTL_EVENTS, CTL_LOG
from kuroshio.units import FloatArray, IntArray

LOG_INTS = (
    "uid",
    "t_us",
    "status",
    "mmsi",
    "flags",
    "hits",
    "sensors",
    "sources",
    "ais_us",
    "radar_us",
    "image_us",
    "partner_us",
    "claim",
    "nav",
    "exercise",
    "superseded_by",
)
LOG_FLOATS = (
    "lat",
    "lon",
    "ve",
    "vn",
    "cov_ee",
    "cov_en",
    "cov_nn",
    "cov_vee",
    "cov_ven",
    "cov_vnn",
    "p_manoeuvre",
    "exist_logodds",
    "identity_logodds",
    "heading",
    "length",
)
EVENT_WORDS = (
    "born",
    "confirmed",
    "bound",
    "released",
    "merged",
    "ended",
    "flag_set",
    "flag_cleared",
    "conflict",
    "replayed",
    "operator",
)
(
    EV_BORN,
    EV_CONFIRMED,
    EV_BOUND,
    EV_RELEASED,
    EV_MERGED,
    EV_ENDED,
    EV_SET,
    EV_CLEARED,
    EV_CONFLICT,
    EV_REPLAYED,
    EV_OPERATOR,
) = range(11)
KEYED_LOGODDS = 4.0  # evidence of existence in one report that names itself
KEYED_LOGODDS_MAX = 12.0


class Log(NamedTuple):
    """Growing buffers: integer and float columns of updates, and events (t_us, uid, kind, a, b)."""

    ints: IntArray
    floats: FloatArray
    events: IntArray


def new_log(updates: int = 1024, events: int = 1024) -> Log:
    """Empty buffers."""
    return Log(
        np.zeros((updates, len(LOG_INTS)), np.int64),
        np.zeros((updates, len(LOG_FLOATS)), np.float64),
        np.zeros((events, 5), np.int64),
    )


def ensure(log: Log, ctl: Any, updates: int, events: int) -> Log:
    """Buffers with room for so many more lines."""

    def wider(a: Any, used: int, need: int) -> Any:
        if used + need <= len(a):
            return a
        b = np.zeros((max(2 * len(a), used + need), a.shape[1]), a.dtype)
        b[:used] = a[:used]
        return b

    used, told = int(ctl[CTL_LOG]), int(ctl[CTL_EVENTS])
    return Log(wider(log.ints, used, updates), wider(log.floats, used, updates), wider(log.events, told, events))


@inner
def exist_logodds(life, i):  # type: ignore[no-untyped-def]
    """Log odds that something is there: plots by their likelihood ratio, named reports by count."""
    named = min(KEYED_LOGODDS * (life.fed[i, 0] + life.fed[i, 3] + life.fed[i, 4]), KEYED_LOGODDS_MAX)
    return max(life.llr[i], named) if named > 0 else life.llr[i]


@inner
def write_update(log, ctl, kin, life, i):  # type: ignore[no-untyped-def]
    """One line of the present state of a row."""
    k = ctl[CTL_LOG]
    a, f = log.ints[k], log.floats[k]
    a[0], a[1], a[2], a[3] = life.uid[i], kin.t_us[i], life.status[i], life.mmsi[i]
    a[4], a[5] = life.flags[i], life.hits[i]
    mask = 0
    for s in range(7):
        if life.fed[i, s] > 0:
            mask |= 1 << s
    a[6], a[7] = mask, life.sources[i]
    a[8], a[9] = life.last_seen_us[i, 0], life.last_seen_us[i, 1]
    a[10], a[11] = life.last_seen_us[i, 2], life.last_seen_us[i, 5]
    a[12], a[13], a[14], a[15] = life.claim[i], life.nav[i], life.exercise[i], 0
    f[0], f[1], f[2], f[3] = kin.lat[i], kin.lon[i], kin.ve[i], kin.vn[i]
    pc = kin.pc[i]
    f[4], f[5], f[6], f[7], f[8], f[9] = pc[0], pc[1], pc[4], pc[7], pc[8], pc[9]
    f[10], f[11], f[12], f[13], f[14] = (
        kin.mu[i],
        exist_logodds(life, i),
        life.identity[i] if life.mmsi[i] > 0 else math.nan,
        life.heading[i],
        life.fit[i, 2],
    )
    ctl[CTL_LOG] = k + 1


@kernel
def write_event(log, ctl, t_us, uid, kind, a, b):  # type: ignore[no-untyped-def]
    """One line of a track's story."""
    k = ctl[CTL_EVENTS]
    if k < len(log.events):
        e = log.events[k]
        e[0], e[1], e[2], e[3], e[4] = t_us, uid, kind, a, b
        ctl[CTL_EVENTS] = k + 1
