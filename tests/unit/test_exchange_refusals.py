"""A refusal is kept until a signed receipt has told it: lost, damaged or repeated words on the way change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kuroshio import exchange, record
from kuroshio.errors import VerificationError
from kuroshio.exchange import Desk, Ledger, Parcel, ledger
from kuroshio.schema import Citation, Decision, Effect
from kuroshio.schema.release import REFUSED, Receipt, Release
from kuroshio.schema.signing import Ed25519Signer, KeyRing, public_key

T0 = 1_790_000_000_000_000
SIGNERS = {party: Ed25519Signer(party, party.encode().ljust(32, b".")) for party in ("PHL", "JPN", "USA")}
PERMIT = Decision(Effect.PERMIT, (Citation("SIM", "Art.4"),), basis="SIM")


class Office:
    """One party's desk with a record of its own."""

    def __init__(self, folder: Path, party: str) -> None:
        self.ring = KeyRing([public_key(s) for s in SIGNERS.values()])
        self.ledger = Ledger()
        self.check = record.ReceiptVerifier(self.ring)
        self.log = record.open_log(folder / party, SIGNERS[party], secret=bytes(32))
        self.desk = Desk(
            SIGNERS[party], secret=bytes(range(32)), record=self.log, ledger=self.ledger, keys=lambda: self.ring,
            verify_receipt=self.verify,
        )  # fmt: skip

    def verify(self, release: Release, now_us: int) -> None:
        self.check.now_us = now_us
        self.check.verify(release)

    def warn(self, to: str, number: int) -> Parcel:
        text = {"text": f"warning {number}", "at_us": T0 + number}
        return self.desk.record("safety", text, PERMIT, to=to, now_us=T0 + number)

    def state(self, parcel: Parcel) -> str:
        return str(self.ledger.release(parcel.release_id)["state"])


@pytest.fixture
def phl(tmp_path: Path) -> Office:
    return Office(tmp_path, "PHL")


@pytest.fixture
def jpn(tmp_path: Path) -> Office:
    return Office(tmp_path, "JPN")


def refuse(office: Office, partner: str, data: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        office.desk.accept(partner, data, T0 + 10)
    return caught.value.error_code


def damaged(parcel: Parcel) -> bytes:
    """The bundle with a signature that does not hold; its number is the same."""
    release = Release.from_bytes(parcel.data)
    broken = bytes([release.signature[0] ^ 1]) + release.signature[1:]
    return Release(release.header, broken, release.payload, release.receipt).to_bytes()


def test_a_refusal_is_told_by_a_signed_receipt_and_again_after_a_new_key(phl: Office, jpn: Office) -> None:
    parcel = phl.warn("JPN", 1)
    code = refuse(jpn, "PHL", damaged(parcel))
    [told] = jpn.desk.receipts(T0 + 20)
    assert jpn.desk.receipts(T0 + 20)  # owed until it is offered
    jpn.desk.offered(told)
    assert jpn.desk.receipts(T0 + 30) == []
    # lost on the way with the old key: owed once more
    jpn.desk.rekeyed(SIGNERS["JPN"], since_us=0)
    [again] = jpn.desk.receipts(T0 + 40)
    phl.desk.accept("JPN", again.data, T0 + 50)
    row = phl.ledger.release(parcel.release_id)
    assert (row["state"], row["reason"]) == ("refused", code)
    assert row["receipt"]["status"] == REFUSED


def test_what_was_refused_and_comes_again_whole_is_taken(phl: Office, jpn: Office) -> None:
    parcel = phl.warn("JPN", 1)
    refuse(jpn, "PHL", damaged(parcel))
    [told] = jpn.desk.receipts(T0 + 20)
    jpn.desk.offered(told)
    phl.desk.accept("JPN", told.data, T0 + 30)
    assert phl.state(parcel) == "refused"
    assert jpn.desk.accept("PHL", parcel.data, T0 + 40).received is not None
    [told] = jpn.desk.receipts(T0 + 50)
    phl.desk.accept("JPN", told.data, T0 + 60)
    assert phl.state(parcel) == "received"
    assert phl.ledger.release(parcel.release_id)["receipt"]["status"] == "received"


def test_a_late_refusal_takes_nothing_back(phl: Office, jpn: Office) -> None:
    parcel = phl.warn("JPN", 1)
    for status in ("received", REFUSED):
        phl.ledger.receipted(Receipt(parcel.release_id, "JPN", "PHL", status, T0).signed(SIGNERS["JPN"]))
    assert phl.state(parcel) == "received"


def test_what_names_no_release_of_the_partner_to_us_is_owed_nothing(phl: Office, jpn: Office) -> None:
    foreign = phl.warn("USA", 1)
    control = phl.desk.control("recall", {"release_ids": [], "reason": "x", "at_us": T0}, to="JPN", now_us=T0)
    refuse(jpn, "PHL", foreign.data)  # not for us
    refuse(jpn, "USA", phl.warn("JPN", 2).data)  # another party's
    refuse(jpn, "PHL", damaged(control))  # a refused receipt would answer a refused receipt without end
    refuse(jpn, "PHL", b"junk")
    assert jpn.desk.receipts(T0 + 20) == []


def test_a_key_that_is_not_known_yet_is_no_refusal(phl: Office, jpn: Office) -> None:
    jpn.ring = KeyRing([public_key(SIGNERS["JPN"])])
    assert refuse(jpn, "PHL", phl.warn("JPN", 1).data) in exchange.NOT_YET
    assert jpn.desk.receipts(T0 + 20) == []


def test_a_receipt_of_an_unknown_release_spoils_no_other(phl: Office, jpn: Office) -> None:
    """After an old copy came back, a partner speaks of releases that this node does not know any more."""
    parcel, size = phl.warn("JPN", 1), phl.log.size
    receipts = [
        Receipt(number, "JPN", "PHL", "received", T0).signed(SIGNERS["JPN"]).as_dict()
        for number in ("ab" * 32, parcel.release_id)
    ]
    told = jpn.desk.control("receipt", {"receipts": receipts}, to="PHL", now_us=T0)
    phl.desk.accept("JPN", told.data, T0)
    assert phl.state(parcel) == "received"
    assert phl.log.size == size + 2  # the record keeps both


def test_refusals_kept_have_a_limit(phl: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "REFUSED_MAX", 3)
    book = phl.ledger
    book.refuse("r0", "USA", code="x", now_us=T0)
    for number in range(1, 6):
        book.refuse(f"r{number}", "JPN", code="x", now_us=T0 + number)
    book.mark_answered([("r5", REFUSED)])
    assert book.refusals(10) == {"USA": [("r0", "x")], "JPN": [("r3", "x"), ("r4", "x")]}
    book.refuse("r6", "JPN", code="y", now_us=T0 + 6)  # the answered one makes room
    assert book.refusals(10)["JPN"] == [("r3", "x"), ("r4", "x"), ("r6", "y")]
    assert [len(found) for found in book.refusals(2).values()] == [1, 1]


def test_numbers_seen_outlive_a_crash(tmp_path: Path) -> None:
    path = str(tmp_path / "releases.db")
    book = Ledger(path)
    book.keep_numbers("JPN", 3, {5})
    book.keep_numbers("JPN", 4, {9, 5})
    assert Ledger(path).numbers() == {"JPN": (4, {5, 9})}
