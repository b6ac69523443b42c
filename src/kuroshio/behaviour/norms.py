"""What is normal here, learned from an archive: how well AIS is heard, and how ships of a kind go.

What enters: fixes of days or weeks. What leaves: `Norms`, two tables with a digest. *Coverage*: ship-hours by cell,
class and hour of the day in which a ship was known to be there, and those in which it was heard; so silence where ships
are heard is told apart from silence where no receiver reaches. *Traffic*: histograms of speed and course by cell, kind
and size of ship. Cells are `CELL_DEG` wide. Nothing is known of a cell with too few observations, and it says so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

from kuroshio.behaviour.fixes import HOUR_US, Fixes
from kuroshio.behaviour.index import IdIndex
from kuroshio.errors import InputError
from kuroshio.units import FloatArray, IntArray

CELL_DEG = 0.25
REACH_US = 6 * HOUR_US  # a ship heard twice within this was there in between
MIN_SHIP_HOURS = 20  # below, nothing is known of a cell
SPEED_BINS, COURSE_BINS = 41, 16  # of 1 kn, the last for 40 kn and more; of 22.5 degrees, for ships at 1 kn and more
KNOT_MPS = 1852.0 / 3600.0
SIZES_M = (50.0, 100.0, 200.0)
FORMAT = "kuroshio.norms/1"


@njit(cache=True, nogil=True)
def cell_of(lat: Any, lon: Any) -> Any:
    """Number of the cell of a position."""
    row = min(np.int64((lat + 90.0) / CELL_DEG), np.int64(180.0 / CELL_DEG) - 1)
    return row * np.int64(360.0 / CELL_DEG) + np.int64((lon + 180.0) / CELL_DEG) % np.int64(360.0 / CELL_DEG)


@njit(cache=True, nogil=True)
def _ship_hours(track: Any, t: Any, lat: Any, lon: Any, class_b: Any, ais: Any) -> tuple[Any, Any]:
    """(key of cell, class and hour of day; heard) of every hour a ship was known to be there; fixes in canonical order.

    Class B reports carry no navigational status (ITU-R M.1371-5, messages 18 and 19): that is how it is told here.
    """
    key, heard = np.empty(8 * t.size, np.int64), np.empty(8 * t.size, np.bool_)
    k = 0
    last = np.int64(-1)
    for i in range(t.size):
        if not ais[i]:
            continue
        hour = t[i] // HOUR_US
        if last >= 0 and track[last] == track[i]:
            before = t[last] // HOUR_US
            if hour == before:
                last = np.int64(i)
                continue
            if t[i] - t[last] <= REACH_US:
                for h in range(before + 1, hour):
                    f = ((h + 0.5) * HOUR_US - t[last]) / (t[i] - t[last])
                    near = last if f < 0.5 else np.int64(i)  # the cell of the nearer end: no wrap to mind
                    key[k] = (cell_of(lat[near], lon[near]) * 2 + class_b[i]) * 24 + h % 24
                    heard[k] = False
                    k += 1
        key[k], heard[k] = (cell_of(lat[i], lon[i]) * 2 + class_b[i]) * 24 + hour % 24, True
        k += 1
        last = np.int64(i)
    return key[:k], heard[:k]


@njit(cache=True, nogil=True)
def traffic_keys(lat: Any, lon: Any, ship_type: Any, length: Any) -> Any:
    """Key of (cell, tens of the type, size class) of every row."""
    out = np.empty(lat.size, np.int64)
    for i in range(lat.size):
        kind = ship_type[i] // 10 if 0 <= ship_type[i] < 100 else 0
        size = 0
        if length[i] == length[i]:
            size = 1
            for limit in SIZES_M:
                size += length[i] >= limit
        out[i] = (cell_of(lat[i], lon[i]) * 10 + kind) * 5 + size
    return out


@njit(cache=True, nogil=True)
def bins_of(sog: Any, cog: Any) -> tuple[Any, Any]:
    """(speed bin, course bin) of every row, -1 where it is not known or the ship lies still."""
    speed, course = np.full(sog.size, -1, np.int64), np.full(sog.size, -1, np.int64)
    for i in range(sog.size):
        if sog[i] == sog[i] and sog[i] >= 0.0:
            speed[i] = min(SPEED_BINS - 1, np.int64(sog[i] / KNOT_MPS))
            if cog[i] == cog[i] and sog[i] >= KNOT_MPS:
                course[i] = np.int64(cog[i] / (360.0 / COURSE_BINS)) % COURSE_BINS
    return speed, course


@njit(cache=True, nogil=True)
def _tally(row: Any, bins: Any, out: Any) -> None:
    for i in range(row.size):
        if bins[i] >= 0:
            out[row[i], bins[i]] += 1


def _tails(counts: IntArray) -> FloatArray:
    """Probability of each bin or a rarer one, by row."""
    total = np.maximum(1, counts.sum(axis=1, keepdims=True))
    result: FloatArray = np.empty(counts.shape)
    for b in range(counts.shape[1]):  # a few dozen bins
        result[:, b] = np.where(counts <= counts[:, b : b + 1], counts, 0).sum(axis=1) / total[:, 0]
    return result


@dataclass
class Norms:
    """Both tables; `build` learns them, `load` reads them. ``digest`` is their version in the evidence."""

    coverage: pa.Table  # key, heard, present
    traffic: pa.Table  # key, speed, course: counts
    digest: str

    def __post_init__(self) -> None:
        self._hours = IdIndex(np.asarray(self.coverage["key"]))
        self._heard, self._present = (np.asarray(self.coverage[n]) for n in ("heard", "present"))
        self._rows = IdIndex(np.asarray(self.traffic["key"]))
        n = self.traffic.num_rows
        speed, course = (
            np.asarray(self.traffic[c].combine_chunks().flatten()).reshape(n, -1)
            if n
            else np.zeros((0, bins), np.int64)
            for c, bins in (("speed", SPEED_BINS), ("course", COURSE_BINS))
        )
        self.observations, self.courses = speed.sum(axis=1), course.sum(axis=1)
        self.speed_tail, self.course_tail = _tails(speed), _tails(course)

    def p_heard_hourly(self, lat_deg: Any, lon_deg: Any, hour: IntArray, class_b: Any) -> FloatArray:
        """P(a ship there is heard within the hour), NaN where too few ship-hours are known (of all hours of the day).

        Posterior mean under a Beta(1/2, 1/2) prior; where one hour of the day has few, the whole day stands for it.
        """
        base = np.asarray([cell_of(la, lo) for la, lo in zip(lat_deg, lon_deg, strict=True)], np.int64) * 2 + class_b
        keys = base[:, None] * 24 + np.arange(24)[None, :]
        found = self._hours.find(keys.ravel()).reshape(keys.shape)
        heard, present = (np.where(found >= 0, v[np.maximum(found, 0)], 0) if len(v) else 0 * found for v in self._both)
        at = (np.arange(len(base)), np.asarray(hour) % 24)
        few = present[at] < MIN_SHIP_HOURS
        h, n = np.where(few, heard.sum(axis=1), heard[at]), np.where(few, present.sum(axis=1), present[at])
        result: FloatArray = np.where(n >= MIN_SHIP_HOURS, (h + 0.5) / (n + 1.0), np.nan)
        return result

    @property
    def _both(self) -> tuple[IntArray, IntArray]:
        return self._heard, self._present

    def p_heard(
        self, places: list[tuple[float, float]], start_us: int, silence_s: float, class_b: bool
    ) -> float | None:
        """P(heard at least once in a silence), by the mean over the places it may have lain at; None: not known.

        Hours are taken as independent, which flatters long silences; the first and last part of an hour do not count.
        """
        hours = np.arange(start_us // HOUR_US + 1, (start_us + round(silence_s * 1e6)) // HOUR_US)
        if not len(hours):
            return None
        missed = []
        for lat, lon in places:
            p = self.p_heard_hourly(np.full(len(hours), lat), np.full(len(hours), lon), hours, int(class_b))
            missed.append(float(np.prod(1.0 - p)))
        any_p = 1.0 - float(np.mean(missed))
        return any_p if any_p == any_p else None

    def rarity(self, fixes: Fixes, min_observations: int) -> FloatArray:
        """Least of the probabilities of speed and course of every row or rarer ones; NaN where too little is known."""
        row = self._rows.find(traffic_keys(fixes.lat, fixes.lon, fixes.ship_type, fixes.length))
        known = row >= 0
        known[known] = self.observations[row[known]] >= min_observations
        out = np.full(len(row), np.nan)
        rows = np.flatnonzero(known)
        speed, course = bins_of(fixes.sog[rows], fixes.cog[rows])
        p = np.where(speed >= 0, self.speed_tail[row[rows], speed], np.nan)
        enough = (course >= 0) & (self.courses[row[rows]] >= min_observations)  # where ships lie still, few have one
        q = np.where(enough, self.course_tail[row[rows], course], np.nan)
        out[rows] = np.fmin(p, q)
        return out

    def part(self, lat_deg: Any, lon_deg: Any) -> Norms:
        """The cells of some positions alone, under the same digest: for an evidence pack."""
        cells = np.unique([cell_of(la, lo) for la, lo in zip(lat_deg, lon_deg, strict=True)])
        coverage, traffic = (
            table.filter(pa.array(np.isin(np.asarray(table["key"]) // width, cells)))
            for table, width in ((self.coverage, 48), (self.traffic, 50))
        )
        return Norms(coverage, traffic, self.digest)

    def save(self, folder: Path) -> None:
        """Write ``coverage.parquet``, ``traffic.parquet`` and ``norms.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.coverage, folder / "coverage.parquet", compression="zstd")
        pq.write_table(self.traffic, folder / "traffic.parquet", compression="zstd")
        plain = {"format": FORMAT, "digest": self.digest, "cell_deg": CELL_DEG}
        (folder / "norms.json").write_text(json.dumps(plain, indent=1) + "\n", "utf-8")


