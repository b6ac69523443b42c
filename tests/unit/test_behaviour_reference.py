"""Steps of a number, interference by cell, port visits and gates, against plain loops written from the pages."""

from __future__ import annotations

import json
import math
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import behaviour, clock
from kuroshio.geo.earth import distance_m

S, H, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
T0 = 1_709_164_740 * S  # 2024-02-28T23:59:00Z: a leap day begins within the minute
ALL = behaviour.load_definitions()


def table(c):
    times = pa.array(c["t"]).cast(pa.timestamp("us", tz="UTC"))
    rest = {f"{k}_{u}": pa.array(c[k], from_pandas=True) for k, u in UNITS.items() if k in c}
    ids = {"track_id": c["track"]} if "track" in c else {}
    return pa.table({**ids, "mmsi": pa.array(c["mmsi"]), "observed_at": times, **rest})


UNITS = {"lat": "deg", "lon": "deg", "sog": "mps", "cog": "deg", "heading": "deg"}


def numbers(rng, place):
    """Ships about a place that report every 2 to 4000 s, some now and then from elsewhere, some unchanged."""
    parts = []
    for ship in range(30):
        n = int(rng.integers(2, 120))
        step = rng.choice([1, 2, 4, 5, 6, 60, 300, 3600, 3601], n, p=[0.1, 0.35, 0.1, 0.1, 0.1, 0.15, 0.04, 0.03, 0.03])
        lat = np.clip(place[0] + rng.choice([-0.1, 0.0, 0.01]) + np.cumsum(rng.normal(0, 1e-5, n)), -90, 90)
        lon = place[1] + rng.choice([-0.1, 0.0, 0.1]) + np.cumsum(rng.normal(0, 1e-5, n))
        away = np.repeat(rng.random(n // 3 + 1) < rng.choice([0.0, 0.1]), 3)[:n]
        lat = np.where(away, lat - rng.choice([0.019, 0.3]), lat)
        same = np.flatnonzero(rng.random(n) < 0.1)
        lat[same], lon[same] = lat[np.maximum(same - 1, 0)], lon[np.maximum(same - 1, 0)]
        lon = np.where(lon == 180.0, 180.0, (lon + 180.0) % 360.0 - 180.0)
        heading = rng.choice([0.0, 10.0, np.nan], n)
        cog = np.nan_to_num(heading) + np.where(rng.random(n) < 0.02, rng.choice([90.0, 91.0, 269.0], n), 3.0)
        values = {"track": ship, "mmsi": 431_000_000 + ship, "t": T0 + np.cumsum(step) * S, "lat": np.round(lat, 7)}
        values |= {"lon": np.round(lon, 7), "sog": rng.choice([0.0, 5.144, 6.0, np.nan], n), "cog": cog % 360}
        parts.append({k: np.broadcast_to(v, n) for k, v in (values | {"heading": heading}).items()})
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def reports_of(c):
    for ship in np.unique(c["mmsi"]).tolist():
        at = c["mmsi"] == ship
        yield ship, list(zip(*(c[k][at].tolist() for k in ("t", "lat", "lon", "sog", "cog", "heading")), strict=True))


def cell_of(lat, lon):
    return math.floor((min(lat, 89.9999999) + 90) / 0.25), math.floor((lon + 180) % 360 / 0.25)


def plain_interference(c):
    seen = defaultdict(dict)
    for ship, rows in reports_of(c):
        before = None
        for t, lat, lon, sog, cog, heading in rows:
            hit, cell, soon = False, cell_of(lat, lon), False
            if before is not None:
                far, dt_s = float(distance_m(before[1], before[2], lat, lon)), (t - before[0]) / S
                soon = dt_s < 5
                if far > 2000 and far > 30.867 * dt_s:
                    hit, cell = not soon, cell_of(before[1], before[2])
            across = abs((cog - heading + 180) % 360 - 180)
            hit |= sog > 5.144 and across > 90  # false where one is not known
            key = (t // H, *cell)
            seen[key][ship] = seen[key].get(ship, False) or hit
            before = before if soon else (t, lat, lon)
    return {
        key: (len(v), sum(v.values()))
        for key, v in seen.items()
        if sum(v.values()) >= 3 and sum(v.values()) > 0.1 * len(v)
    }


@pytest.mark.parametrize("place", [(20.05, 121.1), (20.05, 180.0), (89.999, 180.0), (-60.0, -180.0)])
def test_cells_of_interference_are_those_of_a_plain_loop(place) -> None:
    c = numbers(clock.generator(5), place)
    found = behaviour.detect(table(c), ALL.only("gnss_interference"), now_us=T0 + 48 * H).to_pylist()
    told = {}
    for alert in found:
        assert -180.0 <= alert["lon_deg"] < 180.0
        values = json.loads(alert["evidence"])["values"]
        key = (round(alert["start_at"].timestamp()) // 3600, *cell_of(alert["lat_deg"], alert["lon_deg"]))
        told[key] = values["vessels"], values["vessels_hit"]
    assert told == plain_interference(c)
    assert told


def plain_steps(kind, rows):
    limits = {t.name: t.value for t in ALL[kind].thresholds.values()}
    spells, spell, before = [], None, None
    for t, lat, lon, sog, *_ in rows:
        if before is None:
            before = (t, lat, lon)
            continue
        if spell and t - spell["end"] > limits["forget_s"] * S:
            spells, spell = [*spells, spell], None
        dt_s = (t - before[0]) / S
        if dt_s < 5:
            continue
        if (lat, lon) == before[1:]:
            before = (t, lat, lon) if sog <= 0.5144 else before  # it lies there; else an old report sent again
            continue
        far = float(distance_m(*before[1:], lat, lon))
        bad = far > 2000 and far / dt_s > 30.867
        if bad and spell is None:
            spell = {"start": t, "steps": 0, "bad": 0, "told": False}
        if spell:
            spell["steps"] += 1
        if bad:
            spell |= {"bad": spell["bad"] + 1, "end": t, "of": spell["steps"]}
            enough = t - spell["start"] >= limits["min_duration_s"] * S
            spell["told"] |= enough and spell["bad"] > limits["bad_share"] * spell["steps"]
        before = (t, lat, lon)
    return [(s["start"], s["end"], s["of"], s["bad"]) for s in [*spells, *([spell] if spell else [])] if s["told"]]


@pytest.mark.parametrize("seed", range(3))
def test_impossible_steps_are_those_of_a_plain_loop_and_their_share_is_up_to_the_last(seed: int) -> None:
    c = numbers(clock.generator(seed), (20.05, 180.0))
    kinds = ("impossible_kinematics", "identity_duplicated")
    found = behaviour.detect(table(c), ALL.only(*kinds), now_us=T0 + 300 * H).to_pylist()
    for kind in kinds:
        told = []
        for a in (a for a in found if a["definition"] == kind):
            e = json.loads(a["evidence"])
            told.append(
                (
                    a["mmsis"][0],
                    *(round(a[n].timestamp() * S) for n in ("start_at", "end_at")),
                    e["rows"],
                    e["values"]["bad_steps"],
                )
            )
        assert sorted(told) == [(ship, *s) for ship, rows in reports_of(c) for s in plain_steps(kind, rows)]
        assert told


@pytest.mark.parametrize(("sog", "told"), [(0.0, 1), (0.5144, 1), (5.0, 0), (np.nan, 0)])
def test_a_ship_that_lies_still_for_an_hour_and_jumps_is_told_and_an_old_report_sent_again_is_not(sog, told) -> None:
    t = T0 + np.arange(61) * 60 * S
    c = {"track": np.full(61, 7), "mmsi": np.full(61, 7), "t": t, "lat": np.full(61, 20.0), "lon": np.full(61, 121.0)}
    c |= {"sog": np.full(61, sog)}
    c["lat"][-1] = 20.2
    assert len(behaviour.detect(table(c), ALL.only("impossible_kinematics"), now_us=T0 + 48 * H)) == told


def test_a_stop_in_port_lasts_until_it_goes_faster_and_a_track_that_ends_outside_ended_its_visit_in_port() -> None:
    ring = [[121.0, 20.0], [121.1, 20.0], [121.1, 20.1], [121.0, 20.1], [121.0, 20.0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    zones = behaviour.load_zones(
        {"type": "Feature", "properties": {"name": "Basco", "kind": "port"}, "geometry": shape}
    )
    t = T0 + np.asarray([0, 600, 1200, 1900, 2500]) * S  # stopped from 600 to 1900, heard twice in it
    c = {
        "mmsi": np.full(5, 7),
        "track": np.full(5, 7),
        "t": t,
        "lon": np.asarray([120.999, 121.01, 121.01, 121.01, 121.2]),
    }
    c |= {"lat": np.full(5, 20.05), "sog": np.asarray([3.0, 0.0, 0.0, 3.0, 3.0])}
    (visit,) = behaviour.detect(table(c), ALL.only("port_visit"), zones=zones, now_us=T0 + 48 * H).to_pylist()
    values = json.loads(visit["evidence"])["values"]
    assert (values["seen"], values["stopped_s"], values["confidence"]) == ("entry, stop, exit", 1300.0, 4)
    n, last = 5, [121.01, 121.01, 121.01, 121.01, 121.1005]  # its last row 50 m out, as the track ends
    columns = {
        "status": ["confirmed"] * (n - 1) + ["ended"],
        "last_ais_at": pa.array(t).cast(pa.timestamp("us", tz="UTC")),
    }
    rows = table(c | {"lon": np.asarray(last), "sog": np.zeros(n)})
    for name, column in columns.items():
        rows = rows.append_column(name, pa.array(column) if isinstance(column, list) else column)
    (visit,) = behaviour.detect(rows, ALL.only("port_visit"), zones=zones, now_us=T0 + 48 * H).to_pylist()
    assert round(visit["end_at"].timestamp() * S) == t[-2]


def test_a_gate_that_holds_no_more_is_no_closure() -> None:
    line = {"type": "LineString", "coordinates": [[180.0, 20.0], [180.0, 20.2]]}
    gate = {"name": "Strait", "kind": "gate", "buffer_m": 3000}
    begin = T0 // DAY + 1
    hour = np.repeat(np.arange(24 * 12), 20)
    c = {
        "mmsi": 431_000_000 + np.tile(np.arange(20), 24 * 12),
        "t": begin * DAY + hour * H,
        "lat": np.full(len(hour), 20.1),
    }
    c |= {"lon": np.where(hour % 24 == 5, 180.0, 179.0), "track": c["mmsi"]}

    def told(lon, **valid):
        zones = behaviour.load_zones({"type": "Feature", "properties": gate | valid, "geometry": line})
        rows = table(c | {"lon": lon})
        counts = [r["ships"] for r in behaviour.gate_counts(rows, zones).to_pylist() if r["kind"] == "all"]
        found = behaviour.detect(rows, ALL.only("gate_norm"), zones=zones, now_us=(begin + 20) * DAY)
        return counts, found.to_pylist()

    ending = clock.rfc3339((begin + 9) * DAY + 12 * H)
    assert told(c["lon"], valid_to=ending) == ([20] * 9, [])
    counts, (closed, *_) = told(np.where(hour < 24 * 9, c["lon"], 179.0))
    assert counts == [20] * 9 + [0] * 3
    assert 179.9 < abs(closed["lon_deg"]) <= 180.0
    assert 0.0 <= json.loads(closed["evidence"])["values"]["p"] < 0.001
