"""What happened to tracks, as columns: one line per update, and one per event of a track's life.

What enters: rows of the table at the moment of a change. What leaves: `Log` arrays that `emit` turns into the
TRACKS table, and events that tell a track's story. Writing is cheap; Arrow is built only when somebody looks.
"""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

import numpy as np

from kuroshio.picture.compiled import bare, inner
from kuroshio.picture.filter import combined
from kuroshio.picture.model import OTHER
from kuroshio.picture.seen import KINDS, SEEN_MAX
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
    "born_us",
    "pin",
    "claim",
    "nav",
    "exercise",
    "superseded_by",
)
LOG_SUCCESSOR, LOG_SEEN = LOG_INTS.index("superseded_by"), len(LOG_INTS)  # entries of `picture.seen` come last
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
    "cov_eve",
    "cov_evn",
    "cov_nve",
    "cov_nvn",
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
LOG_CROSS = LOG_FLOATS.index("cov_eve")
KEYED_LOGODDS = 4.0  # evidence of existence in one report that names itself
KEYED_LOGODDS_MAX = 12.0

LINES_FIRST = 1 << 16  # places at the start: memory is taken as they are written
LINES_COPIED = 256  # so few cost less than a buffer that is held for their sake
PAGES_KEPT = 2


# one line: a change of one track
LINE = np.dtype([("ints", np.int64, (LOG_SEEN + SEEN_MAX,)), ("floats", np.float64, (len(LOG_FLOATS),))])


class Log(NamedTuple):
    """Growing buffers: lines of updates, and events (t_us, uid, kind, a, b)."""

    lines: Any
    events: IntArray

    @property
    def ints(self) -> IntArray:
        """Integer columns of the lines, in the order of `LOG_INTS`, and then what `picture.seen` keeps."""
        return np.asarray(self.lines["ints"])

    @property
    def floats(self) -> FloatArray:
        """Float columns of the lines, in the order of `LOG_FLOATS`."""
        return np.asarray(self.lines["floats"])


def new_log(updates: int = 1024, events: int = 1024) -> Log:
    """Empty buffers."""
    return Log(np.zeros(updates, LINE), np.zeros((events, 5), np.int64))


class Pages:
    """Buffers of lines that steps have given away, to be written again once nobody looks at them.

    A copy of a step's lines costs as much as a fifth of making them: they are more bytes than all else a report
    leaves. So the buffer itself goes, and its memory comes back without a word: what only this list holds is free.
    """

    def __init__(self) -> None:
        self._given: list[Any] = []

    def hand_over(self, log: Log, ctl: Any) -> tuple[Any, IntArray, Log]:
        """(lines, events) written so far, for good, and the buffers to go on with, empty."""
        n, told = int(ctl[CTL_LOG]), int(ctl[CTL_EVENTS])
        ctl[CTL_LOG] = ctl[CTL_EVENTS] = 0
        events = log.events[:told].copy()
        if n <= LINES_COPIED:
            return log.lines[:n].copy(), events, log
        given, size = self._given, len(log.lines)
        free = [k for k in range(len(given)) if sys.getrefcount(given[k]) == 2 and len(given[k]) >= size]
        fresh = given.pop(free[0]) if free else np.zeros(size, LINE)
        self._given = [*given[1 - PAGES_KEPT :], log.lines]
        return log.lines[:n], events, Log(fresh, log.events)


def ensure(log: Log, ctl: Any, updates: int, events: int) -> Log:
    """Buffers with room for so many more lines."""

    def wider(a: Any, used: int, need: int) -> Any:
        if used + need <= len(a):
            return a
        b = np.zeros((max(2 * len(a), used + need), *a.shape[1:]), a.dtype)
        b[:used] = a[:used]
        return b

    used, told = int(ctl[CTL_LOG]), int(ctl[CTL_EVENTS])
    if used + updates <= len(log.lines) and told + events <= len(log.events):
        return log
    return Log(wider(log.lines, used, updates), wider(log.events, told, events))


def untold(log: Log, ctl: Any) -> tuple[Any, IntArray]:
    """(lines, events) that wait for the next step: those of watch officers' actions since the last one."""
    return log.lines[: int(ctl[CTL_LOG])], log.events[: int(ctl[CTL_EVENTS])]


def tell_again(log: Log, ctl: Any, lines: Any, events: Any) -> Log:
    """Buffers that hold these lines and events and no others."""
    ctl[CTL_LOG] = ctl[CTL_EVENTS] = 0
    log = ensure(log, ctl, len(lines), len(events))
    log.lines[: len(lines)], log.events[: len(events)] = lines, events
    ctl[CTL_LOG], ctl[CTL_EVENTS] = len(lines), len(events)
    return log


@inner
def exist_logodds(t):  # type: ignore[no-untyped-def]
    """Log odds that something is there: plots by their likelihood ratio, named reports by count."""
    named = min(KEYED_LOGODDS * (t.fed[0] + t.fed[3] + t.fed[4]), KEYED_LOGODDS_MAX)
    return max(t.llr, named) if named > 0 else t.llr


@inner
def write_update(line, t, pc):  # type: ignore[no-untyped-def]
    """One line of the present state of a track; ``pc`` is its combined covariance."""
    a, f = line.ints, line.floats
    a[0], a[1], a[2], a[3] = t.uid, t.t_us, t.status, t.mmsi
    a[4], a[5] = t.flags, t.hits
    mask = 0
    for s in range(KINDS):
        if t.fed[s] > 0:
            mask |= 1 << (s if s < KINDS - 1 else OTHER)
    a[6], a[7] = mask, t.sources
    a[8], a[9], a[10], a[11] = t.born_us, t.pin, t.claim, t.nav
    a[12], a[13] = t.exercise, 0
    for k in range(SEEN_MAX):
        a[LOG_SEEN + k] = t.seen[k]
    f[0], f[1], f[2], f[3] = t.lat, t.lon, t.ve, t.vn
    f[4], f[5], f[6], f[7], f[8], f[9] = pc[0], pc[1], pc[4], pc[7], pc[8], pc[9]
    f[10], f[11] = t.mu, exist_logodds(t)
    f[12] = t.identity if t.mmsi > 0 else math.nan
    f[13], f[14] = t.heading, t.fit[2]
    f[15], f[16], f[17], f[18] = pc[2], pc[3], pc[5], pc[6]


@inner
def show(log, ctl, t, w):  # type: ignore[no-untyped-def]
    """Write a line of a track's present state, and count the track as shown."""
    k = ctl[CTL_LOG]
    combined(t, w.c)
    write_update(log.lines[k], t, w.c)
    ctl[CTL_LOG] = k + 1
    t.shown = 1


@bare
def write_event(log, ctl, t_us, uid, kind, a, b):  # type: ignore[no-untyped-def]
    """One line of a track's story."""
    k = ctl[CTL_EVENTS]
    e = log.events
    if k < len(e):
        e[k, 0], e[k, 1], e[k, 2], e[k, 3], e[k, 4] = t_us, uid, kind, a, b
        ctl[CTL_EVENTS] = k + 1
