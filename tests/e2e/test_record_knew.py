"""What a party knew at a time: from the record alone, signed, and refused when a word of it is changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kuroshio import clock, exchange, record
from kuroshio.cli import keys as keys_cli
from kuroshio.cli import record as record_cli
from kuroshio.errors import VerificationError
from kuroshio.links.tls import KeyFolder
from kuroshio.schema import TRACKS, Citation, Decision, Effect, Obligations
from kuroshio.schema.release import RECEIVED, WITHDRAWN, Receipt
from kuroshio.schema.signing import KeyRing, public_key

RUN = CliRunner()
T0_US, MIN_US = 1_790_000_000_000_000, 60_000_000


def ask(*arguments: object) -> dict:  # type: ignore[type-arg]
    done = RUN.invoke(record_cli.app, [str(a) for a in arguments], catch_exceptions=False)
    return json.loads(done.stdout.strip().splitlines()[-1])


def state_at(root: Path, minute: float) -> list[str]:
    at = clock.rfc3339(T0_US + int(minute * MIN_US))
    signed = ask("knew", root / "PHL" / "record", "--party", "JPN", "--at", at, "--json")
    return [item["state"] for item in signed["report"]["releases"]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three releases to JPN a minute apart: one received, one recalled and withdrawn, one kept for two minutes."""
    for party in ("PHL", "JPN"):
        RUN.invoke(keys_cli.app, ["init", str(tmp_path / party / "keys"), "--party", party])
        RUN.invoke(keys_cli.app, ["export", str(tmp_path / party / "keys"), "--out", str(tmp_path / f"{party}.json")])
    RUN.invoke(keys_cli.app, ["trust", str(tmp_path / "PHL" / "keys"), str(tmp_path / "JPN.json")])
    keys, theirs = KeyFolder(tmp_path / "PHL" / "keys"), KeyFolder(tmp_path / "JPN" / "keys")
    log = record.open_log(tmp_path / "PHL" / "record", keys.signer, secret=keys.secret)
    ring = KeyRing([public_key(keys.signer), public_key(theirs.signer)])
    desk = exchange.Desk(
        keys.signer, secret=keys.secret, record=log, ledger=exchange.Ledger(), keys=lambda: ring,
        verify_receipt=lambda release, now_us: None,
    )  # fmt: skip
    ids = []
    for minute, terms in enumerate((Obligations(), Obligations(), Obligations(retention_s=120))):
        now_us = T0_US + minute * MIN_US
        rows = TRACKS.build(
            {"track_id": [minute], "observed_at": np.array([now_us]).astype("datetime64[us]"), "lat_deg": [14.0],
             "lon_deg": [120.0], "status": ["confirmed"]}
        )  # fmt: skip
        effect = Effect.OBLIGE if terms.retention_s else Effect.PERMIT
        verdict = Decision(effect, (Citation("PH-JP", "Art.4"),), terms, basis="PH-JP", rules_digest="ab" * 32)
        parcel = desk.tracks(rows, verdict, to="JPN", now_us=now_us, decided_by="officer.cruz" if minute else "rule")
        assert parcel is not None
        ids.append(parcel.release_id)
    desk.recall(ids[1], by="officer.cruz", reason="error", now_us=T0_US + 4 * MIN_US)
    answers = [(ids[0], RECEIVED, 1.5), (ids[1], RECEIVED, 1.5), (ids[1], WITHDRAWN, 5.0), (ids[2], RECEIVED, 2.5)]
    for release_id, status, minute in answers:
        receipt = Receipt(release_id, "JPN", "PHL", status, T0_US + int(minute * MIN_US)).signed(theirs.signer)
        said = {"release_id": release_id, "by": "JPN", "status": status, "at_us": receipt.at_us}
        log.append([{"kind": "receipt_of", **said, "key_id": receipt.key_id, "signature": receipt.signature.hex()}])
    signature = record.cosign(log.publish(), theirs.signer, at_us=T0_US + 6 * MIN_US)
    log.add_cosignature(signature, size=log.size)
    log.append([{"kind": "note", "at_us": T0_US + 7 * MIN_US}])
    log.publish()
    return tmp_path


def test_what_a_party_knew_follows_receipts_recalls_and_retention(root: Path) -> None:
    assert state_at(root, -1) == []
    assert state_at(root, 1.2) == ["sent", "sent"]
    assert state_at(root, 1.7) == ["received", "received"]
    assert state_at(root, 3) == ["received", "received", "received"]
    assert state_at(root, 4.5) == ["received", "recalled", "expired"]
    assert state_at(root, 6) == ["received", "withdrawn", "expired"]


@pytest.mark.parametrize("name", ["report.json", "report.html"])
def test_a_report_is_signed_and_proves_each_line(root: Path, name: str) -> None:
    at, out, bundle = clock.rfc3339(T0_US + 3 * MIN_US), root / name, root / "PHL.json"
    signed = ask("knew", root / "PHL" / "record", "--party", "JPN", "--at", at, "--out", out, "--json")
    why = signed["report"]["releases"][1]["why"]
    assert (why["clauses"], why["decided_by"], why["accord"]) == (["PH-JP Art.4"], "officer.cruz", "PH-JP")
    good = ask("verify", out, "--keys", bundle, "--json")
    assert good == {"ok": True, "record_of": "PHL", "party": "JPN", "releases": 3}
    text = out.read_text()
    for old, new in (("officer.cruz", "officer.reyes"), ("received", "withdrawn"), ("Art.4", "Art.5")):
        out.write_text(text.replace(old, new, 1))
        with pytest.raises(VerificationError):
            RUN.invoke(record_cli.app, ["verify", str(out), "--keys", str(bundle)], catch_exceptions=False)


def test_a_signed_line_that_the_record_does_not_hold_is_refused(root: Path) -> None:
    keys = KeyFolder(root / "PHL" / "keys")
    files = record.Disk(root / "PHL" / "record")
    signed = record.knew(files, "JPN", at_us=T0_US + 3 * MIN_US, made_at_us=T0_US, signer=keys.signer)
    body = signed["report"]
    body["releases"][0]["rows"] = 99
    again = {**signed, "signature": record.sign_report(body, keys.signer)}
    with pytest.raises(VerificationError, match="not what the record says"):
        record.verify_knew(again, KeyRing([public_key(keys.signer)]), now_us=T0_US)


def test_witnesses_are_told_with_what_came_since(root: Path) -> None:
    found = ask("witnesses", root / "PHL" / "record", "--json")["witnesses"]
    assert [(w["party"], w["behind"], w["at_us"]) for w in found] == [("JPN", 1, T0_US + 6 * MIN_US)]
