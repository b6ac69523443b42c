"""`kuroshio track`, `score` and `why-track` over files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.cli import operate as operate_command
from kuroshio.cli import score as score_command
from kuroshio.cli import track as track_command
from kuroshio.cli import why_track as why_command
from kuroshio.errors import ConfigError, InputError, NotFound, StoreError
from kuroshio.picture import track_archive
from kuroshio.schema import POSITIONS, TRACKS
from kuroshio.testing.sea import observations as make_sea

RUN = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("track")
    scene = make_sea(9, 12, 240.0)
    pq.write_table(scene.observations, out / "observations.parquet")
    pq.write_table(scene.truth, out / "truth.parquet")
    sensors = [
        {"source": r.name, "kind": "radar", "lat_deg": r.lat_deg, "lon_deg": r.lon_deg, "max_range_m": r.range_m,
         "scan_s": r.scan_s}
        for r in scene.radars
    ]  # fmt: skip
    (out / "sensors.json").write_text(json.dumps(sensors))
    return out


@pytest.fixture(scope="module")
def tracked(folder: Path) -> dict:  # type: ignore[type-arg]
    arguments = [str(folder / "observations.parquet"), "-o", str(folder / "out"), "--json"]
    done = RUN.invoke(track_command.app, [*arguments, "--sensors", str(folder / "sensors.json")])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_track_writes_what_the_library_gives(folder: Path, tracked: dict) -> None:  # type: ignore[type-arg]
    table = pq.read_table(folder / "out" / "tracks.parquet")
    assert table.schema.names == list(TRACKS.names)
    links = pq.read_table(folder / "out" / "links.parquet")
    assert links.num_rows == tracked["observations"]
    assert tracked["rows"]["tracks"] == table.num_rows
    loaded = track_command._load_sensors(folder / "sensors.json")
    again = track_archive(pq.read_table(folder / "observations.parquet"), sensors=loaded)
    assert again.tracks.to_pylist() == table.to_pylist()


def test_score_of_the_command_is_a_json_object(folder: Path, tracked: dict) -> None:  # type: ignore[type-arg]
    del tracked
    files = [str(folder / "out" / "tracks.parquet"), str(folder / "truth.parquet")]
    done = RUN.invoke(score_command.app, [*files, "--json", "-o", str(folder / "map.svg")])
    assert done.exit_code == 0, done.output
    assert (folder / "map.svg").read_text().startswith("<svg")
    figures = json.loads(done.stdout)
    assert figures["completeness"] > 0.9
    assert figures["gospa_mean_m"] > 0
    assert figures["map"] == (folder / "map.svg").resolve().as_uri()


def test_score_prints_tables_and_refuses_another_kind_of_picture(folder: Path, tracked: dict) -> None:  # type: ignore[type-arg]
    del tracked
    files = [str(folder / "out" / "tracks.parquet"), str(folder / "truth.parquet")]
    done = RUN.invoke(score_command.app, files)
    assert done.exit_code == 0, done.output
    assert "gospa_mean_m" in done.stdout
    assert "Map: none" in done.stdout
    drawn = RUN.invoke(score_command.app, [*files, "-o", str(folder / "again.svg")])
    assert (folder / "again.svg").resolve().as_uri() in drawn.stdout
    refused = RUN.invoke(score_command.app, [*files, "-o", str(folder / "map.jpg")])
    assert isinstance(refused.exception, InputError)


def test_why_track_tells_birth_and_confirmation(folder: Path, tracked: dict) -> None:  # type: ignore[type-arg]
    del tracked
    tracks = pq.read_table(folder / "out" / "tracks.parquet")
    number = int(np.asarray(tracks["track_id"])[-1])
    done = RUN.invoke(why_command.app, [str(number), "-i", str(folder / "out"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert "confirmed" in [e["event"] for e in told["events"]]
    assert sum(v["count"] for v in told["observations"].values()) >= 3
    missing = RUN.invoke(why_command.app, ["999999", "-i", str(folder / "out")])
    assert isinstance(missing.exception, NotFound)


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("not parquet")
    for name in ("a", "b", "c"):
        done = RUN.invoke(track_command.app, [str(tmp_path / f"{name}.parquet"), "-o", str(tmp_path / "out")])
        assert isinstance(done.exception, InputError)


def test_decoded_positions_are_tracked_too(tmp_path: Path) -> None:
    n = 12
    at = 1_700_000_000_000_000 + np.arange(n) * 10_000_000
    positions = POSITIONS.build(
        {
            "mmsi": np.full(n, 431000001, np.uint32), "msg_type": np.full(n, 1, np.uint8),
            "observed_at": at.astype("datetime64[us]"), "source": ["log"] * n,
            "lat_deg": 20.0 + 5.0 * 10.0 * np.arange(n) / 111_000, "lon_deg": np.full(n, 122.0),
            "sog_mps": np.full(n, 5.0), "cog_deg": np.zeros(n),
        }
    )  # fmt: skip
    pq.write_table(positions, tmp_path / "positions.parquet")
    done = RUN.invoke(track_command.app, [str(tmp_path / "positions.parquet"), "-o", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    table = pq.read_table(tmp_path / "out" / "tracks.parquet")
    assert table.num_rows == n
    assert set(table["mmsi"].to_pylist()) == {431000001}


# -- strange files


def _track(*words: str | Path) -> Any:
    done = RUN.invoke(track_command.app, [str(w) for w in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return json.loads(done.stdout)


def test_observations_whose_identities_are_missing_are_refused(folder: Path, tmp_path: Path) -> None:
    """Without the column radar plots were taken for AIS positions, and rows of no identity for repeats of one."""
    table = pq.read_table(folder / "observations.parquet")
    at = table.column_names.index("obs_id")
    nobody = table.set_column(at, "obs_id", pa.nulls(table.num_rows, pa.int64()))
    for k, strange in enumerate((table.drop_columns(["obs_id"]), nobody)):
        pq.write_table(strange, tmp_path / f"{k}.parquet")
        with pytest.raises(InputError, match="obs_id"):
            _track(tmp_path / f"{k}.parquet", "-o", tmp_path / "out", "--json")


def test_positions_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    times = pa.array([None, 1_700_000_000_000_000, None], pa.int64()).cast(pa.timestamp("us", "UTC"))
    rows = {"mmsi": [1, 2, 3], "observed_at": times, "lat_deg": [1.0, 2.0, 3.0], "lon_deg": [1.0, 2.0, 3.0]}
    pq.write_table(pa.table(rows), tmp_path / "positions.parquet")
    done = _track(tmp_path / "positions.parquet", "-o", tmp_path / "out", "--json")
    assert (done["observations"], done["counters"]["positions_unused"]) == (1, 2)


@pytest.mark.parametrize(
    "text",
    ["{}", "[1]", '[{"source": 5}]', '[{"source": "x", "pd": "a"}]', '[{"source": "x"}, {"source": "x"}]',
     *(f'[{{"source": "x", "lat_deg": 20, "lon_deg": 122, {wrong}}}]' for wrong in (
         '"lat_deg": 95', '"lat_deg": "a"', '"lon_deg": NaN', '"max_range_m": 0', '"scan_s": -1', '"scan_s": true',
         '"antenna_height_m": NaN', '"clutter_per_m2": -1', '"false_plots_per_scan": null',
         '"max_range_m": Infinity'))],
)  # fmt: skip
def test_sensors_that_cannot_be_are_refused(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "sensors.json").write_text(text)
    words = ("-o", tmp_path / "out", "--json", "--sensors", tmp_path / "sensors.json")
    with pytest.raises(ConfigError):
        _track(folder / "observations.parquet", *words)


@pytest.mark.parametrize(
    "text", ["{}", '[{"at": "2023-11-14T22:15:00Z", "action": "name", "arguments": [], "by": "a"}]']
)
def test_actions_that_are_none_are_refused(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "actions.json").write_text(text)
    words = ("-o", tmp_path / "out", "--json", "--operations", tmp_path / "actions.json")
    with pytest.raises((ConfigError, InputError)):
        _track(folder / "observations.parquet", *words)


def test_what_cannot_be_written_is_said(folder: Path, tracked: dict, tmp_path: Path) -> None:  # type: ignore[type-arg]
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        _track(folder / "observations.parquet", "-o", tmp_path / "file", "--json")
    tracks, truth = tracked["files"]["tracks"], str(folder / "truth.parquet")
    done = RUN.invoke(score_command.app, [tracks, truth, "-o", str(tmp_path / "none" / "map.svg")])
    assert isinstance(done.exception, StoreError)


def test_nothing_to_score_is_no_perfect_score(folder: Path, tracked: dict, tmp_path: Path) -> None:  # type: ignore[type-arg]
    tracks = tracked["files"]["tracks"]
    pq.write_table(pq.read_table(folder / "truth.parquet").slice(0, 0), tmp_path / "empty.parquet")
    for words in ([str(tmp_path / "empty.parquet")], [str(folder / "truth.parquet"), "--skip-s", "1e9"]):
        done = RUN.invoke(score_command.app, [tracks, *words])
        assert isinstance(done.exception, InputError)
    assert RUN.invoke(score_command.app, [tracks, str(folder / "truth.parquet"), "--cutoff-m", "inf"]).exit_code == 2
    assert RUN.invoke(why_command.app, [str(10**30), "-i", str(folder)]).exit_code == 2


def test_an_action_noted_for_an_archive_is_one_that_can_be_done(tmp_path: Path) -> None:
    """It was noted, and `kuroshio track` failed of it in the end; and a file of something else was overwritten."""
    file = tmp_path / "actions.json"
    at = ["--archive", str(file), "--at", "2023-11-14T22:15:00Z", "--by", "lt.reyes"]
    for words in (["sink", "1"], ["list"], ["merge"]):
        assert isinstance(RUN.invoke(operate_command.app, [*words, *at]).exception, InputError)
    assert not file.exists()
    file.write_text('{"mine": 1}')
    assert isinstance(RUN.invoke(operate_command.app, ["drop", "1", *at]).exception, ConfigError)
    assert file.read_text() == '{"mine": 1}'
