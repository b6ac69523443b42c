"""Ships through a strait against its norm: learned, shown, and a closure seen as one."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio import behaviour
from kuroshio.cli.main import app
from kuroshio.errors import InputError

S, H = 1_000_000, 3_600_000_000
DAY = 24 * H
D0 = 19_700
ALL = behaviour.load_definitions()
LINE = {"type": "LineString", "coordinates": [[121.0, 20.0], [121.0, 20.2]]}
GATE = {"type": "Feature", "properties": {"name": "Strait", "kind": "gate", "buffer_m": 3000}, "geometry": LINE}


def traffic(per_day, *, silent=(), off=(), begin_h=0, end_h=24):
    """Ships that pass the strait from west to east, numbers a day given, and one far off that is always heard.

    On days of ``silent`` that one is not; on days of ``off`` nothing is heard but from ``begin_h`` to ``end_h``.
    """
    who, t, lon, kind = [], [], [], []
    for day, ships in enumerate(per_day):
        for k in range(ships):
            for step in range(13):
                who.append(412_000_001 + k)
                t.append((D0 + day) * DAY + (k % 20) * H // 2 + step * H // 12)
                lon.append(120.85 + 0.025 * step)
                kind.append(70 if k % 2 else 80)
        if day not in silent:
            for hour in range(24):
                who.append(431_000_001)
                t.append((D0 + day) * DAY + hour * H)
                lon.append(125.0)
                kind.append(30)
    table = {"mmsi": who, "observed_at": pa.array(t, pa.timestamp("us", tz="UTC")), "lon_deg": lon, "ship_type": kind}
    heard = [(x // DAY - D0 not in off) or begin_h * H <= x % DAY < end_h * H for x in t]
    return pa.table({**table, "lat_deg": np.full(len(who), 20.1)}).filter(pa.array(heard))


def run(*words):
    result = CliRunner().invoke(app, ["norms", "gates", *map(str, words), "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def test_a_norm_is_learned_by_type_and_a_closed_day_stands_out(tmp_path):
    (tmp_path / "gate.geojson").write_text(json.dumps(GATE))
    pq.write_table(traffic([20, 22, 18, 20]), tmp_path / "usual.parquet")
    pq.write_table(traffic([20, 0]), tmp_path / "now.parquet")
    gate = ["--zones", tmp_path / "gate.geojson"]
    learned = run(tmp_path / "usual.parquet", *gate, "--learn", tmp_path / "norms")
    norm = {r["kind"]: r["norm_ships"] for r in learned["norms"]}
    assert (norm["all"], norm["cargo"], norm["tanker"], norm["fishing"]) == (20.0, 10.0, 10.0, 0.0)
    held = run(tmp_path / "now.parquet", *gate, "--norms", tmp_path / "norms")
    rows = {(r["day"], r["kind"]): r for r in held["counts"]}
    first, second = sorted({r["day"] for r in held["counts"]})
    assert rows[first, "all"]["ships"] == 20
    assert rows[first, "all"]["p"] > 0.4
    assert (rows[second, "all"]["ships"], rows[second, "all"]["change"]) == (0, -1.0)
    assert rows[second, "all"]["p"] < 1e-8
    text = CliRunner().invoke(app, ["norms", "gates", str(tmp_path / "now.parquet"), *map(str, gate)])
    assert "Strait" in text.output


def test_a_day_without_a_report_is_no_day_without_ships():
    zones = behaviour.load_zones(GATE)
    counts = behaviour.gate_counts(traffic([5, 0, 0, 5], silent=(1,)), zones)
    every = [r["ships"] for r in counts.to_pylist() if r["kind"] == "all"]
    assert every == [5, 0, 5]
    with pytest.raises(InputError, match="gate"):
        behaviour.gate_counts(traffic([5]), None)


@pytest.mark.parametrize(("silent", "expected"), [((), 1), ((10,), 0)])
def test_a_closure_of_the_only_gate_is_told_where_anything_was_heard_that_day(silent, expected):
    table = traffic([20] * 10 + [0, 20], silent=silent)
    found = behaviour.detect(table, ALL.only("gate_norm"), zones=behaviour.load_zones(GATE), now_us=(D0 + 13) * DAY)
    assert found.num_rows == expected
    for alert in found.to_pylist():
        values = json.loads(alert["evidence"])["values"]
        assert (values["ships"], values["norm_ships"]) == (0, 20.0)


@pytest.mark.parametrize(("begin_h", "end_h", "whole"), [(0, 24, True), (3, 24, True), (4, 24, False), (0, 2, False)])
def test_a_day_of_which_a_part_was_heard_is_in_no_norm_and_held_against_none(begin_h, end_h, whole):
    """The ships pass from midnight to 10:30, the receiver is heard for a part of the first day and of the last."""
    zones = behaviour.load_zones(GATE)
    table = traffic([20] * 8 + [0, 20], off=(0, 9), begin_h=begin_h, end_h=end_h)
    found = behaviour.detect(table, ALL.only("gate_norm"), zones=zones, now_us=(D0 + 13) * DAY).to_pylist()
    assert [a["start_at"].timestamp() * S // DAY - D0 for a in found] == [8]  # the closure alone
    (norm,) = {json.loads(a["evidence"])["values"]["norm_ships"] for a in found}
    counts = [r for r in behaviour.gate_counts(table, zones).to_pylist() if r["kind"] == "all"]
    assert [r["whole"] for r in counts] == [whole, *[True] * 8, whole]
    before = [r["ships"] for r in counts[:8] if r["whole"]]
    assert norm == sum(before) / len(before)
    usual = behaviour.gates.learn(behaviour.gate_counts(table, zones))
    told = [r for r in behaviour.gates.compare(behaviour.gate_counts(table, zones), usual) if r["kind"] == "all"]
    assert [r["p"] is None for r in told] == [not r["whole"] for r in told]
