"""keys, record and exchange as commands: what a node administrator types, and the exit code of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kuroshio import clock, record
from kuroshio.cli import exchange as exchange_cli
from kuroshio.cli import keys as keys_cli
from kuroshio.cli import record as record_cli
from kuroshio.errors import ConfigError, KuroshioError, VerificationError
from kuroshio.exchange import Outlet, seal_tracks
from kuroshio.exchange.carry import write_bundles
from kuroshio.links.tls import KeyFolder
from kuroshio.schema import TRACKS, Citation, Decision, Effect, Obligations

RUN = CliRunner()


def ask(app, *arguments: object) -> dict:  # type: ignore[no-untyped-def, type-arg]
    done = RUN.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    return json.loads(done.stdout.strip().splitlines()[-1])


def fails(app, *arguments: object) -> KuroshioError:  # type: ignore[no-untyped-def]
    with pytest.raises(KuroshioError) as caught:
        RUN.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    return caught.value


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    for party in ("PHL", "JPN"):
        made = ask(keys_cli.app, "init", tmp_path / party / "keys", "--party", party, "--json")
        assert made["key_id"].startswith(party)
        RUN.invoke(keys_cli.app, ["export", str(tmp_path / party / "keys"), "--out", str(tmp_path / f"{party}.json")])
    for me, partner in (("PHL", "JPN"), ("JPN", "PHL")):
        bundle = tmp_path / f"{partner}.json"
        assert ask(keys_cli.app, "trust", tmp_path / me / "keys", bundle, "--json")["trusted"] == partner
    return tmp_path


def test_keys_are_private_kept_and_never_overwritten(nodes: Path) -> None:
    folder = nodes / "PHL" / "keys"
    for name in ("signing.key", "secret.bin", "ca.key", "node.key"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
        shown = RUN.invoke(keys_cli.app, ["show", str(folder)]).output + (nodes / "PHL.json").read_text()
        assert (folder / name).read_bytes().hex() not in shown
    assert fails(keys_cli.app, "init", folder, "--party", "PHL").error_code == "keys.exists"
    assert fails(keys_cli.app, "init", nodes / "x", "--party", "phl!").error_code == "keys.party"
    bad = fails(keys_cli.app, "trust", folder, nodes / "JPN.json", "--digest", "0000")
    assert isinstance(bad, ConfigError)
    changed = (nodes / "JPN.json").read_text().replace('"party":"JPN"', '"party":"USA"')
    (nodes / "forged.json").write_text(changed)
    assert isinstance(fails(keys_cli.app, "trust", folder, nodes / "forged.json"), VerificationError)
    (folder / "signing.key").chmod(0o644)
    assert fails(keys_cli.app, "show", folder).error_code == "keys.mode"


def test_rotation_and_revocation(nodes: Path) -> None:
    old = KeyFolder(nodes / "PHL" / "keys").signer.key_id
    new = ask(keys_cli.app, "rotate", nodes / "PHL" / "keys", "--json")["key_id"]
    assert new != old
    RUN.invoke(keys_cli.app, ["export", str(nodes / "PHL" / "keys"), "--out", str(nodes / "PHL.json")])
    ask(keys_cli.app, "trust", nodes / "JPN" / "keys", nodes / "PHL.json", "--json")
    ring = KeyFolder(nodes / "JPN" / "keys").ring()
    # planned: what the old key has signed and is on its way may still arrive
    assert {k.key_id: k.revoked_us is not None for k in ring.of("PHL")} == {old: False, new: False}
    newest = ask(keys_cli.app, "rotate", nodes / "PHL" / "keys", "--revoke", "--json")["key_id"]  # lost or stolen
    ask(keys_cli.app, "revoke", nodes / "PHL" / "keys", old, "--json")
    RUN.invoke(keys_cli.app, ["export", str(nodes / "PHL" / "keys"), "--out", str(nodes / "PHL.json")])
    ask(keys_cli.app, "trust", nodes / "JPN" / "keys", nodes / "PHL.json", "--json")
    ring = KeyFolder(nodes / "JPN" / "keys").ring()
    assert {k.key_id: k.revoked_us is not None for k in ring.of("PHL")} == {old: True, new: True, newest: False}
    assert fails(keys_cli.app, "revoke", nodes / "PHL" / "keys", newest).error_code == "keys.in_use"
    ask(keys_cli.app, "revoke", nodes / "JPN" / "keys", newest, "--json")
    assert KeyFolder(nodes / "JPN" / "keys").ring().get(newest).revoked_us is not None  # type: ignore[union-attr]


def test_a_release_by_stick_and_its_record(nodes: Path) -> None:
    keys, now_us = KeyFolder(nodes / "PHL" / "keys"), clock.now_us()
    log = record.open_log(nodes / "PHL" / "record", keys.signer, secret=keys.secret)
    outlet, bundles = Outlet("JPN", keys.secret), []
    for i in range(3):
        rows = TRACKS.build(
            {
                "track_id": [1, 2], "observed_at": np.full(2, now_us - 1000 + i, "datetime64[us]"),
                "lat_deg": [14.0, 15.0], "lon_deg": [120.0, 121.0], "status": ["confirmed"] * 2,
            }
        )  # fmt: skip
        verdict = Decision(Effect.PERMIT, (Citation("PH-JP", "Art.4"),), Obligations(), basis="PH-JP")
        release = seal_tracks(rows, verdict, releaser="PHL", to="JPN", now_us=now_us, signer=keys.signer, outlet=outlet)
        assert release is not None
        [seq] = log.append([release.leaf()])
        log.publish()
        bundles.append(release.with_receipt(log.receipt(seq)).to_bytes())
    stick = nodes / "stick.kur"
    with stick.open("wb") as file:
        assert write_bundles(file, bundles) == 3
    assert len(ask(exchange_cli.app, "show", stick, "--json")["bundles"]) == 3
    changed = nodes / "changed.kur"
    changed.write_bytes(stick.read_bytes().replace(b'"from"', b'"frpm"', 1))
    for how in (["--json"], []):  # in words, on the table and as JSON
        assert "field from is missing" in str(fails(exchange_cli.app, "show", changed, *how))
    arguments = ["import", stick, "--keys", nodes / "JPN" / "keys", "--ledger", nodes / "held.db", "--json"]
    taken = ask(exchange_cli.app, *arguments, "--tracks", nodes / "tracks.parquet")
    assert taken == {"taken": {"tracks": 3}, "held_before": 0, "rows": 6, "refused": [], "gaps": {}}
    assert ask(exchange_cli.app, *arguments)["held_before"] == 3
    data = bytearray(stick.read_bytes())
    data[-5000] ^= 1
    stick.write_bytes(bytes(data))
    assert isinstance(fails(exchange_cli.app, *arguments), VerificationError)

    folder = nodes / "PHL" / "record"
    whole = ask(record_cli.app, "verify", folder, "--json")
    assert (whole["ok"], whole["leaves"]) == (True, 3)
    assert [v["to"] for v in ask(record_cli.app, "show", folder, "--json")["leaves"]] == ["JPN"] * 3
    assert RUN.invoke(record_cli.app, ["prove", str(folder), "1", "--out", str(nodes / "proof.json")]).exit_code == 0
    proof = ask(record_cli.app, "verify", nodes / "proof.json", "--keys", nodes / "PHL.json", "--json")
    assert (proof["ok"], proof["seq"]) == (True, 1)
    assert ask(record_cli.app, "export", folder, nodes / "proofs.jsonl", "--to", "JPN", "--json")["proofs"] == 3
    journal = folder / "journal" / "00000000.log"
    journal.write_bytes(journal.read_bytes().replace(b'"rows":2', b'"rows":3', 1))
    assert isinstance(fails(record_cli.app, "verify", folder, "--json"), VerificationError)
    assert fails(record_cli.app, "verify", nodes / "nothing", "--json").error_code == "record.none"
