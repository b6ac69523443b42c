"""Changes of alerts reach the book once each: all of them at work, and after a crash only what it does not say yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kuroshio.node import assemble
from kuroshio.node import config as node_config
from kuroshio.node.retold import untold
from kuroshio.sensing.ais import encode, unarmour, unpack

T0 = 1_790_000_000_000_000
MIN = 60_000_000
TYPE_1 = b"133sVfPP00PD>hRMDH@jNOvN20S8"


def node_of(folder: Path) -> Any:
    document = {
        "node": {"party": "PHL", "name": "n", "data": "data"},
        "sources": [{"name": "ais", "format": "aivdm", "link": "push", "sensor": {"kind": "ais"}}],
    }
    parts = assemble.build(node_config.from_dict(document, base=folder))
    parts.core.recover()
    return parts


def line() -> bytes:
    """A beacon for persons overboard."""
    base = unpack(*unarmour(TYPE_1, 0))
    assert base is not None
    return b"\r\n".join(encode({**base, "mmsi": 972_000_001, "utc_second": 0})) + b"\r\n"


def run(parts: Any, minutes: range) -> None:
    """Cycles at those minutes; for 40 of them the beacon sends."""
    for at in minutes:
        entries = [("ais", T0 + at * MIN, line())] if at < 40 else []
        parts.core.cycle(entries, now_us=T0 + at * MIN + 1_000_000)


def said(parts: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parts.operations.alerts_after(0)[0].to_pylist()
    return [r for r in rows if r["definition"] == "distress"]


WORDS = [("open", "provisional"), ("revise", "confirmed"), *[("extend", "confirmed")] * 3, ("close", "confirmed")]


def crash(parts: Any) -> None:
    """Let go of everything without a checkpoint."""
    for book in (parts.journal, parts.archive, parts.operations):
        book.close()


def test_every_change_of_a_running_node_is_told(tmp_path: Path) -> None:
    """Of three extensions one was told: they had one key, as had revisions of the grade alone."""
    parts = node_of(tmp_path)
    run(parts, range(0, 80, 2))
    run(parts, range(80, 2000, 60))
    assert [(r["change"], r["grade"]) for r in said(parts)] == [*WORDS, ("revise", "final")]
    parts.core.close()


@pytest.mark.parametrize("at", [2, 8, 20, 41, 75])
def test_a_journal_read_again_tells_what_the_book_does_not_say(tmp_path: Path, at: int) -> None:
    (tmp_path / "one").mkdir(), (tmp_path / "two").mkdir()
    whole, parts = node_of(tmp_path / "one"), node_of(tmp_path / "two")
    run(whole, range(0, 80, 2))
    run(parts, range(0, at, 2))
    before = said(parts)
    crash(parts)
    parts = node_of(tmp_path / "two")
    run(parts, range(at + at % 2, at + at % 2 + 2, 2))
    mine = said(parts)
    assert mine[: len(before)] == before
    assert len({(r["change"], r["evidence"], r["grade"], r["end_at"]) for r in mine}) == len(mine)  # none told twice
    run(parts, range(at + at % 2 + 2, 80, 2))
    drop = ("known_at", "change")
    first, second = ([{k: v for k, v in r.items() if k not in drop} for r in said(p)[-1:]] for p in (whole, parts))
    assert first == second
    assert sum(r["change"] == "open" for r in said(parts)) == 1
    assert [r["change"] for r in said(parts)][-1] == "close"
    whole.core.close(), parts.core.close()


def row(change: str, end: int | None = None, grade: str = "provisional", name: str = "a") -> dict[str, Any]:
    return {"alert_id": name, "change": change, "end_at": end, "grade": grade, "known_at": 1}


@pytest.mark.parametrize(
    ("made", "last", "told"),
    [
        ([row("open"), row("close", 3)], row("close", 3), []),
        ([row("open"), row("close", 3, "confirmed")], row("close", 3), [("revise", "confirmed")]),
        ([row("open"), row("extend")], None, [("open", "provisional"), ("extend", "provisional")]),
        ([row("open"), row("void")], None, []),
        ([row("open"), row("void")], row("open"), [("void", "provisional")]),
        ([row("open"), row("void"), row("open")], row("void"), [("open", "provisional")]),
        ([row("extend", None, "confirmed")], row("open"), [("revise", "confirmed")]),
        ([row("close", 5)], row("open"), [("close", "provisional")]),
        ([row("close", 5)], None, [("open", "provisional"), ("close", "provisional")]),
    ],
)
def test_the_book_is_brought_to_what_the_ledger_says_in_the_end(made: Any, last: Any, told: Any) -> None:
    found = untold(made, {} if last is None else {"a": last})
    assert [(r["change"], r["grade"]) for r in found] == told
