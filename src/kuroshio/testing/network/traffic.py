"""What a simulated network carries: two ships a node, an invented accord, and what a bad link makes of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.schema import TRACKS, Citation, Decision, Effect, Obligations
from kuroshio.schema.core import UTC_US

COVARIANCE = {
    "cov_ee_m2": 400.0, "cov_en_m2": 20.0, "cov_nn_m2": 300.0, "cov_vee_m2s2": 0.09, "cov_ven_m2s2": 0.01,
    "cov_vnn_m2s2": 0.08, "cov_eve_m2s": 1.5, "cov_evn_m2s": 0.1, "cov_nve_m2s": 0.2, "cov_nvn_m2s": 1.2,
}  # fmt: skip


def two_ships(number: int, *, at_us: int, age_s: float) -> pa.Table:
    """TRACKS of the two ships of the node of a number, after an age of the world."""
    lat = np.array([14.0 + number, 14.5 + number]) + 8.0 * age_s / 111_000.0
    at = pa.array(np.full(2, at_us), pa.int64()).cast(UTC_US)
    still, names = _ships(number), TRACKS.names
    moved = still.set_column(names.index("observed_at"), TRACKS.arrow.field("observed_at"), at)
    return moved.set_column(names.index("lat_deg"), TRACKS.arrow.field("lat_deg"), pa.array(lat))


@cache
def _ships(number: int) -> pa.Table:
    return TRACKS.build(
        {
            "track_id": [number * 10 + 1, number * 10 + 2],
            "lon_deg": [120.0, 121.0],
            "sog_mps": [8.0, 8.0],
            "cog_deg": [0.0, 0.0],
            "heading_deg": [1.0, 1.0],
            "status": ["confirmed", "confirmed"],
            "mmsi": [548_000_001 + number, 548_000_002 + number],
            "name": ["EXAMPLE ONE", "EXAMPLE TWO"],
            "p_exists": [0.9, 0.9],
            **{name: np.full(2, value) for name, value in COVARIANCE.items()},
        },
        rows=2,
    )


def random_agreement(rng: np.random.Generator) -> Decision:
    """A random decision of an illustrative accord SIM."""
    kind = int(rng.integers(0, 10))
    cites, name = (Citation("SIM", "Art.4"),), "SIM"
    if kind == 0:
        return Decision(Effect.DENY, (), basis=None)
    if kind <= 4:
        return Decision(Effect.PERMIT, cites, Obligations(), basis=name, rules_digest="00" * 32)
    terms: dict[str, Any] = {}
    if kind in (5, 6):
        terms |= {"grid_deg": float(rng.choice([0.1, 0.5])), "time_bucket_s": 60}
    if kind in (6, 7):
        terms["redact"] = frozenset({"identity"} if kind == 6 else {"identity", "tracklets"})
    if kind == 8:
        terms["delay_s"] = 20
    if kind == 9:
        terms["retention_s"] = 80
    return Decision(Effect.OBLIGE, cites, Obligations(**terms), basis=name, rules_digest="00" * 32)


def through(
    faults: Mapping[str, Any], data: bytes, rng: np.random.Generator, count: Callable[[str], None]
) -> list[tuple[int, bytes]]:
    """(extra delay in microseconds, bytes) of what comes out of a bad link: none, one or two copies."""
    if not faults or rng.random() > 0.3:
        return [(0, data)]
    kind = sorted(faults)[int(rng.integers(0, len(faults)))]
    count(kind)
    if kind == "drop":
        return []
    if kind == "duplicate":
        return [(0, data), (1, data)]
    if kind == "reorder":
        return [(int(rng.integers(1, 800_000)), data)]
    if kind == "delay":
        return [(int(rng.integers(1_000_000, 6_000_000)), data)]
    bad = bytearray(data)
    bad[int(rng.integers(0, len(bad)))] ^= 1 << int(rng.integers(0, 8))
    return [(0, bytes(bad))]
