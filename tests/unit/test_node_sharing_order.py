"""States for several partners: one write of ledger and record for all, then logs side by side, then they are booked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import record
from kuroshio.errors import PeerError
from kuroshio.exchange import Desk, Ledger, Parcel
from kuroshio.node.deciding import Group
from kuroshio.node.sharing import Sharing
from kuroshio.schema import TRACKS, Citation, Decision, Effect, Obligations
from kuroshio.schema.signing import Ed25519Signer, KeyRing, public_key

T0 = 1_790_000_000_000_000
PHL = Ed25519Signer("PHL", b"p" * 32)
PERMIT = Decision(Effect.PERMIT, (Citation("A", "1"),), Obligations(), basis="A", rules_digest="ab" * 32)


class Decides:
    party = "PHL"
    holdings = SimpleNamespace(remember=lambda rows: None, purpose="maritime_safety")

    def groups(self, rows: pa.Table, to: Sequence[str], *, now_us: int) -> Iterator[Group]:
        del now_us
        for party in to if rows.num_rows else ():
            yield Group(party, rows, PERMIT, "PHL", "U", (), True)


def sharing(folder: Path, post: Callable[[Parcel], Callable[[], None]]) -> Sharing:
    log = record.open_log(folder / "record", PHL, secret=b"s" * 32)
    ring = KeyRing([public_key(PHL)])
    desk = Desk(PHL, secret=b"s" * 32, record=log, ledger=Ledger(), keys=lambda: ring, verify_receipt=lambda r, n: None)
    made: Any = Decides()
    return Sharing(
        made, desk=desk, secret=b"s" * 32, record=log, partners=["JPN", "USA"], post=post, room=lambda party: 1 << 20
    )


def rows() -> pa.Table:
    at = np.full(3, T0).astype("datetime64[us]")
    return TRACKS.build(
        {"track_id": [1, 2, 3], "observed_at": at, "lat_deg": [14.0] * 3, "lon_deg": [120.0] * 3,
         "status": ["confirmed"] * 3},
        rows=3,
    )  # fmt: skip


def test_logs_are_begun_one_after_another_and_booked_when_durable(tmp_path: Path) -> None:
    seen: list[str] = []

    def post(parcel: Parcel) -> Callable[[], None]:
        seen.append(f"begun {parcel.to}")

        def durable() -> None:
            assert len(desk.ledger.unoffered()) == 2  # nothing is booked yet
            seen.append(f"durable {parcel.to}")

        return durable

    one = sharing(tmp_path, post)
    desk = one.desk
    append = one.record.append

    def appended(leaves: Sequence[Mapping[str, Any]]) -> list[int]:
        assert len(desk.ledger.unoffered()) == len(leaves) == 2  # the bundles are safe before the leaves
        seen.append("record")
        return append(leaves)

    one.record.append = appended  # type: ignore[method-assign]
    assert one.share((rows(), rows()), rows(), own=rows(), now_us=T0) == 2
    assert seen.pop(0) == "record"
    assert seen == ["begun JPN", "begun USA", "durable JPN", "durable USA"]
    assert desk.ledger.unoffered() == []


def test_what_a_full_log_does_not_take_is_offered_after_the_next_start(tmp_path: Path) -> None:
    def post(parcel: Parcel) -> Callable[[], None]:
        def durable() -> None:
            if parcel.to == "USA":
                raise PeerError("no room", code="peer.queue_full")

        return durable

    one = sharing(tmp_path, post)
    with pytest.raises(PeerError):
        one.share((rows(), rows()), rows(), own=rows(), now_us=T0)
    assert len(one.desk.ledger.unoffered()) == 2  # JPN's comes twice then, and is taken once by its content
