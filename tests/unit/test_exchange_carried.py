"""Files of bundles and earlier ends as the simulation asks them: blame, policy, and answers that never came."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kuroshio import record
from kuroshio.errors import VerificationError
from kuroshio.exchange import Accepted, Desk, Ledger, Parcel
from kuroshio.exchange.carry import Carrier, Taken, write_bundles
from kuroshio.peers import Memory, Session
from kuroshio.schema import Citation, Decision, Effect
from kuroshio.schema.release import Release
from kuroshio.schema.signing import Ed25519Signer, KeyRing, public_key

T0 = 1_790_000_000_000_000
S = 1_000_000
SIGNERS = {party: Ed25519Signer(party, party.encode().ljust(32, b".")) for party in ("PHL", "JPN", "USA")}
PERMIT = Decision(Effect.PERMIT, (Citation("SIM", "Art.4"),), basis="SIM")


class Office:
    """One party's desk with a record of its own, and an inbox for files."""

    def __init__(self, folder: Path, party: str) -> None:
        self.ring = KeyRing([public_key(s) for s in SIGNERS.values()])
        self.ledger = Ledger()
        self.check = record.ReceiptVerifier(self.ring)
        self.log = record.open_log(folder / party, SIGNERS[party], secret=bytes(32))
        self.desk = Desk(
            SIGNERS[party], secret=bytes(range(32)), record=self.log, ledger=self.ledger, keys=lambda: self.ring,
            verify_receipt=self.verify,
        )  # fmt: skip
        self.gone: list[tuple[str, str]] = []
        self.carrier = Carrier(
            party,
            keys=lambda: self.ring,
            accept=self.accept,
            gone=lambda party, release: self.gone.append((party, release)),
        )

    def verify(self, release: Release, now_us: int) -> None:
        self.check.now_us = now_us
        self.check.verify(release)

    def accept(self, party: str, data: bytes, now_us: int) -> Accepted:
        return self.desk.accept(party, data, now_us, carried=True)

    def warn(self, to: str, number: int) -> Parcel:
        text = {"text": f"warning {number}", "at_us": T0 + number}
        return self.desk.record("safety", text, PERMIT, to=to, now_us=T0 + number)

    def take(self, *bundles: bytes, now_us: int = T0 + S, arrived: bool = False) -> Taken:
        file, taken = io.BytesIO(), Taken()
        write_bundles(file, bundles)
        file.seek(0)
        for _ in self.carrier.work(file, taken, lambda: now_us, arrived=arrived):
            pass
        return taken

    def answers(self, now_us: int) -> list[Parcel]:
        parcels = self.desk.receipts(now_us)
        self.desk.offered(*parcels)
        return parcels


@pytest.fixture
def phl(tmp_path: Path) -> Office:
    return Office(tmp_path, "PHL")


@pytest.fixture
def jpn(tmp_path: Path) -> Office:
    return Office(tmp_path, "JPN")


def changed(parcel: Parcel, *, payload: bool) -> bytes:
    release = Release.from_bytes(parcel.data)
    worse = bytes([release.payload[0] ^ 1]) + release.payload[1:] if payload else release.payload
    return Release(release.header, release.signature, worse, release.receipt if payload else b"").to_bytes()


@pytest.mark.parametrize(("payload", "code"), [(True, "exchange.payload_digest"), (False, "exchange.no_receipt")])
def test_damage_on_the_way_is_not_blamed_on_the_sender(phl: Office, jpn: Office, payload: bool, code: str) -> None:
    parcel = phl.warn("JPN", 1)
    taken = jpn.take(changed(parcel, payload=payload))
    assert (taken.refused, taken.refusals[0]["code"], taken.whole) == (1, code, False)
    assert jpn.answers(T0 + 2 * S) == []  # a refusal would take the whole copy off the sender's queue
    with pytest.raises(VerificationError):  # the same on a link is the sender's own doing
        jpn.desk.accept("PHL", changed(parcel, payload=payload), T0 + S)
    assert len(jpn.answers(T0 + 2 * S)) == 1
    assert jpn.take(parcel.data).taken == {"safety": 1}
    assert jpn.ledger.refusals(10) == {}


def test_a_file_for_another_or_in_anothers_name_changes_nothing(phl: Office, jpn: Office) -> None:
    to_usa, to_jpn = phl.warn("USA", 1), phl.warn("JPN", 2)
    taken = jpn.take(to_usa.data, to_jpn.data)
    assert (taken.taken, taken.refusals[0]["code"]) == ({"safety": 1}, "exchange.not_for_us")
    assert jpn.take(to_jpn.data).held_before == 1
    assert phl.take(to_jpn.data).refusals[0]["code"] == "exchange.not_for_us"
    assert phl.answers(T0 + 2 * S) == []


