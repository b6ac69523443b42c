"""What a partner's sensors added since its last word, as a measurement of its own: fused once, however it came.

What enters: at each tick the states of one ship by everyone whose own sensors hold it, ourselves among them, each
under the provenance id of the filter that made it. What leaves: one fused state a ship. A state of an own filter rests
on all its reports up to its time, so of one provenance the newer state holds the older: what is new is the difference
of the two as information matrices, both at one time. That difference (a tracklet, or equivalent measurement) is
independent of what was fused before, up to the noise of the motion in between; fusing it twice cannot happen, since
the second time the difference is nothing. What a state rested on when it first came is fused by covariance
intersection, which is safe. Sources: Drummond, Hybrid sensor fusion algorithm architecture and tracklets, Proc. SPIE
3163, 1997 (tracklets by the inverse of the filter); Chong, Mori, Chang in Bar-Shalom (ed.), Multitarget-Multisensor
Tracking 1990, chapter 8 (information decorrelation without feedback).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from kuroshio.picture.compiled import kernel
from kuroshio.picture.model import Motion
from kuroshio.picture.motion import AGILE_MPS, AGILITY_MIN, local_offset, move, process_noise
from kuroshio.units import BoolArray, FloatArray, IntArray

LEAST_NOISE = 0.01  # process noise for another's track is never less, m2/s3
OWN = 0  # provenance of our own filter
WIDTH = 14  # lat, lon, ve, vn, covariance ee en nn vee ven vnn, covariance of place with velocity: e-ve e-vn n-ve n-vn
INFORMATION_MIN = 0.01  # share of a state's own information below which a direction of its tracklet is noise
STRANGE_D2 = 30.0  # a fused state this far from our own (four dimensions) is begun anew
_UPPER = (
    (0, 0, 4),
    (0, 1, 5),
    (1, 1, 6),
    (2, 2, 7),
    (2, 3, 8),
    (3, 3, 9),
    (0, 2, 10),
    (0, 3, 11),
    (1, 2, 12),
    (1, 3, 13),
)


def covariance(state: FloatArray) -> FloatArray:
    """(rows, 4, 4) covariances of (rows, `WIDTH`) states, order e, n, ve, vn."""
    out = np.empty((len(state), 4, 4))
    for a, b, k in _UPPER:
        out[:, a, b] = out[:, b, a] = state[:, k]
    return out


def with_covariance(state: FloatArray, cov: FloatArray) -> FloatArray:
    """The states with other covariances."""
    out = state.copy()
    for a, b, k in _UPPER:
        out[:, k] = cov[:, a, b]
    return out


@kernel
def predict_states(state, dt_s, q):  # type: ignore[no-untyped-def]
    """(rows, `WIDTH`) states ``dt_s`` (rows) later, of constant velocity with noise ``q`` (rows, m2/s3)."""
    out = state.copy()
    for k in range(len(state)):
        s, dt = state[k], dt_s[k]
        q3, q2, q1 = process_noise(dt, q[k])
        lat, lon, _ = move(s[0], s[1], dt * s[2], dt * s[3])
        out[k, 0], out[k, 1] = lat, lon
        out[k, 4] = s[4] + 2.0 * dt * s[10] + dt * dt * s[7] + q3
        out[k, 5] = s[5] + dt * (s[11] + s[12]) + dt * dt * s[8]
        out[k, 6] = s[6] + 2.0 * dt * s[13] + dt * dt * s[9] + q3
        out[k, 7], out[k, 9] = s[7] + q1, s[9] + q1
        out[k, 10], out[k, 11] = s[10] + dt * s[7] + q2, s[11] + dt * s[8]
        out[k, 12], out[k, 13] = s[12] + dt * s[8], s[13] + dt * s[9] + q2
    return out


@kernel
def _vectors(base, state):  # type: ignore[no-untyped-def]
    """(rows, 4) states in the planes of other states' places: offset east, north, velocity."""
    out = np.empty((len(state), 4))
    for k in range(len(state)):
        out[k, 0], out[k, 1] = local_offset(base[k, 0], base[k, 1], state[k, 0], state[k, 1])
        out[k, 2], out[k, 3] = state[k, 2], state[k, 3]
    return out


@kernel
def _placed(base, x):  # type: ignore[no-untyped-def]
    """The states with mean ``x`` in their planes."""
    out = base.copy()
    for k in range(len(base)):
        out[k, 0], out[k, 1], _ = move(base[k, 0], base[k, 1], x[k, 0], x[k, 1])
        out[k, 2], out[k, 3] = x[k, 2], x[k, 3]
    return out


def distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """Squared distance of states in four dimensions, errors taken as independent."""
    d = _vectors(a, b) - _vectors(a, a)
    return np.einsum("ki,ki->k", d, np.linalg.solve(covariance(a) + covariance(b), d[:, :, None])[:, :, 0])


