"""Conditions of a scene do what they say, chunks change nothing, and files read back as what was written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.cli import sea as sea_command
from kuroshio.errors import ConfigError
from kuroshio.geo import bearing_deg, distance_m, enu_offset_m
from kuroshio.picture import SensorModel
from kuroshio.schema import OBSERVATIONS, STATICS
from kuroshio.sensing import observe
from kuroshio.sensing.formats import open_decoder
from kuroshio.testing.sea import CLUTTER, Scene, observations
from kuroshio.testing.sea.conditions import Conditions
from kuroshio.testing.sea.trials import TRIALS, trial

RUN = CliRunner()
SHIPS = 60


def _at(scene: Scene, rows: np.ndarray) -> dict[str, np.ndarray]:
    """True state of the ship of each observation named, moved to its time (truth has one second)."""
    start = scene.truth["observed_at"].cast(pa.int64()).to_numpy()[0]
    at = scene.observations["observed_at"].cast(pa.int64()).to_numpy()[rows]
    step = (at - start) // 1_000_000
    index = step * SHIPS + scene.ship_ids[rows]
    out = {n: scene.truth[n].to_numpy(zero_copy_only=False)[index] for n in ("lat_deg", "lon_deg", "ve_mps", "vn_mps")}
    return out | {"dt": (at - start) / 1e6 - step, "index": index}


def _offset(scene: Scene, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """(east, north) of the rows from where their ships were, and the true states."""
    true = _at(scene, rows)
    lat, lon = (scene.observations[n].to_numpy()[rows] for n in ("lat_deg", "lon_deg"))
    east, north = enu_offset_m(true["lat_deg"], true["lon_deg"], lat, lon)
    return east - true["ve_mps"] * true["dt"], north - true["vn_mps"] * true["dt"], true


def _rows(scene: Scene, source: str) -> np.ndarray:
    named = np.array([s == source for s in scene.observations["source"].to_pylist()])
    return np.flatnonzero(named & (scene.ship_ids != CLUTTER))


@pytest.mark.parametrize("name", list(TRIALS))
def test_chunks_change_no_row(name: str) -> None:
    whole = trial(name).whole(3, ships=25, duration_s=100.0)
    parts = list(trial(name).play(3, ships=25, duration_s=100.0, chunk_s=30.0))
    assert len(parts) == 4
    joined = pa.concat_tables([p.observations for p in parts])
    assert joined.schema.equals(OBSERVATIONS.arrow)
    assert joined.select(["obs_id", "lat_deg", "received_at"]).combine_chunks() == whole.observations.select(
        ["obs_id", "lat_deg", "received_at"]
    )
    assert pa.concat_tables([p.truth for p in parts]).combine_chunks() == whole.truth
    assert np.array_equal(np.concatenate([p.ship_ids for p in parts]), whole.ship_ids)
    assert sum(p.statics.num_rows for p in parts) == whole.statics.num_rows


def test_lies_and_losses_do_not_change_how_ships_sail() -> None:
    plain = observations(4, 30, 60.0)
    lied = observations(4, 30, 60.0, conditions=Conditions(jump_share=0.2, silent_share=0.2))
    assert lied.truth.select(["lat_deg", "ve_mps"]) == plain.truth.select(["lat_deg", "ve_mps"])


def test_a_biased_radar_is_wrong_by_its_bias() -> None:
    scene = trial("biased").whole(6, ships=400, duration_s=60.0)
    site = scene.radars[0]
    assert (site.range_bias_m, site.bearing_bias_deg) == (80.0, 0.5)
    truth = scene.truth
    first = truth["observed_at"].cast(pa.int64()).to_numpy() == scene.truth["observed_at"].cast(pa.int64())[0].as_py()
    lat, lon = (truth[n].to_numpy()[first] for n in ("lat_deg", "lon_deg"))
    rows = _rows(scene, "radar0")
    early = rows[scene.observations["scan"].to_numpy(zero_copy_only=False)[rows] == 0]
    ship = scene.ship_ids[early]
    turned = scene.observations["bearing_deg"].to_numpy()[early] - bearing_deg(
        site.lat_deg, site.lon_deg, lat[ship], lon[ship]
    )
    assert np.median((turned + 180.0) % 360.0 - 180.0) == pytest.approx(0.5, abs=0.15)
    far = scene.observations["range_m"].to_numpy()[early] - distance_m(site.lat_deg, site.lon_deg, lat[ship], lon[ship])
    assert np.median(far) == pytest.approx(80.0, abs=30.0)


def test_antennas_stand_where_the_static_report_says() -> None:
    scene = observations(
        8, SHIPS, 120.0, truth_step_s=1.0, class_b_share=0.0, conditions=Conditions(antenna_offsets=True)
    )
    rows = _rows(scene, "ais")
    east, north, _ = _offset(scene, rows)
    said = {r["mmsi"]: r for r in scene.statics.to_pylist()}
    own = [said[m] for m in scene.observations["mmsi"].to_numpy()[rows].tolist()]
    ahead = np.array([(r["to_stern_m"] - r["to_bow_m"]) / 2 for r in own])
    right = np.array([(r["to_port_m"] - r["to_starboard_m"]) / 2 for r in own])
    angle = np.radians(scene.observations["heading_deg"].to_numpy()[rows])
    e = east - ahead * np.sin(angle) - right * np.cos(angle)
    n = north - ahead * np.cos(angle) + right * np.sin(angle)
    sigma = np.sqrt(scene.observations["cov_ee_m2"].to_numpy()[rows])
    assert np.abs(ahead).max() > 60.0
    assert np.mean((e / sigma) ** 2 + (n / sigma) ** 2) == pytest.approx(2.0, rel=0.2)
    assert scene.statics.schema.equals(STATICS.arrow)


def test_ships_at_anchor_swing_and_their_gnss_wanders() -> None:
    conditions = Conditions(moored_share=1.0, swing=True, gnss_wander=True)
    scene = observations(9, SHIPS, 600.0, truth_step_s=1.0, dark_share=0.0, class_b_share=0.0, conditions=conditions)
    assert set(scene.truth["motion"].to_pylist()) == {"moored"}
    speed = np.hypot(scene.truth["ve_mps"].to_numpy(), scene.truth["vn_mps"].to_numpy())
    assert 0.02 < speed.mean() < 0.5
    rows = _rows(scene, "ais")
    east, north, _ = _offset(scene, rows)
    sigma = np.sqrt(scene.observations["cov_ee_m2"].to_numpy()[rows])
    # the wandering part and the white part: 0.35^2 + 0.2^2 of the claimed variance each way
    assert np.mean((east / sigma) ** 2 + (north / sigma) ** 2) / 2 == pytest.approx(0.1625, rel=0.35)
    assert len(rows) < SHIPS * 600 / 150  # ITU-R M.1371-5: moored ships report every 180 s


def test_lies_are_as_large_as_the_truth_says_and_begin_when_it_says() -> None:
    conditions = Conditions(jump_share=0.1, drag_share=0.1, jump_m=(2000.0, 9000.0), duplicates=2)
    scene = observations(10, SHIPS, 300.0, truth_step_s=1.0, dark_share=0.1, ais_loss=0.0, conditions=conditions)
    rows = _rows(scene, "ais")
    east, north, true = _offset(scene, rows)
    size = np.hypot(east, north)
    said = scene.truth["spoof_m"].to_numpy()[true["index"]]
    assert np.abs(size - said)[said > 0].max() < 150.0
    assert size[said == 0].max() < 150.0
    words = np.array(scene.truth["spoof"].to_pylist())
    assert {w: len(np.unique(scene.truth["ship_id"].to_numpy()[words == w])) for w in ("jump", "drag")} == {
        "jump": 6, "drag": 6,
    }  # fmt: skip
    shared = scene.truth.filter(pa.array(words == "duplicate"))
    assert len(shared["ship_id"].unique()) == 4
    assert len(shared["mmsi"].unique()) == 2
    dragged = (words[true["index"]] == "drag") & (said > 50)
    moved = np.diff(said[dragged][scene.ship_ids[rows][dragged] == scene.ship_ids[rows][dragged][0]])
    assert (moved > 0).all()


def test_bursts_and_silence_leave_no_ais() -> None:
    conditions = Conditions(ais_bursts_per_h=60.0, ais_burst_s=30.0, silent_share=0.3, silent_s=120.0)
    scene = observations(12, SHIPS, 600.0, truth_step_s=10.0, dark_share=0.0, class_b_share=0.0, conditions=conditions)
    at = np.sort(scene.observations["observed_at"].cast(pa.int64()).to_numpy()[_rows(scene, "ais")])
    assert np.diff(at).max() > 5e6  # sixty ships are otherwise heard every second
    hidden = scene.truth.filter(pc.field("dark"))
    assert len(hidden["ship_id"].unique()) == 18
    assert set(hidden["held_by"].to_pylist()) <= {"radar", "none"}


def test_islands_shade_radars_and_horizons_limit_them() -> None:
    scene = trial("islands").whole(2, ships=300, duration_s=60.0)
    open_sea = trial("open-sea").whole(2, ships=300, duration_s=60.0)
    seen = {s: sum(len(_rows(x, f"radar{k}")) for k in range(4)) for s, x in (("i", scene), ("o", open_sea))}
    assert seen["i"] < 0.7 * seen["o"]
    held = scene.truth["held_by"].to_pylist()
    assert {"ais", "both", "radar"} <= set(held)


def test_late_reports_come_in_the_order_of_arrival() -> None:
    scene = trial("late").whole(2, ships=40, duration_s=600.0)
    observed, received = (scene.observations[n].cast(pa.int64()).to_numpy() for n in ("observed_at", "received_at"))
    assert (np.diff(received) >= 0).all()
    wait_s = (received - observed) / 1e6
    assert wait_s.min() == 0.0
    assert 1500.0 < wait_s.max() <= 1800.0
    assert np.mean(wait_s > 0) == pytest.approx(0.33, abs=0.03)


def test_the_bytes_of_a_scene_decode_to_its_rows(tmp_path: Path) -> None:
    done = RUN.invoke(
        sea_command.app, ["hard", "--ships", "50", "--minutes", "3", "--raw", "-o", str(tmp_path), "--json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    rows = pq.read_table(tmp_path / "observations.parquet")
    assert told["rows"]["observations"] == rows.num_rows == pq.read_table(tmp_path / "ships.parquet").num_rows
    decoder = open_decoder("aivdm", "ais", {})
    decoded = decoder.feed((tmp_path / "ais.nmea").read_bytes())
    heard = observe(decoded)
    sent = rows.filter(pc.equal(rows["sensor"].cast(pa.string()), "ais"))
    assert heard.num_rows == sent.num_rows > 100
    assert np.abs(heard["lat_deg"].to_numpy() - sent["lat_deg"].to_numpy()).max() < 2e-6
    assert decoded.tables["statics"].num_rows == told["rows"]["statics"]
    sensors = [SensorModel(**row) for row in json.loads((tmp_path / "sensors.json").read_text())]
    assert [s.kind for s in sensors] == ["ais", "radar", "radar", "radar", "radar"]
    assert (tmp_path / "radar0.ast").read_bytes()[0] == 48


def test_the_command_lists_and_refuses(tmp_path: Path) -> None:
    listed = json.loads(RUN.invoke(sea_command.app, ["list", "--json"]).stdout)
    assert {"open-sea", "hard", "philippine-sea"} <= {row["name"] for row in listed}
    assert isinstance(RUN.invoke(sea_command.app, ["nowhere", "-o", str(tmp_path)]).exception, ConfigError)
    assert isinstance(RUN.invoke(sea_command.app, ["hard"]).exception, ConfigError)
    with pytest.raises(ConfigError):
        replace(Conditions(), harbour_share=0.5)


def test_a_story_is_written_as_bytes(tmp_path: Path) -> None:
    done = RUN.invoke(sea_command.app, ["philippine-sea", "--minutes", "1", "-o", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["sources"]["phl-ais-basco"]["bytes"] > 0
    assert (tmp_path / "truth.parquet").is_file()


def test_craft_with_class_b_are_boats_and_few_of_them_send_a_heading() -> None:
    scene = observations(13, 600, 40.0, class_b_share=0.5, conditions=Conditions(antenna_offsets=True))
    rows = scene.observations.filter(pc.equal(scene.observations["sensor"].cast(pa.string()), "ais"))
    of_b = pc.equal(rows["msg_type"], 18)
    share = {
        b: pc.mean(pc.is_valid(rows.filter(k)["heading_deg"])).as_py() for b, k in (("b", of_b), ("a", pc.invert(of_b)))
    }
    assert share["a"] == 1.0
    assert 0.03 < share["b"] < 0.2
    boats = set(rows.filter(of_b)["mmsi"].to_pylist())
    length = dict(zip(scene.truth["mmsi"].to_pylist(), scene.truth["length_m"].to_pylist(), strict=True))
    of_boats = np.array([length[m] for m in boats])
    assert len(of_boats) > 150
    assert 6.0 <= of_boats.min() < of_boats.max() <= 30.0
    assert max(x for m, x in length.items() if m not in boats) > 200.0
    said = [r for r in scene.statics.to_pylist() if r["mmsi"] in boats]
    for row in said:
        sent_m, beam_m = row["to_bow_m"] + row["to_stern_m"], row["to_port_m"] + row["to_starboard_m"]
        assert abs(sent_m - length[row["mmsi"]]) <= 0.5
        assert 2.0 <= beam_m <= 10.0
    assert {r["ship_type"] for r in said} == {37}
