"""`kuroshio record`: verify, prove, check and export a release record."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import typer

from kuroshio import clock
from kuroshio.cli import output
from kuroshio.errors import InputError, VerificationError
from kuroshio.exchange.marking import LEAK_EVIDENCE, rank
from kuroshio.links.tls import KeyFolder
from kuroshio.node.rewitness import Requests
from kuroshio.record import Disk, Report, fsck, open_log, parse_checkpoint, raise_faults, verify_receipt
from kuroshio.record.knew import knew, page, read_page, verify_knew
from kuroshio.record.reader import cosigned, export_receipts, read_leaves, receipt_of
from kuroshio.schema.signing import KeyRing, PublicKey

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
JSON = typer.Option(False, "--json", help="One JSON object on stdout.")
KEYS = typer.Option(None, "--keys", help="Key folder of the node, or a partner's public bundle; default: ../keys.")


def _ring(folder: Path, keys: Path | None, party: str | None) -> tuple[KeyRing, str]:
    """Keys to check with, and whose record it is."""
    place = keys or folder.parent / "keys"
    origin = parse_checkpoint(Disk(folder).read("checkpoint")).origin if folder.is_dir() else ""
    owner = party or origin.rpartition("/")[2]
    if place.is_dir():
        return KeyFolder(place).ring(), owner
    if place.is_file():
        from kuroshio.links.tls import read_bundle

        bundle = read_bundle(place.read_bytes().strip())
        return KeyRing(PublicKey.from_dict(v) for v in (*bundle["revoked"], *bundle["signing"])), owner
    raise InputError(f"no keys at {place}", code="keys.missing", advice="Name them with --keys.")


def _report(folder: Path, keys: Path | None, party: str | None) -> Report:
    if not folder.is_dir():
        raise InputError(
            f"no record at {folder}", code="record.none", advice="Name the folder that holds `checkpoint`."
        )
    ring, owner = _ring(folder, keys, party)
    witnesses = tuple(sorted(ring.parties - {owner}))
    return fsck(Disk(folder), owner, ring, now_us=clock.now_us(), witnesses=witnesses)


def _answer(report: Report, json_: bool) -> None:
    value: dict[str, Any] = {
        "ok": report.ok,
        "leaves": report.size,
        "root": report.root,
        "checkpoint_size": report.checkpoint_size,
        "cosigned_by": report.cosignatures,
        "torn_bytes": report.torn_bytes,
        "faults": report.faults,
    }
    if json_:
        output.emit_json(value)
        return
    output.say(f"{report.size} leaves, {report.checkpoint_size} under the checkpoint, root {report.root[:16]}...")
    output.say(f"cosigned by {', '.join(report.cosignatures) or 'nobody yet'}")
    for fault in report.faults:
        output.say(f"[red]fault[/] {fault}")


@app.command("verify")
def verify(
    folder: Path = typer.Argument(..., help="Folder of the record, or a receipt file of a proof."),
    keys: Path | None = KEYS,
    party: str | None = typer.Option(None, help="Whose record it is; default: as the checkpoint says."),
    json_: bool = JSON,
) -> None:
    """Hold that the record, or one proof, is whole; the exit code says so."""
    if folder.is_file():
        _verify_proof(folder, keys, party, json_)
        return
    report = _report(folder, keys, party)
    _answer(report, json_)
    raise_faults(report)


def _verify_proof(path: Path, keys: Path | None, party: str | None, json_: bool) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")[: 256 << 20]
    if '"kuroshio/knew/1"' in text:
        _verify_knew(text, path, keys, json_)
        return
    try:
        receipt = json.loads(path.read_bytes()[: 1 << 20])
        owner = party or parse_checkpoint(str(receipt["checkpoint"]).encode()).origin.rpartition("/")[2]
    except (ValueError, KeyError, TypeError) as err:
        raise VerificationError(f"{path} is not a proof: {err}", code="record.receipt") from err
    if keys is None:
        raise InputError("whose keys?", code="keys.missing", advice="Name them with --keys.")
    ring, _ = _ring(path.parent / "none", keys, owner)
    proven = verify_receipt(receipt, owner, ring, now_us=clock.now_us())
    value = {"ok": True, "party": owner, "seq": proven.seq, "leaf": proven.leaf, "size": proven.checkpoint.size}
    output.emit_json(value) if json_ else output.say(f"leaf {proven.seq} of {owner} holds: {proven.leaf}")


def _verify_knew(text: str, path: Path, keys: Path | None, json_: bool) -> None:
    signed = read_page(text)
    if keys is None:
        raise InputError("whose keys?", code="keys.missing", advice="Name them with --keys.")
    ring, _ = _ring(path.parent / "none", keys, "")
    body = verify_knew(signed, ring, now_us=clock.now_us())
    value = {"ok": True, "record_of": body["record_of"], "party": body["party"], "releases": len(body["releases"])}
    output.emit_json(value) if json_ else output.say(f"report of {body['record_of']} on {body['party']} holds")


@app.command("knew")
def knew_at(
    folder: Path = typer.Argument(...),
    party: str = typer.Option(..., "--party", help="Whose knowledge."),
    at: str = typer.Option(..., "--at", help="The time asked about (RFC 3339)."),
    out: Path | None = typer.Option(None, help="File for the signed report: a page when it ends in .html, else JSON."),
    keys: Path | None = KEYS,
    json_: bool = JSON,
) -> None:
    """What a party knew at a time, and why: from the record alone, signed, each line with its proof."""
    if not folder.is_dir():
        raise InputError(f"no record at {folder}", code="record.none", advice="Name the folder with `checkpoint`.")
    owner = KeyFolder(keys or folder.parent / "keys")
    at_us, now_us = clock.parse_rfc3339(at), clock.now_us()
    signed = knew(Disk(folder), party, at_us=at_us, made_at_us=now_us, signer=owner.signer)
    if out is not None:
        out.write_text(page(signed) if out.suffix == ".html" else json.dumps(signed) + "\n", encoding="utf-8")
    if json_:
        output.emit_json(signed)
        return
    rows = [
        [v["seq"], clock.rfc3339(v["at_us"]), v["kind"], v["rows"], v["state"], "; ".join(v["why"]["clauses"]),
         json.dumps(v["why"]["obligations"], sort_keys=True), v["why"]["decided_by"]]
        for v in signed["report"]["releases"]
    ]  # fmt: skip
    heads = ["leaf", "released", "kind", "rows", "state", "clauses", "obligations", "decided by"]
    output.print_table(f"What {party} knew at {at}", heads, rows)
    output.say(signed["report"]["limits"])


@app.command("trace")
def trace(
    folder: Path = typer.Argument(...),
    leak: Path = typer.Argument(..., help="CSV of the leaked copy: observed_at (RFC 3339), lat_deg, lon_deg."),
    at_most: float = typer.Option(1e-6, help="Name a party only below this chance of accusing any innocent one."),
    keys: Path | None = KEYS,
    json_: bool = JSON,
) -> None:
    """Whose copy a leak shows, among those given marked releases; with the chance that an innocent ranks so."""
    parties = sorted({str(v["to"]) for v in read_leaves(Disk(folder)) if _is_marked(v)})
    secret = KeyFolder(keys or folder.parent / "keys").secret
    found = rank(secret, parties, *_leaked(leak))
    named = [row["party"] for row in found if row["false_accusation"] <= at_most]
    if json_:
        output.emit_json({"ranking": found, "named": named, "at_most": at_most})
        return
    rows = [[r["party"], f"{r['agree']}/{r['of']}", r["step_deg"], f"{r['false_accusation']:.2g}"] for r in found]
    output.print_table("Leak evidence", ["party", "agree", "step deg", "chance that an innocent ranks so"], rows)
    output.say(f"named: {', '.join(named) or 'nobody'}")


def _is_marked(leaf: dict[str, Any]) -> bool:
    return LEAK_EVIDENCE in leaf.get("obligations", {}).get("marking", ())


def _leaked(path: Path) -> tuple[Any, Any, Any]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        at = np.array([clock.parse_rfc3339(r["observed_at"]) for r in rows], np.int64)
        lat, lon = (np.array([float(r[n]) for r in rows], np.float64) for n in ("lat_deg", "lon_deg"))
        return at, lat, lon
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise InputError(f"{path}: {err}", code="record.leak", advice="CSV: observed_at, lat_deg, lon_deg.") from err


@app.command("witnesses")
def witnesses(folder: Path = typer.Argument(...), keys: Path | None = KEYS, json_: bool = JSON) -> None:
    """Which partners cosigned this record, at which size and when; each signature is checked."""
    ring, owner = _ring(folder, keys, None)
    found = cosigned(Disk(folder), owner, ring, now_us=clock.now_us())
    if json_:
        output.emit_json({"witnesses": found})
        return
    rows = [[w["party"], w["size"], w["behind"], clock.rfc3339(w["at_us"]) if w["at_us"] else "never"] for w in found]
    output.print_table("Witnesses", ["party", "size cosigned", "leaves since", "at"], rows)


@app.command("rewitness")
def rewitness(
    folder: Path = typer.Argument(..., help="Folder of this node's own record."),
    party: str = typer.Argument(..., help="Partner whose record may begin again."),
    by: str = typer.Option(..., "--by", help="Who decides it."),
    reason: str = typer.Option(..., "--reason", help="What the partner said: how its record came to be an older one."),
) -> None:
    """Let a partner's record begin again, after an old copy of it, or of this node, came back and its checkpoints are
    refused. The node does it within seconds, or at its next start, and puts what it had seen on its own record.
    """
    if not (folder / "checkpoint").is_file() and not (folder / "journal").is_dir():
        raise InputError(f"no record at {folder}", code="record.none", advice="Name the folder of the node's record.")
    path = Requests(folder.parent).ask(party, by=by, reason=reason, at_us=clock.now_us())
    output.say(f"asked in {path}; the node does it within seconds, or at its next start")


@app.command("fsck")
def check(
    folder: Path = typer.Argument(...), keys: Path | None = KEYS, party: str | None = None, json_: bool = JSON
) -> None:
    """Find every fault of the record's folder."""
    report = _report(folder, keys, party)
    _answer(report, json_)
    raise_faults(report)


