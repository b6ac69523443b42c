"""Two nodes with lost, repeated and reordered messages end with the same books, to the last unit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio import accord, clock
from kuroshio.accord import ledger
from kuroshio.accord.lifecycle import Event, fold, missing
from kuroshio.accord.lifecycle_equipment import EQUIPMENT, inventory
from kuroshio.accord.lifecycle_support import SUPPORT, balances
from kuroshio.errors import InputError
from kuroshio.node.books import LedgerDesk
from kuroshio.testing.standin_books import EntryList

PARTIES = ("JPN", "PHL")


def random_order(rng: np.random.Generator, n: int) -> list[Event]:
    provider, receiver = (str(p) for p in rng.permutation(PARTIES))
    order = {
        "accord": "X",
        "from": provider,
        "to": receiver,
        "item": "fuel",
        "quantity": int(rng.integers(1, 50)),
        "unit": "m3",
        "price_basis": "cost",
        "unit_price": int(rng.integers(1, 9)),
        "currency": str(rng.choice(["JPY", "PHP"])),
        "payment_mode": "cash",
        "place": "x",
        "date": "2026-01-01",
        "orderer": f"{receiver}:a",
        "decision": "permit",
    }
    name, t = f"o{n}", int(rng.integers(0, 1000))
    events = [
        Event(name, "order", t, f"{receiver}:a", order),
        Event(name, "accept", t + 1, f"{provider}:b", {"acceptor": f"{provider}:b", "decision": "permit"}),
        Event(name, "deliver", t + 2, f"{provider}:b", {"source_document": "sha256:" + "0" * 64, "delivered_at": "d"}),
        Event(
            name,
            "receipt",
            t + 3,
            f"{receiver}:c",
            {"received": int(rng.integers(0, order["quantity"] + 1)), "receiver": "c"},
        ),
    ]
    for k in range(int(rng.integers(0, 5))):
        facts = {"amount": int(rng.integers(1, 120)), "mode": "cash", "evidence": "e"}
        # two settlements may claim one instant: both sides must still agree which is taken
        events.append(Event(name, "settle", t + 4 + k // 2, f"{receiver}:a", facts))
    return events[: int(rng.integers(1, len(events) + 1))]


def random_radar(rng: np.random.Generator, n: int) -> list[Event]:
    held = {"holder": "PHL", "place": "p", "custodian": "c", "end_use": "watch"}
    facts = {
        "accord": "E",
        "from": "JPN",
        "to": "PHL",
        "item": "radar",
        "quantity": int(rng.integers(1, 5)),
        "source": "s",
        "decision": "decide",
    }
    name = f"e{n}"
    events = [
        Event(name, "reported", 0, "JPN:a", facts),
        Event(name, "notes", 1, "JPN:a", {"evidence": "n"}),
        Event(name, "contract", 2, "JPN:a", {"evidence": "n"}),
        Event(name, "delivery", 3, "JPN:a", {"evidence": "n", **held}),
        Event(name, "training", 4, "PHL:a", {"evidence": "n"}),
        Event(name, "in_service", 5, "PHL:a", {"evidence": "n"}),
        Event(name, "permit_move", 5, "JPN:a", {"consent": "C", "holder": "VNM"}),
        Event(name, "move", 6, "PHL:a", {"evidence": "n", "holder": "VNM", "consent": "C"}),
        Event(name, "disposal", 7, "PHL:a", {"evidence": "n"}),
    ]
    return events[: int(rng.integers(1, len(events) + 1))]


def converse(rng: np.random.Generator, history: list[Event]) -> tuple[list[Event], list[Event]]:
    """What each side holds after a bad line (loss, repeats, disorder) and one catch-up in each direction."""
    sides: list[list[Event]] = [[], []]
    for event in history:
        own = 0 if event.party == PARTIES[0] else 1
        sides[own].append(event)
        for _ in range(int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2]))):
            sides[1 - own].insert(int(rng.integers(0, len(sides[1 - own]) + 1)), event)
    left, right = sides
    to_right, to_left = missing(left, [e.id for e in right]), missing(right, [e.id for e in left])
    return [*left, *to_left], [*to_right, *right]


@given(st.integers(0, 2**32 - 1))
def test_balances_and_inventories_reconcile_to_zero(seed):
    rng = clock.generator(seed)
    orders = [e for n in range(6) for e in random_order(rng, n)]
    radars = [e for n in range(4) for e in random_radar(rng, n)]
    for cycle, history in ((SUPPORT, orders), (EQUIPMENT, radars)):
        left, right = converse(rng, history)
        one, refused_one = fold(cycle, left)
        two, refused_two = fold(cycle, right)
        assert one == two
        assert {r.event.id: r.reason for r in refused_one} == {r.event.id: r.reason for r in refused_two}
        if cycle is SUPPORT:
            assert balances(one.values()) == balances(two.values())
            assert all(v > 0 for v in balances(one.values()).values())
        else:
            assert inventory(one.values()) == inventory(two.values())


@given(st.integers(0, 2**32 - 1))
def test_catch_up_is_exactly_what_the_other_side_lacks(seed):
    rng = clock.generator(seed)
    history = list({e.id: e for n in range(8) for e in random_order(rng, n)}.values())
    kept = [e for e in history if rng.random() < 0.5]
    lacking = {e.id for e in missing(history, [e.id for e in kept])}
    assert lacking == {e.id for e in history} - {e.id for e in kept}
    assert lacking.isdisjoint(e.id for e in kept)


BOOK = accord.parse({})


@given(st.integers(0, 2**32 - 1))
def test_desks_of_two_nodes_reconcile_after_lost_repeated_and_foreign_messages(seed):
    """What each node keeps of its own and takes of the other; a message in another's name is never taken."""
    rng = clock.generator(seed)
    events = [("support", e) for n in range(3) for e in random_order(rng, n)]
    events += [("equipment", e) for n in range(3) for e in random_radar(rng, n)]
    stores = {p: EntryList() for p in PARTIES}
    desks = {p: LedgerDesk(p, lambda: BOOK, stores[p], now_us=lambda: 10**9) for p in PARTIES}
    lines = list(ledger.books([ledger.Entry(kind, e) for kind, e in events]).taken)  # what their own nodes would keep
    for entry in lines:
        own = entry.event.party
        stores[own].add_entry(entry.id, entry.as_dict(), source=own, recorded_us=0)
    sent = [(e, o) for e in lines for o in PARTIES if o != e.event.party for _ in range(int(rng.integers(1, 4)))]
    for at in rng.permutation(
        len(sent)
    ).tolist():  # each at least once in the end: the peer session repeats until receipted
        entry, to = sent[at]
        desks[to].take(entry.event.party, json.dumps(entry.as_dict()))
        with pytest.raises(InputError):
            desks[to].take(to, json.dumps(entry.as_dict()))
    sides = [[ledger.read_entry(r["body"]) for r in stores[p].rows] for p in PARTIES]
    assert not any(ledger.reconcile(*sides).values())
    one, two = (desks[p].summary() for p in PARTIES)
    assert one == two
    assert desks["JPN"].counters["entries_refused"] == sum(to == "JPN" for _, to in sent)
