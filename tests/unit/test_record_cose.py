"""COSE receipts: CBOR as RFC 8949 writes it, a receipt that holds, and each tampering refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuroshio import record
from kuroshio.cli import keys as keys_cli
from kuroshio.cli import record as record_cli
from kuroshio.errors import VerificationError
from kuroshio.links.tls import KeyFolder
from kuroshio.record.cose import cbor, uncbor, verify_cose
from kuroshio.schema.signing import Ed25519Signer, KeyRing, public_key

RUN = CliRunner()
# RFC 8949, appendix A
VECTORS = [
    (0, "00"), (23, "17"), (24, "1818"), (1000, "1903e8"), (1000000000000, "1b000000e8d4a51000"), (-1, "20"),
    (-1000, "3903e7"), (b"\x01\x02\x03\x04", "4401020304"), ("IETF", "6449455446"), ([1, [2, 3]], "8201820203"),
    ({1: 2, 3: 4}, "a201020304"), (None, "f6"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), VECTORS)
def test_cbor_is_that_of_the_standard(value: object, text: str) -> None:
    assert cbor(value).hex() == text
    assert uncbor(bytes.fromhex(text)) == (value, len(text) // 2)


def test_receipts_are_exported_and_hold_and_no_changed_byte_does(tmp_path: Path) -> None:
    RUN.invoke(keys_cli.app, ["init", str(tmp_path / "keys"), "--party", "PHL"])
    keys = KeyFolder(tmp_path / "keys")
    log = record.open_log(tmp_path / "record", keys.signer, secret=keys.secret)
    log.append([{"kind": "note", "to": "JPN" if i % 2 else "USA", "n": i, "at_us": i} for i in range(300)])
    log.publish()
    out = tmp_path / "receipts.jsonl"
    asked = ["export", str(tmp_path / "record"), str(out), "--to", "JPN", "--form", "cose", "--json"]
    assert json.loads(RUN.invoke(record_cli.app, asked, catch_exceptions=False).stdout)["proofs"] == 150
    ring = KeyRing([public_key(keys.signer)])
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    for line in lines:
        data, salt = base64.b64decode(line["receipt"]), base64.b64decode(line["salt"])
        assert verify_cose(data, salt, line["leaf"].encode(), "PHL", ring, now_us=1) == (line["seq"], 300)
        assert json.loads(line["leaf"])["to"] == "JPN"
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 1
        with pytest.raises(VerificationError):
            verify_cose(bytes(bad), salt, line["leaf"].encode(), "PHL", ring, now_us=1)
    for changed in (data[:-1], data + b"\x00", b"", b"\xd2"):
        with pytest.raises(VerificationError):
            verify_cose(changed, salt, line["leaf"].encode(), "PHL", ring, now_us=1)
    with pytest.raises(VerificationError):
        verify_cose(data, salt, line["leaf"].replace("JPN", "USA").encode(), "PHL", ring, now_us=1)
    stranger = KeyRing([public_key(Ed25519Signer("PHL", b"x" * 32))])
    with pytest.raises(VerificationError):
        verify_cose(data, salt, line["leaf"].encode(), "PHL", stranger, now_us=1)
