#!/usr/bin/env python3
"""Offline verifier of Kuroshio record proofs. Needs Python 3.11 and `cryptography`; imports nothing of Kuroshio.

    python verify.py KEYS.json PROOFS.jsonl [--witness PARTY]...

KEYS.json is the public bundle a party exported, or a JSON list of such bundles (the log's party and its witnesses).
PROOFS.jsonl holds one proof a line, as `kuroshio record export` and `record prove` write them. Exit code 0: every proof
holds, all lie under checkpoints that agree, and the partner sequence of each recipient has no hole (unless only some
of its leaves are given: --partial). What it cannot show: that the checkpoint is the one others saw; for that, compare
its root with another holder or require witnesses.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Bad(Exception):
    """A proof that does not hold."""


def need(condition: bool, why: str) -> None:
    if not condition:
        raise Bad(why)


def unb64(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError as err:
        raise Bad(f"not base64: {str(text)[:40]!r}") from err


def no_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Mapping of JSON pairs; a name that comes twice could mean two things to two readers."""
    need(len({name for name, _ in pairs}) == len(pairs), "a name comes twice in one object")
    return dict(pairs)


def canonical(value: object) -> bytes:
    """RFC 8785 for values without fractions; a number with one keeps its own spelling through json (ES6 equal for
    the range 1e-6 .. 1e16 that leaves use)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """Root an inclusion proof leads to (RFC 9162, 2.1.3.2)."""
    need(0 <= index < size, f"leaf {index} is not in a log of {size}")
    need(all(len(h) == 32 for h in proof), "a hash in the proof has not 32 bytes")
    at, last, value = index, size - 1, leaf
    for sibling in proof:
        need(last > 0, "proof too long")
        if at & 1 or at == last:
            value = node(sibling, value)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            value = node(value, sibling)
        at, last = at >> 1, last >> 1
    need(last == 0, "proof too short")
    return value


def load_keys(path: str) -> dict[str, list[bytes]]:
    """Signing keys by party, from bundles that are signed by a key they carry; revoked keys do not count."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file, object_pairs_hook=no_twice)
    keys: dict[str, list[bytes]] = {}
    for bundle in data if isinstance(data, list) else [data]:
        need(isinstance(bundle, dict) and bundle.get("type") == "kuroshio/trust/1", "not a trust bundle")
        party = str(bundle["party"])
        signed = {k: bundle[k] for k in ("type", "party", "ca_pem", "signing", "revoked")}
        named = {k["key_id"]: unb64(k["public"]) for k in bundle["signing"]}
        need(all(k == f"{party}-{hashlib.sha256(v).hexdigest()[:8]}" for k, v in named.items()), "key misnamed")
        check(named.get(bundle["key_id"], b""), canonical(signed), unb64(bundle["signature"]), "trust bundle")
        revoked = {k["key_id"] for k in bundle["revoked"]}
        keys[party] = [v for k, v in named.items() if k not in revoked]
    return keys


def check(public: bytes, message: bytes, signature: bytes, what: str) -> None:
    need(len(public) == 32, f"{what}: no key")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature as err:
        raise Bad(f"{what}: signature does not hold") from err


