"""`kuroshio exchange`: carry releases as files, look into one, and check what came."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import typer

from kuroshio import clock
from kuroshio.cli import output
from kuroshio.errors import InputError, KuroshioError, LinkError, VerificationError
from kuroshio.exchange import Ledger, receive
from kuroshio.exchange.carry import read_bundles, write_bundles
from kuroshio.links.tls import KeyFolder
from kuroshio.node import inbox
from kuroshio.peers import Sqlite
from kuroshio.record import ReceiptVerifier
from kuroshio.schema import TRACKS, concat
from kuroshio.schema.release import Release

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
JSON = typer.Option(False, "--json", help="One JSON object on stdout.")


@app.command("export")
def export(
    outbox: Path = typer.Argument(..., help="Outbox file of the partner (in the node's data folder)."),
    out: Path = typer.Argument(..., help="File to carry."),
    to: str = typer.Option(..., help="Partner it is for."),
    json_: bool = JSON,
) -> None:
    """Write everything that waits for a partner to a file; it stays queued until a receipt comes."""
    if not outbox.is_file():
        raise InputError(f"no outbox at {outbox}", code="exchange.outbox")
    box = Sqlite(str(outbox), to, epoch=1)
    bundles = []
    for lane, seq, _ in box.queued():
        item = box.get(lane, seq)
        if item is not None and Release.from_bytes(item.body).to == to:
            bundles.append(item.body)
    with out.open("wb") as file:
        count = write_bundles(file, bundles)
    _say({"bundles": count, "file": str(out), "to": to}, json_)


@app.command("import")
def import_(
    file: Path = typer.Argument(..., help="File of bundles."),
    node: Path | None = typer.Option(None, "--node", help="Data folder of a running node, which takes the file in."),
    wait_s: float = typer.Option(60.0, "--wait-s", min=0, help="With --node: wait so long for its answer."),
    keys: Path | None = typer.Option(None, "--keys", help="Without a node: its key folder, to verify with."),
    tracks: Path | None = typer.Option(None, help="Parquet file for the track rows."),
    ledger: Path | None = typer.Option(None, help="Ledger file: what is held is kept there and taken once only."),
    json_: bool = JSON,
) -> None:
    """Give a file of bundles to a running node, or verify each bundle; a bad one is named and the others are taken."""
    if (node is None) == (keys is None):
        raise InputError("name a node or its keys", code="exchange.import", advice="--node DATA, or --keys FOLDER.")
    if node is not None:
        _give(file, node, wait_s, ending=inbox.ENDING, json_=json_)
    else:
        assert keys is not None
        _verify(file, keys, tracks, ledger, json_=json_)


@app.command("arrived")
def arrived(
    file: Path = typer.Argument(..., help="File that `export` wrote."),
    node: Path = typer.Option(..., "--node", help="Data folder of the running node that wrote it."),
    wait_s: float = typer.Option(60.0, "--wait-s", min=0, help="Wait so long for the node's answer."),
    json_: bool = JSON,
) -> None:
    """Say that a file has reached its partner: what is in it waits no more, though no receipt has come yet."""
    _give(file, node, wait_s, ending=inbox.ARRIVED, json_=json_)


def _give(file: Path, node: Path, wait_s: float, *, ending: str, json_: bool) -> None:
    """Put the file into the node's inbox and tell what became of it."""
    if not (node / "releases.db").is_file():
        raise InputError(f"{node} is no data folder of a node", code="exchange.node")
    try:
        content = file.read_bytes()
    except OSError as err:
        raise InputError(f"{file}: {err.strerror}", code="exchange.carrier") from err
    answer = inbox.put(node, f"{clock.now_us():x}-{hashlib.sha256(content).hexdigest()[:16]}", content, ending=ending)
    end_s = time.monotonic() + wait_s
    while not answer.is_file():
        if time.monotonic() >= end_s:
            advice = "It is taken when the node runs; its answer is then beside it."
            raise LinkError(
                f"no answer in {answer}: the node is not running, or busy", code="exchange.waits", advice=advice
            )
        time.sleep(0.1)
    told = json.loads(answer.read_text())
    answer.unlink()
    _say(told, json_)
    if told["error"] is not None or told["refused"]:
        first = told["error"] or told["refusals"][0]["text"]
        raise VerificationError(f"not all of {file} was taken: {first}", code="exchange.carrier")


def _verify(file: Path, keys: Path, tracks: Path | None, ledger: Path | None, *, json_: bool) -> None:
    folder = KeyFolder(keys)
    now_us = clock.now_us()
    check = ReceiptVerifier(folder.ring())
    check.now_us = now_us
    book = Ledger(str(ledger)) if ledger is not None else Ledger()
    parts, kinds = [], dict[str, int]()
    refused: list[dict[str, Any]] = []
    again = 0
    try:
        with file.open("rb") as stream:
            for number, bundle in enumerate(read_bundles(stream)):
                try:
                    got = receive(bundle, keys=check.keys, me=folder.party, now_us=now_us, verify_receipt=check.verify)
                except KuroshioError as err:
                    refused.append({"bundle": number, "code": err.error_code, "text": err.message})
                    continue
                if not book.hold(got):
                    again += 1
                    continue
                kinds[got.kind] = kinds.get(got.kind, 0) + 1
                if got.tracks is not None:
                    parts.append(got.tracks)
    except OSError as err:
        raise InputError(f"{file}: {err.strerror}", code="exchange.carrier") from err
    rows = concat(TRACKS, parts)
    if tracks is not None:
        pq.write_table(rows, tracks)
    gaps = {party: witness.gaps() for party, witness in check.witnesses.items() if witness.gaps()}
    _say({"taken": kinds, "held_before": again, "rows": rows.num_rows, "refused": refused, "gaps": gaps}, json_)
    if refused:
        raise VerificationError(f"{len(refused)} bundles refused: {refused[0]['text']}", code=refused[0]["code"])


@app.command("show")
def show(file: Path = typer.Argument(..., help="File of bundles, or one bundle."), json_: bool = JSON) -> None:
    """What the headers of bundles say; nothing is verified."""
    try:
        data = file.read_bytes()
        if data.startswith(b"KUROSHIO"):
            with file.open("rb") as stream:
                bundles = list(read_bundles(stream))
        else:
            bundles = [data]
    except OSError as err:
        raise InputError(f"{file}: {err.strerror}", code="exchange.carrier") from err
    headers = [{"release_id": r.release_id, **r.fields} for r in map(Release.from_bytes, bundles)]
    if json_:
        output.emit_json({"bundles": headers})
        return
    rows = [
        [h["release_id"][:12], h["from"], h["to"], h["kind"], h["rows"], "; ".join(h["clauses"]),
         clock.rfc3339(h["released_at_us"])]
        for h in headers
    ]  # fmt: skip
    output.print_table("Bundles (not verified)", ["release", "from", "to", "kind", "rows", "clauses", "time"], rows)


def _say(value: dict[str, Any], json_: bool) -> None:
    if json_:
        output.emit_json(value)
    else:
        output.say(", ".join(f"{name} {item}" for name, item in value.items()))
