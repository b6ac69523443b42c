"""Partners' tracks beside our own: linked when they are one ship, fused without counting anything twice.

What enters: TRACKS rows from partners (``partner`` and ``partner_track`` set). What leaves: tracks of their own for
what only a partner holds, and for a ship both hold our row tightened by covariance intersection, which is safe
whatever the two have in common. Our filters never see a partner's track, so our own data coming back changes
nothing. Sources: Julier, Uhlmann, ACC 1997 (covariance intersection); the data incest it avoids is measured in
`benchmarks/picture`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.picture.compiled import inner, kernel
from kuroshio.picture.grid import SPANS_MAX, build, near
from kuroshio.picture.lifecycle import predict_rows
from kuroshio.picture.motion import local_offset, move
from kuroshio.picture.table import CONFIRMED
from kuroshio.schema import TRACKS, concat
from kuroshio.schema.core import UTC_US
from kuroshio.units import FloatArray, IntArray

if TYPE_CHECKING:
    from kuroshio.picture.tracker import Tracker

SEARCH_M = 5000.0
LINK_D2 = 13.3  # chi-square, 4 degrees, 1 %
UNLINK_D2 = 40.0
LINK_TICKS = 3
SILENT_S = 900.0
ROWS_MAX = 200_000
NUMBER_BASE, NUMBER_COUNT = 1_000_000_000, 9_000_000_000  # of partners' tracks: apart from our own
UNKNOWN_VAR_M2 = 2000.0**2
SPEED_VAR = 4.0
Q = 0.01  # process noise for another's track, m2/s3
_STATE: tuple[str, ...] = ("lat_deg", "lon_deg", "ve_mps", "vn_mps", "cov_ee_m2", "cov_en_m2", "cov_nn_m2")
_STATE += ("cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2")


@kernel
def advance(state, t_us, at_us):  # type: ignore[no-untyped-def]
    """(rows, 10) states (as `predict_rows` gives) moved from their own times to ``at_us``."""
    out = state.copy()
    for k in range(len(state)):
        dt = (at_us[k] - t_us[k]) * 1e-6
        lat, lon, _ = move(state[k, 0], state[k, 1], dt * state[k, 2], dt * state[k, 3])
        out[k, 0], out[k, 1] = lat, lon
        noise = Q * abs(dt) ** 3 / 3.0
        out[k, 4] += dt * dt * state[k, 7] + noise
        out[k, 5] += dt * dt * state[k, 8]
        out[k, 6] += dt * dt * state[k, 9] + noise
        out[k, 7] += Q * abs(dt)
        out[k, 9] += Q * abs(dt)
    return out


@inner
def _d2(a, b):  # type: ignore[no-untyped-def]
    """Distance of two states in place and velocity, errors taken as independent."""
    e, n = local_offset(a[0], a[1], b[0], b[1])
    s0, s1, s2 = a[4] + b[4], a[5] + b[5], a[6] + b[6]
    d = (s2 * e * e - 2.0 * s1 * e * n + s0 * n * n) / (s0 * s2 - s1 * s1)
    ve, vn = b[2] - a[2], b[3] - a[3]
    v0, v1, v2 = a[7] + b[7], a[8] + b[8], a[9] + b[9]
    return d + (v2 * ve * ve - 2.0 * v1 * ve * vn + v0 * vn * vn) / (v0 * v2 - v1 * v1)


@kernel
def best_own(own, own_mmsi, own_ex, theirs, mmsi, ex):  # type: ignore[no-untyped-def]
    """(index of the best own track or -1, d2, True when the MMSIs are equal) for each partner's track."""
    n = len(theirs)
    best = np.full(n, -1, np.int64)
    dist = np.full(n, np.inf)
    same = np.zeros(n, np.bool_)
    lat, lon = own[:, 0].copy(), own[:, 1].copy()
    grid = build(lat, lon, SEARCH_M)
    runs, box = np.empty((SPANS_MAX, 2), np.int64), np.empty(2048, np.int64)
    for k in range(n):
        for q in range(near(grid, theirs[k, 0], theirs[k, 1], SEARCH_M, runs, box)):
            i = int(grid.point[box[q]])
            if own_ex[i] != ex[k] or (own_mmsi[i] > 0 and mmsi[k] > 0 and own_mmsi[i] != mmsi[k]):
                continue
            d = _d2(own[i], theirs[k])
            named = own_mmsi[i] > 0 and own_mmsi[i] == mmsi[k]
            if (named and not same[k] and d < UNLINK_D2) or (named == same[k] and d < dist[k]):
                best[k], dist[k], same[k] = np.int64(i), d, named
    return best, dist, same


