"""Flags and classes in a score, on tables small enough to work out by hand; and the map of a score."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.schema import FLAG_CONFLICT, FLAG_DARK
from kuroshio.testing import metrics, scoremap

HOUR = np.arange(0, 3600, 60)
DEG_M = 1.0 / 111_000.0


def _when(t_s: np.ndarray) -> pa.Array:
    return pa.array((np.asarray(t_s) * 1_000_000).astype(np.int64), pa.timestamp("us", tz="UTC"))


def _ships(rows: list[dict]) -> pa.Table:
    """Truth of ships that stand still for an hour, one dictionary a ship."""
    n = len(HOUR)
    columns: dict = {"ship_id": np.repeat(np.arange(len(rows)), n), "observed_at": _when(np.tile(HOUR, len(rows)))}
    columns["lat_deg"] = np.repeat([r["lat"] for r in rows], n)
    columns["lon_deg"] = np.zeros(n * len(rows))
    for name in ("mmsi", "dark", "held_by", "motion", "spoof"):
        columns[name] = pa.array([r.get(name) for r in rows for _ in range(n)])
    columns["spoof_m"] = np.concatenate(
        [np.where(r.get("from_s", 0) <= HOUR, r.get("spoof_m", 0.0), 0.0) for r in rows]
    )
    spoofing = columns["spoof_m"] > 0
    columns["spoof"] = pa.array(np.where(spoofing, columns["spoof"].to_numpy(zero_copy_only=False), "none"))
    return pa.table(columns)


def _track(number: int, lat: float, mmsi: int | None, flags: np.ndarray, var_m2: float = 100.0) -> pa.Table:
    n, zero = len(HOUR), np.zeros(len(HOUR))
    return pa.table(
        {
            "track_id": np.full(n, number), "observed_at": _when(HOUR), "lat_deg": np.full(n, lat), "lon_deg": zero,
            "ve_mps": zero, "vn_mps": zero, "cov_ee_m2": np.full(n, var_m2), "cov_en_m2": zero,
            "cov_nn_m2": np.full(n, var_m2), "mmsi": pa.array([mmsi] * n, pa.int64()), "flags": flags,
            "status": pa.array(["confirmed"] * n),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def pairs() -> metrics.Matching:
    truth = _ships(
        [
            {"lat": 0.0, "mmsi": None, "dark": True, "held_by": "radar", "motion": "steady"},
            {"lat": 0.1, "mmsi": None, "dark": True, "held_by": "radar", "motion": "steady"},
            {"lat": 0.2, "mmsi": 22, "dark": False, "held_by": "both", "motion": "moored"},
            {
                "lat": 0.3,
                "mmsi": 33,
                "dark": False,
                "held_by": "both",
                "spoof": "jump",
                "spoof_m": 900.0,
                "from_s": 600,
            },
            {"lat": 0.4, "mmsi": 44, "dark": False, "held_by": "ais", "spoof": "drag", "spoof_m": 50.0, "from_s": 600},
        ]
    )
    none = np.zeros(len(HOUR), np.int64)
    late = np.where(HOUR >= 900, FLAG_CONFLICT, 0)
    tracks = pa.concat_tables(
        [
            _track(1, 0.0, None, np.where(HOUR >= 60, FLAG_DARK, 0)),
            _track(2, 0.1, None, none),
            _track(3, 0.2 + 20 * DEG_M, 22, np.where(HOUR >= 1800, FLAG_CONFLICT | FLAG_DARK, 0)),
            _track(4, 0.3, 33, late),
            _track(5, 0.4, 44, none),
            _track(6, 0.9, 66, none),
        ]
    )
    return metrics.match(tracks, truth)


def test_dark_flags_are_counted_for_and_against(pairs: metrics.Matching) -> None:
    dark = metrics.figures(pairs).dark
    assert dark is not None
    assert dark["recall"] == pytest.approx(0.5)  # one of two, once 480 s have passed
    assert (dark["ships"], dark["ships_flagged"]) == (2, 1)
    assert dark["false_instants"] == 30
    assert dark["precision"] == pytest.approx(59 / 89)


def test_spoof_flags_have_recall_delay_and_false_alarms(pairs: metrics.Matching) -> None:
    spoof = metrics.figures(pairs).spoof
    assert spoof is not None
    jump, drag = spoof["kinds"]["jump"], spoof["kinds"]["drag"]
    assert jump["recall"] == 1.0
    assert jump["delay_s_median"] == 300.0
    assert jump["recall_over_300_m"] == 1.0
    assert jump["recall_over_2000_m"] is None
    assert drag["recall"] == 0.0
    assert spoof["precision"] == 0.5
    assert spoof["false_flags"] == 1
    assert spoof["false_flags_per_vessel_h"] == pytest.approx(1 / (59 / 60))


def test_classes_have_their_own_error_and_anees(pairs: metrics.Matching) -> None:
    score = metrics.figures(pairs)
    moored = score.classes["motion=moored"]
    assert moored["completeness"] == 1.0
    assert moored["position_error_m"] == pytest.approx(20.0, rel=0.01)
    assert moored["anees"] == pytest.approx(2.0, rel=0.02)
    assert moored["ellipse"] == {0.5: 0.0, 0.9: 1.0, 0.95: 1.0, 0.99: 1.0}
    assert score.classes["held_by=radar"]["anees"] == 0.0
    assert score.spuriousness == pytest.approx(1 / 6)


def test_the_map_is_svg_that_shows_what_is_false_and_stays_small(pairs: metrics.Matching) -> None:
    score = metrics.figures(pairs)
    text = scoremap.draw(pairs, score, "test")
    paths = ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}path")
    drawn = {p.get("stroke"): p.get("d") for p in paths}
    assert drawn[scoremap.COLOURS["false"]].count("M") == 2 * len(HOUR)
    assert drawn[scoremap.COLOURS["missed"]] == ""
    assert len(text) < 50_000


def test_a_track_that_ended_is_not_shown_and_blocks_do_not_change_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = _ships([{"lat": 0.0, "mmsi": 1}, {"lat": 0.1, "mmsi": 2}])
    tracks = pa.concat_tables([_track(1, 0.0, 1, np.zeros(60, np.int64)), _track(2, 0.1, 2, np.zeros(60, np.int64))])
    whole = metrics.score(tracks, truth).as_dict()
    monkeypatch.setattr(metrics, "BLOCK_STATES", 7)
    assert metrics.score(tracks, truth).as_dict() == whole
    status = ["confirmed"] * 30 + ["ended"] + ["confirmed"] * 89
    cut = tracks.set_column(tracks.column_names.index("status"), "status", pa.array(status)).slice(0, 31)
    assert metrics.score(cut, truth).completeness == pytest.approx(30 / 120)
