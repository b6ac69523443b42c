"""How soon a drag can be known at all, by range from the nearest radar, and how soon it was.

The bound: AIS moves away from where the ship is at v; each plot, one in T / Pd seconds, measures the offset v t with
the radar's error s across the beam at that range. Whoever knew when the lie began and which way it goes would hold
sum (v t_k / s)^2 = v^2 t^3 Pd / (3 T s^2) after a time t; it must reach L. False flags of 0.01 a vessel-hour with
errors that are independent after 100 s are 2.8e-4 a look: chi-square of two dimensions above g = 16.4. To be above it
in 95 of 100 cases needs L = (sqrt g + 1.645)^2 = 32.4. So t = (3 L T s^2 / (Pd v^2))^(1/3). Source: Van Trees,
Detection, Estimation, and Modulation Theory I, 4.2 (known signal in white noise).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.picture.live import Run
from kuroshio.geo import distance_m
from kuroshio.picture import SensorModel
from kuroshio.testing.flagging import SPOOF_FLAGS

FALSE_AN_HOUR, INDEPENDENT_S, MISSED = 0.01, 100.0, 1.645  # one in twenty is 1.645 sigma
AIS_SIGMA_M = 15.0
EDGES_KM = (0.0, 15.0, 25.0, 30.0, 40.0, 55.0, 80.0, 130.0)


def least_s(range_m: float, radar: SensorModel, drag_mps: float = 1.0) -> float:
    """Seconds after which 95 of 100 drags across the beam can be known, whatever the detector."""
    g = -2.0 * math.log(FALSE_AN_HOUR * INDEPENDENT_S / 3600.0)
    needed = (math.sqrt(g) + MISSED) ** 2
    error2 = (range_m * math.radians(radar.bearing_sigma_deg)) ** 2 + AIS_SIGMA_M**2
    return float((3.0 * needed * (radar.scan_s or 1.0) * error2 / (radar.pd * drag_mps**2)) ** (1.0 / 3.0))


def _first(table: pa.Table, mask: pa.Array) -> dict[int, tuple[float, ...]]:
    """By MMSI the first row of those marked: time in seconds and place."""
    rows = table.filter(pc.and_(mask, pc.greater(table["mmsi"], 0))).sort_by("observed_at")
    seconds = np.asarray(rows["observed_at"].cast(pa.int64())) * 1e-6
    found: dict[int, tuple[float, ...]] = {}
    for mmsi, *place in zip(
        rows["mmsi"].to_pylist(), seconds, rows["lat_deg"].to_pylist(), rows["lon_deg"].to_pylist(), strict=True
    ):
        found.setdefault(mmsi, tuple(place))
    return found


def by_range(run: Run) -> list[dict]:
    """Drags of a run by range of the ship from the nearest radar when the lie began."""
    radars = [m for m in run.tracker.sensors if m.kind == "radar" and m.lat_deg is not None]
    lies = _first(run.truth, pc.equal(run.truth["spoof"].cast(pa.string()), "drag"))
    flags = np.asarray(run.snapshots["flags"].fill_null(0)).astype(np.int64) & SPOOF_FLAGS  # as recall counts
    told = _first(run.snapshots, pa.array(flags > 0))
    far, delay = [], []
    for mmsi, (at, lat, lon) in lies.items():
        far.append(min(float(distance_m(lat, lon, m.lat_deg, m.lon_deg)) for m in radars) / 1000.0)
        delay.append(told[mmsi][0] - at if mmsi in told else math.inf)
    rows, km, s = [], np.array(far), np.array(delay)
    for low, high in pairwise(EDGES_KM):
        here = s[(km >= low) & (km < high)]
        found = here[np.isfinite(here)]
        if len(here):
            rows.append(
                {
                    "from_km": low,
                    "to_km": high,
                    "ships": len(here),
                    "flagged": len(found),
                    "delay_s_median": float(np.median(found)) if len(found) else None,
                    "delay_s_max": float(found.max()) if len(found) else None,
                    "bound_s": least_s(1000.0 * min(high, max(km[(km >= low) & (km < high)])), radars[0]),
                }
            )
    return rows
