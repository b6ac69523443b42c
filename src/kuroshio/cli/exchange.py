"""`kuroshio exchange`: carry releases as files, look into one, and check what came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import typer

from kuroshio import clock
from kuroshio.cli import output
from kuroshio.errors import InputError, KuroshioError, VerificationError
from kuroshio.exchange import Ledger, receive
from kuroshio.exchange.carry import read_bundles, write_bundles
from kuroshio.links.tls import KeyFolder
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
    keys: Path = typer.Option(..., "--keys", help="Key folder of this node."),
    tracks: Path | None = typer.Option(None, help="Parquet file for the track rows."),
    ledger: Path | None = typer.Option(None, help="Ledger file: what is held is kept there and taken once only."),
    json_: bool = JSON,
) -> None:
    """Verify each bundle of a file and take it; a bad one is named and the others are taken."""
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
