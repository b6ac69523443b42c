"""The published verifier stands alone: it accepts an honest record and rejects each of thirty tampered ones."""

from __future__ import annotations

import ast
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kuroshio import record
from kuroshio.links.tls import KeyFolder
from kuroshio.record.reader import export_receipts
from kuroshio.schema.signing import canonical

VERIFIER = Path(__file__).parents[2] / "spec" / "record" / "verify.py"
T0 = 1_790_000_000_000_000


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str], list[str]]:
    """(keys JSON, proofs for JPN, proofs of another record with the same keys)."""
    folder = tmp_path_factory.mktemp("honest")
    keys = {p: KeyFolder.make(folder / p, p, now_us=T0) for p in ("PHL", "JPN", "USA")}
    bundles = json.dumps([json.loads(k.export()) for k in keys.values()])
    found = []
    for name in ("record", "other"):
        log = record.open_log(folder / name, keys["PHL"].signer, secret=keys["PHL"].secret)
        log.append(
            [
                {
                    "kind": "tracks",
                    "from": "PHL",
                    "to": to,
                    "rows": i,
                    "at_us": T0 + i,
                    "obligations": {"grid_deg": 0.1},
                }
                for i, to in enumerate(["JPN", "USA", "JPN", "JPN", "USA"] * 8)
            ]
        )
        if name == "other":
            log.append([{"kind": "tracks", "from": "PHL", "to": "JPN", "rows": 7, "at_us": T0}])
        signature = record.cosign(log.publish(), keys["JPN"].signer, at_us=T0)
        log.add_cosignature(signature, size=log.size)
        out = folder / f"{name}.jsonl"
        export_receipts(record.Disk(folder / name), out, to="JPN")
        found.append(out.read_text().splitlines())
    return bundles, found[0], found[1]


def run(tmp_path: Path, keys: str, proofs: list[str], *more: str) -> tuple[int, dict[str, Any]]:
    (tmp_path / "keys.json").write_text(keys)
    (tmp_path / "proofs.jsonl").write_text("".join(line + "\n" for line in proofs))
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(tmp_path / "keys.json"), str(tmp_path / "proofs.jsonl"), *more],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_it_is_short_and_imports_nothing_of_ours() -> None:
    source = VERIFIER.read_text()
    assert len(source.splitlines()) < 200
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_it_accepts_the_honest_record(tmp_path: Path, honest: tuple[str, list[str], list[str]]) -> None:
    keys, proofs, other = honest
    assert run(tmp_path, keys, proofs) == (0, {"ok": True, "proofs": 24, "checkpoints": [40] * 1})
    assert run(tmp_path, keys, proofs, "--witness", "JPN")[0] == 0
    assert run(tmp_path, keys, other)[0] == 0
    assert run(tmp_path, keys, proofs[3:4], "--partial")[0] == 0


Proof = dict[str, Any]


def leaf(change: Callable[[dict[str, Any]], Any]) -> Callable[[Proof], None]:
    def apply(proof: Proof) -> None:
        value = json.loads(proof["leaf"])
        change(value)
        proof["leaf"] = canonical(value).decode()

    return apply


def put(name: str, change: Callable[[Any], Any]) -> Callable[[Proof], None]:
    return lambda proof: proof.__setitem__(name, change(proof[name]))


