"""Observations from reports: place, error, identity, and what is left out and counted."""

from __future__ import annotations

import math

import pytest

from kuroshio.schema import OBSERVATIONS
from kuroshio.sensing import Decoded, ais, observe

T = {"c": 1_671_620_143}


def decoded(*messages: dict[str, object], tag_block: dict[str, object] | None = T) -> Decoded:
    lines = [line for k, m in enumerate(messages) for line in ais.encode(m, sequence=k, tag_block=tag_block)]
    return ais.decode(b"\n".join(lines), source="test")


def position(**more: object) -> dict[str, object]:
    return {"msg_type": 1, "mmsi": 1, "lat_deg": 20.0, "lon_deg": 121.0, "position_accurate": True, **more}


def test_the_error_follows_the_accuracy_flag_the_speed_and_the_type() -> None:
    rows = observe(
        decoded(
            position(),
            position(position_accurate=False),
            position(sog_mps=10.0, cog_deg=90.0),
            position(msg_type=27, sog_mps=0.0, cog_deg=0.0),
        )
    ).to_pylist()
    sigmas = [math.sqrt(row["cov_ee_m2"]) for row in rows]
    assert sigmas[0] == pytest.approx(7.5, abs=0.01)
    assert sigmas[1] == pytest.approx(30.0, abs=0.01)
    assert sigmas[2] == pytest.approx(math.hypot(7.5, 10.0), abs=0.2)
    assert 50 < sigmas[3] < 60  # a tenth of a minute
    assert [row["cov_ee_m2"] == row["cov_nn_m2"] and row["cov_en_m2"] == 0 for row in rows] == [True] * 4
    assert [row["vel_sigma_mps"] for row in rows] == [None, None, 0.3, 0.6]


def test_rows_without_place_or_time_are_dropped_and_counted() -> None:
    table = observe(decoded(position(), {"msg_type": 1, "mmsi": 2}))
    assert table.num_rows == 1
    assert table.schema.metadata[b"kuroshio.dropped"] == b"1"
    untimed = observe(decoded(position(), tag_block=None))
    assert untimed.num_rows == 0
    assert untimed.schema.metadata[b"kuroshio.dropped"] == b"1"


def test_base_stations_and_aids_are_not_vessels() -> None:
    fixed = [{**position(), "msg_type": kind} for kind in (4, 11, 21)]
    assert observe(decoded(*fixed)).num_rows == 0
    assert observe(decoded(*fixed)).schema.metadata[b"kuroshio.dropped"] == b"0"


def test_identity_comes_from_content_not_from_who_heard_it() -> None:
    here = observe(decoded(position(), tag_block={**T, "s": "A"}))["obs_id"].to_pylist()
    there = observe(decoded(position(), tag_block={**T, "s": "B"}))["obs_id"].to_pylist()
    other = observe(decoded(position(sog_mps=1.0)))["obs_id"].to_pylist()
    assert here == there != other
    assert 0 < here[0] < 1 << 63


def test_the_schema_is_that_of_observations_and_other_sensors_pass_through() -> None:
    table = observe(decoded(position(nav_status=7, heading_deg=12)), exercise=True)
    assert table.schema.equals(OBSERVATIONS.arrow)
    row = table.to_pylist()[0]
    assert (row["sensor"], row["mmsi"], row["nav_status"], row["heading_deg"], row["exercise"]) == (
        "ais",
        1,
        7,
        12.0,
        True,
    )
    again = observe(Decoded(tables={"observations": table, "positions": decoded(position()).table("positions")}))
    assert again.num_rows == 2
    assert observe(Decoded()).num_rows == 0
