"""Agreements of a running node: read again when they change, and held back where a party has a later version."""

from __future__ import annotations

from pathlib import Path

import pytest

from kuroshio import clock
from kuroshio.errors import AccordError, StoreError
from kuroshio.node.agreements import Agreements
from kuroshio.schema import Effect

NOW = clock.parse_rfc3339("2026-11-22T06:00:00Z")
STEP = 10_000_000
THING = {"kind": "information", "subject": "vessel", "level": "U", "originator": "AAA", "purpose": "maritime_safety",
         "held_under": [], "caveats": []}  # fmt: skip
PARTIES = """parties:
  - {code: AAA, name: A}
  - {code: BBB, name: B}
  - {code: CCC, name: C}
levels: {order: [U, R, C]}
"""
TEXT = """id: GROUP
kinds: [information]
parties: [%s]
binding: arrangement
version: %d
interpretation: {by: Test, date: 2026-01-01, note: illustrative}
status:
  - {state: in_force, from: 2024-01-01, recorded: 2024-01-01, source: test, confidence: in_force}
clauses:
  - {id: p1, topic: scope, text: All may be shared., effect: permit, when: {level: {lte: R}}}
"""


class Room:
    def __init__(self, folder: Path) -> None:
        self.folder, self.now_us = folder / "agreements", NOW
        self.folder.mkdir()
        (self.folder / "parties.yaml").write_text(PARTIES)
        self.write("AAA, BBB, CCC", 1)
        self.memory = folder / "agreements.json"
        self.agreements = self.open()

    def open(self) -> Agreements:
        return Agreements("AAA", [self.folder], self.memory)

    def write(self, parties: str, version: int, **also: str) -> None:
        text = TEXT % (parties, version)
        for old, new in also.items():
            assert old in text
            text = text.replace(old, new)
        (self.folder / "group.yaml").write_text(text)

    def look(self) -> bool:
        self.now_us += STEP
        return self.agreements.look(self.now_us)

    def effect(self, to: str) -> Effect:
        return self.agreements.book.evaluate(THING, releaser="AAA", to=to, valid_at_us=NOW).effect


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_a_party_removed_in_the_files_gets_nothing_from_then_on(room: Room) -> None:
    assert (room.effect("BBB"), room.effect("CCC")) == (Effect.PERMIT, Effect.PERMIT)
    assert not room.look()
    room.write("AAA, BBB", 2)
    assert room.look()
    assert (room.effect("BBB"), room.effect("CCC")) == (Effect.PERMIT, Effect.DENY)
    assert room.agreements.counters["reloads"] == 1


@pytest.mark.parametrize(
    ("parties", "version", "also", "says"),
    [
        ("AAA, BBB", 1, {}, "parties changed and the version is still 1"),
        ("AAA, BBB, CCC", 1, {"lte: R": "lte: C"}, "clauses changed and the version is still 1"),
        ("AAA, BBB, CCC", 2, {"from: 2024-01-01": "from: 2023-01-01"}, "history was rewritten"),
        ("AAA, BBB", 2, {"kinds:": "kindz:"}, "kindz"),
        ("AAA, BBB", 2, {"id: GROUP": "id: OTHER"}, "GROUP is gone"),
    ],
)
def test_files_with_a_fault_or_another_past_leave_the_book_as_it_was(
    room: Room, parties: str, version: int, also: dict[str, str], says: str
) -> None:
    before = room.agreements.book.rules_digest
    room.write(parties, version, **also)
    assert not room.look()
    assert says in room.agreements.fault
    assert room.agreements.book.rules_digest == before
    assert not room.look()
    assert room.agreements.counters["not_taken"] == 1, "said once, not every two seconds"
    room.write("AAA, BBB", 2)
    assert room.look()
    assert room.agreements.fault == ""


