"""Tables in Parquet and Arrow: typed columns, the same rows as CSV, clear words about what a file lacks."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.cli.main import app
from kuroshio.errors import ConfigError, InputError
from kuroshio.sensing import ais
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats import open_decoder, sniff
from kuroshio.sensing.tables import PositionTableDecoder
from kuroshio.sensing.tables_files import TableFileDecoder

AT = dt.datetime(2026, 5, 28, 20, 0, 0, 250_000, dt.UTC)
MAP = {"time": "t", "mmsi": "id", "lat_deg": "y", "lon_deg": "x", "sog": "v", "name": "n"}
COLUMNS = {
    "t": pa.array([AT] * 4, pa.timestamp("ms", "UTC")),
    "id": pa.array([431_000_001, 431_000_002, None, 431_000_004], pa.int64()),
    "y": pa.array([20.5, 99.0, 20.5, None], pa.float64()),
    "x": pa.array([121, 121, 121, 121], pa.int32()),
    "v": pa.array([10.0, 1.0, 1.0, float("nan")], pa.float32()),
    "n": pa.array(["ONE", "TWO", None, "FOUR"]).dictionary_encode(),
    "unused": pa.array([1, 2, 3, 4]),
}


def written(folder: Path, kind: str, columns: dict[str, Any] = COLUMNS) -> Path:
    table, path = pa.table(columns), folder / f"t.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        opener = pyarrow.ipc.new_file if kind == "arrow" else pyarrow.ipc.new_stream
        with opener(path, table.schema) as writer:
            writer.write_table(table)
    return path


def checked(parts: list[Decoded]) -> Decoded:
    whole = Decoded.join(parts)
    assert whole.ledger.lines == whole.ledger.accounted
    return whole


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
def test_typed_rows_become_positions_and_rejects(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, kind)
    assert sniff(path) == ("parquet" if kind == "parquet" else "arrow")
    out = checked(list(TableFileDecoder("s", columns=MAP).decode_file(path)))
    rows = out.table("positions").to_pylist()
    assert [(r["mmsi"], r["line"], r["lat_deg"]) for r in rows] == [(431_000_001, 1, 20.5), (431_000_004, 4, None)]
    assert rows[0]["observed_at"] == AT
    assert rows[0]["sog_mps"] == pytest.approx(10 * 1852 / 3600)
    assert rows[1]["sog_mps"] is None
    assert out.table("statics")["name"].to_pylist() == ["ONE", "FOUR"]
    assert out.ledger.rejected == {"out_of_range": 1, "bad_mmsi": 1}
    assert out.table("rejects")["line"].to_pylist() == [2, 3]


@pytest.mark.parametrize("step", [1, 100, 1 << 20])
def test_bytes_of_a_source_give_what_the_file_gives(step: int, tmp_path: Path) -> None:
    path = written(tmp_path, "parquet")
    data = path.read_bytes()
    decoder = open_decoder("parquet", "s", {"columns": MAP})
    fed = [decoder.feed(data[i : i + step], 5) for i in range(0, len(data), step)]
    assert {part.ledger.waiting for part in fed} == {1}
    got = checked([*fed, decoder.flush()])
    want = Decoded.join(TableFileDecoder("s", columns=MAP).decode_file(path))
    assert got.table("positions").drop(["received_at"]).equals(want.table("positions").drop(["received_at"]))
    assert got.table("positions")["received_at"].cast(pa.int64()).to_pylist() == [5, 5]


def test_text_columns_are_read_as_csv_reads_them(tmp_path: Path) -> None:
    texts = {"t": ["2026-05-28T20:00:00.25Z", "never"], "id": ["5", "6"], "y": ["1.5", "2"], "x": ["2", "3"],
             "v": ["7", "fast"], "n": ["A@", " "]}  # fmt: skip
    path = written(tmp_path, "parquet", {k: pa.array(v, pa.large_string()) for k, v in texts.items()})
    mine = Decoded.join(TableFileDecoder("s", columns=MAP).decode_file(path))
    lines = [",".join(texts), *(",".join(row) for row in zip(*texts.values(), strict=True))]
    decoder = PositionTableDecoder("s", columns=MAP)
    theirs = Decoded.join([decoder.feed("\n".join(lines).encode()), decoder.flush()])
    assert mine.table("positions").drop(["line"]).equals(theirs.table("positions").drop(["line"]))
    assert mine.table("statics").drop(["line"]).equals(theirs.table("statics").drop(["line"]))
    assert mine.ledger.rejected == {"bad_time": 1}


def test_our_own_positions_are_read_without_a_map(tmp_path: Path) -> None:
    sentence = ais.encode_position(mmsi=431_000_001, lat_deg=20.5, lon_deg=121.5, tag_block={"c": 1_600_000_000})
    (tmp_path / "a.nmea").write_bytes(sentence)
    first = CliRunner().invoke(app, ["decode", str(tmp_path / "a.nmea"), "-o", str(tmp_path / "o")])
    assert first.exit_code == 0, first.output
    out = Decoded.join(TableFileDecoder("again").decode_file(tmp_path / "o" / "positions.parquet"))
    row = out.table("positions").to_pylist()[0]
    assert (row["mmsi"], row["lat_deg"], row["msg_type"]) == (431_000_001, pytest.approx(20.5), 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"columns": MAP | {"sog": "Spd"}}, "sog ('Spd')"),
        ({"columns": MAP | {"time": "when"}}, "time ('when')"),
        ({}, "no known layout fits; it has t, id, y"),
    ],
)
def test_a_lacking_column_is_named_with_those_there_are(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = written(tmp_path, "parquet")
    with pytest.raises(InputError) as caught:
        list(TableFileDecoder("s", **settings).decode_file(path))
    assert words in caught.value.message
    assert "unused" in caught.value.message
    decoder = TableFileDecoder("s", **settings)
    out = checked([decoder.feed(path.read_bytes()), decoder.flush()])
    assert out.ledger.rejected == {"bad_header": 1}


@pytest.mark.parametrize("data", [b"PAR1", b"PAR1" + b"\0" * 400, b"ARROW1\0\0", b"x", b"\xff\xff\xff\xff\x01\0\0\0"])
def test_a_damaged_file_is_one_reject_or_one_error(data: bytes, tmp_path: Path) -> None:
    decoder = TableFileDecoder("s", columns=MAP)
    out = checked([decoder.feed(data), decoder.flush(), decoder.flush()])
    assert sum(out.ledger.rejected.values()) == 1
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(InputError):
        list(TableFileDecoder("s", columns=MAP).decode_file(tmp_path / "x.parquet"))


def test_a_file_too_large_for_a_source_is_a_reject(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kuroshio.sensing.tables_files.MAX_HELD_BYTES", 100)
    decoder = TableFileDecoder("s", columns=MAP)
    data = written(tmp_path, "parquet").read_bytes()
    out = checked([decoder.feed(data), decoder.feed(data), decoder.flush()])
    assert out.ledger.rejected == {"oversize": 1}


def test_settings_that_cannot_be_are_refused() -> None:
    for settings in ({"layout": "atlantis"}, {"columns": {"time": "t"}}, {"columns": MAP, "confidence": 1.0}):
        with pytest.raises(ConfigError):
            TableFileDecoder("s", **settings)  # type: ignore[arg-type]


# -- through the command


def decode(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["decode", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("form", ["toml", "json", "options"])
def test_a_declared_map_reaches_the_command(form: str, tmp_path: Path) -> None:
    csv = tmp_path / "vms.txt"
    csv.write_text("when;y;x;who\n28.05.2026 20:00;20.5;121.5;7\nbad;1;2;3\n")
    settings: dict[str, Any] = {
        "columns": {"time": "when", "lat_deg": "y", "lon_deg": "x", "local_id": "who"}, "sensor": "vms",
        "sigma_m": 250.0, "delimiter": ";", "time_format": "%d.%m.%Y %H:%M",
    }  # fmt: skip
    named = tmp_path / f"map.{form}"
    if form == "json":
        named.write_text(json.dumps(settings))
    else:
        flat = {k: v for k, v in settings.items() if k != "columns"}
        lines = [f"{k} = {json.dumps(v)}" for k, v in flat.items()]
        lines += [f"columns.{k} = {json.dumps(v)}" for k, v in settings["columns"].items()]
        named.write_text("\n".join(lines))
    if form == "options":
        given = [w for line in named.read_text().splitlines() for w in ("--option", line.replace(" = ", "=", 1))]
        given[1] = "columns.time=when" if given[1].startswith("columns.time") else given[1]
    else:
        given = ["--options", str(named)]
    told = decode(str(csv), "--input-format", "csv", *given, "-o", str(tmp_path / "o"))
    assert told["ledger"]["rejects"] == {"bad_time": 1}
    row = pq.read_table(tmp_path / "o" / "observations.parquet").to_pylist()[0]
    assert (row["sensor"], row["local_track"], row["cov_ee_m2"]) == ("vms", 7, 62_500.0)


def test_parquet_is_found_out_and_its_map_is_needed(tmp_path: Path) -> None:
    path = written(tmp_path, "parquet")
    given = [w for k, v in MAP.items() for w in ("--option", f"columns.{k}={v}")]
    assert decode(str(path), *given)["ledger"]["messages"] == 2
    result = CliRunner().invoke(app, ["decode", str(path)])
    assert result.exit_code != 0


@pytest.mark.parametrize("option", ["columns", "=1", "columns.=1", "sensor.deep=1", "colour=red"])
def test_an_option_that_is_none_is_refused(option: str, tmp_path: Path) -> None:
    path = written(tmp_path, "parquet")
    result = CliRunner().invoke(app, ["decode", str(path), "--option", "sensor='vms'", "--option", option])
    assert result.exit_code != 0
    missing = CliRunner().invoke(app, ["decode", str(path), "--options", str(tmp_path / "none.toml")])
    assert missing.exit_code != 0


def test_an_option_that_ais_logs_do_not_have_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.nmea").write_bytes(ais.encode_position(mmsi=1, lat_deg=0.0, lon_deg=0.0))
    result = CliRunner().invoke(app, ["decode", str(tmp_path / "a.nmea"), "--option", "colour=red"])
    assert result.exit_code != 0
    assert not isinstance(result.exception, TypeError)
