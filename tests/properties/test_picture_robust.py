"""Whatever comes in, nothing is raised, everything is counted, and order and cuts do not matter where promised."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from kuroshio.picture import SensorModel, Tracker
from kuroshio.picture.associate import assign
from kuroshio.picture.model import TrackerConfig
from kuroshio.picture.motion import local_offset, move
from kuroshio.schema import OBSERVATIONS

T0 = 1_700_000_000_000_000
M = 1.0 / 111_000.0

number = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 90.0, -90.0, 180.0, -180.0, 179.99999, 89.9999, 1e308, -1e308]),
)
row = st.fixed_dictionaries(
    {
        "t_s": st.one_of(st.floats(0, 600), st.sampled_from([-1e7, 1e9, 0.0, 5.0])),
        "lat_deg": st.one_of(number, st.floats(-90, 90)),
        "lon_deg": st.one_of(number, st.floats(-180, 180)),
        "cov_ee_m2": st.one_of(number, st.just(100.0)),
        "cov_en_m2": st.one_of(number, st.just(0.0)),
        "cov_nn_m2": st.one_of(number, st.just(100.0)),
        "sog_mps": st.one_of(st.none(), number, st.floats(0, 20)),
        "cog_deg": st.one_of(st.none(), number, st.floats(0, 360)),
        "mmsi": st.one_of(st.none(), st.integers(-(2**62), 2**62), st.integers(1, 3)),
        "sensor": st.sampled_from(["ais", "radar", "image", "vms", "human", "partner", "sonar"]),
        "heading_deg": st.one_of(st.none(), number),
        "scan": st.one_of(st.none(), st.integers(0, 5)),
        "obs_id": st.integers(-(2**63), 2**63 - 1),
        "exercise": st.one_of(st.none(), st.booleans()),
    }
)


def table(rows: list[dict]) -> pa.Table:  # type: ignore[type-arg]
    out = []
    for r in rows:
        r = dict(r)
        r["observed_at"] = int(T0 + r.pop("t_s") * 1e6)
        r["source"] = r["sensor"]
        out.append(r)
    columns = {k: [r[k] for r in out] for k in out[0]}
    columns["observed_at"] = pa.array(columns["observed_at"], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    return OBSERVATIONS.build(columns)


SENSORS = [SensorModel("radar", "radar", 0.0, 0.0, 50_000.0, None, 3.0), SensorModel("ais", "ais", 0.0, 0.0, 50_000.0)]


@given(st.lists(row, min_size=1, max_size=40), st.integers(0, 900))
@settings(max_examples=60)
def test_any_rows_are_counted_and_never_raise(rows: list[dict], now_s: int) -> None:  # type: ignore[type-arg]
    tracker = Tracker(sensors=SENSORS)
    seen = table(rows)
    counted = 0
    for part in (seen, OBSERVATIONS.empty()):
        update = tracker.step(part, now_us=T0 + now_s * 1_000_000)
        assert update.tracks.num_rows >= 0
        counted += update.links.num_rows
    last = tracker.flush()
    counted += last.links.num_rows
    assert counted == seen.num_rows
    assert len(tracker.pending) == 0
    for snap in (tracker.snapshot(T0 + now_s * 1_000_000), last.tracks):
        for name in ("lat_deg", "lon_deg", "cov_ee_m2", "cov_nn_m2", "p_exists"):
            assert np.isfinite(np.asarray(snap[name], np.float64)).all()
        assert (np.abs(np.asarray(snap["lat_deg"])) <= 90).all()
        assert (np.abs(np.asarray(snap["lon_deg"])) <= 180).all()


@given(st.floats(-89.99, 89.99), st.floats(-180, 179.99), st.floats(-3000, 3000), st.floats(-3000, 3000))
def test_moving_and_measuring_are_inverse_anywhere(lat: float, lon: float, e: float, n: float) -> None:
    lat2, lon2, _ = move(lat, lon, e, n)
    back = local_offset(lat, lon, lat2, lon2)
    if abs(lat) < 84.9 or abs(lat) > 85.1:
        assert back[0] == pytest.approx(e, abs=2.0)
        assert back[1] == pytest.approx(n, abs=2.0)
    assert -180.0 <= lon2 < 180.0
    assert abs(lat2) <= 90.0


@pytest.mark.parametrize(("lat", "lon", "course"), [(10.0, 179.99, 90.0), (89.95, 0.0, 0.0), (-89.97, 30.0, 180.0)])
def test_one_track_over_the_antimeridian_and_the_poles(lat: float, lon: float, course: float) -> None:
    t = np.arange(0, 1600, 10.0)
    v = 8.0
    if abs(lat) < 80:
        lats, lons = np.full(len(t), lat), lon + v * t / 111_000 / np.cos(np.radians(lat))
        lons = (lons + 180) % 360 - 180
        cog = np.full(len(t), course)
    else:  # straight over the pole: latitude up, then down on the opposite meridian, course turned by 180
        colat = (90 - abs(lat)) - v * t / 111_694
        over = colat < 0
        lats = np.sign(lat) * (90 - np.abs(colat))
        lons = np.where(over, (lon + 360) % 360 - 180, lon)
        north = 0.0 if lat > 0 else 180.0
        cog = np.where(over, 180.0 - north, north)
    n = len(t)
    seen = OBSERVATIONS.build(
        {
            "obs_id": np.arange(n) + 1,
            "observed_at": (T0 + (t * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": ["ais"] * n, "sensor": ["ais"] * n, "lat_deg": lats, "lon_deg": lons,
            "cov_ee_m2": np.full(n, 100.0), "cov_en_m2": np.zeros(n), "cov_nn_m2": np.full(n, 100.0),
            "sog_mps": np.full(n, v), "cog_deg": cog, "mmsi": np.full(n, 7),
        }
    )  # fmt: skip
    tracker = Tracker()
    tracks = tracker.step(seen, now_us=T0 + 1_600_000_000).tracks
    assert set(tracks["track_id"].to_pylist()) == {1}
    assert tracker.totals["conflict"] == 0
    assert float(np.max(np.asarray(tracks["cov_ee_m2"]))) <= 200.001


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_assignment_equals_scipy_on_random_problems(seed: int) -> None:
    rng = np.random.Generator(np.random.PCG64(seed))
    n, m = int(rng.integers(1, 80)), int(rng.integers(1, 80))
    dense = np.where(rng.random((n, m)) < rng.choice([0.03, 0.1, 0.6]), rng.normal(-1, 3, (n, m)), np.inf)
    track, plot = np.nonzero(np.isfinite(dense))
    if seed % 2:  # the gate gives pairs in order of row, others need not
        track, plot = rng.permutation(np.column_stack([track, plot])).T.copy()
    cost = dense[track, plot]
    pair = assign(track, plot, cost, m)
    used = pair[pair >= 0]
    assert len(np.unique(track[used])) == len(used)
    full = np.zeros((n, m + n))
    full[:, :m] = np.where(np.isfinite(dense), np.minimum(dense, 0.0), 0.0)
    i, j = linear_sum_assignment(full)
    assert cost[used].sum() == pytest.approx(full[i, j].sum(), abs=1e-9)


def _fleet(rng: np.random.Generator, ships: int, reports: int) -> pa.Table:
    t = np.concatenate([np.sort(rng.uniform(0, 10, 1)) + 10.0 * np.arange(reports) for _ in range(ships)])
    who = np.repeat(np.arange(ships), reports)
    n = len(t)
    return OBSERVATIONS.build(
        {
            "obs_id": np.arange(n) + 1,
            "observed_at": (T0 + (t * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": ["ais"] * n, "sensor": ["ais"] * n,
            "lat_deg": 20 + 0.1 * who + (5 * t + rng.normal(0, 10, n)) * M, "lon_deg": 122 + rng.normal(0, 10, n) * M,
            "cov_ee_m2": np.full(n, 100.0), "cov_en_m2": np.zeros(n), "cov_nn_m2": np.full(n, 100.0),
            "sog_mps": np.full(n, 5.0), "cog_deg": np.zeros(n), "mmsi": 1000 + who,
        }
    )  # fmt: skip


@pytest.mark.parametrize("lag_s", [15.0, 120.0, 1500.0])
def test_shuffled_reports_give_the_tracks_of_ordered_ones(rng: np.random.Generator, lag_s: float) -> None:
    config = TrackerConfig()
    fleet = _fleet(rng, 6, 180)
    t = np.asarray(fleet["observed_at"].cast(pa.int64()))
    ordered = Tracker(config)
    ordered.step(fleet, now_us=T0 + 1_900_000_000)
    arrival = t + (rng.uniform(0, lag_s, len(t)) * 1e6).astype(np.int64)
    late = Tracker(config)
    every = 5 if lag_s < 60 else 60
    for second in range(0, 3600, every):
        part = fleet.filter(pa.array((arrival >= T0 + second * 10**6) & (arrival < T0 + (second + every) * 10**6)))
        if second <= 1900 or part.num_rows:
            late.step(part, now_us=T0 + min(second + every, 1900) * 10**6)
    assert late.totals["replayed"] > 10
    a = {r["mmsi"]: r for r in ordered.snapshot(T0 + 1_900_000_000).to_pylist()}
    rows = late.table.kin
    for mmsi in (1000 + k for k in range(6)):
        (at,) = late.table.rows_of(mmsi) or [-1]
        if at < 0:
            continue
        (mine,) = ordered.table.rows_of(mmsi)
        kin = ordered.table.kin
        assert rows.t_us[at] == kin.t_us[mine]
        assert abs(rows.lat[at] - kin.lat[mine]) / M < 1e-6
        assert abs(rows.lon[at] - kin.lon[mine]) / M < 1e-6
        assert rows.p[at] == pytest.approx(kin.p[mine], abs=1e-6)
    assert set(a) == {1000 + k for k in range(6)}
