"""Measures of a picture at many instants at once: GOSPA, OSPA, SIAP, NEES, ellipse coverage.

What enters: positions of truth and tracks with the number of their instant. What leaves: distances, pairs and
figures, without a Python loop over instants or rows. It reads no tables (`metrics` does) and runs no tracker.
Sources: Rahmathullah, Garcia-Fernandez, Svensson, FUSION 2017 (GOSPA, alpha 2); Schuhmacher, Vo, Vo, IEEE T-SP 2008
(OSPA); Votruba, Nisley, Rothrock, Zombro, SIAP metrics, 2001; Bar-Shalom, Li, Kirubarajan 2001, 5.4.2 (NEES). Equal
to Stone Soup 1.9.1 on tests/golden/metrics_stonesoup.json (test_testing_metrics_peer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import chi2

from kuroshio.geo import enu_offset_m
from kuroshio.picture.associate import assign
from kuroshio.units import US_PER_S, FloatArray, IntArray

EARTH_M = 6_371_008.8
LEVELS = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Places:
    """Positions at instants: degrees, and the number of the instant of each row."""

    lat: FloatArray
    lon: FloatArray
    instant: IntArray

    @classmethod
    def of(cls, lat: Any, lon: Any, instant: Any = None) -> Places:
        """From anything array-like; without instants all rows are of instant 0."""
        a = np.asarray(lat, np.float64)
        when = np.zeros(len(a), np.int64) if instant is None else np.asarray(instant, np.int64)
        return cls(a, np.asarray(lon, np.float64), when)


@dataclass(frozen=True)
class Gospa:
    """GOSPA of one time: ``distance`` (m), and the summed p-th powers it is made of, with the pairs matched."""

    distance: float
    localisation: float
    missed: float
    false: float
    pairs: IntArray
    pair_distance_m: FloatArray


@dataclass(frozen=True)
class Distances:
    """GOSPA and OSPA of each instant in metres, the parts of GOSPA (m^p), and all pairs matched with their distance."""

    gospa_m: FloatArray
    ospa_m: FloatArray
    localisation: FloatArray
    missed: FloatArray
    false: FloatArray
    pairs: IntArray
    pair_distance_m: FloatArray


def _space(lat: FloatArray, lon: FloatArray, instant: IntArray, apart_m: float) -> FloatArray:
    """(rows, 4) points: earth-fixed metres, and the instant as a fourth axis that keeps instants apart."""
    a, b = np.radians(lat), np.radians(lon)
    xyz = EARTH_M * np.column_stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)])
    return np.column_stack([xyz, instant * apart_m])


def _matches(truth: Places, tracks: Places, cutoff_m: float, p: float) -> tuple[IntArray, FloatArray]:
    """(pairs, distance) of the assignment that minimises the sum of d^p with a cutoff, of all instants together."""
    if not len(truth.lat) or not len(tracks.lat):
        return np.zeros((0, 2), np.int64), np.zeros(0)
    a, b = (_space(x.lat, x.lon, x.instant, 8.0 * cutoff_m) for x in (truth, tracks))
    near = cKDTree(a).sparse_distance_matrix(cKDTree(b), cutoff_m * 1.02, output_type="ndarray")
    i, j = near["i"].astype(np.int64), near["j"].astype(np.int64)
    d = np.hypot(*enu_offset_m(truth.lat[i], truth.lon[i], tracks.lat[j], tracks.lon[j]))
    keep = d < cutoff_m
    i, j, d = i[keep], j[keep], d[keep]
    chosen = assign(i, j, d**p - cutoff_m**p, len(tracks.lat))
    e = chosen[chosen >= 0]
    return np.column_stack([i[e], j[e]]), d[e]


def distances(truth: Places, tracks: Places, instants: int, *, cutoff_m: float = 1000.0, p: float = 2.0) -> Distances:
    """GOSPA (alpha 2) and OSPA of tracks against truth at each of so many instants.

    Parameters
    ----------
    cutoff_m
        Distance at which a pair is as bad as one missed and one false, metres.
    p
        Order.
    """
    pairs, d = _matches(truth, tracks, cutoff_m, p)
    at = truth.instant[pairs[:, 0]]
    n, m = (np.bincount(x.instant, minlength=instants).astype(float) for x in (truth, tracks))
    matched = np.bincount(at, minlength=instants).astype(float)
    near = np.asarray(np.bincount(at, weights=d**p, minlength=instants), np.float64)
    half = cutoff_m**p / 2.0
    missed, false = half * (n - matched), half * (m - matched)
    most = np.maximum(n, m)
    ospa_m = ((near + cutoff_m**p * (most - matched)) / np.maximum(most, 1.0)) ** (1.0 / p)
    whole = np.asarray((near + missed + false) ** (1.0 / p))
    return Distances(whole, np.asarray(ospa_m), near, missed, false, pairs, d)


def gospa(
    truth_lat: Any, truth_lon: Any, track_lat: Any, track_lon: Any, *, cutoff_m: float = 1000.0, p: float = 2.0
) -> Gospa:
    """GOSPA (alpha 2) at one time, from positions in degrees of shapes (n,) and (m,); see `distances`."""
    d = distances(Places.of(truth_lat, truth_lon), Places.of(track_lat, track_lon), 1, cutoff_m=cutoff_m, p=p)
    parts = (float(d.localisation[0]), float(d.missed[0]), float(d.false[0]))
    return Gospa(float(d.gospa_m[0]), *parts, d.pairs, d.pair_distance_m)


def ospa(
    truth_lat: Any, truth_lon: Any, track_lat: Any, track_lon: Any, *, cutoff_m: float = 1000.0, p: float = 2.0
) -> float:
    """OSPA distance in metres at one time; 0 for two empty sets."""
    d = distances(Places.of(truth_lat, truth_lon), Places.of(track_lat, track_lon), 1, cutoff_m=cutoff_m, p=p)
    return float(d.ospa_m[0])


def nees(error: FloatArray, covariance: FloatArray) -> FloatArray:
    """Normalised estimation error squared of each estimate.

    Parameters
    ----------
    error
        Shape (n, d).
    covariance
        Shape (n, d, d).
    """
    error = np.asarray(error, np.float64)
    return np.asarray(np.einsum("ni,ni->n", error, np.linalg.solve(covariance, error[..., None])[..., 0]))


def anees(error: FloatArray, covariance: FloatArray) -> float:
    """Mean NEES per dimension: 1 for a filter that is honest about its error."""
    return float(np.mean(nees(error, covariance)) / np.asarray(error).shape[1])


def ellipse_coverage(values: FloatArray, dimensions: int = 2) -> dict[float, float]:
    """Share of NEES values inside the ellipse of each probability in `LEVELS`."""
    return {level: float(np.mean(values <= chi2.ppf(level, dimensions))) for level in LEVELS}


@dataclass(frozen=True)
class Siap:
    """SIAP figures over a run, as Votruba et al. define them; rates by hour of a ship tracked."""

    completeness: float
    ambiguity: float
    spuriousness: float
    id_completeness: float
    id_correctness: float
    id_ambiguity: float
    track_changes_per_h: float
    longest_segment: float


def siap(
    times_us: IntArray,
    truth: tuple[IntArray, IntArray],
    shown: int,
    held: tuple[IntArray, IntArray, IntArray],
    identity: tuple[IntArray, IntArray] | None = None,
) -> Siap:
    """SIAP figures from an association of tracks with ships.

    Parameters
    ----------
    times_us
        Time of each instant, ascending.
    truth
        (instant, ship) of each true state.
    shown
        Number of track states over all instants.
    held
        (instant, ship, track) of each association; one ship may have several tracks, a track one ship.
    identity
        (identity the track says, true one) of each association; 0 is none.
    """
    instant, ship, track = held
    _, code = np.unique(np.concatenate([truth[1], ship]), return_inverse=True)
    true_code, code = code[: len(truth[1])], code[len(truth[1]) :]
    order = np.lexsort((truth[0], true_code))
    slot_code, slot_instant = true_code[order], truth[0][order]  # the instants of each ship, in a row
    key = slot_code * len(times_us) + slot_instant
    slot = np.searchsorted(key, code * len(times_us) + instant)
    covered = len(np.unique(slot))
    changes, tracked_us, longest_us = _continuity(times_us[slot_instant], slot_code, slot, code, track)
    first = np.flatnonzero(np.diff(slot_code, prepend=-1))
    last = np.append(first[1:], len(slot_code)) - 1
    life_us = float(np.sum(times_us[slot_instant[last]] - times_us[slot_instant[first]])) if len(first) else 0.0
    complete, correct, mixed = _identified(slot, len(key), identity)
    return Siap(
        completeness=covered / max(len(truth[0]), 1),
        ambiguity=len(instant) / covered if covered else 1.0,
        spuriousness=(shown - len(instant)) / shown if shown else 0.0,
        id_completeness=complete / max(covered, 1),
        id_correctness=correct / max(covered, 1),
        id_ambiguity=mixed / max(covered, 1),
        track_changes_per_h=changes / (tracked_us / US_PER_S / 3600.0) if tracked_us > 0 else 0.0,
        longest_segment=longest_us / life_us if life_us > 0 else 0.0,
    )


def _continuity(
    slot_us: IntArray, slot_code: IntArray, slot: IntArray, code: IntArray, track: IntArray
) -> tuple[int, float, float]:
    """(changes of number, time tracked, sum of each ship's longest segment), times in microseconds.

    ``slot`` is the place of an association among all (ship, instant), which stand ship by ship in order of time.
    """
    if not len(slot):
        return 0, 0.0, 0.0
    order = np.lexsort((slot, track, code))
    s, t = slot[order], track[order]
    begin = np.flatnonzero(
        np.concatenate([[True], (np.diff(s) != 1) | (np.diff(t) != 0) | (np.diff(code[order]) != 0)])
    )
    first, last = s[begin], s[np.append(begin[1:], len(s)) - 1]
    longest = np.zeros(int(slot_code.max()) + 1)
    np.maximum.at(longest, slot_code[first], (slot_us[last] - slot_us[first]).astype(float))
    depth = np.zeros(len(slot_us) + 1, np.int64)
    np.add.at(depth, first, 1)
    np.add.at(depth, last, -1)
    inside = np.cumsum(depth)[:-2] > 0  # the step from a slot to the next is inside a segment
    tracked = float(np.sum(np.diff(slot_us)[inside]))
    # fewest segments that cover what is covered: always go on with the one that reaches farthest
    reach = np.full(len(slot_us), -1, np.int64)
    np.maximum.at(reach, first, last)
    reach = np.maximum.accumulate(reach)  # a segment never leaves its ship's slots
    reach = np.where(reach >= np.arange(len(reach)), reach, -1)
    following = np.minimum.accumulate(np.where(reach >= 0, np.arange(len(reach)), len(reach))[::-1])[::-1]
    start = np.flatnonzero(np.diff(slot_code, prepend=-1))
    end = np.append(start[1:], len(slot_us))
    at, needed = start.copy(), np.zeros(len(start), np.int64)
    while True:  # as many rounds as the most segments a ship needs
        there = np.where(at < len(slot_us), following[np.minimum(at, len(slot_us) - 1)], len(slot_us))
        go = there < end
        if not go.any():
            return int(np.sum(np.maximum(needed - 1, 0))), tracked, float(longest.sum())
        needed[go] += 1
        at = np.where(go, reach[np.minimum(there, len(slot_us) - 1)] + 1, len(slot_us))


def _identified(slot: IntArray, slots: int, identity: tuple[IntArray, IntArray] | None) -> tuple[int, int, int]:
    """(ship instants with any identity, with only the right one, with differing ones)."""
    if identity is None:
        return 0, 0, 0
    said, true = identity
    held = np.bincount(slot, minlength=slots)
    none = np.bincount(slot, weights=said == 0, minlength=slots)
    right = np.bincount(slot, weights=(said != 0) & (said == true), minlength=slots)
    wrong = np.bincount(slot, weights=(said != 0) & (said != true), minlength=slots)
    some = held > 0
    correct = some & (right == held)
    mixed = some & ~correct & (wrong < held) & (none < held)
    return int(np.sum(some & (none < held))), int(correct.sum()), int(mixed.sum())


def nearest(truth: Places, tracks: Places, rows: IntArray, cutoff_m: float) -> IntArray:
    """Row of the nearest true position at the same instant for the tracks named; -1 where none is within the cutoff."""
    if not len(rows) or not len(truth.lat):
        return np.full(len(rows), -1, np.int64)
    apart = 8.0 * cutoff_m
    tree = cKDTree(_space(truth.lat, truth.lon, truth.instant, apart))
    d, at = tree.query(_space(tracks.lat[rows], tracks.lon[rows], tracks.instant[rows], apart))
    return np.where(d < cutoff_m, at, -1).astype(np.int64)
