"""A seeded fleet for rates: ships that sail, stop, fall silent and meet, reports thinned to minutes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from kuroshio import clock, schema

T0_US = 1_700_000_000_000_000


def fleet(
    rows: int,
    *,
    seed: int = 1,
    ships: int | None = None,
    period_s: float = 60.0,
    silence_every: float | None = None,
    spread: float = 1.0,
) -> pa.Table:
    """POSITIONS with ``track_id``, sorted by track and time; a tenth of the ships loiter, a fiftieth keep company.

    ``silence_every`` is the mean number of fixes between silences of hours; by default there are two a ship. ``spread``
    is the width of the sea, as a part of 30 degrees of longitude.
    """
    rng = clock.generator(seed)
    ships = ships or max(10, rows // 1400)
    n = rows // ships
    track = np.repeat(np.arange(ships, dtype=np.int64), n)
    step_s = rng.exponential(period_s, (ships, n)) + 2.0
    silent = rng.random((ships, n)) < (2.0 / n if silence_every is None else 1.0 / silence_every)
    step_s[silent] += rng.uniform(3600, 12 * 3600, int(silent.sum()))
    t = T0_US + (np.cumsum(step_s, axis=1) * 1e6).astype(np.int64)
    speed = rng.uniform(3, 9, ships)
    slow = rng.random(ships) < 0.1
    speed[slow] = rng.uniform(0.05, 0.6, int(slow.sum()))
    course = rng.uniform(0, 360, ships)[:, None] + np.cumsum(rng.normal(0, 3, (ships, n)), axis=1)
    way = np.minimum(step_s, 900.0) * speed[:, None]
    lat = 20.0 + rng.uniform(-8, 8, ships)[:, None] + np.cumsum(way * np.cos(np.radians(course)), axis=1) / 110_574.0
    lat = np.clip(lat, -70, 70)
    lon = (
        rng.uniform(110, 110 + 30 * spread, ships)[:, None]
        + np.cumsum(way * np.sin(np.radians(course)), axis=1) / 104_000.0
    )
    pairs = np.flatnonzero(slow)[: ships // 50 * 2]
    for a, b in zip(pairs[::2], pairs[1::2], strict=False):
        t[b], lat[b], lon[b] = t[a] + 7_000_000, lat[a] + 0.001, lon[a] + 0.001
    flat = lambda x: np.ascontiguousarray(x).ravel()  # noqa: E731
    return pa.table(
        {
            "mmsi": pa.array(track + 200_000_000),
            "track_id": pa.array(track),
            "observed_at": pa.array(flat(t)).cast(pa.timestamp("us", tz="UTC")),
            "lat_deg": flat(lat),
            "lon_deg": flat((lon + 180) % 360 - 180),
            "sog_mps": np.repeat(speed, n),
            "cog_deg": flat(course % 360),
            "heading_deg": flat((course + rng.normal(0, 2, (ships, n))) % 360),
            "nav_status": pa.array(np.zeros(ships * n, np.uint8)),
        }
    )


def as_tracks(table: pa.Table) -> pa.Table:
    """The same rows as TRACKS updates."""
    n = table.num_rows
    return schema.TRACKS.conform(
        table.append_column("status", pa.array(["confirmed"] * n).dictionary_encode()).append_column(
            "last_ais_at", table["observed_at"]
        )
    )


def polygon(vertices: int, lon: float, lat: float, radius: float) -> list[list[float]]:
    """A wavy ring of that many corners."""
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    r = radius * (1 + 0.1 * np.sin(7 * angle) + 0.04 * np.sin(31 * angle) + 0.004 * np.sin(400 * angle))
    ring = np.stack([lon + r * np.cos(angle), lat + r * np.sin(angle)], axis=1)
    return [*ring.tolist(), ring[0].tolist()]
