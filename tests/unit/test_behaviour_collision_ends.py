"""How long a collision risk stands: a ship that comes to one that lies, and how each report says she will pass it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import behaviour, schema
from kuroshio.behaviour.collision import CLEARED, PASSED, STANDS, how_they_go

S, MIN = 1_000_000, 60_000_000
T0 = 1_700_000_000 * S // (600 * S) * 600 * S
RISK = behaviour.load_definitions().only("collision_risk")
LIMIT_M, FAR_M, SPEED_MPS = 926.0, 5500.0, 5.0
CLEAR, LOST = "cleared: further apart, later or slower than the exit limits", "one was no longer heard, is moored"


def coming(misses, *, sog_mps=SPEED_MPS, nav_status=None, astern=()):
    """A report a minute of one on her way to another who lies at 20 N 121 E: to pass at so many times the limit.

    Those ``astern`` say that she goes the other way. Her place is on a line from the west and nears it all the time.
    """
    n = len(misses)
    t = T0 + np.arange(n) * MIN
    off_m = FAR_M - SPEED_MPS * 60.0 * np.arange(n)
    cog = 90.0 + np.degrees(np.arcsin(np.asarray(misses) * LIMIT_M / off_m))
    cog[list(astern)] -= 180.0
    nav = np.zeros(n, np.int64) if nav_status is None else np.asarray(nav_status)
    tables = [
        (1, 121.0 - off_m / 104_650.0, cog % 360.0, np.broadcast_to(sog_mps, n).astype(float), nav),
        (2, np.full(n, 121.0), np.zeros(n), np.zeros(n), np.zeros(n, np.int64)),
    ]
    return schema.concat(
        schema.TRACKS,
        [
            schema.TRACKS.build(
                {
                    "track_id": np.full(n, track),
                    "observed_at": t,
                    "lat_deg": np.full(n, 20.0),
                    "lon_deg": lon,
                    "status": ["confirmed"] * n,
                    "mmsi": np.full(n, 431_000_000 + track),
                    "cog_deg": course,
                    "sog_mps": sog,
                    "nav_status": status,
                    "last_ais_at": t,
                }
            )
            for track, lon, course, sog, status in tables
        ],
    )


def told(rows, definitions=RISK):
    """(minute it begins, minute it ends, cause) of each risk, in order."""
    alerts = behaviour.detect(rows, definitions, now_us=T0 + 120 * MIN).to_pylist()
    minute = lambda at: (at.timestamp() * S - T0) / MIN  # noqa: E731
    spans = [
        (minute(a["start_at"]), minute(a["end_at"]), json.loads(a["evidence"])["ended_because"].split(",")[0])
        for a in alerts
    ]
    return sorted(spans)


def test_a_pair_that_hovers_about_the_raise_limit_is_told_once():
    ((start, end, cause),) = told(coming([1.1, 0.9, 1.1, 0.9, 1.1, 1.1, 0.9, 1.1, 0.9, 1.1, 1.1, 1.1]))
    assert (start, end) == (1, 18)  # the first look after 360 s without a report
    assert LOST.startswith(cause)


def test_a_pair_that_hovers_about_the_exit_limit_is_told_once():
    misses = [0.9, 1.4, 1.6, 1.4, 1.6, 1.6, 1.6, 1.4, 1.6, 1.6, 0.9]
    assert len(told(coming(misses))) == 1


def test_what_was_never_within_the_raise_limit_is_not_told():
    assert told(coming([1.1] * 8 + [1.4] * 4)) == []


def test_one_that_clears_and_comes_back_after_the_exit_time_is_told_twice():
    first, second = told(coming([0.9, 0.9, 1.6, 1.6, 1.6, 1.6, 1.1, 0.9, 0.9]))
    assert first == (0, 5, CLEAR.split(",")[0])
    assert second[:2] == (7, 15)


def test_one_that_comes_back_a_look_before_the_exit_time_is_told_once():
    assert len(told(coming([0.9, 0.9, 1.6, 1.6, 1.6, 0.9, 1.1, 0.9, 0.9]))) == 1


def test_the_exit_time_begins_anew_where_a_look_finds_it_within_the_exit_limit():
    ((start, end, cause),) = told(coming([0.9, 1.6, 1.6, 1.6, 1.4, 1.6, 1.6, 1.6, 1.6]))
    assert (start, end) == (0, 8)
    assert CLEAR.startswith(cause)


@pytest.mark.parametrize("at", [3, 4, 6])
def test_a_report_that_says_she_goes_away_neither_ends_it_nor_begins_it_again(at):
    assert len(told(coming([0.5] * 10, astern=[at, at + 2]))) == 1


def test_one_that_goes_away_has_passed():
    ((start, end, cause),) = told(coming([0.5] * 12, astern=range(6, 12)))
    assert (start, end, cause) == (0, 9, "passed: they close no more")


@pytest.mark.parametrize(("slow_mps", "ends"), [(0.1716, LOST), (0.1713, CLEAR)])
def test_one_that_slows_is_over_below_the_speed_that_raises_it_divided_by_the_ratio(slow_mps, ends):
    far = RISK["collision_risk"].thresholds
    assert far["min_speed_mps"].value / far["exit_ratio"].value == pytest.approx(0.17147, abs=1e-5)
    rows = coming([0.1] * 12, sog_mps=[5.0] * 6 + [slow_mps] * 6)
    # from 295 m on, where she slows, 0.17 m/s need no more than 1.5 times 20 minutes
    near = pa.array(121.0 - np.r_[np.linspace(600, 40, 12), np.zeros(12)] / 104_650.0)
    rows = rows.set_column(rows.schema.get_field_index("lon_deg"), "lon_deg", near)
    course = pa.array(np.r_[np.full(12, 90.0), np.zeros(12)])
    rows = rows.set_column(rows.schema.get_field_index("cog_deg"), "cog_deg", course)
    last = told(rows)[-1]
    assert ends.startswith(last[2])


def test_one_that_is_moored_ends_it_at_once():
    ((start, end, cause),) = told(coming([0.5] * 10, nav_status=[0] * 5 + [5] * 5))
    assert (start, end) == (0, 5)
    assert LOST.startswith(cause)


def test_the_ratio_and_the_time_are_the_users(tmp_path):
    (tmp_path / "d.yaml").write_text("definitions: [{id: collision_risk, thresholds: {exit_ratio: 1, clear_s: 0}}]")
    known = behaviour.load_definitions(tmp_path / "d.yaml").only("collision_risk")
    assert known["collision_risk"].version.startswith("1.5.0+")
    assert [span[:2] for span in told(coming([0.9, 1.1, 0.9, 1.1, 1.1, 0.9, 1.1]), known)] == [(0, 1), (2, 3), (5, 6)]


def test_live_it_is_told_once_at_the_present_across_restarts(tmp_path):
    rows = coming([0.9, 1.6, 0.9, 1.6, 1.6, 1.6, 0.9, 1.1, 1.6, 1.6, 1.6, 1.6, 1.6])
    at = rows["observed_at"].cast("int64").to_numpy()
    engine, said = behaviour.Engine(RISK, lateness_s=300), []
    for k in range(20):
        now = T0 + k * MIN + S
        said.append(engine.step(rows.filter(pa.array(at == T0 + k * MIN)), now_us=now))
        engine.save(tmp_path / "state")
        engine = behaviour.Engine(RISK, lateness_s=300)
        engine.load(tmp_path / "state")
    changes = schema.concat(schema.ALERTS, said).to_pylist()
    assert [c["change"] for c in changes if c["change"] == "open"] == ["open"]
    assert {c["alert_id"] for c in changes} == {changes[0]["alert_id"]}
    assert changes[0]["known_at"].timestamp() * S <= T0 + 11 * S  # not with the watermark, five minutes later
    (alert,) = behaviour.fold(schema.concat(schema.ALERTS, said)).to_pylist()
    assert alert["end_at"].timestamp() * S == T0 + 11 * MIN


def test_how_they_go_across_180_degrees_is_as_anywhere():
    lon = np.array([179.99, -179.99])
    ve, vn, lat = np.array([5.0, -5.0]), np.zeros(2), np.zeros(2)
    limits = {"cpa_m": 100.0, "tcpa_s": 300.0, "min_speed_mps": 1.0}
    pair = np.array([[0, 1]])
    assert how_they_go(pair, lat, lon, ve, vn, **limits).tolist() == [STANDS]  # 2,226 m at 10 m/s
    assert how_they_go(pair, lat, lon, ve, vn, **limits | {"tcpa_s": 220.0}).tolist() == [CLEARED]
    assert how_they_go(pair, lat, lon, ve, vn, **limits | {"min_speed_mps": 5.1}).tolist() == [CLEARED]
    assert how_they_go(pair, lat, lon, -ve, vn, **limits).tolist() == [PASSED]
    assert how_they_go(pair, lat, lon, 0 * ve, vn, **limits).tolist() == [PASSED]
