"""`kuroshio archive`: what is held, rows out of it, days ordered and let go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.cli.archive import app
from kuroshio.errors import InputError, KuroshioError, StoreError
from kuroshio.schema import OBSERVATIONS, TRACKS
from kuroshio.store import Archive

US = 1_000_000
T0 = 1_790_000_000 * US  # 2026-09-21T13:33:20Z
DAY_S = 86_400


def seen(number: int, at_s: int, mmsi: int) -> dict[str, Any]:
    return {
        "obs_id": number, "observed_at": np.datetime64(T0 + at_s * US, "us").item(), "source": "x", "sensor": "ais",
        "lat_deg": 20.0 + number * 0.01, "lon_deg": 121.0, "cov_ee_m2": 1.0, "cov_en_m2": 0.0, "cov_nn_m2": 1.0,
        "mmsi": mmsi,
    }  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three days of a report an hour of two ships, each day in two parts."""
    with Archive(tmp_path / "data" / "archive") as archive:
        rows = [seen(k, k * 3600, 431000001 + k % 2) for k in range(72)]
        for part in (rows[::2], rows[1::2]):
            archive.append(OBSERVATIONS.name, OBSERVATIONS.from_rows(part))
            archive.flush()
    return tmp_path / "data"


def run(*words: Any) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_it_says_what_is_held(data: Path) -> None:
    (table,) = run("show", data)["tables"]
    assert {k: table[k] for k in ("table", "rows", "days", "first_day", "last_day", "files")} == {
        "table": "observations", "rows": 72, "days": 4, "first_day": "2026-09-21", "last_day": "2026-09-24", "files": 8,
    }  # fmt: skip
    assert run("show", data / "archive")["tables"][0]["bytes"] == table["bytes"] > 0
    assert "observations" in CliRunner().invoke(app, ["show", str(data)]).output


def test_rows_come_out_by_time_place_and_ship_beside_a_node_that_writes(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    with Archive(data / "archive"):
        told = run("export", data, "-o", out, "--table", "observations")
        assert (told["rows"], told["days"]) == (72, 4)
        rows = pq.read_table(out)
        assert rows["obs_id"].to_pylist() == list(range(72))
        assert rows.schema.remove_metadata().equals(OBSERVATIONS.arrow.remove_metadata())
        asked = ["--since", "2026-09-22T00:00:00Z", "--until", "2026-09-23T12:00:00Z", "--mmsi", 431000002]
        run("export", data, "-o", out, "--table", "observations", *asked, "--box", "120,20,122,20.3")
    assert pq.read_table(out)["obs_id"].to_pylist() == [k for k in range(11, 31) if k % 2]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_days_are_ordered_and_let_go_with_a_record(data: Path) -> None:
    assert run("compact", data)["days"] == 4
    assert run("show", data)["tables"][0]["files"] == 4
    assert run("compact", data)["days"] == 0
    gone = run("expire", data, "--before", "2026-09-23T08:00:00Z", "--rule", "two days")["expired"]
    assert [row["day"] for row in gone] == ["2026-09-21", "2026-09-22"]
    shown = run("show", data)
    assert (shown["expired"], shown["tables"][0]["rows"]) == (gone, 72 - sum(row["rows"] for row in gone))


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        (["show", "nowhere"], InputError, "store.no_archive"),
        (["export", "DATA", "-o", "OUT", "--table", "no"], InputError, "store.table"),
        (["export", "DATA", "-o", "OUT", "--table", "tied_tracks"], InputError, "store.tied"),
        (["export", "DATA", "-o", "OUT", "--box", "1,2,3"], InputError, "store.box"),
        (["export", "DATA", "-o", "OUT", "--table", "observations", "--box", "1,2,3,nan"], InputError, "store.box"),
        (["export", "DATA", "-o", "OUT", "--since", "yesterday"], InputError, "input.time"),
        (["export", "DATA", "-o", "nowhere/OUT"], InputError, "output.unwritable"),
        (["expire", "DATA", "--before", "soon", "--rule", "x"], InputError, "input.time"),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str], error: type[KuroshioError], code: str, data: Path, tmp_path: Path
) -> None:
    named = {"DATA": data, "OUT": tmp_path / "out.parquet"}
    with pytest.raises(error) as raised:
        run(*(named.get(word, word) for word in words))
    assert raised.value.error_code == code
    assert not (tmp_path / "out.parquet").exists()


def test_a_node_that_writes_is_not_disturbed(data: Path) -> None:
    with Archive(data / "archive") as archive:
        archive.append(TRACKS.name, TRACKS.empty())
        for words in (["compact", data], ["expire", data, "--before", "2030-01-01T00:00:00Z", "--rule", "all"]):
            with pytest.raises(StoreError) as raised:
                run(*words)
            assert raised.value.error_code == "store.locked"
    assert run("show", data)["tables"][0]["rows"] == 72
