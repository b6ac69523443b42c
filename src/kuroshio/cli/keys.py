"""`kuroshio keys`: make a node's keys, show them, trust a partner's, hand out one's own. Private keys are not shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from kuroshio import clock
from kuroshio.cli import output
from kuroshio.errors import ConfigError, InputError
from kuroshio.links.tls import MAX_BUNDLE_BYTES, KeyFolder, bundle_digest

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
JSON = typer.Option(False, "--json", help="One JSON object on stdout.")


@app.command("init")
def init(
    folder: Path = typer.Argument(..., help="Folder for the keys; made when it does not exist."),
    party: str = typer.Option(..., help="Party code, such as PHL."),
    node: str = typer.Option("node-1", help="Name of this node in its certificate."),
    host: list[str] = typer.Option(["localhost"], help="Names and addresses the node answers at."),
    json_: bool = JSON,
) -> None:
    """Make signing key, secret, certificate authority and node certificate; never over old ones."""
    keys = KeyFolder.make(folder, party, now_us=clock.now_us(), node=node, hosts=host)
    _answer(keys, json_)


@app.command("show")
def show(folder: Path = typer.Argument(...), json_: bool = JSON) -> None:
    """Show the public half: key id, digest to compare, partners trusted."""
    _answer(KeyFolder(folder), json_)


def _answer(keys: KeyFolder, json_: bool) -> None:
    value: dict[str, Any] = {
        "party": keys.party,
        "node": keys.about.get("node"),
        "key_id": keys.signer.key_id,
        "digest": bundle_digest(keys.export()),
        "trusted": {
            party: {
                "keys": [{"key_id": k.key_id, "revoked": k.revoked_us is not None} for k in keys.ring().of(party)],
                "digest": bundle_digest((keys.folder / "trusted" / f"{party}.json").read_bytes()),
            }
            for party in keys.partners()
        },
    }
    if json_:
        output.emit_json(value)
        return
    output.say(f"{keys.party}  key {keys.signer.key_id}  digest {value['digest']}")
    rows = [[party, ", ".join(k["key_id"] for k in v["keys"]), v["digest"]] for party, v in value["trusted"].items()]
    output.print_table("Trusted partners", ["party", "keys", "digest"], rows)


@app.command("export")
def export(
    folder: Path = typer.Argument(...),
    out: Path | None = typer.Option(None, help="File for the public bundle; stdout without it."),
) -> None:
    """Public bundle for partners. Compare its digest with them by another way."""
    bundle = KeyFolder(folder).export()
    if out is None:
        sys.stdout.buffer.write(bundle + b"\n")
        return
    out.write_bytes(bundle)
    output.say(f"wrote {out}; digest {bundle_digest(bundle)}")


@app.command("trust")
def trust(
    folder: Path = typer.Argument(...),
    bundle: Path = typer.Argument(..., help="Public bundle of a partner."),
    digest: str | None = typer.Option(None, help="Digest the partner told you; refused when it differs."),
    json_: bool = JSON,
) -> None:
    """Trust a partner's bundle; a newer one of the same partner replaces it."""
    try:
        data = bundle.read_bytes().strip()
    except OSError as err:
        raise InputError(f"{bundle}: {err.strerror}", code="keys.bundle") from err
    if len(data) > MAX_BUNDLE_BYTES:
        raise InputError(f"{bundle} has {len(data)} bytes", code="keys.bundle")
    found = bundle_digest(data)
    if digest is not None and digest.replace(" ", "") != found.replace(" ", ""):
        raise ConfigError(
            f"digest is {found}, not {digest}", code="keys.digest", advice="Do not trust it; ask the partner again."
        )
    party = KeyFolder(folder).trust(data)
    if json_:
        output.emit_json({"trusted": party, "digest": found})
    else:
        output.say(f"trusted {party}; digest {found}")


@app.command("revoke")
def revoke(folder: Path = typer.Argument(...), key_id: str = typer.Argument(...), json_: bool = JSON) -> None:
    """Trust a partner's key, or an own retired one, no more, from now; a running node heeds it at once."""
    KeyFolder(folder).revoke(key_id, now_us=clock.now_us())
    output.emit_json({"revoked": key_id}) if json_ else output.say(f"revoked {key_id}")


@app.command("rotate")
def rotate(
    folder: Path = typer.Argument(...),
    revoke: bool = typer.Option(False, "--revoke", help="The old key was lost: it counts no more from now."),
    json_: bool = JSON,
) -> None:
    """Make a new signing key; a running node signs with it at once. Give partners the new export."""
    key_id = KeyFolder(folder).rotate(now_us=clock.now_us(), revoke=revoke)
    output.emit_json({"key_id": key_id}) if json_ else output.say(f"new key {key_id}: give partners the new export")
