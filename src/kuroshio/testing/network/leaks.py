"""Leaks of marked releases, simulated: how often the right recipient is named, and how often an innocent one.

What enters: a number of leaked rows and what the leaker did to them. What leaves: rates over many trials, for the bound
that is stated to a user.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.clock import generator
from kuroshio.exchange.marking import marked, rank

RECIPIENTS = ("JPN", "USA", "KOR", "AUS", "VNM", "IDN", "IND", "MYS")
T0_US = 1_790_000_000_000_000
TREATMENTS = ("as_given", "five_decimals", "half_mixed", "mean_of_two", "noise_30_m", "never_marked")


def leak(seed: int, rows: int, treatment: str, *, sigma_m: float = 15.0) -> list[dict[str, Any]]:
    """Ranking of the recipients for one leak of JPN's copy (with USA's help where the treatment needs two)."""
    rng = generator(seed)
    secret = rng.bytes(32)
    at_us = T0_US + np.sort(rng.integers(0, 3_600_000_000, rows))
    lat, lon = rng.uniform(10, 20, rows), rng.uniform(115, 125, rows)
    variance = np.full(rows, sigma_m**2)
    copies = [marked(secret, p, at_us, lat, lon, variance, variance)[:2] for p in RECIPIENTS[:2]]
    one, two = (np.stack(c) for c in copies)
    if treatment == "five_decimals":
        one = np.round(one, 5)
    elif treatment == "half_mixed":
        one = np.where(rng.random(rows) < 0.5, one, two)
    elif treatment == "mean_of_two":
        one = (one + two) / 2
    elif treatment == "noise_30_m":
        one = one + rng.normal(0, 30 / 111_000, one.shape)
    elif treatment == "never_marked":
        one = np.round(np.stack([lat, lon]), 5)
    return rank(secret, RECIPIENTS, at_us, one[0], one[1])


def rates(rows: int, treatment: str, *, trials: int = 200, at_most: float = 1e-3) -> dict[str, float]:
    """Parts of the trials in which a guilty and in which an innocent recipient was named at a stated bound."""
    guilty = {"never_marked": (), "half_mixed": RECIPIENTS[:2], "mean_of_two": RECIPIENTS[:2]}.get(
        treatment, RECIPIENTS[:1]
    )
    named = [
        {row["party"] for row in leak(seed, rows, treatment) if row["false_accusation"] <= at_most}
        for seed in range(trials)
    ]
    return {
        "named": sum(bool(n & set(guilty)) for n in named) / trials,
        "innocent_named": sum(bool(n - set(guilty)) for n in named) / trials,
    }