def test_a_later_version_elsewhere_holds_the_agreement_back_until_it_is_here(room: Room) -> None:
    room.agreements.heard("BBB", {"accords": ["GROUP"], "versions": [2], "at_us": NOW})
    assert (room.effect("BBB"), room.effect("CCC")) == (Effect.DECIDE, Effect.DECIDE)
    assert room.agreements.later() == [{"accord": "GROUP", "party": "BBB", "version": 2, "ours": 1}]
    decision = room.agreements.book.evaluate(THING, releaser="AAA", to="CCC", valid_at_us=NOW)
    assert "outdated" in " ".join(r.text for r in decision.reasons)
    room.agreements = room.open()  # over a restart
    assert room.effect("CCC") is Effect.DECIDE
    room.agreements.heard("BBB", {"accords": ["GROUP"], "versions": [1], "at_us": NOW})
    assert room.effect("CCC") is Effect.DECIDE, "what was said once is not unsaid by an older word"
    room.write("AAA, BBB", 2)
    assert room.look()
    assert (room.effect("BBB"), room.effect("CCC")) == (Effect.PERMIT, Effect.DENY)
    assert room.agreements.later() == []


def test_being_behind_never_makes_what_is_denied_a_persons_to_decide(room: Room) -> None:
    room.write("AAA, BBB, CCC", 1, **{"  - {state: in_force": "  - {state: negotiating"})
    room.agreements = room.open()
    assert room.effect("BBB") is Effect.DENY
    room.agreements.heard("BBB", {"accords": ["GROUP"], "versions": [9], "at_us": NOW})
    assert room.effect("BBB") is Effect.DENY


@pytest.mark.parametrize(
    ("party", "body"),
    [
        ("DDD", {"accords": ["GROUP"], "versions": [5]}),
        ("BBB", {"accords": ["NOTHING"], "versions": [5]}),
        ("BBB", {"accords": ["GROUP"], "versions": [-1]}),
        ("BBB", {"accords": ["GROUP"], "versions": [10**15]}),
    ],
)
def test_only_a_party_is_heard_and_only_on_what_is_here(room: Room, party: str, body: dict[str, list[int]]) -> None:
    room.agreements.heard(party, body)
    assert room.effect("BBB") is Effect.PERMIT
    assert room.agreements.counters["statements_ignored"] == 1


def test_each_version_is_told_once_also_to_the_party_that_is_out(room: Room) -> None:
    told = room.agreements.owed("CCC", NOW)
    assert told == {"accords": ["GROUP"], "versions": [1], "at_us": NOW}
    room.agreements.was_told("CCC", told)
    assert room.agreements.owed("CCC", NOW) is None
    assert room.agreements.owed("DDD", NOW) is None, "names of agreements are told to their parties only"
    room.write("AAA, BBB", 2)
    room.look()
    room.agreements = room.open()
    assert room.agreements.owed("CCC", NOW) == {"accords": ["GROUP"], "versions": [2], "at_us": NOW}
    assert room.agreements.owed("BBB", NOW) is not None


def test_a_memory_that_cannot_be_read_stops_the_start(room: Room) -> None:
    room.memory.write_text('{"told": 7}')
    with pytest.raises(StoreError, match=r"agreements\.json"):
        room.open()
    room.memory.unlink()
    (room.folder / "group.yaml").write_text("id: [")
    with pytest.raises(AccordError):
        room.open()


def test_a_new_key_owes_every_statement_again_also_to_one_that_is_out(room: Room) -> None:
    """One that the old key signed may be on its way, and is refused for good."""
    for party in ("BBB", "CCC"):
        body = room.agreements.owed(party, NOW)
        assert body is not None
        room.agreements.was_told(party, body)
    room.write("AAA, BBB", 2)
    assert room.look()
    for party in ("BBB", "CCC"):
        body = room.agreements.owed(party, NOW)
        assert body is not None
        room.agreements.was_told(party, body)
        assert room.agreements.owed(party, NOW) is None
    room.agreements.tell_again("BBB")
    assert room.agreements.owed("CCC", NOW) is None
    room.agreements = room.open()  # a start owes all of them: the outbound log may be a copy older than this memory
    for party in ("BBB", "CCC"):
        assert room.agreements.owed(party, NOW) == {"accords": ["GROUP"], "versions": [2], "at_us": NOW}