def build(fixes: Fixes) -> Norms:
    """Learn both tables from fixes in canonical order."""
    key, heard = _ship_hours(
        fixes.track, fixes.t, fixes.lat, fixes.lon, (fixes.nav < 0).astype(np.int64), fixes.ais_at == fixes.t
    )
    names, row = np.unique(key, return_inverse=True)
    coverage = pa.table({"key": names, "heard": np.bincount(row, heard).astype(np.int64), "present": np.bincount(row)})
    names, row = np.unique(traffic_keys(fixes.lat, fixes.lon, fixes.ship_type, fixes.length), return_inverse=True)
    speed, course = np.zeros((len(names), SPEED_BINS), np.int64), np.zeros((len(names), COURSE_BINS), np.int64)
    for counts, bins in zip((speed, course), bins_of(fixes.sog, fixes.cog), strict=True):
        _tally(row, bins, counts)
    lists = [pa.FixedSizeListArray.from_arrays(pa.array(c.ravel()), c.shape[1]) for c in (speed, course)]
    traffic = pa.table({"key": names, "speed": lists[0], "course": lists[1]})
    sha = hashlib.sha256(f"{FORMAT} {CELL_DEG}".encode())
    for column in (*coverage.columns, names, speed, course):
        sha.update(np.ascontiguousarray(np.asarray(column), "<i8").tobytes())
    return Norms(coverage, traffic, sha.hexdigest())


def load(folder: Path) -> Norms:
    """Norms that `Norms.save` wrote.

    Raises
    ------
    InputError
        When a file is missing or of another form.
    """
    try:
        meta = json.loads((folder / "norms.json").read_text("utf-8"))
        coverage, traffic = (pq.read_table(folder / f"{n}.parquet") for n in ("coverage", "traffic"))
        if meta["format"] != FORMAT or meta["cell_deg"] != CELL_DEG:
            raise ValueError(f"format {meta['format']}, cells of {meta['cell_deg']} degree")
        return Norms(coverage.combine_chunks(), traffic.combine_chunks(), str(meta["digest"]))
    except (OSError, ValueError, KeyError, pa.ArrowException) as err:
        raise InputError(f"{folder}: not norms: {err}", code="behaviour.norms") from err
