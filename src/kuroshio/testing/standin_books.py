"""Exchanges of the stand-in node under the sample agreements: an order of fuel, a radar, a visit, each under way."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from kuroshio import accord
from kuroshio.accord import ledger
from kuroshio.node.books import LedgerDesk

PROOF = "sha256:" + "0" * 64


class EntryList:
    """Keeps ledger entries in memory: `kuroshio.node.books.EntryStore` for tests."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add_entry(self, entry_id: str, body: Mapping[str, Any], *, source: str, recorded_us: int) -> bool:
        """Append one, False when it was there."""
        if any(row["entry_id"] == entry_id for row in self.rows):
            return False
        number = len(self.rows) + 1
        row = {"number": number, "entry_id": entry_id, "source": source, "recorded_us": recorded_us}
        self.rows.append({**row, "body": json.loads(json.dumps(dict(body)))})
        return True

    def entries(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Entries after a number, oldest first."""
        return self.rows[after:]


@functools.cache
def book() -> accord.Book:
    """The sample agreements, with the one on support taken as in force."""
    return accord.load(accord.sample_paths()).assuming({"JPN-PHL-ACSA": "in_force"})


def _lines() -> list[tuple[str, str, str, str, str, dict[str, Any]]]:
    order = {
        "accord": "JPN-PHL-ACSA", "from": "JPN", "to": "PHL", "item": "fuel", "quantity": 120, "unit": "m3",
        "price_basis": "cost", "unit_price": 9000, "currency": "JPY", "payment_mode": "equal_value",
        "place": "Subic", "date": "2026-09-02", "orderer": "PHL:reyes",
    }  # fmt: skip
    radar = {"accord": "JPN-PHL-EQUIPMENT", "from": "JPN", "to": "PHL", "item": "coastal_radar", "source": "press",
             "quantity": {"value": 5, "uncertain": True, "source": "press"}}  # fmt: skip
    visit = {"accord": "JPN-PHL-RAA", "from": "JPN", "to": "PHL", "subject": "port_call", "activity": "call-7",
             "purpose": "exercise", "craft": [{"id": "ship 1", "type": "vessel"}], "period": "2026-12"}  # fmt: skip
    return [
        ("support", "fuel-1", "order", "PHL:reyes", "2026-09-01", order),
        ("support", "fuel-1", "accept", "JPN:sato", "2026-09-01T06:00:00Z", {}),
        ("support", "fuel-1", "deliver", "JPN:ito", "2026-09-02", {"source_document": PROOF, "delivered_at": "today"}),
        ("support", "fuel-1", "receipt", "PHL:cruz", "2026-09-02T03:00:00Z", {"received": 118}),
        ("equipment", "radar-1", "reported", "JPN:sato", "2023-11-01", radar),
        ("equipment", "radar-1", "notes", "JPN:sato", "2023-11-03", {"evidence": "exchange of notes", "quantity": 5}),
        ("access", "visit-1", "propose", "JPN:sato", "2026-11-15", visit),
    ]  # fmt: skip


def fill(desk: LedgerDesk, store: EntryList) -> None:
    """Put the sample exchanges into a ledger, judged like any other."""
    held: list[ledger.Entry] = []
    for kind, exchange, step, by, at, facts in _lines():
        plain = {"kind": kind, "exchange": exchange, "step": step, "by": by, "at": at, "facts": facts}
        entry = ledger.append(book(), held, ledger.read_entry(plain), known_at_us=2**60)
        held.append(entry)
        store.add_entry(entry.id, entry.as_dict(), source=entry.event.party, recorded_us=entry.event.at_us)
    assert len(desk.exchanges()) == 3
