"""Leak evidence: every value is a rounding of the truth, it is off unless agreed, and innocents are not named."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kuroshio import clock, record
from kuroshio.cli import keys as keys_cli
from kuroshio.cli import record as record_cli
from kuroshio.exchange import Outlet, rows_of, seal_tracks
from kuroshio.exchange.marking import LEAK_EVIDENCE, STEPS_DEG, marked
from kuroshio.links.tls import KeyFolder
from kuroshio.schema import TRACKS, Citation, Decision, Effect, Obligations
from kuroshio.schema.signing import Ed25519Signer
from kuroshio.testing.network.leaks import TREATMENTS, rates

T0_US = 1_790_000_000_000_000
RUN = CliRunner()


@given(st.floats(-80, 80), st.floats(-179, 179), st.floats(0.01, 1e4), st.sampled_from(["JPN", "USA"]))
def test_a_marked_value_is_a_rounding_below_its_uncertainty(lat: float, lon: float, sigma_m: float, to: str) -> None:
    at, one = np.array([T0_US]), np.array([sigma_m**2])
    lat2, lon2, east, north = marked(b"k" * 32, to, at, np.array([lat]), np.array([lon]), one, one)
    assert abs(lat2[0] - lat) * 111_700 <= max(0.5 * sigma_m, 0) + 1e-6
    assert abs(lon2[0] - lon) * 111_700 * np.cos(np.radians(lat)) <= 0.51 * sigma_m + 1e-6
    assert max(abs(lat2[0] - lat), abs(lon2[0] - lon)) <= STEPS_DEG[0] + 1e-12
    assert one[0] <= east[0] <= one[0] * (1 + 1 / 12 + 1e-9)
    assert one[0] <= north[0] <= one[0] * (1 + 1 / 12 + 1e-9)


def rows(count: int) -> object:
    rng = np.random.Generator(np.random.PCG64(1))
    return TRACKS.build(
        {
            "track_id": np.arange(count),
            "observed_at": (T0_US - np.arange(count) * 1_000_000).astype("datetime64[us]"),
            "lat_deg": rng.uniform(10, 20, count), "lon_deg": rng.uniform(115, 125, count),
            "status": ["confirmed"] * count, "cov_ee_m2": np.full(count, 225.0), "cov_en_m2": np.zeros(count),
            "cov_nn_m2": np.full(count, 225.0),
        }
    )  # fmt: skip


def sealed(to: str, marking: frozenset[str], keys: Ed25519Signer, secret: bytes, count: int = 60):  # type: ignore[no-untyped-def]
    verdict = Decision(Effect.OBLIGE, (Citation("SIM", "Art.4"),), Obligations(marking=marking), basis="SIM")
    release = seal_tracks(
        rows(count), verdict, releaser="PHL", to=to, now_us=T0_US, signer=keys, outlet=Outlet(to, secret)
    )
    assert release is not None
    return release


def test_it_is_off_unless_the_accord_asks_and_then_the_receiver_is_told() -> None:
    signer = Ed25519Signer("PHL", b"p" * 32)
    plain = {to: rows_of(sealed(to, frozenset(), signer, b"s" * 32)) for to in ("JPN", "USA")}
    assert plain["JPN"]["lat_deg"].equals(plain["USA"]["lat_deg"])
    traced = {to: sealed(to, frozenset({LEAK_EVIDENCE}), signer, b"s" * 32) for to in ("JPN", "USA")}
    assert traced["JPN"].fields["marking"] == [LEAK_EVIDENCE]
    lat = {to: rows_of(release)["lat_deg"].to_numpy() for to, release in traced.items()}
    assert 0.3 < np.mean(lat["JPN"] != lat["USA"]) < 0.7
    assert len(lat["JPN"]) == 60  # no row is added or left out


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_innocents_are_named_no_more_often_than_stated(treatment: str) -> None:
    found = rates(60, treatment, trials=100, at_most=0.02)
    assert found["innocent_named"] <= 0.06  # 0.02 stated; three sigma of 100 trials above it
    if treatment in ("as_given", "five_decimals"):
        assert found["named"] == 1.0


def test_a_leak_is_traced_by_a_command(tmp_path: Path) -> None:
    RUN.invoke(keys_cli.app, ["init", str(tmp_path / "keys"), "--party", "PHL"])
    keys = KeyFolder(tmp_path / "keys")
    log = record.open_log(tmp_path / "record", keys.signer, secret=keys.secret)
    releases = {to: sealed(to, frozenset({LEAK_EVIDENCE}), keys.signer, keys.secret) for to in ("JPN", "USA", "KOR")}  # type: ignore[arg-type]
    log.append([r.leaf() for r in releases.values()])
    log.publish()
    leaked = rows_of(releases["USA"])
    with (tmp_path / "leak.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["observed_at", "lat_deg", "lon_deg"])
        for at, lat, lon in zip(*(leaked[n].to_pylist() for n in ("observed_at", "lat_deg", "lon_deg")), strict=True):
            writer.writerow([clock.rfc3339(int(at.timestamp() * 1e6)), f"{lat:.5f}", f"{lon:.5f}"])
    asked = ["trace", str(tmp_path / "record"), str(tmp_path / "leak.csv"), "--json"]
    answer = json.loads(RUN.invoke(record_cli.app, asked, catch_exceptions=False).stdout)
    assert answer["named"] == ["USA"]
    assert answer["ranking"][0]["false_accusation"] < 1e-12
    assert answer["ranking"][1]["false_accusation"] > 1e-3
