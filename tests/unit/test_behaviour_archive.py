"""The archive against planted truth, real cases and a second implementation in Polars."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from kuroshio import behaviour, clock
from kuroshio.behaviour.archive import archive_fixes
from kuroshio.geo.earth import distance_m

S, MIN, H = 1_000_000, 60_000_000, 3_600_000_000
MIDNIGHT = 1_700_006_400 * S  # 2023-11-15T00:00:00Z
ALL = behaviour.load_definitions()


def positions(parts):
    columns = {k: np.concatenate([np.broadcast_to(p[k], len(p["t"])) for p in parts]) for k in parts[0]}
    table = {
        "mmsi": columns["mmsi"],
        "observed_at": pa.array(columns["t"].astype(np.int64)).cast(pa.timestamp("us", tz="UTC")),
        "lat_deg": columns["lat"],
        "lon_deg": (columns["lon"] + 180) % 360 - 180,
    }
    return pa.table(table | {k: columns[k] for k in ("sog_mps", "cog_deg") if k in columns})


def meetings(rng, count, lon0, *, span=(122, 180)):
    """Pairs that meet across midnight: both come slowly, lie 100 to 400 m apart for the span, and part."""
    parts, truth = [], []
    for k in range(count):
        minutes = rng.uniform(*span)
        begin = MIDNIGHT - int(rng.uniform(20, minutes - 20) * MIN)
        end = begin + int(minutes * MIN)
        lat, lon = 10.0 + 0.05 * k, lon0(k)
        apart = rng.uniform(100, 400) / 111_000
        for side in (0, 1):
            t = np.sort(rng.integers(begin - 3 * H, end + 3 * H, 240))
            t = np.unique(np.concatenate([t, [begin, end]]))
            away = np.maximum(0, np.maximum(begin - t, t - end)) / S * (0.0 if side == 0 else 0.9) / 111_000
            still = (t < begin) | (t > end)
            away = away + (side == 1) * still * 450 / 111_000
            parts.append(
                {
                    "t": t,
                    "lat": lat + side * apart + side * away,
                    "lon": np.full(len(t), lon),
                    "mmsi": 1000 + 2 * k + side,
                }
            )
        truth.append((begin, end))
    return positions(parts), truth


def test_three_hundred_of_three_hundred_meetings_across_midnight_none_merged():
    table, truth = meetings(clock.generator(3), 300, lambda k: 130.0 + 0.05 * (k % 20))
    alerts = behaviour.detect(table, ALL.only("encounter")).to_pylist()
    found = Counter(tuple(a["mmsis"]) for a in alerts)
    assert len(found) == 300
    assert set(found.values()) == {1}
    for alert in alerts:
        begin, end = truth[(alert["mmsis"][0] - 1000) // 2]
        assert abs(alert["start_at"].timestamp() * S - begin) < 6 * MIN
        assert abs(alert["end_at"].timestamp() * S - end) < 6 * MIN


def test_two_short_meetings_a_few_hours_apart_are_not_one_long_one():
    rng = clock.generator(4)
    one, _ = meetings(rng, 20, lambda k: 130.0 + 0.05 * k, span=(68, 72))
    later = one.set_column(
        1,
        "observed_at",
        pa.array(one["observed_at"].cast("int64").to_numpy() + 8 * H).cast(pa.timestamp("us", tz="UTC")),
    )
    assert behaviour.detect(pa.concat_tables([one, later]), ALL.only("encounter")).num_rows == 0


def test_none_of_twelve_lost_at_the_antimeridian():
    table, _ = meetings(clock.generator(5), 12, lambda k: 180.0 + (k - 6) * 0.0005)
    alerts = behaviour.detect(table, ALL.only("encounter")).to_pylist()
    assert sorted(a["mmsis"][0] for a in alerts) == [1000 + 2 * k for k in range(12)]
    west = behaviour.detect(
        meetings(clock.generator(5), 12, lambda k: 150.0 + (k - 6) * 0.0005)[0], ALL.only("encounter")
    )
    shape = lambda a: (a["mmsis"], a["start_at"], a["end_at"])  # noqa: E731
    assert [shape(a) for a in alerts] == [shape(a) for a in west.to_pylist()]


def wander(rng, ships=40, hours=30):
    parts = []
    for k in range(ships):
        n = int(rng.integers(60, 400))
        t = MIDNIGHT + np.unique(rng.integers(0, hours * H, n))
        t = t[(t < MIDNIGHT + (k % 5 + 2) * H) | (t > MIDNIGHT + (k % 5 + 9) * H)] if k % 3 == 0 else t
        step = rng.choice([0.0, 3e-5, 3e-4, 5e-3])
        lat = 20.0 + np.cumsum(rng.normal(0, 1, len(t))) * step + 0.002 * (k % 4)
        lon = 179.998 + np.cumsum(rng.normal(0, 1, len(t))) * step
        parts.append({"t": t, "lat": np.round(lat, 7), "lon": np.round(lon, 7), "mmsi": 500 + k})
    return positions(parts)


@pytest.fixture(scope="module")
def wandering():
    table = wander(clock.generator(8))
    table = table.append_column("track_id", table["mmsi"])
    frame = pl.from_arrow(table).with_columns(pl.col("observed_at").cast(pl.Int64).alias("t")).sort("mmsi", "t")
    return table, frame, int(np.max(table["observed_at"].cast("int64").to_numpy()))


def spans(alerts):
    micros = lambda x: None if x is None else round(x.timestamp() * S)  # noqa: E731
    return sorted((tuple(a["track_ids"]), micros(a["start_at"]), micros(a["end_at"]) or 0) for a in alerts)


def test_gaps_agree_with_polars(wandering):
    table, frame, end = wandering
    alerts = behaviour.detect(table, ALL.only("ais_gap")).to_pylist()
    nth = pl.col("t").shift(13).over("mmsi")
    following = pl.col("t").shift(-1).over("mmsi")
    rows = frame.with_columns(nth.alias("nth"), following.alias("next")).filter(
        pl.col("nth").is_not_null()
        & (pl.col("t") - pl.col("nth") <= 12 * H)
        & (pl.col("next").fill_null(end) - pl.col("t") > 6 * H)
    )
    expected = sorted(((r["mmsi"],), r["t"], r["next"] or 0) for r in rows.iter_rows(named=True))
    assert len(expected) > 5
    assert spans(alerts) == expected


def test_encounters_agree_with_polars(wandering):
    table, frame, _ = wandering
    only = ALL.only("encounter")
    d = only["encounter"]
    alerts = behaviour.detect(table, only).to_pylist()
    step, gap = d.us("time_step_s"), d.us("max_gap_s")
    last = {c: pl.col(c).shift(1).over("mmsi") for c in ("t", "lat_deg", "lon_deg")}
    piece = frame.with_columns(**{f"{c}0": e for c, e in last.items()}).filter(pl.col("t") - pl.col("t0") <= gap)
    piece = piece.with_columns(((pl.col("lon_deg") - pl.col("lon_deg0") + 180) % 360 - 180).alias("dlon"))
    north, east = 110_700.0, 111_320.0 * np.cos(np.radians(20))
    way = (((pl.col("lat_deg") - pl.col("lat_deg0")) * north) ** 2 + (pl.col("dlon") * east) ** 2).sqrt()
    point = piece.with_columns(
        pl.int_ranges(pl.col("t0") // step + 1, pl.col("t") // step + 1).alias("bin"),
        (way / ((pl.col("t") - pl.col("t0")) / S)).alias("v"),
    ).explode("bin")
    f = (pl.col("bin") * step - pl.col("t0")) / (pl.col("t") - pl.col("t0"))
    point = point.filter(pl.col("bin").is_not_null()).select(
        "mmsi",
        "bin",
        "v",
        (pl.col("lat_deg0") + f * (pl.col("lat_deg") - pl.col("lat_deg0"))).alias("y"),
        ((pl.col("lon_deg0") + f * pl.col("dlon")) % 360).alias("x"),
    )
    pair = point.join(point, on="bin", suffix="_b").filter(pl.col("mmsi") < pl.col("mmsi_b"))
    pair = pair.with_columns(
        (((pl.col("y") - pl.col("y_b")) * north) ** 2 + ((pl.col("x") - pl.col("x_b")) * east) ** 2).sqrt().alias("d")
    )
    expected = []
    slow, fast = d["max_speed_mps"], d["leave_speed_mps"]
    for (a, b), rows in pair.sort("bin").group_by(["mmsi", "mmsi_b"], maintain_order=True):
        current: list[dict] = []
        for r in [*rows.iter_rows(named=True), None]:
            if current and (
                r is None
                or r["bin"] != current[-1]["bin"] + 1
                or r["d"] > d["exit_distance_m"]
                or max(r["v"], r["v_b"]) > fast
            ):
                way = [
                    sum(
                        np.hypot((q["y" + s] - p["y" + s]) * north, (q["x" + s] - p["x" + s]) * east)
                        for p, q in itertools.pairwise(current)
                    )
                    for s in ("", "_b")
                ]
                seconds = max(1e-6, (len(current) - 1) * step / S)
                if (current[-1]["bin"] - current[0]["bin"]) * step >= d.us("min_duration_s") + 2 * step and max(
                    way
                ) / seconds <= slow * 0.995:
                    expected.append((a, b, current[0]["bin"] * step))
                current = []
            if r is None:
                break
            if current:
                current.append(r)
            elif r["d"] <= d["distance_m"] and max(r["v"], r["v_b"]) <= slow:
                current = [r]
    got = {(a["track_ids"][0], a["track_ids"][1]): [] for a in alerts}
    for a in alerts:
        got[a["track_ids"][0], a["track_ids"][1]].append(round(a["start_at"].timestamp() * S))
    assert len(expected) > 20
    missing = [e for e in expected if not any(abs(s - e[2]) <= step for s in got.get((e[0], e[1]), []))]
    assert missing == []
    assert len(expected) <= len(alerts) <= 1.35 * len(expected)  # the rest are within a step or 0.5 % of a threshold


def test_stays_in_a_zone_agree_with_a_plain_loop(wandering):
    table, frame, _ = wandering
    ring = [[179.99, 19.995], [180.001, 19.995], [180.001, 20.003], [179.99, 20.003], [179.99, 19.995]]
    zones = behaviour.load_zones(
        {"type": "Feature", "properties": {"name": "z"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    )
    path = ALL.only("zone_entry")
    alerts = behaviour.detect(table, path, zones=zones).to_pylist()
    expected = set()
    for (ship,), rows in frame.group_by(["mmsi"], maintain_order=True):
        x = np.asarray(rows["lon_deg"]) % 360
        y, t = np.asarray(rows["lat_deg"]), np.asarray(rows["t"])
        inside = (x >= 179.99) & (x <= 180.001) & (y >= 19.995) & (y <= 20.003)
        run = 0
        for i in range(len(t)):
            run = run + 1 if inside[i] and (run == 0 or t[i] - t[i - 1] <= 2 * H) else int(inside[i])
            if run == 3:
                expected.add(ship)
    assert expected <= {a["track_ids"][0] for a in alerts}
    assert len(expected) > 10


def test_loitering_agrees_with_hourly_means(wandering):
    table, frame, _ = wandering
    alerts = {a["track_ids"][0] for a in behaviour.detect(table, ALL.only("loitering")).to_pylist()}
    for (ship,), rows in frame.group_by(["mmsi"], maintain_order=True):
        t = np.asarray(rows["t"])
        y, x = np.asarray(rows["lat_deg"]), np.asarray(rows["lon_deg"]) % 360
        way = np.hypot(np.diff(y) * 110_700, np.diff(x) * 104_600)
        whole = t[-1] - t[0] > 8 * H and np.diff(t).max() <= 2 * H
        if whole and (way / (np.diff(t) / S)).max() < 0.9:
            assert ship in alerts
        if whole and (way / (np.diff(t) / S)).min() > 1.2:
            assert ship not in alerts
    assert 5 < len(alerts) < 40


def load_json(path):
    rows = [json.loads(line) for line in path.open() if line.strip()]
    rows = [r for r in rows if r.get("lat") is not None and r.get("lon") is not None]
    t = np.asarray([clock.parse_rfc3339(r["timestamp"].replace(" ", "T").rstrip("Z") + "Z") for r in rows])
    number = lambda k: np.asarray([np.nan if r.get(k) is None else r[k] for r in rows], float)  # noqa: E731
    return rows, t, number("lat"), number("lon"), number("speed") * 0.514444, number("course")


def impossible_steps(track, t, lat, lon):
    """Rows, in the order given, that end a step of one track faster than 60 kn beyond 500 m."""
    order = np.lexsort((t, track))
    a, b = order[:-1], order[1:]
    speed = (distance_m(lat[a], lon[a], lat[b], lon[b]) - 500) / np.maximum((t[b] - t[a]) / S, 1)
    return b[(track[a] == track[b]) & (speed > 30.87)]


def test_identity_split_against_the_segments_of_global_fishing_watch(shared_data):
    """Their main segment of 338013000 holds nine steps of 64 to 519 kn; ours none, and we differ only at those steps.

    Of the 30 rows they split off, 22 lie on the way of the ship; it is the row before, which they keep, that does not.
    """
    rows, t, *where = load_json(shared_data / "gfw-gpsdio-segment" / "338013000.json")
    track = behaviour.split_identities(np.full(len(rows), 338013000), t, *where)
    names, theirs = np.unique([str(r["expected"]) for r in rows], return_inverse=True)
    assert len(names) == 24
    wrong = impossible_steps(theirs, t, *where[:2])
    assert len(wrong) == 9
    assert not len(impossible_steps(track, t, *where[:2]))
    main, ours = np.bincount(theirs).argmax(), Counter(track.tolist()).most_common(1)[0][0]
    taken_out = np.flatnonzero((theirs == main) & (track != ours))
    assert len(taken_out) == 9
    assert np.abs(t[taken_out][:, None] - t[wrong][None, :]).min(axis=1).max() <= 20 * 60 * S
    alone = (theirs != main) & (track != ours)
    kept = np.flatnonzero((theirs != main) & (track == ours))
    assert (alone.sum(), len(kept)) == (7, 23)  # and each of the 23 could be sailed to and from: no impossible step


def test_every_position_off_the_way_is_split_off_and_every_one_on_it_is_kept(shared_data):
    """Of the 30 rows they take from 338013000, 7 lie off its way and 23 on it, at the speed the ship itself reports."""
    rows, t, lat, lon, sog, cog = load_json(shared_data / "gfw-gpsdio-segment" / "338013000.json")
    track = behaviour.split_identities(np.full(len(rows), 338013000), t, lat, lon, sog, cog)
    _, theirs = np.unique([str(r["expected"]) for r in rows], return_inverse=True)
    ours = Counter(track.tolist()).most_common(1)[0][0]
    strays = np.flatnonzero(theirs != np.bincount(theirs).argmax())
    order = np.argsort(t, kind="stable")
    ship = order[track[order] == ours]

    def implied(i, j):
        far, dt = float(distance_m(lat[i], lon[i], lat[j], lon[j])), abs(t[j] - t[i]) / S
        return 0.0 if far < 1.0 and dt < 1.0 else far / max(dt, 1.0)

    kept, off = 0, 0
    for i in strays:
        others = ship[ship != i]
        at = int(np.searchsorted(t[others], t[i]))
        speeds = [implied(i, others[j]) for j in (at - 1, at) if 0 <= j < len(others)]
        if max(speeds) > 1.5 * sog[i]:
            off += 1
            assert track[i] != ours
            assert max(speeds) > 15.0  # no doubt about any: 29 kn and more on one side
        else:
            kept += 1
            assert track[i] == ours
            assert all(v < 1.0 or abs(v - sog[i]) < 1.0 for v in speeds)  # within 2 kn of what it reports
    assert (off, kept) == (7, 23)


def test_identity_split_of_many_ships_on_one_mmsi_link_by_link(shared_data):
    """416000000 is the number of many ships: of the links within a day of either side the other keeps most."""
    packed = (shared_data / "gfw-gpsdio-segment" / "segmented-416000000.json.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    t = np.asarray([clock.parse_rfc3339(r["timestamp"]) for r in rows])
    lat, lon, sog, cog = (np.asarray([r.get(k) for r in rows], float) for k in ("lat", "lon", "speed", "course"))
    track = behaviour.split_identities(np.full(len(rows), 416000000), t, lat, lon, sog * 0.514444, cog)
    _, theirs = np.unique([r["segment"] for r in rows], return_inverse=True)

    def kept(a, b):
        order = np.lexsort((t, a))
        link = (a[order][1:] == a[order][:-1]) & (np.diff(t[order]) < 24 * H)
        return (b[order][1:] == b[order][:-1])[link].mean()

    assert not len(impossible_steps(track, t, lat, lon))
    assert kept(theirs, track) > 0.97
    assert kept(track, theirs) > 0.99


@pytest.mark.parametrize("name", ["416000000", "263576000", "338013000"])
def test_no_track_of_a_shared_mmsi_holds_a_step_no_ship_can_make(shared_data, name):
    rows, t, lat, lon, sog, cog = load_json(shared_data / "gfw-gpsdio-segment" / f"{name}.json")
    track = behaviour.split_identities(np.full(len(rows), int(name)), t, lat, lon, sog, cog)
    table = pa.table(
        {
            "mmsi": np.full(len(t), int(name)),
            "track_id": track,
            "lat_deg": lat,
            "lon_deg": lon,
            "observed_at": pa.array(t).cast(pa.timestamp("us", tz="UTC")),
        }
    )
    f = archive_fixes(table)
    same = f.track[1:] == f.track[:-1]
    north = np.diff(f.lat) * 110_574
    east = ((np.diff(f.lon) + 180) % 360 - 180) * 111_320 * np.cos(np.radians(f.lat[1:]))
    speed = (np.hypot(north, east) - 600) / np.maximum(np.diff(f.t) / S, 1)
    assert (speed[same] < 31.5).all()
    alone = name == "263576000"
    assert (len(set(track.tolist())) <= 2) == alone


def test_split_does_not_depend_on_the_order_of_rows(rng):
    n = 500
    mmsi, t = rng.integers(1, 6, n), rng.integers(0, 48 * H, n)
    lat, lon = rng.normal(0, 3, n), rng.normal(0, 3, n)
    nothing = np.full(n, np.nan)
    track = behaviour.split_identities(mmsi, t, lat, lon, nothing, nothing)
    p = rng.permutation(n)
    assert np.array_equal(behaviour.split_identities(mmsi[p], t[p], lat[p], lon[p], nothing, nothing), track[p])


@pytest.mark.parametrize(
    ("file", "mmsi", "drifts"),
    [("538004030_drift_1.ais", 538004030, "2014-09-28T16:50:04"), ("212123000_drift_1.ais", 212123000, None)],
)
def test_drift_as_the_danish_maritime_authority_found_it(shared_data, file, mmsi, drifts):
    from kuroshio.sensing import ais

    table = ais.decode((shared_data / "dma-aisabnormal" / file).read_bytes()).tables["positions"]
    alerts = [a for a in behaviour.detect(table, ALL.only("drift")).to_pylist() if mmsi in a["mmsis"]]
    if drifts is None:
        assert alerts == []
        return
    at = clock.parse_rfc3339(drifts + "Z")
    met = clock.parse_rfc3339(json.loads(alerts[0]["evidence"])["met_at"])
    assert len(alerts) == 1
    assert alerts[0]["start_at"].timestamp() * S < at < alerts[0]["end_at"].timestamp() * S
    assert 0 < at - met < 3 * MIN  # known two minutes before theirs


def test_the_sentinel_speed_of_the_danish_case_is_no_sudden_stop(shared_data):
    from kuroshio.sensing import ais

    table = ais.decode((shared_data / "dma-aisabnormal" / "219165000_ssc_1.ais").read_bytes()).tables["positions"]
    assert table.num_rows > 10
    assert behaviour.detect(table, ALL.only("sudden_stop")).num_rows == 0