def add_tracklet(fused: FloatArray, before: FloatArray, now: FloatArray) -> FloatArray:
    """Fused states with what ``now`` knows beyond ``before``: all (rows, `WIDTH`), at the same times.

    Directions in which ``now`` knows no more than ``before`` add nothing: a filter that doubts more than it did
    (another model of the motion has become likelier) takes nothing back from what others said.
    """
    low = np.linalg.cholesky(covariance(now))
    back = np.linalg.inv(covariance(before))
    gain = np.eye(4) - np.swapaxes(low, 1, 2) @ back @ low  # the tracklet's information where that of ``now`` is one
    value, vector = np.linalg.eigh(0.5 * (gain + np.swapaxes(gain, 1, 2)))
    kept = np.where(value > INFORMATION_MIN, value, 0.0)
    base = _vectors(fused, fused)
    x_now, x_before = _vectors(fused, now) - base, _vectors(fused, before) - base
    lift = np.linalg.solve(np.swapaxes(low, 1, 2), vector)  # from the scaled directions to information
    told = np.einsum("kij,kj->ki", np.linalg.inv(covariance(now)), x_now) - np.einsum("kij,kj->ki", back, x_before)
    part = np.einsum("kji,kj->ki", low @ vector, told) * (kept > 0.0)
    information = np.linalg.inv(covariance(fused)) + lift @ (kept[:, :, None] * np.swapaxes(lift, 1, 2))
    cov = np.linalg.inv(information)
    step = np.einsum("kij,kj->ki", cov, np.einsum("kij,kj->ki", lift, part))
    return with_covariance(_placed(fused, base + step), 0.5 * (cov + np.swapaxes(cov, 1, 2)))


def intersect_whole(a: FloatArray, b: FloatArray) -> FloatArray:
    """Covariance intersection in four dimensions, weighed for the least trace of the place."""
    pa, pb = np.linalg.inv(covariance(a)), np.linalg.inv(covariance(b))
    w = np.linspace(0.0, 1.0, 17)
    cov = np.linalg.inv(w[None, :, None, None] * pa[:, None] + (1.0 - w)[None, :, None, None] * pb[:, None])
    trace = cov[..., 0, 0] + cov[..., 1, 1]
    trace[:, -1] *= 1.0 - 1e-9  # a tie is ours
    best = np.argmin(trace, axis=1)
    at = np.arange(len(a))
    cov, weight = cov[at, best], w[best][:, None]
    base = _vectors(a, a)
    step = np.einsum("kij,kj->ki", cov, (1.0 - weight) * np.einsum("kij,kj->ki", pb, _vectors(a, b) - base))
    return with_covariance(_placed(a, base + step), cov)


def bounded(fused: FloatArray, states: FloatArray, of: IntArray) -> FloatArray:
    """Fused states never surer of the place than independent errors of all that is in them would allow.

    ``of`` is the row of ``fused`` each of ``states`` is in.
    """
    most = np.zeros((len(fused), 4, 4))
    np.add.at(most, of, np.linalg.inv(covariance(states)))
    least = np.linalg.inv(most)
    ratio = (least[:, 0, 0] + least[:, 1, 1]) / (fused[:, 4] + fused[:, 6])
    return with_covariance(fused, covariance(fused) * np.maximum(ratio, 1.0)[:, None, None])


def densities(ve: FloatArray, vn: FloatArray, mu: FloatArray, motion: Motion) -> tuple[FloatArray, FloatArray]:
    """(process noise to carry fused states by, the least that anybody's filter has) for ships, m2/s3.

    A tracklet is what a filter learnt beyond its own prediction. The more noise that prediction is given, the more it
    seems to have learnt; fused states are given more, so that neither claims what it does not know. Measured with
    three nodes in `benchmarks.picture sharing`: the noise of our own filter for both, ANEES 1.16; so parted, 0.93.
    """
    share = np.clip((ve * ve + vn * vn) / AGILE_MPS**2, AGILITY_MIN, 1.0)
    return np.maximum(LEAST_NOISE, share * ((1.0 - mu) * motion.q0 + mu * motion.q1)), share * motion.q0


def number_of(provenance: str) -> int:
    """Number of a provenance id, never `OWN`."""
    return int.from_bytes(hashlib.blake2b(provenance.encode(), digest_size=8).digest(), "big") >> 2 | 1


