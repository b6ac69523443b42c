"""State that waits for a partner: newest only, bounded, told; and keys that change beside a running node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kuroshio.errors import PeerError, StoreError, VerificationError
from kuroshio.links.tls import KeyFolder
from kuroshio.node import waiting as room
from kuroshio.node.trust import Trust
from kuroshio.node.waiting import Waiting
from kuroshio.node.witnesses import WitnessBook
from kuroshio.record import Witness
from kuroshio.schema import TRACKS

T0 = 1_790_000_000_000_000


def rows(ids: list[int], *, at: int = 0, status: str = "confirmed"):  # type: ignore[no-untyped-def]
    count = len(ids)
    return TRACKS.build(
        {
            "track_id": ids, "observed_at": np.full(count, T0 + at, "datetime64[us]"), "lat_deg": [14.0] * count,
            "lon_deg": [120.0] * count, "status": [status] * count,
        }
    )  # fmt: skip


def given(ids):  # type: ignore[no-untyped-def]
    return np.isin(ids, [1, 2, 3])


def test_the_newest_state_waits_once_and_what_it_replaced_is_counted() -> None:
    box = Waiting()
    assert box.add(rows([1, 2]), given) == 0
    assert box.add(rows([2, 5, 5], at=1), given) == 2
    assert (len(box), box.thinned) == (3, 2)
    picture = rows([1, 2, 4, 5], at=9)
    assert box.rows(picture, 2)["track_id"].to_pylist() == [1, 2]  # those that waited longest
    assert box.rows(picture, 10)["track_id"].to_pylist() == [5]
    assert box.rows(picture, 10).num_rows == 0


def test_an_end_is_told_of_tracks_that_were_given_only(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(room, "ENDED_MAX", 2)
    box = Waiting()
    box.add(rows([1, 8]), given)
    box.add(rows([1, 8], at=1, status="ended"), given)
    told = box.rows(rows([4]), 10)
    assert told["track_id"].to_pylist() == [1]
    assert told["status"].to_pylist() == ["ended"]
    box.add(rows([1, 2, 3], at=2, status="ended"), given)
    assert box.forgotten == 1
    assert box.rows(rows([4]), 10)["track_id"].to_pylist() == [2, 3]


def test_keys_changed_beside_a_running_node_count_at_the_next_use(tmp_path: Path) -> None:
    own = KeyFolder.make(tmp_path / "PHL", "PHL", now_us=T0)
    other = KeyFolder.make(tmp_path / "JPN", "JPN", now_us=T0)
    trust = Trust(own)
    message, now = b"a release", T0 + 1
    with pytest.raises(VerificationError, match="not trusted"):
        trust.ring().verify("JPN", other.signer.key_id, message, other.signer.sign(message), now_us=now)
    KeyFolder(tmp_path / "PHL").trust(other.export())
    trust.ring().verify("JPN", other.signer.key_id, message, other.signer.sign(message), now_us=now)
    certificate = _der(tmp_path / "JPN" / "node.crt")
    assert trust.party_of(certificate) == "JPN"

    old = trust.key_id
    assert not trust.adopt()
    new = KeyFolder(tmp_path / "PHL").rotate(now_us=now)
    assert trust.key_id == old  # not in the middle of a release
    assert trust.adopt()
    assert trust.key_id == new
    trust.ring().verify("PHL", old, message, own.signer.sign(message), now_us=now)  # what is on its way may arrive
    trust.ring().verify("PHL", new, message, trust.sign(message), now_us=now)

    KeyFolder(tmp_path / "PHL").revoke(other.signer.key_id, now_us=now)
    with pytest.raises(VerificationError, match="revoked"):
        trust.ring().verify("JPN", other.signer.key_id, message, other.signer.sign(message), now_us=now)
    with pytest.raises(PeerError) as caught:
        trust.party_of(certificate)
    assert caught.value.error_code == "peer.revoked"
    seen = trust.generation
    (tmp_path / "PHL" / "revoked.json").write_text("{half a fi")  # a command is writing: what was read stays
    assert not trust.trusts("JPN")
    assert trust.generation == seen


def _der(path: Path) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def test_a_witness_remembers_over_a_restart(tmp_path: Path) -> None:
    book = WitnessBook(tmp_path / "w.json")
    book.witnesses["JPN"] = Witness("JPN")
    book.witnesses["JPN"].saw(3)
    book.shown["JPN"] = 7
    book.keep()
    again = WitnessBook(tmp_path / "w.json")
    assert again.shown == {"JPN": 7}
    assert again.witnesses["JPN"].as_dict() == book.witnesses["JPN"].as_dict()
    (tmp_path / "w.json").write_text("{torn")
    with pytest.raises(StoreError, match="witness"):
        WitnessBook(tmp_path / "w.json")


def test_a_partner_reached_by_files_is_queued_for_in_its_own_time() -> None:
    carried = room.Carried(600.0)
    assert carried.room(T0) > 0
    assert carried.room(T0) > 0  # nothing was due to it yet: looking changes nothing
    carried.queued(T0)
    assert carried.room(T0 + 599_000_000) == 0
    assert carried.room(T0 + 600_000_000) > 0


def test_what_waits_elsewhere_waits_here_no_more() -> None:
    box = Waiting()
    box.add(rows([1, 2, 3]), given)
    box.add(rows([2], at=1, status="ended"), given)
    box.drop(np.array([2, 3, 9]))
    assert len(box) == 1
    assert box.rows(rows([1, 2, 3]), 10)["track_id"].to_pylist() == [1]
