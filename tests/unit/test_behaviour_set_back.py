"""A clock that was ahead and is right again: alerts of the time that has not come are void, the rest goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import behaviour, schema

MIN, H = 60_000_000, 3_600_000_000
T0 = 1_700_000_000_000_000
GAPS = behaviour.load_definitions().only("ais_gap")


def heard(track: int, first_us: int, last_us: int) -> pa.Table:
    t = np.arange(first_us, last_us + 1, 10 * MIN, dtype=np.int64)
    n = len(t)
    columns = {
        "track_id": np.full(n, track),
        "observed_at": t,
        "lat_deg": np.full(n, 20.0),
        "lon_deg": np.full(n, 121.0 + track),
        "status": ["confirmed"] * n,
        "mmsi": np.full(n, 412_000_000 + track),
        "last_ais_at": t,
    }
    return schema.TRACKS.build(columns)


@pytest.mark.parametrize("ahead_us", [2 * 24 * H, 10 * 24 * H])
@pytest.mark.parametrize("restart", [False, True])
def test_rows_of_the_present_count_after_the_clock_is_set_back(ahead_us: int, restart: bool, tmp_path: Path) -> None:
    engine, told = behaviour.Engine(GAPS), []
    told.append(engine.step(heard(1, T0, T0 + 4 * H), now_us=T0 + 4 * H))
    told.append(engine.step(heard(2, T0 + ahead_us, T0 + ahead_us + H), now_us=T0 + ahead_us + H))  # all are silent
    (alert,) = behaviour.fold(schema.concat(schema.ALERTS, told)).to_pylist()
    assert (alert["mmsis"], alert["end_at"]) == ([412_000_001], None)
    if restart:
        engine.save(tmp_path / "state")
        engine = behaviour.Engine(GAPS)
        engine.load(tmp_path / "state")
    now_us = T0 + 5 * H
    told.append(engine.set_back(now_us))
    assert behaviour.fold(schema.concat(schema.ALERTS, told)).num_rows == 0  # nobody had been silent
    told.append(engine.step(heard(1, now_us, now_us + 4 * H), now_us=now_us + 4 * H))
    told.append(engine.step(schema.TRACKS.empty(), now_us=now_us + 12 * H))
    (alert,) = behaviour.fold(schema.concat(schema.ALERTS, told)).to_pylist()
    assert alert["start_at"].timestamp() * 1e6 == now_us + 4 * H
    health = engine.health()
    assert (health["clock_set_back"], health.get("dropped_too_late", 0)) == (1, 0)


def test_what_goes_on_closes_when_the_clock_is_set_back() -> None:
    engine, told = behaviour.Engine(GAPS), []
    told.append(engine.step(heard(1, T0, T0 + 4 * H), now_us=T0 + 4 * H))
    told.append(engine.step(schema.TRACKS.empty(), now_us=T0 + 11 * H))
    told.append(engine.step(schema.TRACKS.empty(), now_us=T0 + 60 * H))
    told.append(engine.set_back(T0 + 12 * H))
    (alert,) = behaviour.fold(schema.concat(schema.ALERTS, told)).to_pylist()
    assert (alert["change"], alert["end_at"].timestamp() * 1e6) == ("close", T0 + 12 * H)
