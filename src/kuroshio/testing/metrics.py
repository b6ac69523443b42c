"""How good a picture is: tracks against the truth, vectorised.

What enters: positions of truth and tracks at one time, or whole TRACKS and truth tables. What leaves: GOSPA with its
decomposition, OSPA, SIAP, NEES and ellipse coverage. It runs no tracker. Sources: Rahmathullah, Garcia-Fernandez,
Svensson, FUSION 2017 (GOSPA, alpha 2); Schuhmacher, Vo, Vo, IEEE T-SP 2008 (OSPA); Votruba, Nisley, Rothrock,
Zombro, SIAP metrics, 2001; Bar-Shalom, Li, Kirubarajan 2001, 5.4.2 (NEES).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree
from scipy.stats import chi2

from kuroshio.geo import enu_offset_m, offset_position
from kuroshio.picture.associate import assign
from kuroshio.units import FloatArray, IntArray

EARTH_M = 6_371_008.8
LEVELS = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Gospa:
    """GOSPA of one time: ``distance`` (m), and the summed p-th powers it is made of, with the pairs matched."""

    distance: float
    localisation: float
    missed: float
    false: float
    pairs: IntArray
    pair_distance_m: FloatArray


def _matches(lat_a: Any, lon_a: Any, lat_b: Any, lon_b: Any, cutoff_m: float, p: float) -> tuple[IntArray, FloatArray]:
    """(pairs, distance) of the assignment that minimises the sum of d^p with a cutoff."""
    lat_a, lon_a, lat_b, lon_b = (np.asarray(v, np.float64) for v in (lat_a, lon_a, lat_b, lon_b))
    if not len(lat_a) or not len(lat_b):
        return np.zeros((0, 2), np.int64), np.zeros(0)
    near = cKDTree(_ecef(lat_a, lon_a)).sparse_distance_matrix(
        cKDTree(_ecef(lat_b, lon_b)), cutoff_m * 1.02, output_type="ndarray"
    )
    i, j = near["i"].astype(np.int64), near["j"].astype(np.int64)
    d = np.hypot(*enu_offset_m(lat_a[i], lon_a[i], lat_b[j], lon_b[j]))
    keep = d < cutoff_m
    i, j, d = i[keep], j[keep], d[keep]
    chosen = assign(i, j, d**p - cutoff_m**p, len(lat_a), len(lat_b))
    e = chosen[chosen >= 0]
    return np.column_stack([i[e], j[e]]), d[e]


def _ecef(lat: FloatArray, lon: FloatArray) -> FloatArray:
    a, b = np.radians(lat), np.radians(lon)
    return EARTH_M * np.column_stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)])


def gospa(
    truth_lat: Any, truth_lon: Any, track_lat: Any, track_lon: Any, *, cutoff_m: float = 1000.0, p: float = 2.0
) -> Gospa:
    """GOSPA (alpha 2) of tracks against truth at one time.

    Parameters
    ----------
    truth_lat, truth_lon, track_lat, track_lon
        Positions in degrees, shapes (n,) and (m,).
    cutoff_m
        Distance at which a pair is as bad as one missed and one false, metres.
    p
        Order.
    """
    pairs, d = _matches(truth_lat, truth_lon, track_lat, track_lon, cutoff_m, p)
    half = cutoff_m**p / 2.0
    near = float(np.sum(d**p))
    missed, false = half * (len(truth_lat) - len(d)), half * (len(track_lat) - len(d))
    return Gospa((near + missed + false) ** (1.0 / p), near, missed, false, pairs, d)


def ospa(
    truth_lat: Any, truth_lon: Any, track_lat: Any, track_lon: Any, *, cutoff_m: float = 1000.0, p: float = 2.0
) -> float:
    """OSPA distance in metres of tracks against truth at one time; 0 for two empty sets."""
    most = max(len(truth_lat), len(track_lat))
    if most == 0:
        return 0.0
    _, d = _matches(truth_lat, truth_lon, track_lat, track_lon, cutoff_m, p)
    return float(((np.sum(d**p) + cutoff_m**p * (most - len(d))) / most) ** (1.0 / p))


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


@dataclass
class Score:
    """Figures over a run; SIAP names as in the standard. ``as_dict`` is the JSON form."""

    times: int = 0
    gospa_mean_m: float = 0.0
    gospa_by_kind: dict[str, float] = field(default_factory=dict)
    ospa_mean_m: float = 0.0
    completeness: float = 0.0
    ambiguity: float = 0.0
    spuriousness: float = 0.0
    identity_correct: float | None = None
    track_changes_per_h: float = 0.0
    longest_segment: float = 0.0
    position_error_m: float = 0.0
    anees: float | None = None
    ellipse: dict[float, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**self.__dict__, "ellipse": {str(k): v for k, v in self.ellipse.items()}}


class _Columns:
    """Columns of a table as arrays, with the rows of each time."""

    def __init__(self, table: pa.Table, ident: str) -> None:
        self.t_us = np.asarray(table.column("observed_at").cast(pa.int64()).to_numpy())
        order = np.argsort(self.t_us, kind="stable")
        self.order = order
        self.t_us = self.t_us[order]
        self.ident = np.asarray(table.column(ident).to_numpy(), np.int64)[order]
        names = set(table.column_names)
        self.value = {
            n: np.asarray(table.column(n).cast(pa.float64()).fill_null(np.nan).to_numpy())[order]
            for n in ("lat_deg", "lon_deg", "ve_mps", "vn_mps", "cov_ee_m2", "cov_en_m2", "cov_nn_m2", "mmsi",
                      "cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2")
            if n in names
        }  # fmt: skip
        status = table.column("status").cast(pa.string()).to_numpy(zero_copy_only=False) if "status" in names else None
        self.ended = (status == "ended")[order] if status is not None else np.zeros(len(order), np.bool_)
        self.tentative = (status == "tentative")[order] if status is not None else np.zeros(len(order), np.bool_)


def states_at(tracks: _Columns, t_us: int, hold_s: float) -> IntArray:
    """Row of each live track that is valid at a time: its last one, not ended, not tentative, not older than hold."""
    upto = int(np.searchsorted(tracks.t_us, t_us, "right"))
    ids, first = np.unique(tracks.ident[:upto][::-1], return_index=True)
    rows = upto - 1 - first
    keep = ~tracks.ended[rows] & ~tracks.tentative[rows] & (t_us - tracks.t_us[rows] <= hold_s * 1e6)
    del ids
    return np.asarray(rows[keep])


def score(
    tracks: pa.Table,
    truth: pa.Table,
    *,
    cutoff_m: float = 1000.0,
    hold_s: float = 900.0,
    q_m2s3: float = 1e-3,
    skip_s: float = 0.0,
    every_s: float = 0.0,
) -> Score:
    """Score of TRACKS rows (one per update) against truth rows (``ship_id``, time, position, ``mmsi``).

    Parameters
    ----------
    cutoff_m
        GOSPA and OSPA cutoff, and the largest distance at which a track is counted as of a ship.
    hold_s
        A track whose last row is older than this is not shown.
    q_m2s3
        Noise density used to predict covariances from a row to the time of the truth.
    skip_s
        Truth in the first seconds that is not scored: tracks need time to begin.
    every_s
        Least time between scored instants; 0 scores every time in the truth.
    """
    tr, gt = _Columns(tracks, "track_id"), _Columns(truth, "ship_id")
    times = np.unique(gt.t_us)
    times = times[times >= times[0] + skip_s * 1e6] if len(times) else times
    if every_s > 0 and len(times):
        times = times[np.concatenate([[True], np.diff((times - times[0]) // round(every_s * 1e6)) > 0])]
    sums = _Sums()
    for t in times.tolist():  # a Python loop over instants, not rows
        sums.add(tr, gt, t, cutoff_m, hold_s, q_m2s3)
    return sums.result(times)


class _Sums:
    """Running sums of a score."""

    def __init__(self) -> None:
        self.gospa: list[float] = []
        self.kinds = np.zeros(3)
        self.ospa: list[float] = []
        self.truths = self.tracked = self.assigned = self.shown = self.named = self.right = 0
        self.nees: list[FloatArray] = []
        self.errors: list[FloatArray] = []
        self.of_ship: dict[int, list[tuple[int, int]]] = {}

    def add(self, tr: _Columns, gt: _Columns, t_us: int, cutoff_m: float, hold_s: float, q: float) -> None:
        a, b = np.searchsorted(gt.t_us, [t_us, t_us + 1])
        rows = states_at(tr, t_us, hold_s)
        v = {k: c[rows] for k, c in tr.value.items()}
        dt = (t_us - tr.t_us[rows]) * 1e-6
        lat, lon = offset_position(v["lat_deg"], v["lon_deg"], v["ve_mps"] * dt, v["vn_mps"] * dt)
        tlat, tlon = gt.value["lat_deg"][a:b], gt.value["lon_deg"][a:b]
        g = gospa(tlat, tlon, lat, lon, cutoff_m=cutoff_m)
        self.gospa.append(g.distance)
        self.kinds += (g.localisation, g.missed, g.false)
        self.ospa.append(ospa(tlat, tlon, lat, lon, cutoff_m=cutoff_m))
        self.truths += b - a
        self.tracked += len(g.pairs)
        self.shown += len(rows)
        self.assigned += _near_any(lat, lon, tlat, tlon, cutoff_m)
        if not len(g.pairs):
            return
        i, j = g.pairs[:, 0], g.pairs[:, 1]
        for ship, track in zip(gt.ident[a:b][i].tolist(), tr.ident[rows][j].tolist(), strict=True):
            self.of_ship.setdefault(ship, []).append((t_us, track))
        if "mmsi" in gt.value and "mmsi" in v:
            said, true = v["mmsi"][j], gt.value["mmsi"][a:b][i]
            both = np.isfinite(said) & (said > 0) & np.isfinite(true)
            self.named += int(both.sum())
            self.right += int((said[both] == true[both]).sum())
        e, n = enu_offset_m(tlat[i], tlon[i], lat[j], lon[j])
        self.errors.append(np.hypot(e, n))
        cov = np.empty((len(j), 2, 2))
        d, noise = dt[j], q * dt[j] ** 3 / 3.0
        cov[:, 0, 0] = v["cov_ee_m2"][j] + d * d * v["cov_vee_m2s2"][j] + noise
        cov[:, 1, 1] = v["cov_nn_m2"][j] + d * d * v["cov_vnn_m2s2"][j] + noise
        cov[:, 0, 1] = cov[:, 1, 0] = v["cov_en_m2"][j] + d * d * v["cov_ven_m2s2"][j]
        self.nees.append(nees(np.column_stack([e, n]), cov))

    def result(self, times: IntArray) -> Score:
        if not len(times):
            return Score()
        changes, hours, longest = 0, 0.0, []
        for pairs in self.of_ship.values():
            ids = np.array([track for _, track in pairs])
            changes += int(np.count_nonzero(np.diff(ids)))
            hours += (pairs[-1][0] - pairs[0][0]) / 3.6e9
            longest.append(np.unique(ids, return_counts=True)[1].max() / len(times))
        values = np.concatenate(self.nees) if self.nees else np.zeros(0)
        kinds = self.kinds / len(times)
        return Score(
            times=len(times),
            gospa_mean_m=float(np.mean(self.gospa)),
            gospa_by_kind=dict(zip(("localisation", "missed", "false"), kinds.tolist(), strict=True)),
            ospa_mean_m=float(np.mean(self.ospa)),
            completeness=self.tracked / max(self.truths, 1),
            ambiguity=self.assigned / max(self.tracked, 1),
            spuriousness=(self.shown - self.assigned) / max(self.shown, 1),
            identity_correct=self.right / self.named if self.named else None,
            track_changes_per_h=changes / hours if hours > 0 else 0.0,
            longest_segment=float(np.mean(longest)) if longest else 0.0,
            position_error_m=float(np.sqrt(np.mean(np.concatenate(self.errors) ** 2))) if self.errors else 0.0,
            anees=float(np.mean(values) / 2.0) if len(values) else None,
            ellipse=ellipse_coverage(values) if len(values) else {},
        )


def _near_any(lat: FloatArray, lon: FloatArray, tlat: FloatArray, tlon: FloatArray, cutoff_m: float) -> int:
    """Number of tracks with any truth within the cutoff."""
    if not len(lat) or not len(tlat):
        return 0
    d, _ = cKDTree(_ecef(tlat, tlon)).query(_ecef(lat, lon), distance_upper_bound=cutoff_m)
    return int(np.count_nonzero(np.isfinite(d)))