def test_only_files_of_this_node_arrive(phl: Office, jpn: Office) -> None:
    parcel = phl.warn("JPN", 1)
    taken = jpn.take(parcel.data, arrived=True)
    assert (taken.refusals[0]["code"], jpn.gone) == ("exchange.stranger", [])
    assert phl.take(parcel.data, arrived=True).taken == {"safety": 1}
    assert phl.gone == [("JPN", parcel.release_id)]


def test_what_a_receipt_in_a_file_answers_waits_no_more(phl: Office, jpn: Office) -> None:
    parcel = phl.warn("JPN", 1)
    jpn.take(parcel.data)
    [told] = jpn.answers(T0 + 2 * S)
    assert phl.take(told.data).taken == {"receipt": 1}
    assert phl.gone == [("JPN", parcel.release_id)]
    assert phl.take(told.data).held_before == 1


def test_a_byte_changed_anywhere_in_a_bundle_is_a_refusal_and_the_rest_of_the_file_is_taken(
    phl: Office, jpn: Office
) -> None:
    """Seed 7500 and on: a changed letter in the name of a header field ended the node that read the file."""
    changed, whole = phl.warn("JPN", 1).data, phl.warn("JPN", 2).data
    header = len(Release.from_bytes(changed).header)
    assert b'"from":"PHL"' in changed[:header]
    for at in [*range(24 + header), *range(24 + header, len(changed), 7)]:
        damaged = bytearray(changed)
        damaged[at] ^= 1
        taken = jpn.take(bytes(damaged), whole)
        assert taken.error is None
        assert taken.refused == 1, at
        assert taken.held_before + taken.taken.get("safety", 0) == 1
    assert jpn.take(changed).taken == {"safety": 1}  # a whole copy is still taken


def test_a_checkpoint_in_a_file_that_no_cosignature_reached_accuses_nobody(phl: Office) -> None:
    def accept(party: str, data: bytes, now_us: int) -> Accepted:
        raise VerificationError("proof starts at 0, 4 was seen", code="record.consistency_start")

    statement = phl.desk.control("checkpoint", {"note": "n", "old_size": 0, "proof": []}, to="JPN", now_us=T0)
    warned = phl.warn("JPN", 2)
    carrier = Carrier("JPN", keys=lambda: phl.ring, accept=accept, gone=lambda party, release: None)
    file, taken = io.BytesIO(), Taken()
    write_bundles(file, [statement.data, warned.data])
    file.seek(0)
    list(carrier.work(file, taken, lambda: T0, arrived=False))
    assert (taken.held_before, taken.refused) == (1, 1)  # of anything else it is a fault


def test_a_file_is_written_under_what_is_in_force_now() -> None:
    forbidden: set[str] = set()
    box = Memory(T0)
    session = Session("PHL", "JPN", box, lambda item, now_us: item.release_id not in forbidden)
    for kind, name in (("alerts", "one"), ("recall", "two"), ("tracks", "three")):
        session.offer(kind, name, name.encode(), T0)
    box.commit()
    assert session.to_carry(T0) == ([b"two", b"one", b"three"], [])
    assert session.to_carry(T0)[0] == [b"two", b"one", b"three"]  # it waits until it is answered
    forbidden |= {"one", "two"}  # statements are not asked: a recall must go when an accord has ended
    bundles, told = session.to_carry(T0)
    assert bundles == [b"two", b"three"]
    assert [step.what for step in told] == ["withheld"]  # type: ignore[union-attr]
    assert [release for _, _, release in box.queued()] == ["two", "three"]
    assert session.out.counters["withheld"] == 1


def test_an_end_that_passes_before_its_release_comes_is_confirmed_and_the_release_not_taken(
    phl: Office, jpn: Office
) -> None:
    parcel = phl.warn("JPN", 1)
    end = phl.desk.tighten(parcel.release_id, T0 + 5 * S, by="ra", reason="x", now_us=T0 + S)
    jpn.desk.accept("PHL", end.data, T0 + 2 * S)
    assert jpn.answers(T0 + 3 * S) == []  # nothing is here yet, and its end has not come
    assert phl.ledger.over(phl.ledger.release(parcel.release_id), T0 + 5 * S)
    assert not phl.ledger.over(phl.ledger.release(parcel.release_id), T0 + 5 * S - 1)
    [again] = phl.desk.remind(T0 + 90 * S)
    jpn.desk.accept("PHL", again.data, T0 + 91 * S)
    for second in (92, 192):  # the answer may be lost: each time it is asked it is given
        [told] = jpn.answers(T0 + second * S)
        phl.desk.accept("JPN", told.data, T0 + (second + 1) * S)
        assert phl.ledger.end(parcel.release_id)["confirmed_us"] == T0 + 92 * S  # type: ignore[index]
        jpn.desk.accept("PHL", again.data, T0 + (second + 2) * S)
    assert phl.ledger.release(parcel.release_id)["state"] == "refused"  # nothing of it was taken
    assert phl.desk.remind(T0 + 500 * S) == []
    assert jpn.desk.accept("PHL", parcel.data, T0 + 600 * S).received is None
    told_knew = record.knew(phl.log.files, "JPN", at_us=T0 + 900 * S, made_at_us=T0, signer=SIGNERS["PHL"])
    [item] = [i for i in told_knew["report"]["releases"] if i["release_id"] == parcel.release_id]
    assert item["state"] == "expired"
    # a recall of it is answered all the same
    recall = phl.desk.recall(parcel.release_id, by="ra", reason="x", now_us=T0 + 700 * S)
    jpn.desk.accept("PHL", recall.data, T0 + 701 * S)
    [told] = jpn.answers(T0 + 702 * S)
    phl.desk.accept("JPN", told.data, T0 + 703 * S)
    assert phl.ledger.release(parcel.release_id)["state"] == "withdrawal_confirmed"


