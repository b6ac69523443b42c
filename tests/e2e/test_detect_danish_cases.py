"""The cases of the Danish Maritime Authority from raw sentences to alerts, by the commands a user types."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.cli.main import app
from kuroshio.clock import parse_rfc3339

S = 1_000_000
DRIFT_AT = "2014-09-28T16:50:04.556Z"  # expected by the test of their drift analysis


def alerts_of(capture, folder, *words):
    """Alerts of `kuroshio decode` and `kuroshio detect`."""
    for command in (
        ["decode", str(capture), "-o", str(folder / "decoded")],
        ["detect", str(folder / "decoded" / "positions.parquet"), "-o", str(folder / "alerts"), "--json", *words],
    ):
        run = CliRunner().invoke(app, command)
        assert run.exit_code == 0, (run.output, run.exception)
    rows = pq.read_table(folder / "alerts" / "alerts.parquet").to_pylist()
    assert json.loads(run.stdout)["alerts"] == len(rows)
    return rows


def test_the_drift_is_found_at_its_time_with_every_definition_on(shared_data, tmp_path):
    rows = alerts_of(shared_data / "dma-aisabnormal" / "538004030_drift_1.ais", tmp_path)
    (drift,) = [a for a in rows if a["definition"] == "drift" and 538004030 in a["mmsis"]]
    theirs = parse_rfc3339(DRIFT_AT)  # when their analysis raised it
    evidence = json.loads(drift["evidence"])
    assert 0 <= theirs - parse_rfc3339(evidence["met_at"]) <= 180 * S
    assert drift["start_at"].timestamp() * S < theirs < drift["end_at"].timestamp() * S
    values = evidence["values"]
    assert values["angle_deg"] > 45
    assert values["path_m"] > 500
    assert values["duration_s"] > 600


@pytest.mark.parametrize("file", ["212123000_drift_1.ais", "219165000_ssc_1.ais"])
def test_the_control_and_the_sentinel_speed_raise_neither_drift_nor_stop(shared_data, tmp_path, file):
    """The control waits for hours, which is told as loitering; 102.3 knots of the other is "not available"."""
    mmsi = int(file.split("_")[0])
    rows = alerts_of(shared_data / "dma-aisabnormal" / file, tmp_path)
    assert {a["definition"] for a in rows if mmsi in a["mmsis"]} <= {"loitering"}
