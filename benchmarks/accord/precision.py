"""What attackers make of coarse positions, in metres, for each obligation of grid and time bucket.

    python -m benchmarks.accord --precision [--json]

Ships sail straight for eight hours through the release path of a node; each attack computes its best guess from what a
recipient was given. Promise: no guess is better than grid / sqrt(12) an axis (root mean square). Attacks: a single row,
averaging a ship at rest, cell crossings, straight-line fit, several grids pooled, alerts joined with tracks, and two
tracks known to have met. Alerts name one ship at most, so the last has to be guessed; the shift is wide enough for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kuroshio.exchange import Outlet
from kuroshio.exchange.select import select_alerts
from kuroshio.schema import ALERTS, Obligations
from kuroshio.testing.network import attacks

OBLIGATIONS = (
    (0.05, 60),
    (0.1, 600),
    (0.1, 3600),
    (0.25, 3600),
)  # degrees, seconds; the first and third of the samples
M_PER_DEG = 110_574.0  # of latitude at the equator, WGS 84
SECRET = bytes(range(32))
ALERTS_A_SHIP = 8
APART_DEG = 0.002  # about 220 m: closer than the encounter rule asks


def of_obligation(grid_deg: float, bucket_s: int, *, ships: int, seed: int, plain: bool = False) -> dict[str, float]:
    """Error of each attack in parts of the promise, for one obligation; with ``plain`` for rounding without a shift."""
    kind = attacks.PlainOutlet if plain else Outlet
    sailing = attacks.voyage(ships, hours=8.0, speed_mps=8.0, seed=seed)
    resting = attacks.voyage(ships, hours=2.0, speed_mps=0.0, seed=seed + 1, step_s=300)
    outlet = kind("JPN", SECRET)
    given = attacks.give(sailing, outlet, grid_deg, bucket_s)
    wider = {
        g: attacks.give(sailing, kind(p, SECRET), g, bucket_s)
        for g, p in ((grid_deg * 1.5, "USA"), (grid_deg * 2, "KOR"))
    }
    return {
        "single": attacks.single(given, sailing, grid_deg),
        "averaging": attacks.averaging(
            attacks.give(resting, kind("JPN", SECRET), grid_deg, bucket_s), resting, grid_deg
        ),
        "cell_crossing": attacks.cell_crossing(given, sailing, grid_deg),
        "track_fit": attacks.track_fit(given, sailing, grid_deg),
        "several_grids": attacks.several_grids({grid_deg: given, **wider}, sailing),
        "alerts_joined": attacks.track_fit(
            _with_alerts(given, sailing, outlet, grid_deg, bucket_s, seed), sailing, grid_deg
        ),
        "two_that_met": _met(sailing, kind("JPN", SECRET), grid_deg, bucket_s),
    }


def _with_alerts(
    given: attacks.Given, ships: attacks.Voyage, outlet: Outlet, grid_deg: float, bucket_s: int, seed: int
) -> attacks.Given:
    """The rows given, and the places of alerts on each ship at moments of their own."""
    rng = np.random.Generator(np.random.PCG64(seed))
    count = len(ships.lat0_deg)
    parts = [(given.at_s, given.lat_deg, given.lon_deg)]
    for number in range(ALERTS_A_SHIP):
        seconds = float(rng.uniform(0, ships.steps * ships.step_s))
        lat, lon = ships.at(seconds)
        at = np.full(count, attacks.START_US + int(seconds * 1e6)).astype("datetime64[us]")
        rows = ALERTS.build(
            {
                "alert_id": [f"a{number}-{i}" for i in range(count)],
                "definition": ["gap"] * count,
                "version": ["1"] * count,
                "change": ["open"] * count,
                "severity": ["caution"] * count,
                "summary": ["x"] * count,
                "track_ids": [[i + 1] for i in range(count)],
                "start_at": at,
                "known_at": at,
                "lat_deg": lat,
                "lon_deg": lon,
            },
            rows=count,
        )
        told = select_alerts(rows, Obligations(grid_deg=grid_deg, time_bucket_s=bucket_s), outlet)
        places = (told.column(n).to_numpy()[None, :] for n in ("lat_deg", "lon_deg"))
        parts.append((np.full((1, count), seconds), *places))
    return attacks.Given(*(np.vstack(column) for column in zip(*parts, strict=True)))


def _met(ships: attacks.Voyage, outlet: Outlet, grid_deg: float, bucket_s: int) -> float:
    """Two ships side by side, each fitted, and the mean of both fits taken for the first."""
    count = len(ships.lat0_deg)
    both = replace(
        ships,
        lat0_deg=np.concatenate([ships.lat0_deg, ships.lat0_deg + APART_DEG]),
        lon0_deg=np.concatenate([ships.lon0_deg, ships.lon0_deg]),
        vlat_dps=np.tile(ships.vlat_dps, 2),
        vlon_dps=np.tile(ships.vlon_dps, 2),
    )
    given = attacks.give(both, outlet, grid_deg, bucket_s)
    cut = [
        attacks.Given(given.at_s[:, part], given.lat_deg[:, part], given.lon_deg[:, part])
        for part in (slice(0, count), slice(count, 2 * count))
    ]
    mean = attacks.Given(cut[0].at_s, (cut[0].lat_deg + cut[1].lat_deg) / 2, (cut[0].lon_deg + cut[1].lon_deg) / 2)
    return attacks.track_fit(mean, ships, grid_deg)


def measure(*, ships: int = 400, seed: int = 7) -> list[dict[str, Any]]:
    """One row an obligation: metres promised, metres each attack achieves, and the best one on plain rounding."""
    rows = []
    standard_error = 0.447 / np.sqrt(2 * ships)  # of a root mean square over both axes of uniform shifts
    for grid_deg, bucket_s in OBLIGATIONS:
        promised_m = grid_deg / np.sqrt(12.0) * M_PER_DEG
        scores = of_obligation(grid_deg, bucket_s, ships=ships, seed=seed)
        rounding = of_obligation(grid_deg, bucket_s, ships=ships, seed=seed, plain=True)
        best = min(scores.values())
        rows.append(
            {
                "grid_deg": grid_deg,
                "time_bucket_s": bucket_s,
                "promised_m": round(promised_m),
                "achieved_m": {name: round(s * promised_m) for name, s in scores.items()},
                "best_attack_m": round(best * promised_m),
                "holds": bool(best >= 1.0 - 3.0 * standard_error),
                "plain_rounding_best_m": round(min(rounding.values()) * promised_m),
            }
        )
    return rows
