"""Attacks on coarsened positions: what a partner who wants more than it was given can compute.

What enters: true straight or resting tracks, and what recipients were given of them. What leaves: the error of the
attacker's best guess, in parts of the promised error (grid / sqrt(12) an axis). An attack that scores below 1 has
beaten the promise. The same attacks on plain rounding score far below 1, which shows that they bite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from kuroshio import clock
from kuroshio.exchange import Outlet
from kuroshio.exchange.columns import int64_of
from kuroshio.exchange.select import select_tracks
from kuroshio.schema import TRACKS, Obligations

Floats = np.ndarray[Any, np.dtype[np.float64]]
T0_US = 1_790_000_000_000_000
START_US = T0_US // 600_000_000 * 600_000_000


class PlainOutlet(Outlet):
    """An outlet whose shifts are zero: rounding as it is commonly done, for comparison."""

    def offsets_deg(self, track_ids: np.ndarray[Any, np.dtype[np.int64]], grid_deg: float) -> tuple[Any, Any]:
        """No shift."""
        del grid_deg
        return np.zeros(len(track_ids)), np.zeros(len(track_ids))


@dataclass(frozen=True)
class Given:
    """What one recipient was given, one column a track: true times and coarse places of each row, NaN where none."""

    at_s: Floats
    lat_deg: Floats
    lon_deg: Floats


@dataclass(frozen=True)
class Voyage:
    """True straight tracks: place at the start and speed in degrees a second."""

    lat0_deg: Floats
    lon0_deg: Floats
    vlat_dps: Floats
    vlon_dps: Floats
    steps: int
    step_s: int

    def at(self, seconds: float) -> tuple[Floats, Floats]:
        """True places after a time."""
        return self.lat0_deg + self.vlat_dps * seconds, self.lon0_deg + self.vlon_dps * seconds


def voyage(ships: int, *, hours: float, speed_mps: float, seed: int, step_s: int = 200) -> Voyage:
    """Ships in open water on straight courses of any direction."""
    rng = clock.generator(seed)
    course = rng.uniform(0.0, 2.0 * np.pi, ships)
    return Voyage(
        rng.uniform(12.0, 18.0, ships),
        rng.uniform(122.0, 128.0, ships),
        speed_mps * np.cos(course) / 111_000.0,
        speed_mps * np.sin(course) / 107_000.0,
        int(hours * 3600 / step_s),
        step_s,
    )


def give(ships: Voyage, outlet: Outlet, grid_deg: float, bucket_s: int) -> Given:
    """Run the voyage through the release path for one recipient; the attacker knows when each row was sent."""
    obligations = Obligations(grid_deg=grid_deg, time_bucket_s=bucket_s)
    count = len(ships.lat0_deg)
    ids = np.arange(1, count + 1)
    times, lats, lons = [], [], []
    for step in range(ships.steps):
        seconds = float(step * ships.step_s)
        lat, lon = ships.at(seconds)
        now_us = START_US + int(seconds) * 1_000_000
        rows = TRACKS.build(
            {
                "track_id": ids,
                "observed_at": np.full(count, now_us).astype("datetime64[us]"),
                "lat_deg": lat,
                "lon_deg": lon,
                "status": ["confirmed"] * count,
            },
            rows=count,
        )
        due = outlet.due(rows, obligations, now_us)
        if not due.num_rows:
            continue
        released = select_tracks(due, obligations, outlet)
        outlet.mark(due, released)
        at, place = np.full((3, count), np.nan), int64_of(due, "track_id") - 1
        at[0, place] = seconds
        at[1, place] = released.column("lat_deg").to_numpy()
        at[2, place] = released.column("lon_deg").to_numpy()
        times.append(at[0])
        lats.append(at[1])
        lons.append(at[2])
    return Given(np.array(times), np.array(lats), np.array(lons))


def _score(guess_lat: Floats, guess_lon: Floats, lat: Floats, lon: Floats, grid_deg: float) -> float:
    """Root mean square error of both axes, in parts of grid / sqrt(12)."""
    wrong = np.concatenate([guess_lat - lat, guess_lon - lon])
    return float(np.sqrt(np.nanmean(wrong**2)) / (grid_deg / np.sqrt(12.0)))


def single(given: Given, ships: Voyage, grid_deg: float) -> float:
    """No attack: the last row as it is."""
    row = given.at_s.shape[0] - 1
    lat, lon = ships.at(0.0)
    moved = given.at_s[row]
    return _score(
        given.lat_deg[row], given.lon_deg[row], lat + ships.vlat_dps * moved, lon + ships.vlon_dps * moved, grid_deg
    )


def averaging(given: Given, ships: Voyage, grid_deg: float) -> float:
    """Mean of all rows, for ships at rest."""
    lat, lon = ships.at(0.0)
    return _score(np.nanmean(given.lat_deg, 0), np.nanmean(given.lon_deg, 0), lat, lon, grid_deg)


def track_fit(given: Given, ships: Voyage, grid_deg: float) -> float:
    """Least-squares straight line through all rows, read in the middle of the voyage."""
    middle = float(np.nanmean(given.at_s))
    lat, lon = ships.at(middle)
    return _score(
        _line(given.at_s, given.lat_deg, middle), _line(given.at_s, given.lon_deg, middle), lat, lon, grid_deg
    )


def _line(at_s: Floats, values: Floats, where: float) -> Floats:
    guess = np.full(values.shape[1], np.nan)
    for ship in range(values.shape[1]):
        good = np.isfinite(values[:, ship])
        if good.sum() > 2:
            guess[ship] = np.polyval(np.polyfit(at_s[good, ship] - where, values[good, ship], 1), 0.0)
    return guess


def cell_crossing(given: Given, ships: Voyage, grid_deg: float) -> float:
    """Each change of cell puts the ship on a border between two known instants: the line through those borders."""
    middle = float(np.nanmean(given.at_s))
    guesses = []
    for values in (given.lat_deg, given.lon_deg):
        guess = np.full(values.shape[1], np.nan)
        for ship in range(values.shape[1]):
            cells = values[:, ship]
            change = np.flatnonzero(np.abs(np.diff(cells)) > grid_deg / 2)
            if len(change) >= 3:
                border = 0.5 * (cells[change] + cells[change + 1])
                at = 0.5 * (given.at_s[change, ship] + given.at_s[change + 1, ship])
                guess[ship] = np.polyval(np.polyfit(at - middle, border, 1), 0.0)
        guesses.append(guess)
    lat, lon = ships.at(middle)
    return _score(guesses[0], guesses[1], lat, lon, grid_deg)


def polytope(given: Given, ships: Voyage, grid_deg: float, *, most: int = 20) -> float:
    """Strongest for plain rounding: the centre of all straight lines that pass through every cell at its time."""
    middle = float(np.nanmean(given.at_s))
    guesses = [np.full(given.at_s.shape[1], np.nan) for _ in range(2)]
    for axis, values in enumerate((given.lat_deg, given.lon_deg)):
        for ship in range(min(most, values.shape[1])):
            at = given.at_s[:, ship] - middle
            ones = np.ones_like(at)
            rows = np.vstack([np.c_[ones, at, ones], np.c_[-ones, -at, ones]])
            limits = np.r_[values[:, ship] + grid_deg / 2, -(values[:, ship] - grid_deg / 2)]
            best = linprog([0.0, 0.0, -1.0], rows, limits, bounds=[(None, None)] * 3)
            if best.status == 0:
                guesses[axis][ship] = best.x[0]
    lat, lon = ships.at(middle)
    return _score(guesses[0], guesses[1], lat, lon, grid_deg)


def several_grids(grids: dict[float, Given], ships: Voyage) -> float:
    """Recipients of different grids pool their lines, weighted as if their errors were independent."""
    finest = min(grids)
    middle = float(np.nanmean(grids[finest].at_s))
    total = sum(g**-2 for g in grids)
    lat_guess = np.sum([_line(v.at_s, v.lat_deg, middle) * g**-2 / total for g, v in grids.items()], axis=0)
    lon_guess = np.sum([_line(v.at_s, v.lon_deg, middle) * g**-2 / total for g, v in grids.items()], axis=0)
    lat, lon = ships.at(middle)
    return _score(lat_guess, lon_guess, lat, lon, finest)


def suite(*, plain: bool = False, ships: int = 200, seed: int = 7, hours: float = 8.0) -> dict[str, float]:
    """Score of each attack, in parts of the promised error; below 1 the promise is broken."""
    kind = PlainOutlet if plain else Outlet
    secret = bytes(range(32))
    sailing = voyage(ships, hours=hours, speed_mps=8.0, seed=seed)
    resting = voyage(ships, hours=2.0, speed_mps=0.0, seed=seed + 1, step_s=300)
    given = give(sailing, kind("JPN", secret), 0.1, 600)
    grids = {0.1: given, **{g: give(sailing, kind(p, secret), g, 600) for g, p in ((0.15, "USA"), (0.2, "KOR"))}}
    same = give(sailing, kind("AUS", secret), 0.1, 600)
    pooled = Given(*(np.vstack([getattr(given, n), getattr(same, n)]) for n in ("at_s", "lat_deg", "lon_deg")))
    return {
        "single": single(given, sailing, 0.1),
        "averaging": averaging(give(resting, kind("JPN", secret), 0.1, 600), resting, 0.1),
        "cell_crossing": cell_crossing(given, sailing, 0.1),
        "track_fit": track_fit(given, sailing, 0.1),
        "polytope": polytope(given, sailing, 0.1),
        "two_partners": track_fit(pooled, sailing, 0.1),
        "several_grids": several_grids(grids, sailing),
    }
