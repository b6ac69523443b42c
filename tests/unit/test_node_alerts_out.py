"""Alerts on their way to partners: a crash keeps nothing back, a delay holds them, each partner stands for itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from kuroshio.exchange import Ledger
from kuroshio.node import alerts_out
from kuroshio.node.alerts_out import AlertsOut
from kuroshio.node.core import Core
from kuroshio.schema import ALERTS
from kuroshio.store import Operations, url_of

T0 = 1_790_000_000_000_000


def rows(*names: str) -> pa.Table:
    count = len(names)
    at = np.full(count, T0).astype("datetime64[us]")
    return ALERTS.build(
        {
            "alert_id": list(names), "definition": ["dark"] * count, "version": ["1"] * count,
            "change": ["open"] * count,
            "grade": ["final"] * count, "severity": ["info"] * count, "track_ids": [[1]] * count, "start_at": at,
            "known_at": at,
        },
        rows=count,
    )  # fmt: skip


def due(out: AlertsOut) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, parties in out.due():
        for party in parties:
            found.setdefault(party, []).extend(table["alert_id"].to_pylist())
    return found


def test_what_was_written_and_not_told_goes_after_a_restart(tmp_path: Path) -> None:
    book, ledger = Operations(url_of(tmp_path / "operations.db"), now_us=T0), Ledger()
    book.append_alerts(rows("before the first partner"), recorded_us=T0)
    out = AlertsOut(["JPN", "USA"])
    out.resume(ledger.told(), book.alerts_after)
    ledger.keep_told(out.to_keep())
    assert due(out) == {}
    book.append_alerts(rows("a", "b"), recorded_us=T0)
    out.add(*book.alerts_after(out.read_to))
    assert due(out) == {"JPN": ["a", "b"], "USA": ["a", "b"]}
    assert len(out.due()) == 1  # decided on together
    out.keep_young({})
    ledger.keep_told(out.to_keep())
    assert out.to_keep() == {}
    book.append_alerts(rows("c"), recorded_us=T0)  # and here the node is killed
    for _ in range(2):  # once more, after it was taken up and not told
        out = AlertsOut(["JPN", "USA", "KOR"])
        out.resume(ledger.told(), book.alerts_after)
        assert due(out) == {"JPN": ["c"], "USA": ["c"]}  # a new partner is told nothing of the past
    assert out.read_to == 4


def test_a_delay_holds_an_alert_for_its_partner_alone(tmp_path: Path) -> None:
    book = Operations(url_of(tmp_path / "operations.db"), now_us=T0)
    out = AlertsOut(["JPN", "USA"])
    for name in ("a", "b"):
        book.append_alerts(rows(name), recorded_us=T0)
        out.add(*book.alerts_after(out.read_to))
        out.keep_young({"USA": {"a", "b"}})
    assert due(out) == {"USA": ["a", "b"]}
    assert out.to_keep() == {"JPN": 2, "USA": 0}
    out.keep_young({"USA": {"b"}})
    assert due(out) == {"USA": ["b"]}
    assert out.to_keep() == {"USA": 1}
    out.keep_young({})
    assert (due(out), out.to_keep()) == ({}, {"USA": 2})


def test_batches_kept_have_a_limit(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(alerts_out, "BATCHES_MAX", 2)
    out = AlertsOut(["USA"])
    for number, name in enumerate("abc", 1):
        out.add(rows(name), number)
        out.keep_young({"USA": {"a", "b", "c"}})
    assert due(out) == {"USA": ["b", "c"]}
    assert out.forgotten == 1


def test_a_journal_read_again_adds_no_change_that_is_in_the_book(tmp_path: Path) -> None:
    """Found by killing nodes: of an alert that had closed, its opening came again at each restart."""
    book = Operations(url_of(tmp_path / "operations.db"), now_us=T0)
    opened = rows("a")
    index = opened.schema.get_field_index("change")
    closed = opened.set_column(
        index, opened.schema.field(index), pa.array(["close"]).dictionary_encode().cast(opened.schema.field(index).type)
    )
    for change in (opened, closed):
        book.append_alerts(change, recorded_us=T0)
    core = object.__new__(Core)
    core._operations = book
    for again, told in (([opened, closed], []), ([opened, closed, rows("b")], ["b"])):
        core._again = again
        assert core._untold()["alert_id"].to_pylist() == told
