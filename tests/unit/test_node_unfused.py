"""What own sensors say of fused tracks is kept beside the picture, and nothing fused is told without it."""

from __future__ import annotations

import numpy as np

from kuroshio.node.unfused import Unfused, is_fused
from kuroshio.schema import TRACKS

T0 = 1_790_000_000_000_000


def row(track_id, at=0, partner=None, lat=20.0, status="confirmed", first=True):  # type: ignore[no-untyped-def]
    when = np.datetime64(T0 + at, "us").item()
    return {
        "track_id": track_id, "observed_at": when, "lat_deg": lat, "lon_deg": 121.0, "status": status,
        "partner": partner, "partner_track": partner and "ref", "first_at": when if first else None,
    }  # fmt: skip


def table(*rows):  # type: ignore[no-untyped-def]
    return TRACKS.from_rows(list(rows))


def test_fused_rows_are_told_apart_from_own_and_from_partners() -> None:
    rows = table(row(1), row(2, partner="JPN"), row(10**9, partner="JPN", first=False))
    assert is_fused(rows).tolist() == [False, True, False]


def test_the_own_row_stands_in_for_the_fused_one_until_nothing_is_added_any_more() -> None:
    kept = Unfused()
    fused, own = table(row(1, partner="JPN", lat=21.0), row(2)), table(row(1), row(2))
    kept.take(fused, own)
    assert {r["track_id"]: r["lat_deg"] for r in kept.of(fused).to_pylist()} == {1: 20.0, 2: 20.0}
    kept.take(table(row(1, 1, partner="JPN", lat=21.0), row(1, 2)), table(row(1, 1), row(1, 2)))
    assert kept.rows.num_rows == 0
    kept.take(fused, own)
    kept.take(table(row(1, 3, partner="JPN", status="ended")), table(row(1, 3, status="ended")))
    assert kept.rows.num_rows == 0


def test_a_fused_row_without_its_own_row_is_told_to_nobody() -> None:
    picture = table(row(1, partner="JPN"), row(2), row(10**9, partner="JPN", first=False))
    assert sorted(Unfused().of(picture)["track_id"].to_pylist()) == [2, 10**9]