@app.command("prove")
def prove(
    folder: Path = typer.Argument(...),
    seq: int = typer.Argument(..., help="Number of the leaf."),
    out: Path | None = typer.Option(None, help="File for the proof; stdout without it."),
) -> None:
    """Proof of one leaf, for the party it concerns: leaf, salt, path, signed checkpoint."""
    receipt = receipt_of(Disk(folder), seq)
    if out is None:
        output.emit_json(receipt)
        return
    out.write_text(json.dumps(receipt) + "\n")
    output.say(f"wrote {out}")


@app.command("show")
def show(
    folder: Path = typer.Argument(...),
    to: str | None = typer.Option(None, help="Only what concerns this party."),
    kind: str | None = typer.Option(None, help="Only this kind of leaf."),
    until: str | None = typer.Option(None, help="What was known at this time (RFC 3339)."),
    limit: int = typer.Option(50, min=1, max=1_000_000),
    json_: bool = JSON,
) -> None:
    """What is on record, newest last: to whom, under which clause, when."""
    until_us = clock.parse_rfc3339(until) if until is not None else None
    leaves = read_leaves(Disk(folder), to=to, kind=kind, until_us=until_us)[-limit:]
    if json_:
        output.emit_json({"leaves": leaves})
        return
    rows = [
        [v["seq"], clock.rfc3339(v.get("at_us", 0)), v.get("kind"), v.get("to"), "; ".join(v.get("clauses") or ()),
         v.get("rows"), str(v.get("release_id"))[:12]]
        for v in leaves
    ]  # fmt: skip
    output.print_table("Record", ["seq", "time", "kind", "to", "clauses", "rows", "release"], rows)


