"""`kuroshio track`, `score` and `why-track` over files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.cli import score as score_command
from kuroshio.cli import track as track_command
from kuroshio.cli import why_track as why_command
from kuroshio.errors import InputError, NotFound
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
