"""A releaser ends a retention earlier: carried out at the partner, also before its release comes, and confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kuroshio import record
from kuroshio.errors import InputError, NotFound
from kuroshio.exchange import Ledger
from kuroshio.exchange.ends import end_of, retained
from kuroshio.schema.release import Receipt, Release
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.accord_files import accord_files
from kuroshio.testing.handnode import HandNode, trusting

US = 1_000_000
T0 = 1_790_000_000 * US


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[HandNode, HandNode]]:
    trusting(tmp_path, ["PHL", "JPN"], now_us=T0 - US)
    accord_files(tmp_path / "accords", [("PHL", "JPN", {"retention_s": 3_600})])
    nodes = [
        HandNode(tmp_path / me, {
            "node": {"party": me, "name": me}, "accords": {"paths": [str(tmp_path / "accords")]},
            "partners": [{"party": other, "url": "https://127.0.0.1:1"}],
            "sources": [{"name": "ais", "format": "aivdm", "link": "push"}],
        })
        for me, other in (("PHL", "JPN"), ("JPN", "PHL"))
    ]  # fmt: skip
    yield nodes[0], nodes[1]
    for node in nodes:
        node.close()


def carry(giver: HandNode, to: HandNode, *, now_us: int) -> list[str]:
    """Hand over all that waits; its kinds."""
    parcels, giver.parcels = list(giver.parcels), []
    for parcel in parcels:
        to.hear(parcel, giver.party, now_us=now_us)
    return [parcel.kind for parcel in parcels]


def made(jpn: HandNode) -> str:
    """A release of one ship, waiting in JPN's parcels."""
    line = encode_position(mmsi=431000001, lat_deg=20.0, lon_deg=121.0, sog_mps=5.0, cog_deg=0.0,
                           tag_block={"c": T0 // US + 1})  # fmt: skip
    jpn.step([("ais", T0 + US, line + b"\r\n")], now_us=T0 + US)
    (parcel,) = jpn.tell(now_us=T0 + 2 * US)
    jpn.parcels.append(parcel)
    return parcel.release_id


def test_an_earlier_end_is_carried_out_and_confirmed(pair: tuple[HandNode, HandNode]) -> None:
    phl, jpn = pair
    release_id = made(jpn)
    carry(jpn, phl, now_us=T0 + 3 * US)
    phl.step([], now_us=T0 + 3 * US)
    phl.room.settle(["JPN"], now_us=T0 + 3 * US)
    carry(phl, jpn, now_us=T0 + 4 * US)
    end_us = T0 + 60 * US
    assert jpn.ledger.must_be_gone(jpn.ledger.release(release_id)) == T0 + 3_602 * US
    jpn.sharing.tighten(release_id, end_us, by="ra", reason="no longer needed", now_us=T0 + 5 * US)
    assert carry(jpn, phl, now_us=T0 + 5 * US) == ["tighten"]
    assert jpn.ledger.end(release_id)["confirmed_us"] is None  # type: ignore[index]
    phl.room.settle(["JPN"], now_us=T0 + 6 * US)
    assert "receipt" in carry(phl, jpn, now_us=T0 + 6 * US)
    assert jpn.ledger.end(release_id)["confirmed_us"] == T0 + 6 * US  # type: ignore[index]
    assert jpn.ledger.release(release_id)["state"] == "received"
    assert phl.parts.core.picture.num_rows == 1
    phl.room.settle(["JPN"], now_us=end_us)
    phl.step([], now_us=end_us)
    assert phl.parts.core.picture.num_rows == 0
    assert phl.ledger.holding(release_id)["state"] == "expired"  # type: ignore[index]
    leaves = [entry.leaf for entry in jpn.sharing.record.entries()]
    for at_us, state in ((T0 + 10 * US, "received"), (end_us, "expired")):
        told = jpn.sharing.record_knew("PHL", at_us=at_us, now_us=end_us)
        (item,) = record.verify_knew(told, jpn.desk._keys(), now_us=end_us)["releases"]
        assert (item["release_id"], item["state"]) == (release_id, state)
        assert "tightened" in {event["status"] for event in item["events"]}
    (leaf,) = [leaf for leaf in leaves if leaf["kind"] == "tightened"]
    assert (leaf["release_id"], leaf["retain_until_us"], leaf["by"]) == (release_id, end_us, "ra")


def test_it_holds_for_a_release_that_comes_after_it(pair: tuple[HandNode, HandNode]) -> None:
    phl, jpn = pair
    release_id = made(jpn)
    jpn.sharing.tighten(release_id, T0 + 60 * US, by="ra", reason="error", now_us=T0 + 2 * US)
    tracks, end = jpn.parcels
    jpn.parcels = [end, tracks]  # control goes before data
    carry(jpn, phl, now_us=T0 + 3 * US)
    assert phl.ledger.holding(release_id)["retain_until_us"] == T0 + 60 * US  # type: ignore[index]
    phl.room.settle(["JPN"], now_us=T0 + 3 * US)
    carry(phl, jpn, now_us=T0 + 4 * US)
    assert jpn.ledger.end(release_id)["confirmed_us"] == T0 + 3 * US  # type: ignore[index]


def test_it_is_said_again_until_it_is_confirmed(pair: tuple[HandNode, HandNode]) -> None:
    phl, jpn = pair
    release_id = made(jpn)
    carry(jpn, phl, now_us=T0 + 3 * US)
    jpn.sharing.tighten(release_id, T0 + 600 * US, by="ra", reason="error", now_us=T0 + 4 * US)
    jpn.parcels.clear()  # lost, as with an old copy of the outbound log
    said = []
    for minute in range(5):
        jpn.sharing.settle(["PHL"], now_us=T0 + (70 + 60 * minute) * US)
        said.append([parcel.kind for parcel in jpn.parcels].count("tighten"))
        if minute == 2:
            carry(jpn, phl, now_us=T0 + 200 * US)
            phl.room.settle(["JPN"], now_us=T0 + 201 * US)
            carry(phl, jpn, now_us=T0 + 202 * US)
        jpn.parcels.clear()
    assert said == [1, 0, 1, 0, 0]


def test_a_release_overtaken_by_its_end_is_told_as_not_taken(pair: tuple[HandNode, HandNode]) -> None:
    phl, jpn = pair
    release_id = made(jpn)
    late, jpn.parcels = list(jpn.parcels), []
    jpn.sharing.tighten(release_id, T0 + 5 * US, by="ra", reason="error", now_us=T0 + 3 * US)
    assert carry(jpn, phl, now_us=T0 + 6 * US) == ["tighten"]
    jpn.parcels = late
    carry(jpn, phl, now_us=T0 + 6 * US)
    assert jpn.ledger.release(release_id)["state"] == "sent"
    phl.room.settle(["JPN"], now_us=T0 + 7 * US)
    assert "receipt" in carry(phl, jpn, now_us=T0 + 8 * US)
    told = jpn.ledger.release(release_id)
    assert (told["state"], told["reason"]) == ("refused", "exchange.expired")
    assert jpn.ledger.end(release_id)["confirmed_us"] is not None  # type: ignore[index]
    assert phl.parts.core.picture.num_rows == 0


def test_a_partner_that_says_withdrawn_of_what_nobody_ended_changes_nothing(pair: tuple[HandNode, HandNode]) -> None:
    _, jpn = pair
    release_id = made(jpn)
    jpn.ledger.receipted(Receipt(release_id, "PHL", "JPN", "withdrawn", T0, retained(T0 + 5 * US)))
    assert jpn.ledger.release(release_id)["state"] == "sent"


def test_an_end_comes_only_earlier_and_only_of_what_stands(pair: tuple[HandNode, HandNode]) -> None:
    _, jpn = pair
    release_id = made(jpn)
    for until_us in (T0 + 3_602 * US, T0 + 9_999 * US):
        with pytest.raises(InputError) as caught:
            jpn.sharing.tighten(release_id, until_us, by="ra", reason="x", now_us=T0 + 5 * US)
        assert caught.value.error_code == "release.longer"
    jpn.sharing.tighten(release_id, T0 + 100 * US, by="ra", reason="x", now_us=T0 + 5 * US)
    jpn.sharing.tighten(release_id, T0 + 90 * US, by="ra", reason="x", now_us=T0 + 6 * US)
    with pytest.raises(InputError):
        jpn.sharing.tighten(release_id, T0 + 95 * US, by="ra", reason="x", now_us=T0 + 7 * US)
    with pytest.raises(NotFound):
        jpn.sharing.tighten("0" * 64, T0 + 95 * US, by="ra", reason="x", now_us=T0 + 7 * US)
    jpn.sharing.recall(release_id, by="ra", reason="x", now_us=T0 + 8 * US)
    with pytest.raises(InputError) as caught:
        jpn.sharing.tighten(release_id, T0 + 60 * US, by="ra", reason="x", now_us=T0 + 9 * US)
    assert caught.value.error_code == "release.withdrawn"


def test_only_the_releaser_ends_and_a_strange_detail_confirms_nothing(pair: tuple[HandNode, HandNode]) -> None:
    phl, jpn = pair
    release_id = made(jpn)
    bundle = jpn.parcels[0].data
    carry(jpn, phl, now_us=T0 + 3 * US)
    phl.ledger.shorten_here([release_id], "USA", T0 + 4 * US, now_us=T0 + 3 * US)
    assert phl.ledger.holding(release_id)["retain_until_us"] == T0 + 3_602 * US  # type: ignore[index]
    fresh = Ledger()
    fresh.shorten_here([release_id], "USA", T0 + 4 * US, now_us=T0 + 3 * US)
    assert fresh.kept_until(release_id, "JPN", 7) == 7
    assert fresh.kept_until(release_id, "JPN", None) is None
    assert Release.from_bytes(bundle).release_id == release_id
    for strange in ("", "retain_until_us=", "retain_until_us=-5", "retain_until_us=" + "9" * 30, "code"):
        assert end_of(strange) is None
    assert end_of(retained(T0)) == T0
    assert retained(None) == ""


def test_a_file_that_comes_after_newer_ones_takes_nothing_over(pair: tuple[HandNode, HandNode]) -> None:
    """Else a recall of the newest release would leave its ship in the picture, owned by the oldest."""
    phl, jpn = pair
    old = made(jpn)
    line = encode_position(mmsi=431000001, lat_deg=20.0027, lon_deg=121.0, sog_mps=5.0, cog_deg=0.0,
                           tag_block={"c": T0 // US + 61})  # fmt: skip
    jpn.step([("ais", T0 + 61 * US, line + b"\r\n")], now_us=T0 + 61 * US)
    first, new = jpn.tell(now_us=T0 + 62 * US)
    assert first.release_id == old
    phl.hear(new, "JPN", now_us=T0 + 63 * US)
    phl.step([], now_us=T0 + 63 * US)
    phl.hear(first, "JPN", now_us=T0 + 64 * US)
    phl.step([], now_us=T0 + 64 * US)
    assert phl.parts.core.picture["lat_deg"].to_pylist() == pytest.approx([20.0027], abs=5e-4)
    jpn.parcels.clear()
    jpn.sharing.recall(new.release_id, by="ra", reason="error", now_us=T0 + 65 * US)
    carry(jpn, phl, now_us=T0 + 66 * US)
    phl.step([], now_us=T0 + 66 * US)
    assert phl.parts.core.picture.num_rows == 0
