"""`kuroshio accord` in the languages of other systems: labels, ODRL, AuthZEN; signatures; activities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kuroshio import accord, clock
from kuroshio.accord import authzen, labels, listing, odrl, signing
from kuroshio.cli import output
from kuroshio.cli.accord_inputs import (
    ITEM_HELP,
    AtOption,
    BookOption,
    JsonOption,
    load_book,
    moment,
    read_item,
    read_text,
)
from kuroshio.errors import InputError


def register(app: typer.Typer) -> None:
    """Add these commands to `kuroshio accord`."""
    for command in (label, read_label, odrl_, authzen_, sign, verify, activities):
        app.command(command.__name__.rstrip("_").replace("_", "-"))(command)


def label(
    item: str = typer.Option(..., "--item", "-i", help=ITEM_HELP),
    policy: str | None = typer.Option(None, "--policy", help="Policy identifier; default the originator."),
    uri: str | None = typer.Option(None, "--bind", help="Address of the thing to bind it to (STANAG 4778)."),
    as_json: bool = JsonOption,
) -> None:
    """STANAG 4774 confidentiality label of a thing (XML), bound to an address by STANAG 4778, and its REL TO line."""
    plain = read_item(item)
    now_us = clock.now_us()
    if uri is None:
        xml = labels.label_xml(plain, created_us=now_us, policy=policy)
    else:
        xml = labels.binding_xml(plain, uri=uri, created_us=now_us, policy=policy)
    limit = plain.get("releasable_to")
    line = labels.rel_to(list(limit)) if limit else None
    if as_json:
        output.emit_json({"stanag_4774": xml, "rel_to": line})
        return
    output.stdout.print(xml, markup=False, highlight=False, soft_wrap=True)
    if line:
        output.stdout.print(line, markup=False)


def read_label(
    text: str = typer.Argument(..., help="Label text, or @FILE: STANAG 4774 XML, REL TO JPN, PHL or TLP:AMBER."),
    as_json: bool = JsonOption,
) -> None:
    """Attributes and terms that a label of another system says."""
    given = read_text(Path(text[1:])) if text.startswith("@") else text
    found = labels.read(given)
    if found is None:
        raise InputError(f"neither a STANAG 4774 label, REL TO nor TLP: {given[:80]!r}", code="accord.label")
    if as_json:
        output.emit_json(found)
        return
    output.stdout.print(f"{found['form']}: {found['attributes'] or found['obligations']}", markup=False)


def odrl_(accord_id: str = typer.Argument(..., help="Accord."), book: list[Path] | None = BookOption) -> None:
    """One accord as an ODRL 2.2 agreement (JSON-LD); to be read by others, not to decide by."""
    output.emit_json(odrl.to_odrl(load_book(book).accord(accord_id)))


def authzen_(
    request: str = typer.Argument(..., help="AuthZEN evaluation or evaluations as JSON, or @FILE."),
    from_: str = typer.Option(..., "--from", help="Party that would release."),
    book: list[Path] | None = BookOption,
    at: str | None = AtOption,
) -> None:
    """Answer an AuthZEN 1.0 evaluation request; one JSON object on stdout."""
    plain = read_item(request)
    ask = authzen.evaluations if "evaluations" in plain else authzen.evaluation
    output.emit_json(ask(load_book(book), plain, releaser=from_, now_us=moment(at)))


def sign(
    accord_id: str = typer.Argument(..., help="Accord."),
    party: str = typer.Option(..., "--party", help="Party that signs."),
    office: str = typer.Option(..., "--office", help="Its office, such as competent_authority."),
    key: Path = typer.Option(..., "--key", help="File with the Ed25519 private key, 64 hexadecimal digits."),
    book: list[Path] | None = BookOption,
) -> None:
    """Signature line of a party's authority over one version of one accord; JSON, to be kept beside the file."""
    try:
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key.read_text("utf-8").strip()))
    except (OSError, ValueError) as err:
        raise InputError(f"{key}: not a private key of 64 hexadecimal digits", code="accord.key") from err
    output.emit_json(signing.sign(load_book(book), accord_id, party=party, office=office, key=private))


def verify(
    signatures: Path = typer.Argument(..., help="File of signature lines, one JSON object a line."),
    book: list[Path] | None = BookOption,
    earlier: list[Path] | None = typer.Option(None, "--earlier", help="Earlier files: versions may only append."),
    as_json: bool = JsonOption,
) -> None:
    """Check detached signatures against the files, and that a later version only appends; exit 7 when one fails."""
    held = load_book(book)
    try:
        lines: list[dict[str, Any]] = [json.loads(t) for t in read_text(signatures).splitlines() if t.strip()]
    except ValueError as err:
        raise InputError(f"{signatures}: not JSON lines: {err}", code="accord.signature") from err
    for one in lines:
        signing.verify_signature(held, one)
    if earlier:
        before = accord.load(earlier)
        for accord_id in sorted(set(before.content.accords) & set(held.content.accords)):
            signing.verify_append(before, held, accord_id)
    found = {name: signing.signed_by(held, name, lines) for name in sorted({str(one["accord"]) for one in lines})}
    if as_json:
        output.emit_json({"signed": found})
        return
    rows = [
        [name, ", ".join(p for p in s if s[p]) or None, ", ".join(p for p in s if not s[p]) or None]
        for name, s in found.items()
    ]
    output.print_table("signatures", ["accord", "signed by", "not signed by"], rows)


def activities(book: list[Path] | None = BookOption, at: str | None = AtOption, as_json: bool = JsonOption) -> None:
    """Exercises, patrols, relief operations and meetings with their scope, and whether it holds."""
    found = listing.activities(load_book(book).content, now_us=moment(at))
    if as_json:
        output.emit_json({"activities": found})
        return
    for one in found:
        output.stdout.print(
            f"{one['id']}: {one['title'] or one['kind']} ({one['kind']}, {one['state']}), {one['from'][:10]} to "
            f"{one['until'][:10]}, {', '.join(one['participants'])}, {one['accord']}, {one['area'] or 'any area'}",
            markup=False,
            soft_wrap=True,
        )
        for clause in one["scope"]:
            told = "exercise data only" if one["exercise_data_only"] else "within area and period only"
            output.stdout.print(f"  {clause['id']} {clause['effect']}: {clause.get('text', '')} ({told})", markup=False)
