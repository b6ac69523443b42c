"""`kuroshio decode` and `kuroshio schema`: files of every kind in, tables of every format out, one JSON summary."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.cli import table_files
from kuroshio.cli.main import app
from kuroshio.errors import StoreError
from kuroshio.schema import POSITIONS, TABLES
from kuroshio.sensing import ais
from kuroshio.sensing.base import Decoded

TAG = {"c": 1_671_620_143, "s": "x"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = [
        *ais.encode({"msg_type": 1, "mmsi": 1, "lat_deg": 20.0, "lon_deg": 121.0}, tag_block=TAG),
        *ais.encode({"msg_type": 5, "mmsi": 1, "name": "ONE"}, sequence=1),
        *ais.encode({"msg_type": 8, "mmsi": 1, "dac": 1, "fi": 40, "data": b"\x09\x38"}),
        b"garbage",
        b"# comment",
    ]
    path = tmp_path / "one.nmea"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def run(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["decode", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_parquet_files_by_family_and_an_exact_summary(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = run(str(log), "-o", str(out))
    assert told["ledger"] == {
        "lines": 6, "messages": 3, "parts": 1, "comments": 1, "waiting": 0, "rejects": {"not_nmea": 1},
    }  # fmt: skip
    assert told["rows"] == {"binary": 1, "positions": 1, "rejects": 1, "statics": 1}
    assert {p.name for p in out.iterdir()} == {f"{name}.parquet" for name in told["rows"]}
    table = pq.read_table(out / "positions.parquet")
    assert table.schema.names == list(POSITIONS.names)
    assert table["lat_deg"].to_pylist() == [20.0]
    assert json.loads(pq.read_table(out / "binary.parquet")["content"].to_pylist()[0]) == {"persons": 295}


def test_repeats_over_files_go_to_their_own_table_and_the_ledger_stays(log: Path, tmp_path: Path) -> None:
    later = ais.encode({"msg_type": 1, "mmsi": 1, "lat_deg": 20.0, "lon_deg": 121.0}, tag_block=TAG | {"s": "y"})
    other = tmp_path / "two.nmea"
    other.write_bytes(later[0] + b"\n")
    out = tmp_path / "out"
    plain, told = run(str(log), str(other)), run(str(log), str(other), "-o", str(out), "--deduplicate", "10")
    assert (plain["rows"]["positions"], told["rows"]["positions"], told["rows"]["receptions"]) == (2, 1, 1)
    assert plain["ledger"] == told["ledger"]
    (row,) = pq.read_table(out / "receptions.parquet").to_pylist()
    assert (row["table"], row["source"], row["station"]) == ("positions", "two.nmea", "y")
    assert (row["first_source"], row["first_line"]) == ("one.nmea", 1)


def test_compressed_files_globs_and_folders_are_read(log: Path, tmp_path: Path) -> None:
    data = log.read_bytes()
    (tmp_path / "two.nmea.gz").write_bytes(gzip.compress(data))
    with pa.output_stream(str(tmp_path / "three.nmea.zst"), compression="zstd") as stream:
        stream.write(data)
    told = run(str(tmp_path / "*.nmea*"))
    assert [row["ledger"]["messages"] for row in told["files"]] == [3, 3, 3]
    assert told["ledger"]["lines"] == 18
    assert run(str(tmp_path))["ledger"] == told["ledger"]


@pytest.mark.parametrize("form", ["arrow", "csv", "ndjson"])
def test_other_formats_hold_the_same_rows(form: str, log: Path, tmp_path: Path) -> None:
    out = tmp_path / form
    run(str(log), "-o", str(out), "--format", form)
    path = out / f"positions.{form}"
    if form == "arrow":
        rows = pa.ipc.open_file(path).read_all().to_pylist()
    elif form == "csv":
        rows = pa.csv.read_csv(path).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert rows[0]["observed_at"] == "2022-12-21T10:55:43Z"
    assert (rows[0]["mmsi"], rows[0]["lat_deg"], rows[0]["station"]) == (1, 20.0, "x")


def test_standard_input_is_read(log: Path) -> None:
    result = CliRunner().invoke(app, ["decode", "-", "--json"], input=log.read_bytes())
    assert json.loads(result.stdout.splitlines()[-1])["ledger"]["messages"] == 3


def test_the_table_for_people_names_the_rejects(log: Path) -> None:
    result = CliRunner().invoke(app, ["decode", str(log)])
    assert result.exit_code == 0
    assert "not_nmea" in result.stdout


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["decode", str(tmp_path / "none.nmea")])
    assert result.exit_code != 0
    assert "no such file" in str(result.exception)


def test_broken_compression_is_a_clear_error_after_what_was_whole(tmp_path: Path, log: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(log.read_bytes() * 100)[:-20])
    result = CliRunner().invoke(app, ["decode", str(path)])
    assert "cut.gz" in str(result.exception)


def test_the_schema_of_every_table_is_printed() -> None:
    result = CliRunner().invoke(app, ["schema", "--json"])
    told = json.loads(result.stdout)
    assert {t["table"] for t in told["tables"]} == set(TABLES)
    one = json.loads(CliRunner().invoke(app, ["schema", "positions", "--json"]).stdout)
    assert [c["name"] for c in one["columns"]] == list(POSITIONS.names)
    assert "lon_raw" in CliRunner().invoke(app, ["schema", "positions"]).stdout
    assert "positions" in CliRunner().invoke(app, ["schema"]).stdout
    assert CliRunner().invoke(app, ["schema", "nothing"]).exit_code != 0


def test_files_decoded_at_once_give_the_bytes_of_one_after_another(log: Path, tmp_path: Path) -> None:
    for k in range(5):
        (tmp_path / f"{k}.nmea").write_bytes(log.read_bytes() * (k + 1))
    told = [run(str(tmp_path / "?.nmea"), "-o", str(tmp_path / jobs), "--jobs", jobs) for jobs in ("1", "4")]
    assert told[0]["ledger"] == told[1]["ledger"]
    assert [row["path"] for row in told[0]["files"]] == [row["path"] for row in told[1]["files"]]
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "4" / path.name).read_bytes()


def test_lines_of_json_hold_what_the_table_holds(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ['a "quoted" \\ word', "bell \x07 and\nline", None, "", "ø"],
            "at": pa.array([0, 1, 1_500_000, None, -1], pa.timestamp("us", tz="UTC")),
            "real": [20.0, 1e-7, None, 1e20, -0.5],
            "flag": [True, None, False, True, False],
        }
    )
    rows = [json.loads(line) for line in table_files.json_lines(table).decode().splitlines()]
    assert [row["text"] for row in rows] == table["text"].to_pylist()
    assert [row["real"] for row in rows] == table["real"].to_pylist()
    assert [row["flag"] for row in rows] == table["flag"].to_pylist()
    told = ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:01.500000Z", None]
    assert [row["at"] for row in rows] == [*told, "1969-12-31T23:59:59.999999Z"]


def test_a_writer_that_fails_is_told_and_does_not_block(log: Path, tmp_path: Path) -> None:
    sink = table_files.Sink(tmp_path / "out", table_files.Format.csv)
    decoded = ais.decode(log.read_bytes())
    sink.write(decoded)

    def full(_: pa.Table) -> None:
        raise OSError(28, "No space left on device")

    sink.files["positions"].append, sink.files["positions"].group_rows = full, 1
    with pytest.raises(StoreError, match=r"positions\.csv: No space left"):
        for _ in range(1000):
            sink.write(decoded)
    with pytest.raises(StoreError):
        sink.close()


def test_parquet_rows_are_grouped_whatever_the_blocks(tmp_path: Path) -> None:
    sink = table_files.Sink(tmp_path, table_files.Format.parquet)
    positions = ais.decode(b"\n".join(ais.encode({"msg_type": 1, "mmsi": 1}) * 5000)).tables["positions"]
    for _ in range(60):
        sink.write(Decoded({"positions": positions}))
    sink.close()
    found = pq.ParquetFile(tmp_path / "positions.parquet").metadata
    assert found.num_rows == 300_000
    assert [found.row_group(k).num_rows for k in range(found.num_row_groups)] == [135_000, 135_000, 30_000]
