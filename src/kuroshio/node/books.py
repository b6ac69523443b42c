"""The ledger of a node at work: takes entries of its own people and of partners, keeps them, and tells partners.

What enters: steps that people record, entries that partners sent. What leaves: exchanges, balances, inventory, duties
and commitments as JSON, and the entries a partner must hear of. It judges nothing itself: `accord.ledger` does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kuroshio import accord, clock
from kuroshio.accord import ledger
from kuroshio.accord.ledger_duties import due, promised
from kuroshio.errors import AccordError, InputError, NotFound
from kuroshio.schema import Citation, Decision, Effect

RECORD_OF = {"support": "order", "equipment": "equipment", "access": "access"}  # kind of exchange -> kind of release
MAX_ENTRY_BYTES = 20_000  # `exchange.records` takes no longer text
MAX_ENTRIES_OF_A_PARTNER = 100_000


class EntryStore(Protocol):
    """What keeps the entries; `store.Operations` is one."""

    def add_entry(self, entry_id: str, body: Mapping[str, Any], *, source: str, recorded_us: int) -> bool:
        """Append one, False when it was there."""
        ...

    def entries(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Entries after a number, oldest first."""
        ...


class LedgerDesk:
    """Support, equipment and access exchanges of one node, with duties and commitments.

    Parameters
    ----------
    party
        This node's.
    book
        Gives the agreements that hold now.
    store
        Keeps the entries.
    now_us
        Gives the node's time.
    """

    def __init__(
        self, party: str, book: Callable[[], accord.Book], store: EntryStore, *, now_us: Callable[[], int]
    ) -> None:
        self.party = party
        self._book, self._store, self._now_us = book, store, now_us
        self._lock = threading.RLock()
        self._entries: list[ledger.Entry] = []
        self._sources: dict[str, int] = {}
        self._number = 0
        self._books: ledger.Books | None = None
        self._of_exchange: dict[tuple[str, str], list[ledger.Entry]] = {}
        self.counters = {"entries_recorded": 0, "entries_taken": 0, "entries_refused": 0}

    # -- in

    def record(
        self, kind: str, exchange: str, step: str, facts: Mapping[str, Any], *, by: str, at: str | None = None
    ) -> ledger.Entry:
        """Keep one step recorded by a person of this party; durable when it returns.

        Raises
        ------
        InputError, AccordError
            With the reason, when it cannot be taken.
        """
        plain = {"kind": kind, "exchange": exchange, "step": step, "by": f"{self.party}:{by}", "facts": dict(facts)}
        now_us = self._now_us()
        entry = ledger.read_entry({**plain, "at": at} if at else plain, now_us=now_us)
        if entry.event.at_us > now_us:
            raise InputError(f"{at} is in the future: record what has happened", code="ledger.entry")
        with self._lock:
            new = ledger.append(self._book(), self._read(), entry, known_at_us=now_us)
            if len(json.dumps(new.as_dict())) > MAX_ENTRY_BYTES:
                raise InputError(f"an entry of more than {MAX_ENTRY_BYTES} bytes", code="ledger.entry")
            if not self._store.add_entry(new.id, new.as_dict(), source=self.party, recorded_us=now_us):
                raise AccordError(f"{exchange}: the same {step} is recorded already", code="ledger.refused")
        self.counters["entries_recorded"] += 1
        return new

    def take(self, partner: str, text: str) -> bool:
        """Keep an entry a partner sent; False when it was held already.

        Raises
        ------
        InputError
            When it is malformed or is not the partner's own word: counted, and not kept.
        """
        try:
            entry = ledger.read_entry(json.loads(text))
            with self._lock:
                self._read()
                self._check_partners(partner, entry)
        except (ValueError, RecursionError, InputError) as err:
            self.counters["entries_refused"] += 1
            raise InputError(f"an entry of {partner}: {err}", code="ledger.entry") from err
        with self._lock:
            new = self._store.add_entry(entry.id, entry.as_dict(), source=partner, recorded_us=self._now_us())
        self.counters["entries_taken"] += new
        return new

    def _check_partners(self, partner: str, entry: ledger.Entry) -> None:
        if entry.kind not in RECORD_OF:
            raise InputError(f"a {entry.kind} is not a partner's to record here", code="ledger.entry")
        if entry.event.party != partner:
            raise InputError(f"{entry.event.by} is not of {partner}", code="ledger.entry")
        if self._sources.get(partner, 0) >= MAX_ENTRIES_OF_A_PARTNER:
            raise InputError(f"{partner} has {MAX_ENTRIES_OF_A_PARTNER} entries here", code="ledger.entry")
        facts, name, ends = entry.event.facts, entry.event.exchange, {partner, self.party}
        opens = entry.event.step == ledger.CYCLES[entry.kind].opens
        if opens and {str(facts.get("from")), str(facts.get("to"))} != ends:
            raise InputError(f"{name} is not between {partner} and {self.party}", code="ledger.entry")
        held = self._of_exchange.get((entry.kind, name), [])
        stands = ledger.books(held).exchanges.get((entry.kind, name))
        if stands is not None and {str(stands.facts["from"]), str(stands.facts["to"])} != ends:
            raise InputError(f"{name} is an exchange with another party", code="ledger.entry")
        if undone := ledger.own_word_undone(held, entry):
            told = f"{entry.event.step} of {clock.rfc3339(entry.event.at_us)} would undo its own {undone[0].event.step}"
            raise InputError(f"{name}: {told}", code="ledger.entry")

    def _read(self) -> list[ledger.Entry]:
        """All entries, with those added since the last call."""
        while rows := self._store.entries(after=self._number):
            for row in rows:
                entry = ledger.read_entry(row["body"])
                self._entries.append(entry)
                self._of_exchange.setdefault((entry.kind, entry.event.exchange), []).append(entry)
                self._sources[row["source"]] = self._sources.get(row["source"], 0) + 1
            self._number = rows[-1]["number"]
            self._books = None
        return self._entries

    def books(self) -> ledger.Books:
        """What the entries come to."""
        with self._lock:
            entries = self._read()
            if self._books is None:
                self._books = ledger.books(entries)
            return self._books

    # -- out

    def told(self, entry: ledger.Entry) -> dict[str, Any]:
        """What stands after an entry: the exchange, the duties it answers, or the commitment."""
        event = entry.event
        if entry.kind in RECORD_OF:
            return self.exchange(entry.kind, event.exchange)
        row = {**entry.as_dict(), "state": event.step, "accord": event.facts.get("accord"), "last_at": None, "next": []}
        row |= {"last_at": clock.rfc3339(event.at_us), "own_reading": None}
        return {**row, "duties": [d for d in self.duties() if event.exchange in (d["id"], d["about"])]}

    def statement(
        self, entry: ledger.Entry, partners: tuple[str, ...]
    ) -> tuple[str, str, dict[str, Any], Decision] | None:
        """(partner, kind of release, body, decision) for the other party of an exchange; None when it has no link here.

        The agreement that covers an exchange lets its parties tell each other of its steps; nobody else is told.
        """
        event, kind = entry.event, RECORD_OF.get(entry.kind)
        one = self.books().exchanges.get((entry.kind, event.exchange))
        if kind is None or one is None:
            return None
        others = {str(one.facts["from"]), str(one.facts["to"])} - {self.party}
        if len(others) != 1 or not others <= set(partners):
            return None
        name = str(one.facts["accord"])
        book = self._book()
        decision = Decision(
            Effect.PERMIT,
            (Citation(name, str(one.facts.get("cited", "")).partition(" ")[2]),),
            basis=name,
            rules_digest=book.rules_digest,
            engine="ledger",
            held_under=(name,),
        )
        return others.pop(), kind, {"entry": json.dumps(entry.as_dict())}, decision

    def exchanges(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Exchanges, the latest first; where this node's agreements read it otherwise now, that is said."""
        held = self.books()
        rows = [self._row(k, one) for (k, _), one in held.exchanges.items() if kind in (None, k)]
        return sorted(rows, key=lambda r: (r["last_at"], r["exchange"]), reverse=True)

    def _row(self, kind: str, one: Any) -> dict[str, Any]:
        row = ledger.exchange_listing(kind, one)
        first = next(e.event for e in self.books().taken if e.kind == kind and e.event.exchange == one.id)
        word = ledger.word_on(self._book(), kind, one.facts, at_us=first.at_us, known_at_us=self._now_us())
        return {**row, "own_reading": word if word["decision"] != first.facts.get("decision") else None}

    def exchange(self, kind: str, exchange: str) -> dict[str, Any]:
        """One exchange with all its entries; raises `NotFound`."""
        held = self.books()
        one = held.exchanges.get((kind, exchange))
        if one is None:
            raise NotFound(f"no {kind} exchange {exchange[:80]!r}", code="ledger.unknown")
        entries = [e.as_dict() for e in held.taken if e.kind == kind and e.event.exchange == exchange]
        return {**self._row(kind, one), "entries": entries}

    def summary(self, *, year: int | None = None) -> dict[str, Any]:
        """Balances, conversions, inventory, uncertain facts, the report of a year, refused entries, and the steps."""
        span = None
        if year is not None:
            span = (clock.parse_rfc3339(f"{year:04d}-01-01"), clock.parse_rfc3339(f"{year + 1:04d}-01-01"))
        found = ledger.summary(self.books(), now_us=self._now_us(), year=span)
        return {**found, "year": year, "steps": {k: ledger.steps_of(k) for k in ledger.CYCLES}}

    def duties(self) -> list[dict[str, Any]]:
        """Duties with due dates and states."""
        return due(self._book(), self.books(), now_us=self._now_us())

    def commitments(self) -> list[dict[str, Any]]:
        """Promises with their evidence or its absence."""
        return promised(self._book(), self.books(), now_us=self._now_us())