def test_a_release_that_comes_after_its_earlier_end_is_never_shown(phl: Office, jpn: Office) -> None:
    parcel = phl.warn("JPN", 1)
    end = phl.desk.tighten(parcel.release_id, T0 + 5 * S, by="ra", reason="x", now_us=T0 + S)
    jpn.desk.accept("PHL", end.data, T0 + 2 * S)
    with pytest.raises(VerificationError) as caught:
        jpn.desk.accept("PHL", parcel.data, T0 + 5 * S)
    assert caught.value.error_code == "exchange.expired"
    assert jpn.ledger.holding(parcel.release_id) is None


def test_an_end_is_not_asked_for_ever_of_what_was_recalled(phl: Office, jpn: Office) -> None:
    parcel = phl.warn("JPN", 1)
    jpn.desk.accept("PHL", parcel.data, T0 + S)
    phl.desk.tighten(parcel.release_id, T0 + 500 * S, by="ra", reason="x", now_us=T0 + 2 * S)
    phl.desk.recall(parcel.release_id, by="ra", reason="x", now_us=T0 + 3 * S)
    assert [p.kind for p in phl.desk.remind(T0 + 100 * S)] == ["recall"]


def test_a_recall_that_is_said_again_is_answered_again(phl: Office, jpn: Office) -> None:
    """The answer to the first is lost with an old copy of the partner's outbound log, and nobody noticed."""
    parcel = phl.warn("JPN", 1)
    jpn.desk.accept("PHL", parcel.data, T0 + S)
    recall = phl.desk.recall(parcel.release_id, by="ra", reason="x", now_us=T0 + 2 * S)
    jpn.desk.accept("PHL", recall.data, T0 + 3 * S)
    assert len(jpn.answers(T0 + 4 * S)) == 1  # and lost
    [again] = phl.desk.remind(T0 + 100 * S)
    jpn.desk.accept("PHL", again.data, T0 + 101 * S)
    [told] = jpn.answers(T0 + 102 * S)
    phl.desk.accept("JPN", told.data, T0 + 103 * S)
    assert phl.ledger.release(parcel.release_id)["state"] == "withdrawal_confirmed"


def test_a_start_owes_the_receipts_of_records_again(phl: Office, jpn: Office) -> None:
    """They waited in an outbound log of which an older copy came back with the start: nobody can notice that."""
    old, parcel = phl.warn("JPN", 1), phl.warn("JPN", 2 * S)
    for bundle in (old, parcel):
        jpn.desk.accept("PHL", bundle.data, T0 + 3 * S)
    jpn.ledger._run("UPDATE held SET kind='tracks' WHERE release_id=?", (old.release_id,))
    assert len(jpn.answers(T0 + 4 * S)) == 1  # and lost
    jpn.ledger.answer_again(T0 + 3 * S, records=True)
    assert jpn.answers(T0 + 5 * S) == []
    jpn.ledger.answer_again(T0, records=True)
    assert jpn.ledger.unanswered(10) == {"PHL": [(parcel.release_id, "received")]}
    jpn.ledger.answer_again(T0)
    assert len(jpn.ledger.unanswered(10)["PHL"]) == 2


def test_whom_only_files_reach_is_reminded_once_an_hour(phl: Office) -> None:
    """What was said before is in each file until it is answered: a statement a minute would fill the queue."""
    recalled, ended = phl.warn("JPN", 1), phl.warn("JPN", 2)
    phl.desk.recall(recalled.release_id, by="ra", reason="x", now_us=T0)
    phl.desk.tighten(ended.release_id, T0 + 9_000 * S, by="ra", reason="x", now_us=T0)
    times = [60 * minute for minute in range(1, 190)]
    said = [t for t in times for _ in phl.desk.remind(T0 + t * S, to=["JPN"], carried=["JPN"])]
    assert said == [3600, 3600, 7200, 7200, 10800, 10800]
    assert len(phl.desk.remind(T0 + 12_000 * S, to=["JPN"])) == 2