def intersect(own: FloatArray, theirs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(fused states, weight of the own part) by covariance intersection, place and velocity each by itself.

    Parameters
    ----------
    own, theirs
        Shape (rows, 10): lat, lon, ve, vn, covariance ee, en, nn, vee, ven, vnn; at the same times.
    """
    fused = own.copy()
    e, n = np.zeros(len(own)), np.zeros(len(own))
    for k in range(len(own)):  # few rows: ships that both hold and that changed in this step
        e[k], n[k] = local_offset(own[k, 0], own[k, 1], theirs[k, 0], theirs[k, 1])
    weight, de, dn, cov = _intersect(np.zeros_like(e), np.zeros_like(n), own[:, 4:7], e, n, theirs[:, 4:7])
    fused[:, 4:7] = cov
    for k in np.flatnonzero(weight < 1.0).tolist():
        fused[k, 0], fused[k, 1], _ = move(own[k, 0], own[k, 1], de[k], dn[k])
    _, ve, vn, cov = _intersect(own[:, 2], own[:, 3], own[:, 7:10], theirs[:, 2], theirs[:, 3], theirs[:, 7:10])
    moved = weight < 1.0
    fused[moved, 2], fused[moved, 3], fused[moved, 7:10] = ve[moved], vn[moved], cov[moved]
    return fused, weight


def _inverse(p: FloatArray) -> FloatArray:
    det = p[:, 0] * p[:, 2] - p[:, 1] ** 2
    return np.column_stack([p[:, 2], -p[:, 1], p[:, 0]]) / det[:, None]


def _intersect(ax: Any, ay: Any, ap: FloatArray, bx: Any, by: Any, bp: FloatArray) -> tuple[Any, Any, Any, FloatArray]:
    """(weight, x, y, covariance) of two two-dimensional estimates; the weight of least trace on a grid of 1/32."""
    ai, bi = _inverse(ap), _inverse(bp)
    w = np.linspace(0.0, 1.0, 33)
    mix = w[None, :, None] * ai[:, None, :] + (1.0 - w)[None, :, None] * bi[:, None, :]
    trace = (mix[..., 0] + mix[..., 2]) / (mix[..., 0] * mix[..., 2] - mix[..., 1] ** 2)
    trace[:, -1] *= 1.0 - 1e-9  # a tie is ours
    at = np.argmin(trace, axis=1)
    k = np.arange(len(at))
    weight, cov = w[at], _inverse(mix[k, at])
    u = weight[:, None] * np.column_stack([ai[:, 0] * ax + ai[:, 1] * ay, ai[:, 1] * ax + ai[:, 2] * ay])
    u += (1.0 - weight)[:, None] * np.column_stack([bi[:, 0] * bx + bi[:, 1] * by, bi[:, 1] * bx + bi[:, 2] * by])
    x, y = cov[:, 0] * u[:, 0] + cov[:, 1] * u[:, 1], cov[:, 1] * u[:, 0] + cov[:, 2] * u[:, 1]
    ours = weight == 1.0
    return weight, np.where(ours, ax, x), np.where(ours, ay, y), np.where(ours[:, None], ap, cov)


class Fusion:
    """Partners' tracks: their last rows, our numbers for them, and the own tracks they are linked to."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.rows = TRACKS.empty()  # last row of each, in the order of the arrays below
        self.state = np.zeros((0, 10))
        self.t_us, self.uid, self.linked, self.streak, self.mmsi, self.exercise = (
            np.zeros(0, np.int64) for _ in range(6)
        )
        self._index: dict[tuple[str, str], int] = {}
        self._leaving: list[pa.Table] = []

    # -- rows in

    def take(self, partners: pa.Table) -> dict[str, int]:
        """Take rows; counters of what became of them."""
        table = TRACKS.conform(partners)
        state, usable = _states(table)
        tally = {"partner_rows": table.num_rows}
        if not usable.all():
            tally["partner_refused"] = int((~usable).sum())
            table, state = table.filter(pa.array(usable)), state[usable]
        if not table.num_rows:
            return tally
        keys = list(zip(table["partner"].to_pylist(), table["partner_track"].to_pylist(), strict=True))
        t_us = np.asarray(table["observed_at"].cast(pa.int64()))
        newest: dict[tuple[str, str], int] = {}
        for k, key in enumerate(keys):  # a dictionary look-up a row
            if key not in newest or t_us[k] >= t_us[newest[key]]:
                newest[key] = k
        over = np.array([s == "ended" for s in table["status"].to_pylist()])
        keep = {  # a recall ends a track at the time it was last seen
            key: k
            for key, k in newest.items()
            if key not in self._index or t_us[k] > self.t_us[self._index[key]] - int(over[k])
        }
        if len(self._index) + len(keep) > ROWS_MAX:
            tally["partner_refused"] = tally.get("partner_refused", 0) + len(keep)
            return tally
        at = np.array(list(keep.values()), np.int64)
        ended = over[at]
        self._upsert(list(keep), table.take(pa.array(at)), state[at], t_us[at])
        self._remove([self._index[k] for k, e in zip(keep, ended, strict=True) if e])
        return tally

    def _upsert(self, keys: list[tuple[str, str]], table: pa.Table, state: FloatArray, t_us: IntArray) -> None:
        old = np.array([self._index.get(key, -1) for key in keys], np.int64)
        fresh = np.flatnonzero(old < 0)
        start = len(self.uid)
        uid = self._numbers([keys[q] for q in fresh])
        zero = np.zeros(len(fresh), np.int64)
        self.uid = np.concatenate([self.uid, uid])
        self.linked, self.streak = np.concatenate([self.linked, zero]), np.concatenate([self.streak, zero])
        self.t_us, self.mmsi = np.concatenate([self.t_us, zero]), np.concatenate([self.mmsi, zero])
        self.exercise = np.concatenate([self.exercise, zero])
        self.state = np.concatenate([self.state, np.zeros((len(fresh), 10))])
        for k, q in enumerate(fresh):
            self._index[keys[q]] = start + k
            old[q] = start + k
        self.state[old], self.t_us[old] = state, t_us
        self.mmsi[old] = np.asarray(pc.fill_null(table["mmsi"], 0))
        self.exercise[old] = np.asarray(pc.fill_null(table["exercise"], False)).astype(np.int64)
        table = self._dress(table, self.uid[old])
        stay = np.ones(start, np.bool_)
        stay[old[old < start]] = False
        order = np.concatenate([np.flatnonzero(stay), old])
        self.rows = concat(TRACKS, [self.rows.filter(pa.array(stay)), table]).take(pa.array(np.argsort(order)))
        alone = self.linked[old] == 0
        self._leaving.append(table.filter(pa.array(alone)))

    def _numbers(self, keys: list[tuple[str, str]]) -> IntArray:
        """Numbers of new tracks, from the partner and its reference: own tracks are numbered as if there were none."""
        used = set(self.uid.tolist())
        numbers: list[int] = []
        for key in keys:
            digest = hashlib.sha256("|".join(key).encode()).digest()
            number = NUMBER_BASE + int.from_bytes(digest[:8], "big") % NUMBER_COUNT
            while number in used:  # two references with one hash
                number = NUMBER_BASE + (number - NUMBER_BASE + 1) % NUMBER_COUNT
            used.add(number)
            numbers.append(number)
        return np.array(numbers, np.int64)

    @staticmethod
    def _dress(table: pa.Table, uid: IntArray) -> pa.Table:
        """The rows under our numbers, held by a partner."""
        n = table.num_rows
        put = {
            "track_id": pa.array(uid),
            "sensors": pa.array([["partner"]] * n, pa.list_(pa.string())),
            "sources": pa.array([[p] for p in table["partner"].to_pylist()], pa.list_(pa.string())),
            "last_partner_at": table["observed_at"],
            "superseded_by": pa.nulls(n, pa.int64()),
        }
        for name, column in put.items():
            k = TRACKS.names.index(name)
            table = table.set_column(k, TRACKS.arrow.field(k), column)
        return table

    def _remove(self, index: list[int]) -> None:
        if not index:
            return
        gone = np.zeros(len(self.uid), np.bool_)
        gone[index] = True
        keep = np.flatnonzero(~gone)
        self.rows = self.rows.take(pa.array(keep))
        names = ("uid", "linked", "streak", "t_us", "mmsi", "exercise", "state")
        for name in names:
            setattr(self, name, getattr(self, name)[keep])
        place = np.cumsum(~gone) - 1
        self._index = {key: int(place[k]) for key, k in self._index.items() if not gone[k]}

    # -- ticks

    def tick(self, t_us: int) -> None:
        """Link, unlink and end."""
        if not len(self.uid):
            return
        old = np.flatnonzero(t_us - self.t_us > SILENT_S * 1e6)
        if len(old):
            self._leave(old[self.linked[old] == 0], "ended", None, t_us)
            self._remove(old.tolist())
        tr = self.tracker
        life = tr.table.life
        rows = tr.table.live
        rows = rows[life.status[rows] >= CONFIRMED]
        at = np.full(len(self.uid), t_us)
        theirs = advance(self.state, self.t_us, at)
        own = predict_rows(tr.table.tracks, rows, t_us, tr.motion)
        best, dist, same = best_own(own, life.mmsi[rows], life.exercise[rows], theirs, self.mmsi, self.exercise)
        found = np.where(best >= 0, life.uid[rows][np.maximum(best, 0)] if len(rows) else 0, 0)
        lost = (self.linked > 0) & ((found != self.linked) | (dist > UNLINK_D2))
        close = (self.linked == 0) & (dist < LINK_D2) & (best >= 0)
        self.streak = np.where(lost | close, self.streak + 1, 0)
        link = np.flatnonzero(close & ((self.streak >= LINK_TICKS) | same))
        self.linked[link] = found[link]
        self._leave(link, "ended", found[link], t_us)
        unlink = np.flatnonzero(lost & (self.streak >= LINK_TICKS))
        self.linked[unlink] = 0
        if len(unlink):
            self._leaving.append(self.rows.take(pa.array(unlink)))
        self.streak[np.concatenate([link, unlink])] = 0

    def _leave(self, index: IntArray, status: str, successor: IntArray | None, t_us: int) -> None:
        if not len(index):
            return
        table = self.rows.take(pa.array(index))
        put: dict[str, Any] = {"status": pa.array([status] * len(index), pa.string()).dictionary_encode()}
        if successor is not None:
            put["superseded_by"] = pa.array(successor)
        for name, column in put.items():
            k = TRACKS.names.index(name)
            table = table.set_column(k, TRACKS.arrow.field(k), column)
        self._leaving.append(table)

    # -- rows out

    @property
    def changed(self) -> bool:
        """True when rows wait for `drain`."""
        return bool(self._leaving)

    def drain(self) -> pa.Table:
        """Rows of partner-only tracks changed since the last call."""
        parts, self._leaving = self._leaving, []
        return concat(TRACKS, [p.cast(TRACKS.arrow) for p in parts])

    def alone(self) -> pa.Table:
        """Last rows of the tracks that only partners hold."""
        return self.rows.filter(pa.array(self.linked == 0))

    def fuse_rows(self, own: pa.Table) -> pa.Table:
        """Own TRACKS rows with what a linked partner adds; rows to which nothing is added are untouched."""
        if not own.num_rows or not (self.linked > 0).any():
            return own
        ids = np.asarray(own["track_id"])
        linked = np.flatnonzero(self.linked > 0)
        first = linked[np.unique(self.linked[linked], return_index=True)[1]]  # one partner a track: its ties are known
        at = np.minimum(np.searchsorted(self.linked[first], ids), len(first) - 1)
        hit = np.flatnonzero(self.linked[first][at] == ids)
        if not len(hit):
            return own
        part = first[at[hit]]
        t_us = np.asarray(own["observed_at"].cast(pa.int64()))[hit]
        mine = np.column_stack([np.asarray(own[c])[hit] for c in _STATE])
        fused, weight = intersect(mine, advance(self.state[part], self.t_us[part], t_us))
        helped = weight < 1.0
        return _replace(own, hit[helped], fused[helped], self.rows.take(pa.array(part[helped])))

    # -- checkpoint

    def arrays(self) -> dict[str, Any]:
        """Arrays for a checkpoint."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, self.rows.schema) as writer:
            writer.write_table(self.rows)
        names = ("uid", "linked", "streak", "t_us", "mmsi", "exercise", "state")
        return {
            "fusion.rows": np.frombuffer(sink.getvalue(), np.uint8),
            **{f"fusion.{name}": getattr(self, name) for name in names},
        }

    def meta(self) -> list[list[Any]]:
        """Keys for a checkpoint."""
        return [[*key, k] for key, k in self._index.items()]

    def restore(self, meta: list[list[Any]], arrays: dict[str, Any]) -> None:
        """Take the state back."""
        self.rows = pa.ipc.open_file(pa.BufferReader(arrays["fusion.rows"].tobytes())).read_all()
        for name in ("uid", "linked", "streak", "t_us", "mmsi", "exercise", "state"):
            setattr(self, name, arrays[f"fusion.{name}"])
        self._index = {(partner, ref): int(k) for partner, ref, k in meta}


def _states(table: pa.Table) -> tuple[FloatArray, Any]:
    """((rows, 10) states, which rows can be used); unknown covariances become large ones."""
    columns = [np.asarray(pc.fill_null(table[c], np.nan)) for c in _STATE]
    state = np.column_stack(columns) if table.num_rows else np.zeros((0, 10))
    usable = np.isfinite(state[:, :2]).all(axis=1) & (np.abs(state[:, 0]) <= 90) & (np.abs(state[:, 1]) <= 180)
    usable &= np.asarray(table["partner"].is_valid()) & np.asarray(table["partner_track"].is_valid())
    usable &= np.asarray(table["observed_at"].is_valid())
    speed_known = np.isfinite(state[:, 2]) & np.isfinite(state[:, 3])
    state[:, 2:4] = np.where(speed_known[:, None], state[:, 2:4], 0.0)
    for cols, default in (((4, 5, 6), UNKNOWN_VAR_M2), ((7, 8, 9), SPEED_VAR)):
        p = state[:, cols]
        with np.errstate(invalid="ignore"):
            good = np.isfinite(p).all(axis=1) & (p[:, 0] > 0) & (p[:, 2] > 0) & (p[:, 0] * p[:, 2] > p[:, 1] ** 2)
        if cols[0] == 7:
            good &= speed_known
            default_rows = np.where(speed_known, default, 64.0)
        else:
            default_rows = np.full(len(p), default)
        fill = np.column_stack([default_rows, np.zeros(len(p)), default_rows])
        state[:, cols] = np.where(good[:, None], p, fill)
    return state, usable


def _replace(own: pa.Table, at: IntArray, state: FloatArray, partner: pa.Table) -> pa.Table:
    """Own rows with the state of some replaced, marked with the partner it comes from."""
    if not len(at):
        return own
    changed = own.take(pa.array(at))
    put: dict[str, Any] = {name: pa.array(state[:, k]) for k, name in enumerate(_STATE)}
    put["partner"], put["partner_track"] = partner["partner"], partner["partner_track"]
    put["last_partner_at"] = partner["observed_at"].cast(UTC_US)
    put["sensors"] = pa.array([[*s, "partner"] for s in changed["sensors"].to_pylist()], pa.list_(pa.string()))
    for name, column in put.items():
        k = TRACKS.names.index(name)
        changed = changed.set_column(k, TRACKS.arrow.field(k), column)
    stay = np.ones(own.num_rows, np.bool_)
    stay[at] = False
    both = concat(TRACKS, [own.filter(pa.array(stay)), changed])
    return both.take(pa.array(np.argsort(np.concatenate([np.flatnonzero(stay), at]), kind="stable")))