@app.command("export")
def export(
    folder: Path = typer.Argument(...),
    out: Path = typer.Argument(..., help="File: one proof a line (JSON Lines)."),
    to: str | None = typer.Option(None, help="Only what concerns this party."),
    form: str = typer.Option("json", "--form", help="json, or cose: COSE receipts as SCITT services give them."),
    keys: Path | None = KEYS,
    json_: bool = JSON,
) -> None:
    """Proofs of all leaves that concern a party, to hand to it or to an auditor; cose signs with the owner's key."""
    if form not in ("json", "cose"):
        raise InputError(f"no form {form!r}", code="record.form", advice="Use json or cose.")
    signer = KeyFolder(keys or folder.parent / "keys").signer if form == "cose" else None
    count = export_receipts(Disk(folder), out, to=to, cose_signer=signer)
    output.emit_json({"proofs": count, "file": str(out)}) if json_ else output.say(f"wrote {count} proofs to {out}")


@app.command("publish")
def publish(folder: Path = typer.Argument(...), keys: Path | None = KEYS, json_: bool = JSON) -> None:
    """Sign a checkpoint over all leaves of a record whose node is stopped."""
    owner = KeyFolder(keys or folder.parent / "keys")
    checkpoint = open_log(folder, owner.signer, secret=owner.secret).publish()
    output.emit_json({"size": checkpoint.size, "root": checkpoint.root.hex()}) if json_ else output.say(
        f"{checkpoint.size} leaves signed"
    )
