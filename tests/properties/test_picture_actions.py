"""Whatever watch officers do and undo between reports, no row is lost, doubled or bound to what it is not."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.errors import InputError, NotFound
from kuroshio.picture import SensorModel, Tracker, TrackerConfig
from kuroshio.picture.table import CTL_FREE
from kuroshio.schema import OBSERVATIONS

T0 = 1_700_000_000_000_000
LAT0, LON0 = 20.0, 122.0
ACTIONS = ("name", "classify", "merge", "split", "decorrelate", "apart", "correlate", "drop", "undo", "undo", "undo")


def reports(place: int, mmsi: int, begin_s: float) -> pa.Table:
    """Two reports, or plots without a name, of a ship going north, ten kilometres beside its neighbour."""
    t = begin_s + np.array([0.0, 10.0])
    kind = "ais" if mmsi else "radar"
    named = {"sog_mps": [5.0] * 2, "cog_deg": [0.0] * 2, "mmsi": [mmsi] * 2} if mmsi else {}
    return OBSERVATIONS.build(
        {
            "obs_id": (t * 100_000).astype(np.int64) + 10_000 * place + mmsi,
            "observed_at": (T0 + (t * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": [kind] * 2,
            "sensor": [kind] * 2,
            "lat_deg": LAT0 + 5.0 * t / 111_000.0,
            "lon_deg": [LON0 + 0.1 * place] * 2,
            "cov_ee_m2": [100.0] * 2,
            "cov_en_m2": [0.0] * 2,
            "cov_nn_m2": [100.0] * 2,
            **named,
        }
    )


def whole(tracker: Tracker) -> None:
    """Each row is live or free, each track there once, and each name's chain holds the rows of that name."""
    table, life = tracker.table, tracker.table.life
    live, free = table.live.tolist(), table.free[: int(table.ctl[CTL_FREE])].tolist()
    assert sorted(live + free) == list(range(table.capacity))
    assert len(set(life.uid[live].tolist())) == len(live)
    names = {int(m) for m in life.mmsi[live]} - {0}
    names |= {int(m) for m in table.keys["mmsi"][table.keys["head"] >= 0]} - {0}
    chained = [(row, mmsi) for mmsi in names for row in table.rows_of(mmsi)]
    assert sorted(chained) == sorted((row, int(life.mmsi[row])) for row in live if life.mmsi[row])


def _arguments(rng: np.random.Generator, action: str, live: list[int], done: int) -> dict[str, Any]:
    if action == "undo":
        return {"operation": int(rng.integers(1, done + 2))}
    count = min(2 if action in ("merge", "apart") else 1, len(live))
    ids = [int(i) for i in rng.choice(live, count, replace=False)]
    mmsi = {"mmsi": int(rng.integers(1001, 1007))} if action == "correlate" else {}
    return {"track_ids": ids, "name": "X", "ship_type": 3, **mmsi}


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_done_in_whatever_order_the_table_stays_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    radar = SensorModel("radar", "radar", LAT0, LON0, 50_000.0, None, 10.0)
    tracker = Tracker(TrackerConfig(max_tracks=12), sensors=[radar])
    for begin in range(0, 500, 20):
        parts = [reports(k, 1001 + k, begin) for k in range(4) if rng.random() < 0.9]
        parts += [reports(k, 0, begin) for k in (2, 3, 4, 5) if rng.random() < 0.9]
        if rng.random() < 0.3:  # somebody else uses a name
            parts.append(reports(int(rng.integers(6, 9)), int(rng.integers(1001, 1006)), begin))
        tracker.step(pa.concat_tables(parts), now_us=T0 + (begin + 21) * 1_000_000)
        whole(tracker)
        for _ in range(3):
            live = tracker.table.life.uid[tracker.table.live].tolist()
            action = str(rng.choice(ACTIONS))
            arguments = _arguments(rng, action, live, len(tracker.desk.records))
            with contextlib.suppress(InputError, NotFound):
                word = "decorrelate" if action == "apart" else action
                tracker.operate(word, arguments, "lt.reyes", T0 + (begin + 21) * 1_000_000)
            whole(tracker)
    assert len(tracker.desk.records) > 20