def key_hash(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def checkpoint(note: str, keys: dict[str, list[bytes]], witnesses: list[str]) -> tuple[str, int, bytes]:
    """(party, size, root) of a checkpoint signed by its party and cosigned by the witnesses asked for."""
    text, found, signed = note.partition("\n\n")
    lines = text.split("\n")
    need(found == "\n\n" and len(lines) == 3 and signed.endswith("\n"), "not a checkpoint")
    origin, size, root = lines[0], lines[1], unb64(lines[2])
    need(size.isascii() and size.isdigit() and str(int(size)) == size and len(root) == 32, "not a checkpoint")
    need(origin.startswith("kuroshio.record/"), f"origin {origin!r}")
    party, message = origin.removeprefix("kuroshio.record/"), (text + "\n").encode()
    need(party in keys, f"no key of {party}")
    parts = [line.split(" ") for line in signed[:-1].split("\n")]
    need(all(len(p) == 3 and p[0] == "\u2014" for p in parts), "not a signature line")
    blobs = [(p[1], unb64(p[2])) for p in parts]
    own = [(k, b) for k in keys[party] for n, b in blobs if n == origin and b[:4] == key_hash(origin, 1, k)]
    need(bool(own), f"no trusted key of {party} signed the checkpoint")
    check(own[0][0], message, own[0][1][4:], "checkpoint")
    for witness in witnesses:
        name = f"kuroshio.witness/{witness}"
        seen = [
            (k, b)
            for k in keys.get(witness, [])
            for n, b in blobs
            if n == name and len(b) == 76 and b[:4] == key_hash(name, 4, k)
        ]
        need(bool(seen), f"{witness} did not cosign")
        time = struct.unpack(">Q", seen[0][1][4:12])[0]
        check(seen[0][0], f"cosignature/v1\ntime {time}\n".encode() + message, seen[0][1][12:], f"witness {witness}")
    return party, int(size), root


def proof(line: str, keys: dict[str, list[bytes]], witnesses: list[str]) -> tuple[dict, tuple[str, int, bytes]]:
    """Leaf and checkpoint of one proof."""
    value = json.loads(line, object_pairs_hook=no_twice)
    need(isinstance(value, dict) and value.get("type") == "kuroshio/record-receipt/1", "not a proof")
    need(set(value) == {"type", "seq", "salt", "leaf", "proof", "checkpoint"}, "a proof with other fields")
    state = checkpoint(value["checkpoint"], keys, witnesses)
    salt, data = unb64(value["salt"]), value["leaf"].encode()
    need(len(salt) == 16, "salt has not 16 bytes")
    leaf = json.loads(data, object_pairs_hook=no_twice)
    need(isinstance(leaf, dict) and canonical(leaf) == data, "leaf is not canonical")
    need(type(value["seq"]) is int and leaf.get("seq") == value["seq"], "leaf is of another number")
    commitment = hashlib.sha256(salt + data).digest()
    hashed = hashlib.sha256(b"\x00" + commitment).digest()
    path = [unb64(h) for h in value["proof"]]
    need(root_of(hashed, value["seq"], state[1], path) == state[2], f"leaf {value['seq']} is not under the root")
    need("from" not in leaf or leaf["from"] == state[0], "leaf of another party")
    return leaf, state


def main(arguments: list[str]) -> int:
    witnesses = [arguments[i + 1] for i, a in enumerate(arguments) if a == "--witness" and i + 1 < len(arguments)]
    files = [
        a for i, a in enumerate(arguments) if not a.startswith("--") and (i == 0 or arguments[i - 1] != "--witness")
    ]
    if len(files) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    seen: dict[int, str] = {}
    roots: dict[tuple[str, int], bytes] = {}
    sequences: dict[str, set[int]] = {}
    at = 0
    try:
        keys = load_keys(files[0])
        with open(files[1], encoding="utf-8") as file:
            for at, line in enumerate(file, 1):
                leaf, (party, size, root) = proof(line, keys, witnesses)
                need(roots.setdefault((party, size), root) == root, f"two roots for size {size}: the log forks")
                need(leaf["seq"] not in seen, f"leaf {leaf['seq']} comes twice")
                seen[leaf["seq"]] = str(leaf.get("to"))
                if "partner_seq" in leaf:
                    sequences.setdefault(str(leaf["to"]), set()).add(leaf["partner_seq"])
        need(at > 0, "no proofs")
        need(len({p for p, _ in roots}) == 1, "proofs of several parties' logs")
        for to, numbers in sequences.items():
            whole = numbers == set(range(len(numbers))) or "--partial" in arguments
            need(whole, f"to {to}: {len(numbers)} leaves, numbers up to {max(numbers)}: some are missing")
    except (Bad, ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError, struct.error) as err:
        print(json.dumps({"ok": False, "line": at, "why": str(err)}))
        return 1
    print(json.dumps({"ok": True, "proofs": at, "checkpoints": sorted(s for _, s in roots)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
