"""The queue of alerts: own and partners' in one order, bounded, as known at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import clock
from kuroshio.node import judged
from kuroshio.schema import ALERTS
from kuroshio.store import Operations

T0 = 1_790_000_000_000_000
S = 1_000_000


def _rows(seconds: range, change: str = "open", later_s: int = 0) -> pa.Table:
    n = len(seconds)
    at = (T0 + np.array(seconds) * S).astype("datetime64[us]")
    return ALERTS.build(
        {
            "alert_id": [f"a{k}" for k in seconds], "definition": ["dark"] * n, "version": ["1"] * n,
            "change": [change] * n, "grade": ["final"] * n, "severity": ["info"] * n,
            "track_ids": [[k] for k in seconds], "start_at": at, "known_at": at + np.timedelta64(later_s, "s"),
            "lat_deg": np.full(n, 14.2), "lon_deg": np.full(n, 120.1),
            "summary": ["no report"] * n, "evidence": ["{}"] * n,
        },
        rows=n,
    )  # fmt: skip


def _theirs(second: float, state: str = "open") -> dict[str, Any]:
    return {"alert_id": f"JPN:{second}", "known_at": clock.rfc3339(round(T0 + second * S)), "state": state}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Operations]:
    with Operations(f"sqlite:///{tmp_path / 'operations.db'}") as operations:
        operations.append_alerts(_rows(range(0, 20, 2)), recorded_us=T0)
        operations.append_alerts(_rows(range(4, 8, 2), "close", later_s=20), recorded_us=T0)
        yield operations


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["alert_id"] for row in rows]


def test_a_partners_alert_stands_where_its_time_says_and_is_not_lost_behind_own_ones(book: Operations) -> None:
    received = [_theirs(17.5), _theirs(3)]
    assert _ids(judged.queue(book, received, limit=5)) == ["a6", "a4", "a18", "JPN:17.5", "a16"]
    whole = judged.queue(book, received)
    assert _ids(whole)[-4:] == ["a8", "JPN:3", "a2", "a0"]
    assert len(whole) == 12
    assert _ids(judged.queue(book, limit=2)) != _ids(judged.queue(book, [_theirs(99)], limit=2))


def test_closed_alerts_and_those_not_yet_known_are_left_out(book: Operations) -> None:
    received = [_theirs(9, "closed"), _theirs(5), _theirs(50)]
    still = _ids(judged.queue(book, received, open_only=True))
    assert "JPN:9" not in still
    assert "JPN:5" in still
    assert not {"a4", "a6"} & set(still)
    early = _ids(judged.queue(book, received, known_at_us=T0 + 9 * S))
    assert early[:3] == ["JPN:9", "a8", "a6"]
    assert "JPN:50" not in early


def test_alerts_about_a_track(book: Operations) -> None:
    assert judged.about(book, 4) == ["a4"]
    assert judged.about(book, 5) == []
