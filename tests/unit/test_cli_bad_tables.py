"""Tables a person may hand to the verbs of the command line: each is worked on or refused in words, never a crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from kuroshio.cli.main import app
from kuroshio.errors import InputError
from kuroshio.testing.fuzz.lies import lying
from kuroshio.testing.sea import trials

ROWS = 120
WHERE = ["mmsi", "observed_at", "lat_deg", "lon_deg"]


@pytest.fixture(scope="module")
def sea(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sea")
    trials.write(trials.trial("open-sea").play(5, ships=20, duration_s=180.0), folder)
    done = run("track", str(folder / "observations.parquet"), "-o", str(folder), "--json")
    assert done.exit_code == 0
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def spoilt(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The table with one column missing, of another type, without values, or beyond all bounds."""
    table = table.slice(0, ROWS)
    for k, item in enumerate(table.schema):
        yield f"no {item.name}", table.drop([item.name])
        yield f"{item.name} of words", table.set_column(k, item.name, pa.array(["x"] * table.num_rows))
        if pa.types.is_floating(item.type):
            worst = pa.array(np.full(table.num_rows, np.inf))
        elif pa.types.is_int64(item.type) or pa.types.is_timestamp(item.type):
            worst = pa.array([1 << 62] * table.num_rows).cast(item.type)
        else:
            worst = pa.nulls(table.num_rows)
        yield f"{item.name} beyond bounds", table.set_column(k, item.name, worst)
    yield "no rows", table.slice(0, 0)


@pytest.mark.parametrize("verb", ["track", "detect", "score", "score_truth"])
def test_no_table_makes_a_verb_fail_without_words(verb: str, sea: Path, tmp_path: Path) -> None:
    bad, out = str(tmp_path / "bad.parquet"), str(tmp_path / "out")
    tracks, truth = str(sea / "tracks.parquet"), str(sea / "truth.parquet")
    good, words = {
        "track": (str(sea / "observations.parquet"), ("track", bad, "-o", out, "--json")),
        "detect": (tracks, ("detect", bad, "-o", out, "--json")),
        "score": (tracks, ("score", bad, truth, "--json")),
        "score_truth": (truth, ("score", tracks, bad, "--json")),
    }[verb]
    refused = 0
    for what, table in spoilt(pq.read_table(good)):
        pq.write_table(table, bad)
        done = run(*words)
        assert done.exit_code == 0 or isinstance(done.exception, InputError), f"{what}: {done.exception!r}"
        refused += done.exit_code != 0
    assert refused > len(WHERE)


def test_a_table_of_places_alone_is_tracked(sea: Path, tmp_path: Path) -> None:
    seen = pq.read_table(sea / "observations.parquet")
    named = seen.filter(pc.is_valid(seen["mmsi"])).select(WHERE)
    pq.write_table(named, tmp_path / "places.parquet")
    assert run("track", str(tmp_path / "places.parquet"), "-o", str(tmp_path), "--json").exit_code == 0
    tracks = pq.read_table(tmp_path / "tracks.parquet")
    assert set(tracks["mmsi"].drop_null().to_pylist()) == set(named["mmsi"].to_pylist())


def test_times_written_as_text_are_read(sea: Path, tmp_path: Path) -> None:
    tracks = pq.read_table(sea / "tracks.parquet")
    text = pc.strftime(tracks["observed_at"], "%Y-%m-%dT%H:%M:%SZ")
    said = tracks.set_column(tracks.schema.get_field_index("observed_at"), "observed_at", text)
    rows = []
    for name, table in (("a", tracks), ("b", said)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
        assert run("detect", str(tmp_path / f"{name}.parquet"), "-o", str(tmp_path / name), "--json").exit_code == 0
        rows.append(pq.read_table(tmp_path / name / "alerts.parquet").num_rows)
    assert rows[0] == rows[1]


@pytest.mark.parametrize("verb", ["detect", "decode"])
def test_an_arrow_file_that_lies_of_its_offsets_is_refused(verb: str, sea: Path, tmp_path: Path) -> None:
    """Run in a process of its own: what would be wrong here ends the process."""
    bad = tmp_path / "bad.arrow"
    rows = pq.read_table(sea / "tracks.parquet").slice(0, ROWS)
    text = pc.strftime(rows["observed_at"], "%Y-%m-%dT%H:%M:%SZ")
    bad.write_bytes(
        lying(rows.set_column(rows.schema.get_field_index("observed_at"), "observed_at", text), "observed_at")
    )
    words = [sys.executable, "-m", "kuroshio", verb, str(bad), "-o", str(tmp_path / "out"), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, (done.returncode, done.stdout[-500:], done.stderr[-500:])
    assert "bad.arrow" in done.stderr.replace("\n", "")  # which breaks its lines
