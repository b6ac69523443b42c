"""What was told is told once, for ever: alerts over a crash between the release and the note of it, on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import record
from kuroshio.exchange import Desk, Ledger, rows_of
from kuroshio.exchange.ledger_file import pack_refs, unpack_refs
from kuroshio.schema import ALERTS, Citation, Decision, Effect, Obligations
from kuroshio.schema.release import Release
from kuroshio.schema.signing import Ed25519Signer, KeyRing, public_key

T0 = 1_790_000_000_000_000
SIGNERS = {p: Ed25519Signer(p, p[:1].encode() * 32) for p in ("PHL", "JPN")}
KEYS = KeyRing([public_key(s) for s in SIGNERS.values()])


def desk(folder: Path, party: str) -> Desk:
    """A desk as a process finds it at its start."""
    signer, secret = SIGNERS[party], party.encode() * 16
    folder.mkdir(exist_ok=True)
    log = record.open_log(folder / f"{party}-record", signer, secret=secret)
    ledger = Ledger(str(folder / f"{party}.db"))
    return Desk(signer, secret=secret, record=log, ledger=ledger, keys=lambda: KEYS, verify_receipt=lambda r, n: None)


def alerts(*names: str, change: str = "open", at_us: int = T0) -> pa.Table:
    count, at = len(names), np.full(len(names), at_us).astype("datetime64[us]")
    return ALERTS.build(
        {
            "alert_id": list(names), "definition": ["dark"] * count, "version": ["1"] * count,
            "change": [change] * count, "grade": ["final"] * count, "severity": ["info"] * count,
            "track_ids": [[1]] * count, "start_at": at, "known_at": at, "lat_deg": np.full(count, 14.2),
            "lon_deg": np.full(count, 120.1), "summary": ["no report"] * count,
        },
        rows=count,
    )  # fmt: skip


def decision(**obligations: object) -> Decision:
    effect = Effect.OBLIGE if obligations else Effect.PERMIT
    terms = Obligations(**obligations)  # type: ignore[arg-type]
    return Decision(effect, (Citation("A", "1"),), terms, basis="A", rules_digest="ab" * 32)


def changes(bundle: bytes) -> int:
    return rows_of(Release.from_bytes(bundle)).num_rows


@pytest.mark.parametrize("posted", [False, True])
def test_a_kill_before_the_note_repeats_nothing(tmp_path: Path, posted: bool) -> None:
    first = desk(tmp_path, "PHL")
    parcel = first.alerts(alerts("a", "b"), decision(), to="JPN", now_us=T0)
    assert parcel is not None
    if posted:
        first.offered(parcel)
    again = desk(tmp_path, "PHL")  # killed here: that the rows are done was not noted, and they are asked for again
    waiting = again.unoffered(again._record.numbers())  # type: ignore[attr-defined]
    assert [p.release_id for p in waiting] == ([] if posted else [parcel.release_id])
    assert again.alerts(alerts("a", "b"), decision(), to="JPN", now_us=T0 + 5_000_000) is None
    assert again.outlet("JPN").counters["repeated"] == 2
    more = again.alerts(alerts("b", "c"), decision(), to="JPN", now_us=T0 + 6_000_000)
    assert more is not None
    assert changes(more.data) == 1  # the new one alone
    assert again.alerts(alerts("a", change="close"), decision(), to="JPN", now_us=T0 + 7_000_000) is not None
    assert again.alerts(alerts("a"), decision(), to="USA", now_us=T0 + 8_000_000) is not None  # another partner


def test_other_terms_make_no_other_content(tmp_path: Path) -> None:
    one = desk(tmp_path, "PHL")
    assert one.alerts(alerts("a"), decision(grid_deg=0.1, time_bucket_s=60), to="JPN", now_us=T0) is not None
    assert one.alerts(alerts("a"), decision(), to="JPN", now_us=T0 + 1) is None


def test_an_alert_under_a_delay_is_not_noted_before_it_goes(tmp_path: Path) -> None:
    one = desk(tmp_path, "PHL")
    assert one.alerts(alerts("a"), decision(delay_s=60), to="JPN", now_us=T0 + 1) is None
    assert one.alerts(alerts("a"), decision(delay_s=60), to="JPN", now_us=T0 + 60_000_000) is not None


def test_a_sender_that_forgot_repeats_itself_and_the_receiver_knows(tmp_path: Path) -> None:
    """An old copy of the sender's ledger came back: a new release tells the same."""
    there = desk(tmp_path / "there", "JPN")
    for number, name in enumerate(("as it was", "old copy")):
        sender = desk(tmp_path / name, "PHL")
        parcel = sender.alerts(alerts("a", "b"), decision(), to="JPN", now_us=T0 + number)
        assert parcel is not None
        taken = there.accept("PHL", parcel.data, T0 + 1_000_000)
        assert taken.received is not None  # another release: it is held and answered
        there = desk(tmp_path / "there", "JPN")  # also over a restart
        assert there.first_told(taken.received).num_rows == (0 if number else 2)
    assert there.accept("PHL", parcel.data, T0 + 2_000_000).received is None


def test_receipts_that_a_crash_left_under_a_key_revoked_since_are_said_again(tmp_path: Path) -> None:
    """The old key signed them, the power went, the key was changed, and only then they got to the session."""
    parcel = desk(tmp_path / "PHL", "PHL").alerts(alerts("a"), decision(), to="JPN", now_us=T0)
    assert parcel is not None
    before = desk(tmp_path / "JPN", "JPN")
    assert before.accept("PHL", parcel.data, T0 + 1).received is not None
    assert len(before.receipts(T0 + 2)) == 1  # sealed, and on record; the session never gets them
    there = desk(tmp_path / "JPN", "JPN")
    there.rekeyed(Ed25519Signer("JPN", b"K" * 32), since_us=0)
    left = there.unoffered(there._record.numbers())  # type: ignore[attr-defined]
    assert [p.kind for p in left] == ["receipt"]
    there.offered(*left)
    again = there.receipts(T0 + 3)
    assert len(again) == 1
    there.offered(*again)
    assert there.receipts(T0 + 4) == []


def test_what_was_recalled_may_be_told_again_by_another_release(tmp_path: Path) -> None:
    there, parcels = desk(tmp_path / "there", "JPN"), []
    for number, name in enumerate(("as it was", "old copy")):
        sender = desk(tmp_path / name, "PHL")
        parcels.append(sender.alerts(alerts("a"), decision(), to="JPN", now_us=T0 + number))
        assert parcels[-1] is not None
    there.accept("PHL", parcels[0].data, T0 + 1_000_000)
    there.ledger.withdraw([parcels[0].release_id], "PHL", now_us=T0 + 2_000_000)
    taken = there.accept("PHL", parcels[1].data, T0 + 3_000_000)
    assert taken.received is not None
    assert there.first_told(taken.received).num_rows == 1


@pytest.mark.parametrize("refs", [[], ["abcdefgh234567ab"], ["b" * 16, "a" * 16, "a" * 16], ["a" * 15], ["A" * 16]])
def test_references_come_back_as_they_went(refs: list[str]) -> None:
    packed = pack_refs(refs)
    assert unpack_refs(packed) == sorted(set(refs))
    assert isinstance(packed, bytes) == all(len(r) == 16 and r.islower() for r in refs)


def test_a_ledger_written_before_is_read() -> None:
    assert unpack_refs('["a", "b"]') == ["a", "b"]


def test_references_of_a_large_release_take_ten_bytes_each() -> None:
    refs = [f"{'a' * 12}{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}{chr(97 + i // 676)}a" for i in range(5_000)]
    assert len(pack_refs(refs)) == 50_000