class Fused:
    """Fused states of own tracks that partners with provenance hold too, and what of each provenance is in them.

    Attributes
    ----------
    t_us, uid, state, own
        Time, own tracks in ascending order, their fused states, and our own states that are in them.
    key, row_us, at
        (rows, 2) uid and provenance of everything that is in them, in ascending order; the time of its newest row, and
        that row's state at ``t_us``.
    earlier
        ``t_us``, ``uid``, ``state`` and ``own`` one tick ago, for rows of a step from before the tick in it.
    """

    def __init__(self) -> None:
        self.t_us = 0
        self.uid, self.row_us, self.key = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 2), np.int64)
        self.state, self.own, self.at = (np.zeros((0, WIDTH)) for _ in range(3))
        self.earlier = self._now()

    def _now(self) -> tuple[int, IntArray, FloatArray, FloatArray]:
        return self.t_us, self.uid, self.state, self.own

    def tick(
        self, t_us: int, key: IntArray, row_us: IntArray, state: FloatArray, noise: FloatArray, least: FloatArray
    ) -> None:
        """Take in what is new.

        Parameters
        ----------
        key
            (rows, 2) uid and provenance of all that hold the ships now, in ascending order: our own (`OWN`) first.
        row_us
            Time of the report or row each state rests on.
        state
            (rows, `WIDTH`) states at ``t_us``.
        noise, least
            As `densities` gives them for each row's ship.
        """
        uid, first, of = np.unique(key[:, 0], return_index=True, return_inverse=True)
        known, dt = _find(self.key, key), (t_us - self.t_us) * 1e-6
        fused, has = self._carried(key, uid, state[first], noise[first], dt)
        before, seen = np.zeros_like(state), (known >= 0) & has[of]
        before[seen] = predict_states(self.at[known[seen]], np.full(int(seen.sum()), dt), least[seen])
        newer = seen.copy()
        newer[seen] = row_us[seen] > self.row_us[known[seen]]
        rank = np.arange(len(key)) - first[of]
        for r in range(int(rank.max(initial=-1)) + 1):  # one of each ship at a time: as many rounds as partners
            at = np.flatnonzero(rank == r)
            add, new = at[newer[at]], at[~seen[at]] if r else at[:0]
            fused[of[add]] = add_tracklet(fused[of[add]], before[add], state[add])
            fused[of[new]] = intersect_whole(fused[of[new]], state[new])
        self.earlier = self._now()
        self.uid, self.state, self.own, self.t_us = uid, bounded(fused, state, of), state[first].copy(), t_us
        self.key, self.row_us, self.at = key.copy(), row_us.copy(), state.copy()

    def _carried(
        self, key: IntArray, uid: IntArray, own: FloatArray, noise: FloatArray, dt: float
    ) -> tuple[FloatArray, BoolArray]:
        """(fused states of before at the new time, which there are); own ones where they have to begin anew."""
        fused, has = own.copy(), np.isin(uid, self.uid)
        has &= ~np.isin(uid, self.key[_find(key, self.key) < 0, 0])  # what somebody took away cannot be taken out
        old = np.searchsorted(self.uid, uid[has])
        fused[has] = predict_states(self.state[old], np.full(len(old), dt), noise[has])
        strange = distance(own, fused) > STRANGE_D2
        fused[strange] = own[strange]
        return fused, has & ~strange

    def holds(self, uid: IntArray, provenance: IntArray) -> BoolArray:
        """True where a provenance is in the fused state of a track."""
        return np.asarray(_find(self.key, np.column_stack([uid, provenance])) >= 0)

    def at_rows(
        self, uid: IntArray, t_us: IntArray, own: FloatArray, noise: FloatArray, least: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """(states, which of them are fused) of own rows (`WIDTH` columns), at the rows' times."""
        out, done = own.copy(), np.zeros(len(uid), np.bool_)
        for when, tracks, fused, held in (self._now(), self.earlier):
            at = np.minimum(np.searchsorted(tracks, uid), max(len(tracks) - 1, 0))
            fit = np.zeros(len(uid), np.bool_) if not len(tracks) else (tracks[at] == uid) & (t_us >= when) & ~done
            fit &= np.isfinite(own).all(axis=1)
            k, old = np.flatnonzero(fit), at[fit]
            if not len(k):
                continue
            dt = (t_us[k] - when) * 1e-6
            before = predict_states(held[old], dt, least[k])
            out[k] = add_tracklet(predict_states(fused[old], dt, noise[k]), before, own[k])
            done[k] = True
        return out, done

    def arrays(self) -> dict[str, Any]:
        """Arrays for a checkpoint."""
        kept = {f"fused.{name}": getattr(self, name) for name in ("uid", "state", "own", "key", "row_us", "at")}
        earlier = dict(zip(("uid", "state", "own"), self.earlier[1:], strict=True))
        times = np.array([self.t_us, self.earlier[0]], np.int64)
        return {**kept, "fused.t_us": times, **{f"fused.earlier_{name}": a for name, a in earlier.items()}}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take the state back."""
        for name in ("uid", "state", "own", "key", "row_us", "at"):
            setattr(self, name, arrays[f"fused.{name}"])
        self.t_us, before_us = (int(t) for t in arrays["fused.t_us"])
        uid, state, own = (arrays[f"fused.earlier_{name}"] for name in ("uid", "state", "own"))
        self.earlier = before_us, uid, state, own


def _find(known: IntArray, keys: IntArray) -> IntArray:
    """Row of each key (uid, provenance) among others in ascending order, or -1."""
    if not len(known):
        return np.full(len(keys), -1, np.int64)
    both, inverse = np.unique(np.concatenate([known, keys]), axis=0, return_inverse=True)
    place = np.full(len(both), -1, np.int64)
    place[inverse.ravel()[: len(known)]] = np.arange(len(known))
    return place[inverse.ravel()[len(known) :]]
