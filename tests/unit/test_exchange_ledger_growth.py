"""What a ledger is asked in every turn costs the same after months as on the first day."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kuroshio.exchange import Ledger
from kuroshio.exchange.ledger_file import SCHEMA
from kuroshio.schema.release import RECEIVED, REFUSED, WITHDRAWN

HOUR_US = 3_600_000_000
TURN = {
    "withdrawn": lambda ledger: ledger.withdrawn(before_us=HOUR_US),
    "unconfirmed": lambda ledger: ledger.unconfirmed("JPN"),
    "releases": lambda ledger: ledger.releases(limit=3),
    "last release": lambda ledger: ledger.last_release_us("JPN"),
    "unanswered": lambda ledger: ledger.unanswered(50),
    "refusals": lambda ledger: ledger.refusals(50),
    "expire": lambda ledger: ledger.expire(HOUR_US),
    "mark answered": lambda ledger: ledger.mark_answered([("h0", RECEIVED), ("r0", REFUSED)]),
}


def _kept(count: int, path: str = ":memory:") -> Ledger:
    """A ledger with so many releases of the past, all received, answered or expired, and two of each kind at work."""
    ledger = Ledger(path)
    db = ledger._db
    old = [(f"s{k:06}", "JPN" if k % 2 else "USA", k, "received", None) for k in range(count)]
    new = [(f"t{k}", "JPN", count + k, "withdrawn", k) for k in range(2)]
    db.executemany(
        "INSERT INTO sent(release_id,to_party,kind,at_us,rows,cited,obligations,refs,state,withdrawn_us)"
        " VALUES (?,?,'tracks',?,0,'','{}','[]',?,?)",
        old + new,
    )
    past = [(f"p{k:06}", k, 5, "expired", "held") for k in range(count)]
    now = [(f"h{k}", count + k, 2 * HOUR_US, "held", "") for k in range(2)]
    db.executemany("INSERT INTO held VALUES (?,'JPN','tracks',?,0,'[]','{}',?,'[]',NULL,?,NULL,?)", past + now)
    refused = [("JPN", f"q{k:06}", "x", k, 1) for k in range(count)] + [("JPN", f"r{k}", "x", k, 0) for k in range(2)]
    db.executemany("INSERT INTO refused VALUES (?,?,?,?,?)", refused)
    return ledger


def _steps(ledger: Ledger, what: str) -> int:
    """Instructions SQLite executes to answer."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    ledger._db.set_progress_handler(step, 1)
    try:
        TURN[what](ledger)
    finally:
        ledger._db.set_progress_handler(None, 0)
    return count


@pytest.mark.parametrize("what", TURN)
def test_a_turn_does_not_cost_more_with_the_releases_of_the_past(what: str) -> None:
    few, many = _steps(_kept(20), what), _steps(_kept(2_000), what)
    assert 0 < many <= few + 40, f"{few} instructions with 20 releases, {many} with 2,000"


def test_answers_are_what_they_were_and_an_older_file_gets_its_indexes(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    old = sqlite3.connect(path)
    old.executescript(
        "\n".join(line for line in SCHEMA.splitlines() if not line.startswith(("CREATE INDEX", "  WHERE")))
    )
    old.executescript("CREATE INDEX held_answer ON held(from_party, answered, state)")
    old.close()
    ledger = _kept(50, path)
    names = {row[0] for row in ledger._db.execute("SELECT name FROM sqlite_master WHERE type='index'")}
    assert {"held_owed", "held_expiring", "sent_unconfirmed", "refused_owed"} <= names
    assert "held_answer" not in names
    assert ledger.withdrawn(before_us=HOUR_US) == ["t0", "t1"]
    assert ledger.unconfirmed("JPN") == 2
    assert ledger.unconfirmed("USA") == 0
    assert [r["release_id"] for r in ledger.releases(limit=3)] == ["t1", "t0", "s000049"]
    assert [r["release_id"] for r in ledger.releases(to="USA", limit=2)] == ["s000048", "s000046"]
    assert ledger.unanswered(50) == {"JPN": [("h0", RECEIVED), ("h1", RECEIVED)]}
    assert ledger.refusals(50) == {"JPN": [("r0", "x"), ("r1", "x")]}
    ledger.mark_answered([("h0", RECEIVED), ("r0", REFUSED), ("h1", RECEIVED)])
    assert ledger.unanswered(50) == {}
    assert ledger.refusals(50) == {"JPN": [("r1", "x")]}
    assert ledger.withdraw(["h0"], "JPN", now_us=7) == ["h0"]
    assert ledger.unanswered(50) == {"JPN": [("h0", WITHDRAWN)]}
    assert ledger.expire(3 * HOUR_US) == {"JPN": ["h1"]}
    assert ledger.expire(3 * HOUR_US) == {}
