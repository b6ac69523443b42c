"""A silence among ships that are heard is told; where receivers fail or a file ends, no ship is blamed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import behaviour, schema
from kuroshio.behaviour.pack import make_pack, reproduce
from kuroshio.behaviour.reception import cells_about, cells_of

T0 = 1_700_000_000_000_000 // 3_600_000_000 * 3_600_000_000
H = 3_600_000_000
GAP = behaviour.load_definitions().only("ais_gap")


def fleet(ships, hours, silent=(), stop_h=None, back_h=None, lat=20.0):
    """Ships a few miles apart, a report in three minutes; those named fall silent at an hour, and come back at one."""
    parts = []
    for n in range(ships):
        t = np.arange(0.0, hours, 0.05) + n * 0.001
        if n in silent:
            t = t[(t < stop_h) | (t >= (back_h if back_h is not None else 1e9))]
        parts.append(np.column_stack([np.full(len(t), 412_000_000 + n), t, lat + 0.01 * n + 0.001 * t]))
    rows = np.concatenate(parts)
    n = len(rows)
    at = pa.array((T0 + rows[:, 1] * H).astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))
    mmsi, track = pa.array(rows[:, 0].astype(np.int64)), rows[:, 0].astype(np.int64) - 412_000_000 + 1
    return schema.TRACKS.build(
        {"track_id": track, "observed_at": at, "lat_deg": rows[:, 2], "lon_deg": np.full(n, 121.3), "mmsi": mmsi,
         "status": ["confirmed"] * n, "last_ais_at": at, "sensors": [["ais"]] * n, "sources": [["a"]] * n}, n,
    )  # fmt: skip


def gaps(rows, now_h=None):
    found = behaviour.detect(rows, GAP, now_us=None if now_h is None else int(T0 + now_h * H)).to_pylist()
    return [(a, json.loads(a["evidence"])["values"]) for a in found]


def live(rows, end_h, batch=400):
    engine = behaviour.Engine(GAP, lateness_s=300)
    rows = rows.take(pa.array(np.argsort(rows["observed_at"].cast("int64").to_numpy(), kind="stable")))
    said, now = [], 0
    for at in range(0, rows.num_rows, batch):
        part = rows.slice(at, batch)
        now = int(part["observed_at"].cast("int64").to_numpy().max())
        said.append(engine.step(part, now_us=now))
    end = int(T0 + end_h * H)
    for later in range(now, end + 1, H // 2):
        said.append(engine.step(schema.TRACKS.empty(), now_us=later))
    said.append(engine.step(schema.TRACKS.empty(), now_us=end, watermark_us=end))
    return behaviour.fold(pa.concat_tables(said).unify_dictionaries())


def test_a_ship_silent_among_ships_that_are_heard_is_told():
    ((alert, values),) = gaps(fleet(8, 16, silent=[3], stop_h=4.5))
    assert alert["mmsis"] == [412_000_003]
    assert (values["others_before"], values["others_after"], values["heard_share"]) == (7, 7, 1.0)
    assert alert["severity"] == "caution"
    margins = {t["name"]: t.get("margin") for t in json.loads(alert["evidence"])["thresholds"]}
    assert margins["least_heard"] == pytest.approx(0.8)


@pytest.mark.parametrize("back_h", [None, 13.0])
def test_a_receiver_that_falls_silent_blames_no_ship(back_h):
    area = fleet(8, 16, silent=range(8), stop_h=4.5, back_h=back_h)
    elsewhere = fleet(3, 16, lat=30.0)
    moved = elsewhere["mmsi"].to_numpy() + 100
    elsewhere = elsewhere.set_column(elsewhere.schema.get_field_index("mmsi"), "mmsi", pa.array(moved))
    tracks = elsewhere["track_id"].to_numpy() + 100
    elsewhere = elsewhere.set_column(elsewhere.schema.get_field_index("track_id"), "track_id", pa.array(tracks))
    rows = pa.concat_tables([area, schema.TRACKS.conform(elsewhere)]).unify_dictionaries()
    assert gaps(rows) == []
    assert live(rows, 16).num_rows == 0


def test_the_end_of_a_file_blames_no_ship():
    """As in MarineCadastre's first lines: all ships of a day's first minutes, then a row now and then."""
    rows = fleet(20, 16, silent=range(20), stop_h=0.9)
    stray = fleet(1, 16).slice(300, 20)
    assert gaps(pa.concat_tables([rows, stray]).unify_dictionaries(), now_h=16) == []


def test_two_ships_that_fall_silent_together_are_told_as_information():
    found = gaps(fleet(2, 5, silent=[0, 1], stop_h=4.5), now_h=16)
    assert [(a["severity"], v["others_before"], v["others_after"]) for a, v in found] == [("info", 1, 0)] * 2
    ((alone, values),) = gaps(fleet(1, 5), now_h=16)
    assert (alone["severity"], values["others_before"], values["heard_share"]) == ("caution", 0, None)


def test_a_ship_that_comes_back_keeps_what_was_heard_about_it_live_and_in_the_archive():
    rows = fleet(8, 40, silent=[3], stop_h=4.5, back_h=38.0)
    ((alert, values),) = gaps(rows, now_h=40)
    assert alert["end_at"] is not None
    assert values["others_after"] == 7
    mine = live(rows, 40).drop_columns(["known_at", "change", "grade"]).to_pylist()
    theirs = behaviour.detect(rows, GAP, now_us=int(T0 + 40 * H)).drop_columns(["known_at", "change", "grade"])
    assert mine == theirs.to_pylist()


def in_hours(engine, rows, first_h, last_h):
    """What an engine says of rows, each hour in one step; the first takes all before it too."""
    t = (rows["observed_at"].cast("int64").to_numpy() - T0) / H
    said = []
    for hour in range(first_h, last_h + 1):
        part = rows.filter(pa.array((t > hour - 1) & (t <= hour) if hour > first_h else t <= hour))
        said.append(engine.step(part, now_us=int(T0 + hour * H)))
    return said


def standing(said):
    return behaviour.fold(pa.concat_tables(said).unify_dictionaries())


@pytest.mark.parametrize("rows_a_track", [1, 10_000])
@pytest.mark.parametrize("told", [True, False])
def test_late_reports_of_other_ships_change_what_is_told_of_one(told, rows_a_track):
    """Ship 2 falls silent; what the others reported after it, or up to it, comes when it has been judged."""
    rows = fleet(8, 12, silent=[2] if told else range(1, 8), stop_h=4.5)
    t = (rows["observed_at"].cast("int64").to_numpy() - T0) / H
    ship = rows["mmsi"].to_numpy() - 412_000_000
    late = (ship != 2) & (t > 4.6) if told else (ship > 2) & (t > 2.5)
    late &= t < 11.5
    engine = behaviour.Engine(GAP, lateness_s=300)
    engine.past.rows_a_track = rows_a_track  # many states of the past, or the first alone
    said = in_hours(engine, rows.filter(pa.array(~late)), 1, 12)
    early = [a["mmsis"][0] - 412_000_000 for a in standing(said).to_pylist()]
    assert (2 in early) is not told
    said += in_hours(engine, rows.filter(pa.array(late)), 12, 13)
    said.append(engine.step(schema.TRACKS.empty(), now_us=int(T0 + 40 * H)))
    drop = ["known_at", "change", "grade"]
    archive = behaviour.detect(rows, GAP, now_us=int(T0 + 40 * H)).drop_columns(drop)
    assert ([412_000_002] in archive["mmsis"].to_pylist()) is told
    assert standing(said).drop_columns(drop).to_pylist() == archive.to_pylist()
    void = {a["mmsis"][0] - 412_000_000 for part in said for a in part.to_pylist() if a["change"] == "void"}
    assert (2 in void) is not told


class Heard:
    """Norms of a coverage that is known where the ship was last heard, and not where it comes back."""

    digest = "x"

    def p_heard(self, places, start_us, silence_s, class_b):
        return 0.999 if len(places) == 1 else None


def test_a_ship_that_comes_back_where_coverage_is_not_known_is_told_to_the_end_live_and_in_the_archive():
    only = behaviour.load_definitions().only("ais_disabling")
    rows = fleet(8, 40, silent=[3], stop_h=4.5, back_h=38.0)
    engine, said = behaviour.Engine(only, norms=Heard(), lateness_s=300), []
    t = (rows["observed_at"].cast("int64").to_numpy() - T0) / H
    for first_h, last_h in ((-1, 10), (10, 30), (30, 39), (39, 41)):
        part = rows.filter(pa.array((t > first_h) & (t <= last_h)))
        said.append(engine.step(part, now_us=int(T0 + last_h * H)))
    drop = ["known_at", "change", "grade"]
    archive = behaviour.detect(rows, only, norms=Heard(), now_us=int(T0 + 41 * H))
    ((alert,), live) = (archive.drop_columns(drop).to_pylist(), standing(said).drop_columns(drop).to_pylist())
    assert alert["end_at"] is not None
    assert [alert] == live


def test_a_pack_holds_who_else_was_heard_and_gives_the_alert_again(tmp_path: Path):
    rows = fleet(8, 16, silent=[3], stop_h=4.5)
    ((alert, _),) = gaps(rows)
    make_pack(tmp_path / "a.evidence", alert, rows, GAP)
    assert reproduce(tmp_path / "a.evidence")["alert_id"] == alert["alert_id"]


def test_cells_about_a_place_meet_at_the_antimeridian_and_end_at_the_poles():
    near = set(cells_about(10.2, 179.9))
    assert int(cells_of(np.asarray([10.2]), np.asarray([-179.9]))[0]) in near
    assert int(cells_of(np.asarray([10.7]), np.asarray([179.6]))[0]) in near
    assert len(near) == 9
    assert len(cells_about(-90.0, 0.0)) == 9
