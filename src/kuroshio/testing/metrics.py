"""How good tracks are against the truth: whole tables in, one `Score` out.

What enters: TRACKS rows (one per update, or snapshots) and a truth table (``ship_id``, ``observed_at``, ``lat_deg``,
``lon_deg``; optional ``mmsi``, ``motion``, ``held_by``, ``dark``, ``spoof``, ``spoof_m``). What leaves: figures over
all, and by class of ship. The arithmetic is in `measures`, that of flags in `flagging`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.errors import InputError
from kuroshio.geo import enu_offset_m, offset_position
from kuroshio.schema import as_type
from kuroshio.testing import flagging, measures
from kuroshio.testing.measures import Places, anees, ellipse_coverage, gospa, nees, ospa
from kuroshio.units import US_PER_S, BoolArray, FloatArray, IntArray

__all__ = [
    "Columns",
    "Matching",
    "Score",
    "anees",
    "ellipse_coverage",
    "figures",
    "gospa",
    "match",
    "nees",
    "ospa",
    "score",
]

BLOCK_STATES = 1_000_000
WHERE_AND_WHEN = ("observed_at", "lat_deg", "lon_deg")
CLASS_COLUMNS = ("motion", "held_by", "spoof")


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
    id_completeness: float = 0.0
    id_correctness: float = 0.0
    id_ambiguity: float = 0.0
    track_changes_per_h: float = 0.0
    longest_segment: float = 0.0
    position_error_m: float = 0.0
    velocity_error_mps: float | None = None
    anees: float | None = None
    ellipse: dict[float, float] = field(default_factory=dict)
    classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    dark: dict[str, Any] | None = None
    spoof: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON form: keys are text."""
        out = asdict(self)
        out["ellipse"] = {str(k): v for k, v in self.ellipse.items()}
        for figures in out["classes"].values():
            figures["ellipse"] = {str(k): v for k, v in figures["ellipse"].items()}
        return out


