"""Repairs: a late row changes its own ships and nothing else, and the states of the past stay few."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import behaviour, schema
from kuroshio.behaviour.names import Names

S, MIN, H = 1_000_000, 60_000_000, 3_600_000_000
T0 = 1_700_006_400 * S
ALL = behaviour.load_definitions()


def rows(track, t, lat=20.0, lon=121.0):
    t = np.asarray(t, np.int64)
    n = len(t)
    return schema.TRACKS.build(
        {
            "track_id": np.full(n, track),
            "observed_at": t,
            "lat_deg": np.full(n, lat),
            "lon_deg": np.broadcast_to(np.asarray(lon, float), n).copy(),
            "status": ["confirmed"] * n,
            "mmsi": np.full(n, 400_000_000 + track),
            "last_ais_at": t,
        }
    )


def hour_by_hour(engine, tables, hours):
    every = schema.concat(schema.TRACKS, tables)
    t = every["observed_at"].cast("int64").to_numpy()
    said = []
    for k in range(hours):
        mine = np.flatnonzero((t > T0 + (k - 1) * H) & (t <= T0 + k * H))
        said.append(engine.step(every.take(mine), now_us=T0 + k * H))
    return said


def pair(late=()):
    t = T0 + 2 * MIN * np.arange(1, 360)
    keep = ~np.isin(np.arange(len(t)), late)
    near = np.where((t > T0 + 3 * H) & (t < T0 + 6 * H), 121.002, 121.3)
    return rows(1, t), rows(2, t[keep], lon=near[keep]), rows(2, t[~keep], lon=near[~keep]), rows(3, t, lat=22.0)


def test_a_meeting_is_found_when_half_of_one_ships_rows_come_hours_late():
    only = ALL.only("encounter")
    one, some, others, far = pair(late=range(100, 140))  # silent for 80 min in it: two pieces, and too short
    engine = behaviour.Engine(only)
    said = hour_by_hour(engine, [one, some, far], 13)
    engine.past.rows_a_track = 1
    said.append(engine.step(others, now_us=T0 + 13 * H))
    said.append(engine.step(schema.TRACKS.empty(), now_us=T0 + 50 * H))
    archive = behaviour.detect(schema.concat(schema.TRACKS, [one, some, others, far]), only, now_us=T0 + 50 * H)
    drop = ["known_at", "change", "grade"]
    live = behaviour.fold(schema.concat(schema.ALERTS, said))
    assert archive.num_rows == 1
    assert live.drop_columns(drop).to_pylist() == archive.drop_columns(drop).to_pylist()
    assert engine.health()["repairs"] == 1


def test_a_repair_steps_the_rows_of_the_ships_it_touches_alone(monkeypatch):
    engine = behaviour.Engine(ALL.only("ais_gap", "loitering"))
    t = T0 + 10 * MIN * np.arange(1, 37)
    hour_by_hour(engine, [rows(k, t, lat=10.0 + k) for k in range(1, 21)], 7)
    core, stepped = type(engine.present.core), []
    rework = core.rework

    def watched(self, other, marks, fixes, every, out):
        stepped.append(set(fixes.track.tolist()))
        return rework(self, other, marks, fixes, every, out)

    monkeypatch.setattr(core, "rework", watched)
    engine.step(rows(7, [T0 + 3 * H + S], lat=17.0), now_us=T0 + 7 * H)
    engine.step(schema.TRACKS.empty(), now_us=T0 + 8 * H)
    assert stepped
    assert set.union(*stepped) == {7}


def test_states_of_the_past_and_the_log_stay_few():
    engine = behaviour.Engine(ALL.only("ais_gap"), repair_s=6 * 3600)
    for k in range(400):
        now = T0 + k * 10 * MIN
        engine.step(rows(1, now + S * np.arange(-500, 1, 10)), now_us=now)
        assert len(engine.past.snapshots) <= 8
    assert engine.past.snapshots[0].newest_us <= engine.watermark_us - 6 * H
    assert engine.past.log.rows < 51 * 6 * 12  # of six hours and of as long as states lie apart
    late = rows(1, [int(engine.watermark_us) - 5 * H + S])
    engine.step(late, now_us=now)
    assert engine.health()["late_rows"] == 1
    engine.step(rows(1, [T0]), now_us=now)
    assert engine.health()["dropped_too_late"] == 1


def test_risk_is_judged_from_the_first_row_on_whoevers_rows_come_first():
    """Ships at risk whose rows come later than those of a third that are newer, and in time."""
    risk = ALL.only("collision_risk")
    t = T0 + S * np.arange(0, 180, 10)
    east = rows(1, t, lon=121.0 + 1e-4 * np.arange(len(t)))
    west = rows(2, t, lon=121.02 - 1e-4 * np.arange(len(t)))
    third = rows(3, [T0 + 200 * S], lat=30.0)
    course = lambda table, deg: table.set_column(  # noqa: E731
        table.schema.get_field_index("cog_deg"), "cog_deg", pa.array([deg] * table.num_rows, pa.float64())
    )
    east, west = course(east, 90.0), course(west, 270.0)
    engine = behaviour.Engine(risk)
    said = [engine.step(third, now_us=T0 + 200 * S)]
    said.append(engine.step(schema.concat(schema.TRACKS, [east, west]), now_us=T0 + 201 * S))
    said.append(engine.step(schema.TRACKS.empty(), now_us=T0 + 2 * H))
    archive = behaviour.detect(schema.concat(schema.TRACKS, [east, west, third]), risk, now_us=T0 + 2 * H)
    drop = ["known_at", "change", "grade"]
    assert archive.num_rows == 1
    assert (
        behaviour.fold(schema.concat(schema.ALERTS, said)).drop_columns(drop).to_pylist()
        == archive.drop_columns(drop).to_pylist()
    )


@pytest.mark.parametrize(("slot", "expected"), [(0, [0, 1]), (2, [2])])
def test_what_a_late_row_may_touch_follows_claims_over_any_number(slot, expected):
    names = Names()
    track, mmsi = np.asarray([5, 6, 7, 5]), np.asarray([100, 200, 300, 200])
    located = names.locate(track, mmsi, np.zeros(4, np.bool_))
    names.link(*located)
    slots, numbers = names.linked(np.asarray([slot]))
    assert np.flatnonzero(slots).tolist() == expected
    assert np.flatnonzero(numbers).tolist() == ([0, 1] if slot == 0 else [2])
