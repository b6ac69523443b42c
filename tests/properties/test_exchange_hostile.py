"""A partner that signs anything: what it says is taken or refused in words, and never ends the node it is said to.

Each bundle is whole, signed by the partner's key and on its record: only what it says is odd, one field at a time. The
node runs meanwhile, so that what it took is lived with too: receipts, retention, the picture.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kuroshio import clock, record
from kuroshio.errors import InputError, KuroshioError
from kuroshio.exchange import Desk, Ledger
from kuroshio.exchange.columns import row_bytes
from kuroshio.exchange.records import CONTROL_KINDS, RECORD_KINDS
from kuroshio.exchange.seal import row_commitments
from kuroshio.links.tls import KeyFolder
from kuroshio.node import config
from kuroshio.node.node import Node
from kuroshio.schema import TRACKS, Citation, Decision, Effect
from kuroshio.schema import merkle as tree
from kuroshio.schema.release import TRACK_FORMS, Release
from kuroshio.schema.signing import b64, canonical, digest_hex, unb64
from kuroshio.testing.demo import free_port
from kuroshio.testing.network.disk import MemoryFiles

PERMIT = Decision(Effect.PERMIT, (Citation("SIM", "Art.4"),), basis="SIM")
GONE = object()
ODD: list[Any] = [
    GONE, None, True, -1, 0, 2**53 - 1, 1 - 2**53, 2**63, 2**70, -(2**63), 1e308, -1e308, 5e-324, 0.5, "", "x",
    "x" * 5_000, "é\u0000", "[" * 15_000, [], [None], [[]], ["x"], [1e308], {}, {"x": None}, "99", "NaN",
]  # fmt: skip
HEX = "ab" * 32
NUMBERS = [float("nan"), float("inf"), -1e308, 1e308, 5e-324, -1.0, 0.0]
TIMES = [-(2**63) + 1, -1, 0, 253_402_300_799_999_999, 2**62, 2**63 - 1]


class Liar:
    """A partner with a key and a record, who says what it likes."""

    def __init__(self, folder: Path) -> None:
        self.keys = KeyFolder.make(folder / "keys", "JPN", now_us=clock.now_us() - 1_000_000)
        self.signer = self.keys.signer
        self.log = record.Log(MemoryFiles(), self.signer, secret=bytes(32))
        self.desk = Desk(
            self.signer, secret=bytes(32), record=self.log, ledger=Ledger(), keys=self.keys.ring,
            verify_receipt=lambda release, now_us: None,
        )  # fmt: skip

    def said(self, base: Release, plain: bytes, rows: list[bytes], changes: Mapping[str, Any]) -> bytes:
        """A bundle like another, of this content and with these header fields."""
        payload, header = pa.compress(plain, codec="zstd", asbytes=True), dict(base.fields)
        seed = unb64(header["salt_seed"])
        header |= {
            "payload_sha256": digest_hex(payload), "payload_bytes": len(plain), "rows": len(rows),
            "bundle_root": b64(tree.root(row_commitments(rows, seed))),
        }  # fmt: skip
        header = {n: v for n, v in (header | dict(changes)).items() if v is not GONE}
        encoded = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        release = Release(encoded, self.signer.sign(encoded), payload)
        leaf = {n: header.get(n, v) for n, v in base.leaf().items()} | {"release_id": release.release_id}
        leaf["at_us"] = header.get("released_at_us", 0)
        try:
            [seq] = self.log.append([leaf])
        except InputError:  # no record can hold it
            [seq] = self.log.append([base.leaf()])
        self.log.publish()
        return release.with_receipt(self.log.receipt(seq)).to_bytes()


def bodies(log: record.Log) -> dict[str, dict[str, Any]]:
    """One good body of each kind of record and statement."""
    now_us = clock.now_us()
    receipt = {
        "type": "kuroshio/receipt/1", "release_id": HEX, "by": "JPN", "to": "PHL", "status": "received",
        "at_us": now_us, "detail": "", "key_id": "k", "signature": "AAAA",
    }  # fmt: skip
    what = {"item": "fuel", "category": "fuel", "quantity": 3.5, "unit": "t", "remarks": "r", "entry": "{}"}
    return {
        "safety": {"text": "t", "at_us": now_us, "mmsi": 1, "name": "n", "source_ref": "r",
                   "lat_deg": 1.0, "lon_deg": 2.0},
        "order": {"order_id": "o", "step": "requested", "activity": "a", "due_us": now_us, "place": "p", **what},
        "equipment": {"asset_id": "o", "step": "handed_over", "holder": "h", "at_us": now_us, **what},
        "access": {"request_id": "o", "step": "requested", "activity": "a", "persons": 3, "entry": "{}"},
        "recall": {"release_ids": [HEX], "reason": "error", "at_us": now_us},
        "tighten": {"release_ids": [HEX], "retain_until_us": now_us, "reason": "error", "at_us": now_us},
        "receipt": {"receipts": [receipt]},
        "checkpoint": {"note": log.publish().note().decode(), "old_size": 0, "proof": []},
        "cosignature": {"origin": "kuroshio.record/PHL", "size": 1, "line": "- PHL AAAA"},
        "policy": {"accords": ["SIM"], "versions": [1], "at_us": now_us},
    }  # fmt: skip


def statements(liar: Liar) -> Iterator[tuple[str, bytes]]:
    """Every field of every record and statement, and of the header and the terms of one, set to odd values."""
    good = bodies(liar.log)
    assert set(good) == {*CONTROL_KINDS, *RECORD_KINDS}
    for kind, body in good.items():
        seal = partial(liar.desk.record, decision=PERMIT) if kind in RECORD_KINDS else liar.desk.control
        base = Release.from_bytes(seal(kind, body, to="PHL", now_us=clock.now_us()).data)
        for name in [*body, "unknown"]:
            for value in ODD:
                changed = {n: v for n, v in (body | {name: value}).items() if v is not GONE}
                plain = json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
                yield f"{kind}.{name} {str(value)[:40]}", liar.said(base, plain, [plain], {})
        if kind != "safety":
            continue
        plain = canonical(body)
        for name in base.fields:
            for value in ODD:
                yield f"{kind} header {name} {str(value)[:40]}", liar.said(base, plain, [plain], {name: value})
        for name in base.fields["obligations"]:
            for value in ODD:
                terms = {n: v for n, v in (base.fields["obligations"] | {name: value}).items() if v is not GONE}
                yield f"{kind} terms {name} {str(value)[:40]}", liar.said(base, plain, [plain], {"obligations": terms})


def tables(liar: Liar) -> Iterator[tuple[str, bytes]]:
    """A release of one track, each of its numbers, times and texts set to odd values."""
    now_us = clock.now_us()
    rows = TRACKS.build(
        {"track_id": [7], "observed_at": pa.array([now_us], pa.timestamp("us", "UTC")), "lat_deg": [14.0],
         "lon_deg": [120.0], "status": ["confirmed"]}
    )  # fmt: skip
    parcel = liar.desk.tracks(rows, PERMIT, to="PHL", now_us=now_us)
    assert parcel is not None
    base = Release.from_bytes(parcel.data)
    plain = pa.decompress(base.payload, decompressed_size=base.fields["payload_bytes"], codec="zstd", asbytes=True)
    good = pa.ipc.open_stream(plain).read_all()
    for at, column in enumerate(good.schema):
        if pa.types.is_floating(column.type):
            values: list[Any] = NUMBERS
        elif pa.types.is_timestamp(column.type):
            values = TIMES
        elif pa.types.is_integer(column.type):
            values = [-(2 ** (column.type.bit_width - 1)), 2 ** (column.type.bit_width - 1) - 1, 0]
        elif pa.types.is_string(column.type):
            values = ["", "x" * 5_000, "é\u0000"]
        else:
            continue
        for value in values:
            changed = good.set_column(at, column, pa.array([value], column.type))
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, changed.schema) as writer:
                writer.write_table(changed)
            try:
                leaves = row_bytes(changed, TRACK_FORMS[1])
            except Exception:  # what cannot be spelled cannot be committed to: the receiver tries all the same
                leaves = [b"?"]
            yield f"tracks.{column.name} {str(value)[:40]}", liar.said(base, sink.getvalue().to_pybytes(), leaves, {})


@pytest.mark.parametrize("make", [statements, tables])
async def test_nothing_a_partner_signs_ends_the_node(make: Any, tmp_path: Path) -> None:
    liar = Liar(tmp_path / "JPN")
    document = {
        "node": {"party": "PHL", "name": "test"}, "peer": {"port": free_port()},
        "partners": [{"party": "JPN", "url": f"https://127.0.0.1:{free_port()}"}],
    }  # fmt: skip
    settings = config.from_dict(document, base=tmp_path)
    KeyFolder.make(settings.keys, "PHL", now_us=clock.now_us(), hosts=["127.0.0.1"]).trust(liar.keys.export())
    node = Node(settings)
    await node.start()
    loop, taken, refused, unheard_of = asyncio.get_running_loop(), 0, dict[str, int](), list[str]()
    try:
        for what, bundle in make(liar):
            try:
                work = partial(node.partners.room.take, "JPN", bundle, now_us=clock.now_us(), carried=True)
                await loop.run_in_executor(node._worker, work)
                taken += 1
            except KuroshioError as err:
                refused[err.error_code] = refused.get(err.error_code, 0) + 1
            except Exception as err:
                unheard_of.append(f"{what}: {err!r}")
        assert unheard_of == []
        await asyncio.sleep(3.0)  # some turns of the node, with all that
        assert node.failure is None
    finally:
        await node.stop()
    assert taken > 5
    assert refused
