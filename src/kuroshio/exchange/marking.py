"""Leak evidence: which of two equally valid roundings a recipient is given, and whose choice a leaked copy shows.

What enters: exact positions about to be released under the marking `LEAK_EVIDENCE`; or leaked rows. What leaves:
the same positions rounded to a step well below their uncertainty; or a ranking of recipients with the chance that
an innocent one looks as guilty. Nothing false is ever made: no track is invented or left out, each value is a
rounding of the true one, and the covariance stated to the receiver includes the step. The marking is a term of the
accord and stands in the header, so the receiver knows; it is off unless a clause asks for it. Coarse rows carry no
mark: their cells must be the same for all. A copy rounded or disturbed by more than the step holds no evidence, and
two colluding recipients can thin it.

The choice: a grid of step 2 q, shifted by 0 or q; the shift of each axis is a keyed bit of (recipient, second, cell
of 0.01 degrees). For a recipient whose copy was not used these bits are fair coins, whatever the leaker did, so the
chance of k or more agreements in n is a binomial tail; the ranking multiplies it by the recipients and steps tried
(Bonferroni).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kuroshio import geo

LEAK_EVIDENCE = "LEAK-EVIDENCE"
STEPS_DEG = (1e-4, 1e-5, 1e-6)  # decimal, so that a leak of four, five or six decimals keeps what was marked at it
STEP_SIGMA = 0.5  # q is at most this part of one sigma: the variance grows by a twelfth at most
CELL_DEG = 0.01

Floats = np.ndarray[Any, np.dtype[np.float64]]
Whole = np.ndarray[Any, np.dtype[np.int64]]


def _bits(secret: bytes, recipient: str, at_s: Whole, lat_cell: Whole, lon_cell: Whole) -> Whole:
    """(n, 2) keyed bits, one an axis."""
    key = secret[:64]
    # a keyed hash a row has no vector form
    tags = [
        hashlib.blake2b(f"kuroshio/mark/1|{recipient}|{a}|{b}|{c}".encode(), key=key, digest_size=1).digest()[0]
        for a, b, c in zip(at_s.tolist(), lat_cell.tolist(), lon_cell.tolist(), strict=True)
    ]
    tag = np.array(tags, np.int64)
    return np.stack([tag & 1, tag >> 1 & 1], 1)


def _cells(lat_deg: Floats, lon_deg: Floats) -> tuple[Whole, Whole]:
    return np.floor(lat_deg / CELL_DEG).astype(np.int64), np.floor(lon_deg / CELL_DEG).astype(np.int64)


def marked(
    secret: bytes, recipient: str, at_us: Whole, lat_deg: Floats, lon_deg: Floats, var_east_m2: Floats,
    var_north_m2: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """(lat, lon, east variance, north variance) as this recipient is given them.

    Parameters
    ----------
    at_us
        (n,) times of the states, UTC microseconds.
    lat_deg, lon_deg, var_east_m2, var_north_m2
        (n,) true values; a row too certain for the least step stays as it is.
    """
    east_m, north_m = geo.metres_per_degree(np.clip(lat_deg, -89.0, 89.0))
    bits = _bits(secret, recipient, at_us // 1_000_000, *_cells(lat_deg, lon_deg))
    out = []
    for axis, (values, scale_m, variance) in enumerate(
        ((lat_deg, north_m, var_north_m2), (lon_deg, east_m, var_east_m2))
    ):
        room = STEP_SIGMA * np.sqrt(variance) / scale_m
        step = np.zeros_like(values)
        for q in STEPS_DEG[::-1]:
            step = np.where(room >= q, q, step)
        safe, shift = np.where(step > 0, step, 1.0), bits[:, axis] * step
        rounded = np.rint((values - shift) / (2 * safe)) * (2 * safe) + shift
        out.append((np.where(step > 0, rounded, values), variance + (step * scale_m) ** 2 / 3.0))
    (lat, north), (lon, east) = out
    return lat, lon, east, north


def rank(
    secret: bytes, recipients: Sequence[str], at_us: Whole, lat_deg: Floats, lon_deg: Floats
) -> list[dict[str, Any]]:
    """Recipients by how far leaked rows agree with what each was given, the likeliest first.

    ``false_accusation`` is an upper bound of the chance that any recipient whose copy was not used ranks so high.
    """
    at_s, (lat_cell, lon_cell) = at_us // 1_000_000, _cells(lat_deg, lon_deg)
    _, once = np.unique(np.stack([at_s, lat_cell, lon_cell]), axis=1, return_index=True)  # one bit counts once
    at_s, lat_cell, lon_cell = at_s[once], lat_cell[once], lon_cell[once]
    tried = len(recipients) * len(STEPS_DEG)
    found = []
    for recipient in recipients:
        bits = _bits(secret, recipient, at_s, lat_cell, lon_cell)
        best: dict[str, Any] = {"agree": 0, "of": 0, "step_deg": None, "chance": 1.0}
        for step in STEPS_DEG:
            agree = of = 0
            for axis, values in enumerate((lat_deg[once], lon_deg[once])):
                index = values / step
                whole = np.abs(index - np.rint(index)) < 0.02  # a value between the roundings tells nothing
                agree += int(np.sum((np.rint(index).astype(np.int64) & 1 == bits[:, axis]) & whole))
                of += int(whole.sum())
            chance = _tail(agree, of)
            if chance < best["chance"]:
                best = {"agree": agree, "of": of, "step_deg": step, "chance": chance}
        found.append({"party": recipient, **best, "false_accusation": min(1.0, best.pop("chance") * tried)})
    return sorted(found, key=lambda row: (row["false_accusation"], row["party"]))


def _tail(least: int, of: int) -> float:
    """Chance of at least so many heads in tosses of a fair coin (Chernoff bound beyond 2,000 tosses)."""
    if of == 0:
        return 1.0
    if of <= 2_000:
        return sum(math.comb(of, k) for k in range(least, of + 1)) / 2**of
    part = least / of
    if part <= 0.5:
        return 1.0
    entropy = -part * math.log(part) - ((1 - part) * math.log(1 - part) if part < 1 else 0.0)
    return math.exp(-of * (math.log(2) - entropy))
