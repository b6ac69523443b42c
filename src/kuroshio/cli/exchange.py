"""`kuroshio exchange`: carry releases as files, look into one, and check what came."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import typer

from kuroshio import clock
from kuroshio.cli import output
from kuroshio.errors import InputError, KuroshioError, LinkError, VerificationError
from kuroshio.exchange import Ledger, receive
from kuroshio.exchange.carry import HEAD, read_bundles
from kuroshio.exchange.receive import check_header
from kuroshio.links.tls import KeyFolder
from kuroshio.node import files_out, inbox
from kuroshio.record import ReceiptVerifier
from kuroshio.schema import TRACKS, concat
from kuroshio.schema.release import MAX_BUNDLE, Release

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
JSON = typer.Option(False, "--json", help="One JSON object on stdout.")


@app.command("export")
def export(
    file: Path = typer.Argument(..., help="File to carry."),
    node: Path = typer.Option(..., "--node", help="Data folder of the running node, which says what may go now."),
    to: str = typer.Option(..., "--to", help="Partner it is for."),
    wait_s: float = typer.Option(60.0, "--wait-s", min=0, help="Wait so long for the node."),
    json_: bool = JSON,
) -> None:
    """Write what waits for a partner and may go now to a file; it stays queued until a receipt comes."""
    _hold_node(node)
    name = f"{clock.now_us():x}-{to[:20]}".replace("/", "_")
    written, answer = files_out.ask(node, name, to)
    told = _answer(answer, wait_s, "It is written when the node runs; the file is then beside it.")
    if told["error"] is not None:
        raise InputError(told["error"], code="exchange.export")
    try:
        shutil.move(written, file)
    except OSError as err:
        raise InputError(f"{file}: {err.strerror}", code="exchange.carrier") from err
    _say({"bundles": told["bundles"], "file": str(file), "to": to}, json_)


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
    _hold_node(node)
    try:
        content = file.read_bytes()
    except OSError as err:
        raise InputError(f"{file}: {err.strerror}", code="exchange.carrier") from err
    answer = inbox.put(node, f"{clock.now_us():x}-{hashlib.sha256(content).hexdigest()[:16]}", content, ending=ending)
    told = _answer(answer, wait_s, "It is taken when the node runs; its answer is then beside it.")
    _say(told, json_)
    if told["error"] is not None or told["refused"]:
        first = told["error"] or told["refusals"][0]["text"]
        raise VerificationError(f"not all of {file} was taken: {first}", code="exchange.carrier")


def _hold_node(node: Path) -> None:
    if not (node / "releases.db").is_file():
        raise InputError(f"{node} is no data folder of a node", code="exchange.node")


def _answer(answer: Path, wait_s: float, advice: str) -> dict[str, Any]:
    """Wait for what the node says."""
    end_s = time.monotonic() + wait_s
    while not answer.is_file():
        if time.monotonic() >= end_s:
            raise LinkError(
                f"no answer in {answer}: the node is not running, or busy", code="exchange.waits", advice=advice
            )
        time.sleep(0.1)
    told: dict[str, Any] = json.loads(answer.read_text())
    answer.unlink()
    return told


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
    headers = []
    try:
        with file.open("rb") as stream:
            begin = stream.read(len(HEAD))
            stream.seek(0)
            for bundle in read_bundles(stream) if begin == HEAD else [stream.read(MAX_BUNDLE + 1)]:
                release = Release.from_bytes(bundle)
                check_header(release.fields)
                headers.append({"release_id": release.release_id, **release.fields})
    except OSError as err:
        raise InputError(f"{file}: {err.strerror}", code="exchange.carrier") from err
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