def flip(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[len(data) // 2] ^= 1
    return base64.b64encode(bytes(data)).decode()


def signature_of(note: str) -> str:
    return note.split(" ")[2].split("\n")[0]


ONE_PROOF: dict[str, Callable[[Proof], None]] = {
    "rows changed": leaf(lambda v: v.update(rows=99)),
    "recipient changed": leaf(lambda v: v.update(to="USA")),
    "clause added": leaf(lambda v: v.update(clauses=["Art.4"])),
    "time changed": leaf(lambda v: v.update(at_us=T0 + 10**9)),
    "field taken away": leaf(lambda v: v.pop("kind")),
    "grid made finer": leaf(lambda v: v["obligations"].update(grid_deg=0.01)),
    "number of the leaf changed": leaf(lambda v: v.update(seq=3)),
    "partner number changed": leaf(lambda v: v.update(partner_seq=77)),
    "from another party": leaf(lambda v: v.update({"from": "USA"})),
    "index changed": put("seq", lambda v: v + 1),
    "index negative": put("seq", lambda v: -1),
    "index is a text": put("seq", str),
    "salt changed": put("salt", flip),
    "salt short": put("salt", lambda v: "AAAA"),
    "proof cut": put("proof", lambda v: v[:-1]),
    "proof longer": put("proof", lambda v: [*v, v[0]]),
    "proof reordered": put("proof", lambda v: v[::-1]),
    "proof hash changed": put("proof", lambda v: [flip(v[0]), *v[1:]]),
    "proof hash short": put("proof", lambda v: ["AAAA", *v[1:]]),
    "size changed": put("checkpoint", lambda v: v.replace("\n40\n", "\n41\n")),
    "size with a leading zero": put("checkpoint", lambda v: v.replace("\n40\n", "\n040\n")),
    "root changed": put("checkpoint", lambda v: v.replace(v.split("\n")[2], flip(v.split("\n")[2]))),
    "origin changed": put("checkpoint", lambda v: v.replace("record/PHL", "record/USA")),
    "signature changed": put("checkpoint", lambda v: v.replace(signature_of(v), flip(signature_of(v)))),
    "signature taken away": put("checkpoint", lambda v: v[: v.index("\n\n") + 2]),
    "leaf spelled otherwise": put("leaf", lambda v: v.replace(":", ": ", 1)),
    "a name twice in the leaf": put("leaf", lambda v: '{"at_us":1,' + v[1:]),
    "a field more in the proof": put("type", lambda v: v),
    "not a proof": put("type", lambda v: "kuroshio/record-receipt/2"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ONE_PROOF))
def test_it_rejects_a_tampered_proof(tmp_path: Path, honest: tuple[str, list[str], list[str]], name: str) -> None:
    keys, proofs, _ = honest
    value = json.loads(proofs[5])
    ONE_PROOF[name](value)
    if name == "a field more in the proof":
        value["note"] = "x"
    changed = [*proofs[:5], json.dumps(value), *proofs[6:]]
    code, answer = run(tmp_path, keys, changed)
    assert (code, answer["ok"]) == (1, False), answer
    assert answer["line"] == 6


def test_it_rejects_a_tampered_whole(tmp_path: Path, honest: tuple[str, list[str], list[str]]) -> None:
    keys, proofs, other = honest
    cases = {
        "a release left out": proofs[:7] + proofs[8:],
        "a release twice": [*proofs, proofs[0]],
        "a fork": [*proofs[:3], *other],
        "nothing": [],
        "not JSON": ["hello"],
    }
    for name, lines in cases.items():
        assert run(tmp_path, keys, lines)[0] == 1, name
    assert run(tmp_path, keys, proofs, "--witness", "USA")[0] == 1
    bundles = json.loads(keys)
    revoked = [{**bundles[0], "revoked": bundles[0]["signing"]}, *bundles[1:]]
    assert run(tmp_path, json.dumps(revoked), proofs)[0] == 1
    assert run(tmp_path, json.dumps(bundles[1:]), proofs)[0] == 1
    assert run(tmp_path, json.dumps([{**bundles[0], "party": "USA"}]), proofs)[0] == 1


def test_the_published_vectors_hold(tmp_path: Path) -> None:
    folder = VERIFIER.parent / "vectors"
    keys = (folder / "keys.json").read_text()
    assert run(tmp_path, keys, (folder / "honest.jsonl").read_text().splitlines(), "--witness", "JPN")[0] == 0
    tampered = [json.loads(line) for line in (folder / "tampered.jsonl").read_text().splitlines()]
    assert len(tampered) >= 29
    for case in tampered[::6]:
        assert run(tmp_path, keys, [case["proof"]], "--partial")[0] == 1, case["why"]