class Columns:
    """Columns of a table as arrays, ordered by track or ship and time.

    Raises
    ------
    InputError
        When a column of identity, time or place is missing, is of no such type, or has rows without a value.
    """

    def __init__(self, table: pa.Table, ident: str) -> None:
        missing = [c for c in (ident, *WHERE_AND_WHEN) if c not in table.column_names]
        if missing:
            raise InputError(f"cannot be scored: missing column {', '.join(missing)}", code="score.columns")
        t_us = _all_of(table, "observed_at", pa.timestamp("us", "UTC")).view(np.int64)
        who = _all_of(table, ident, pa.int64())
        if not (np.isfinite(_all_of(table, "lat_deg", pa.float64())).all()
                and np.isfinite(_all_of(table, "lon_deg", pa.float64())).all()):  # fmt: skip
            raise InputError("cannot be scored: a place is not a number", code="score.columns")
        self.order = np.lexsort((np.arange(len(t_us)), t_us, who))
        self.t_us, self.ident = t_us[self.order], who[self.order]
        self._table, self._done = table, dict[str, Any]()

    def has(self, name: str) -> bool:
        """True when the table has that column."""
        return name in self._table.column_names

    def number(self, name: str) -> FloatArray:
        """A numeric or boolean column as float64, NaN where null or missing."""
        if name not in self._done:
            if not self.has(name):
                self._done[name] = np.full(len(self.order), np.nan)
            else:
                column = as_type(self._table.column(name), pa.float64(), name).fill_null(np.nan)
                self._done[name] = np.asarray(column.to_numpy())[self.order]
        return np.asarray(self._done[name])

    def words(self, name: str) -> tuple[IntArray, list[str]]:
        """(code of each row, words) of a label column; -1 is null."""
        column = as_type(self._table.column(name), pa.string(), name).combine_chunks().dictionary_encode()
        codes = np.asarray(column.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
        return codes[self.order], column.dictionary.to_pylist()

    def is_word(self, name: str, word: str) -> BoolArray:
        """Rows whose label is that word."""
        if not self.has(name):
            return np.zeros(len(self.order), np.bool_)
        codes, words = self.words(name)
        return np.asarray(codes == words.index(word) if word in words else np.zeros(len(codes), np.bool_))


def _all_of(table: pa.Table, name: str, kind: pa.DataType) -> Any:
    column = as_type(table.column(name), kind, name)
    if column.null_count:
        raise InputError(f"cannot be scored: {column.null_count} rows without {name}", code="score.columns")
    return column.to_numpy()


def states_at(tracks: Columns, times_us: IntArray, hold_s: float) -> tuple[IntArray, IntArray]:
    """(instant, row) of each track shown at each time: its last row, not ended, not tentative, not older than hold."""
    follows = np.append(tracks.ident[1:] == tracks.ident[:-1], False)
    until = tracks.t_us + round(hold_s * US_PER_S) + 1
    until = np.where(follows, np.minimum(until, np.append(tracks.t_us[1:], 0)), until)
    first, last = np.searchsorted(times_us, tracks.t_us), np.searchsorted(times_us, until)
    count = np.maximum(last - first, 0)
    count[tracks.is_word("status", "ended") | tracks.is_word("status", "tentative")] = 0
    row = np.repeat(np.arange(len(count)), count)
    begin = np.cumsum(count) - count
    instant = np.arange(len(row)) - begin[row] + first[row]
    return instant, row


def instants(truth: Columns, skip_s: float, every_s: float) -> IntArray:
    """Times that are scored."""
    times = np.unique(truth.t_us)
    times = times[times >= times[0] + skip_s * US_PER_S] if len(times) else times
    if every_s > 0 and len(times):
        times = times[np.concatenate([[True], np.diff((times - times[0]) // round(every_s * US_PER_S)) > 0])]
    return times


class Matching:
    """Truth and shown tracks at all instants, and which belong together; worked off in blocks of instants."""

    def __init__(
        self, gt: Columns, tr: Columns, times: IntArray,
        true_at: IntArray, true_row: IntArray, shown_at: IntArray, shown_row: IntArray,
    ) -> None:  # fmt: skip
        self.gt, self.tr, self.times = gt, tr, times
        self.true_at, self.true_row, self.shown_at, self.shown_row = true_at, true_row, shown_at, shown_row
        self.dt_s = (times[shown_at] - tr.t_us[shown_row]) * 1e-6
        ve, vn = (np.nan_to_num(tr.number(c)[shown_row], posinf=0.0, neginf=0.0) for c in ("ve_mps", "vn_mps"))
        lat, lon = tr.number("lat_deg")[shown_row], tr.number("lon_deg")[shown_row]
        self.lat, self.lon = offset_position(lat, lon, ve * self.dt_s, vn * self.dt_s)
        self.true_lat, self.true_lon = gt.number("lat_deg")[true_row], gt.number("lon_deg")[true_row]

    def match(self, cutoff_m: float) -> None:
        """Pairs of every instant, and the ship each left-over track is near to."""
        found, near = [], []
        parts: list[measures.Distances] = []
        n = len(self.times)
        size = np.bincount(self.true_at, minlength=n) + np.bincount(self.shown_at, minlength=n)
        block = np.cumsum(size) // BLOCK_STATES
        for number in np.unique(block):  # blocks of a million states bound the memory
            here = np.flatnonzero(block == number)
            a0, a1 = np.searchsorted(self.true_at, [here[0], here[-1] + 1])
            b0, b1 = np.searchsorted(self.shown_at, [here[0], here[-1] + 1])
            truth = Places(self.true_lat[a0:a1], self.true_lon[a0:a1], self.true_at[a0:a1] - here[0])
            tracks = Places(self.lat[b0:b1], self.lon[b0:b1], self.shown_at[b0:b1] - here[0])
            d = measures.distances(truth, tracks, len(here), cutoff_m=cutoff_m)
            parts.append(d)
            found.append(d.pairs + np.array([a0, b0]))
            rest = np.setdiff1d(np.arange(b1 - b0), d.pairs[:, 1])
            closest = measures.nearest(truth, tracks, rest, cutoff_m)
            close = closest >= 0
            near.append(np.column_stack([closest[close] + a0, rest[close] + b0]))
        self.distances = parts
        self.pairs, self.extra = np.concatenate(found), np.concatenate(near)

    def mean(self, name: str) -> float:
        """Mean over the instants of a figure of `measures.Distances`."""
        return float(np.mean(np.concatenate([getattr(d, name) for d in self.distances])))

    def errors(self, q_m2s3: float) -> tuple[FloatArray, FloatArray]:
        """((pairs, 2) error east and north in metres, (pairs, 2, 2) covariance)."""
        i, j = self.pairs.T
        e, n = enu_offset_m(self.true_lat[i], self.true_lon[i], self.lat[j], self.lon[j])
        row, dt = self.shown_row[j], self.dt_s[j]
        cov = np.empty((len(j), 2, 2))
        noise = q_m2s3 * dt**3 / 3.0
        for (a, b), position, speed in (
            ((0, 0), "cov_ee_m2", "cov_vee_m2s2"), ((0, 1), "cov_en_m2", "cov_ven_m2s2"),
            ((1, 1), "cov_nn_m2", "cov_vnn_m2s2"),
        ):  # fmt: skip
            grown = dt * dt * np.nan_to_num(self.tr.number(speed)[row], posinf=0.0) + (noise if a == b else 0.0)
            cov[:, a, b] = cov[:, b, a] = self.tr.number(position)[row] + grown
        return np.column_stack([e, n]), cov


def match(
    tracks: pa.Table,
    truth: pa.Table,
    *,
    cutoff_m: float = 1000.0,
    hold_s: float = 900.0,
    skip_s: float = 0.0,
    every_s: float = 0.0,
) -> Matching:
    """Which track is of which ship at each scored instant; parameters as `score` has them."""
    gt, tr = Columns(truth, "ship_id"), Columns(tracks, "track_id")
    times = instants(gt, skip_s, every_s)
    at = np.minimum(np.searchsorted(times, gt.t_us), max(len(times) - 1, 0))
    true_row = np.flatnonzero(times[at] == gt.t_us) if len(times) else np.zeros(0, np.int64)
    true_row = true_row[np.argsort(at[true_row], kind="stable")]
    instant, row = states_at(tr, times, hold_s)
    order = np.argsort(instant, kind="stable")
    pairs = Matching(gt, tr, times, at[true_row], true_row, instant[order], row[order])
    if len(times):
        pairs.match(cutoff_m)
    return pairs


def figures(pairs: Matching, q_m2s3: float = 1e-3) -> Score:
    """The score of a matching; see `score`."""
    if not len(pairs.times):
        return Score()
    gt, tr, times = pairs.gt, pairs.tr, pairs.times
    held = np.concatenate([pairs.pairs, pairs.extra])
    true_row, track_row = pairs.true_row[held[:, 0]], pairs.shown_row[held[:, 1]]
    said = np.nan_to_num(tr.number("mmsi")[track_row]).astype(np.int64)
    real = np.nan_to_num(gt.number("mmsi")[true_row]).astype(np.int64)
    continuity = measures.siap(
        times,
        (pairs.true_at, gt.ident[pairs.true_row]),
        len(pairs.shown_row),
        (pairs.true_at[held[:, 0]], gt.ident[true_row], tr.ident[track_row]),
        (said, real),
    )
    n = len(pairs.pairs)
    both = (said[:n] > 0) & (real[:n] > 0)
    error, cov = pairs.errors(q_m2s3)
    known = np.isfinite(cov).all(axis=(1, 2)) & (np.linalg.det(np.nan_to_num(cov)) > 0)
    values = np.full(n, np.nan)
    if known.any():
        values[known] = nees(error[known], cov[known])
    apart = np.hypot(error[:, 0], error[:, 1])
    out = Score(
        times=len(times),
        gospa_mean_m=pairs.mean("gospa_m"),
        gospa_by_kind={k: pairs.mean(k) for k in ("localisation", "missed", "false")},
        ospa_mean_m=pairs.mean("ospa_m"),
        **{k: getattr(continuity, k) for k in continuity.__dataclass_fields__},
        identity_correct=float(np.mean(said[:n][both] == real[:n][both])) if both.any() else None,
        position_error_m=float(np.sqrt(np.mean(apart**2))) if n else 0.0,
        velocity_error_mps=_velocity_error(pairs),
        anees=float(np.mean(values[known]) / 2.0) if known.any() else None,
        ellipse=ellipse_coverage(values[known]) if known.any() else {},
        classes=_classes(pairs, values, apart),
    )
    if gt.has("dark") and tr.has("flags"):
        out.dark = flagging.dark(gt, tr, pairs.true_row, pairs.shown_row, pairs.pairs)
    if gt.has("spoof") and tr.has("flags"):
        out.spoof = flagging.spoof(gt, tr)
    return out


def _velocity_error(pairs: Matching) -> float | None:
    if not len(pairs.pairs) or not pairs.gt.has("ve_mps"):
        return None
    i, j = pairs.true_row[pairs.pairs[:, 0]], pairs.shown_row[pairs.pairs[:, 1]]
    squares = sum((pairs.gt.number(c)[i] - pairs.tr.number(c)[j]) ** 2 for c in ("ve_mps", "vn_mps"))
    return float(np.sqrt(np.nanmean(squares)))


def _classes(pairs: Matching, values: FloatArray, apart: FloatArray) -> dict[str, dict[str, Any]]:
    """Figures by class of ship: completeness, error, ANEES and ellipse coverage."""
    out: dict[str, dict[str, Any]] = {}
    for name in CLASS_COLUMNS:
        if not pairs.gt.has(name):
            continue
        codes, words = pairs.gt.words(name)
        true, paired = codes[pairs.true_row], codes[pairs.true_row[pairs.pairs[:, 0]]]
        for code, word in enumerate(words):
            rows = paired == code
            good = rows & np.isfinite(values)
            out[f"{name}={word}"] = {
                "states": int(np.sum(true == code)),
                "completeness": float(rows.sum() / max(np.sum(true == code), 1)),
                "position_error_m": float(np.sqrt(np.mean(apart[rows] ** 2))) if rows.any() else None,
                "anees": float(np.mean(values[good]) / 2.0) if good.any() else None,
                "ellipse": ellipse_coverage(values[good]) if good.any() else {},
            }
    return dict(sorted(out.items()))


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
    """Score of TRACKS rows against truth rows.

    Parameters
    ----------
    cutoff_m
        GOSPA and OSPA cutoff, and the largest distance at which a track is counted as of a ship.
    hold_s
        A track whose last row is older than this is not shown.
    q_m2s3
        Noise density used to carry covariances from a row to the time of the truth. Rows have no covariance between
        position and velocity, so an honest ANEES needs rows at the times of the truth: snapshots.
    skip_s
        Truth in the first seconds that is not scored: tracks need time to begin.
    every_s
        Least time between scored instants; 0 scores every time in the truth.
    """
    paired = match(tracks, truth, cutoff_m=cutoff_m, hold_s=hold_s, skip_s=skip_s, every_s=every_s)
    return figures(paired, q_m2s3)
