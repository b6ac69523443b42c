"""`kuroshio accord ledger`: support, equipment and access exchanges in a file, judged by the agreements.

A ledger file has one entry a line (JSON). The same entries are what a node keeps and what it tells the other party, so
that a node's ledger can be written out, looked at and compared here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from kuroshio import clock
from kuroshio.accord import ledger
from kuroshio.accord.ledger_duties import due, promised
from kuroshio.cli import output
from kuroshio.cli.accord_inputs import BookOption, JsonOption, load_book, read_item
from kuroshio.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Exchanges of the four kinds, duties, commitments.")
FileArgument = typer.Argument(..., help="Ledger file: one entry a line (JSON).")
FACTS_HELP = 'Facts of the step as JSON, or @FILE: {"accord": "AUS-JPN-ACSA", "from": "JPN", "to": "AUS", ...}'


def read_ledger(path: Path, *, missing_ok: bool = False) -> list[ledger.Entry]:
    """Entries of a ledger file; a fault names its line."""
    if missing_ok and not path.exists():
        return []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise InputError(f"{path}: cannot be read: {err}", code="ledger.file") from err
    entries = []
    for number, text in enumerate(lines, 1):
        try:
            entries.append(ledger.read_entry(json.loads(text)))
        except (ValueError, TypeError, InputError) as err:
            raise InputError(f"{path}:{number}: {err}", code="ledger.file") from err
    return entries


@app.command()
def add(
    file: Path = FileArgument,
    kind: str = typer.Argument(..., help="support, equipment, access, duty, happening or commitment."),
    exchange: str = typer.Argument(..., help="Id of the exchange, duty or commitment."),
    step: str = typer.Argument(..., help="Step, such as order; `steps` lists them."),
    by: str = typer.Option(..., "--by", help="PARTY:person that acted."),
    facts: str = typer.Option("{}", "--facts", "-f", help=FACTS_HELP),
    at: str | None = typer.Option(None, "--at", help="When it happened (RFC 3339); default now."),
    book: list[Path] | None = BookOption,
    as_json: bool = JsonOption,
) -> None:
    """Judge one step by the agreements and append it; refused with the reason, the clause and what may follow."""
    plain: dict[str, Any] = {"kind": kind, "exchange": exchange, "step": step, "by": by, "facts": read_item(facts)}
    now_us = clock.now_us()
    held = read_ledger(file, missing_ok=True)
    entry = ledger.read_entry({**plain, "at": at} if at else plain, now_us=now_us)
    new = ledger.append(load_book(book), held, entry, known_at_us=now_us)
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(new.as_dict(), ensure_ascii=False, sort_keys=True) + "\n")
    if as_json:
        output.emit_json(new.as_dict())
        return
    word = new.event.facts.get("decision")
    told = f": {word} ({new.event.facts.get('cited')})" if word else ""
    output.stdout.print(f"recorded {step} of {exchange}{told}", markup=False)


@app.command()
def show(
    file: Path = FileArgument,
    exchange: str | None = typer.Argument(None, help="One exchange with its entries; default a line each."),
    as_json: bool = JsonOption,
) -> None:
    """Exchanges with their state, decision and what may follow."""
    held = ledger.books(read_ledger(file))
    rows = [ledger.exchange_listing(k, one) for (k, name), one in held.exchanges.items() if exchange in (None, name)]
    refused = ledger.summary(held, now_us=clock.now_us())["refused"]
    if as_json:
        entries = [e.as_dict() for e in held.taken if exchange in (None, e.event.exchange)]
        output.emit_json({"exchanges": rows, "entries": entries, "refused": refused})
        return
    table = [
        [r["exchange"], r["kind"], f"{r['from']} > {r['to']}", r["what"], r["state"], r["cited"], ", ".join(r["next"])]
        for r in rows
    ]
    output.print_table("exchanges", ["id", "kind", "parties", "what", "state", "clause", "may follow"], table)
    for entry in held.taken if exchange is not None else ():
        if entry.event.exchange == exchange:
            told = (
                f"{clock.rfc3339(entry.event.at_us)}  {entry.event.step}  {entry.event.by}  {dict(entry.event.facts)}"
            )
            output.stdout.print(told, markup=False, soft_wrap=True)
    for one in refused:
        output.stdout.print(f"not taken: {one['exchange']} {one['step']} by {one['by']}: {one['reason']}", markup=False)


@app.command()
def balances(
    file: Path = FileArgument,
    year: int | None = typer.Option(None, "--year", help="Year of the annual report; default everything."),
    as_json: bool = JsonOption,
) -> None:
    """Who owes whom, what converted to cash, who holds what, what is uncertain, and the annual report."""
    span = (
        None
        if year is None
        else (clock.parse_rfc3339(f"{year:04d}-01-01"), clock.parse_rfc3339(f"{year + 1:04d}-01-01"))
    )
    found = ledger.summary(ledger.books(read_ledger(file)), now_us=clock.now_us(), year=span)
    if as_json:
        output.emit_json(found)
        return
    rows = [[b["debtor"], b["creditor"], f"{b['amount']:,}", b["currency"]] for b in found["balances"]]
    output.print_table("owed", ["by", "to", "smallest units", "currency"], rows)
    held = [[i["holder"], i["item"], i["quantity"]] for i in found["inventory"]]
    output.print_table("held", ["holder", "item", "quantity"], held)
    for one in found["converted_to_cash"]:
        output.stdout.print(f"{one['exchange']}: due {one['due'][:10]}, now in cash: {one['amount']:,}", markup=False)
    for one in found["uncertain"]:
        output.stdout.print(f"{one['exchange']}: {one['fact']} = {one['value']} is uncertain", markup=False)
    for pair, line in found["report"]["pairs"].items():
        modes = ", ".join(f"{mode.replace('_', ' ')} {amount:,}" for mode, amount in line["by_mode"].items() if amount)
        told = f"provided {line['value']:,}, settled {line['settled']:,}{f' ({modes})' if modes else ''}"
        output.stdout.print(f"report {pair}: {told}, owed at the end {line['owed_at_end']:,}", markup=False)


@app.command()
def duties(file: Path = FileArgument, book: list[Path] | None = BookOption, as_json: bool = JsonOption) -> None:
    """What is due, to whom, by when, under which clause: open, met, late or waived."""
    found = due(load_book(book), ledger.books(read_ledger(file)), now_us=clock.now_us())
    if as_json:
        output.emit_json({"duties": found})
        return
    rows = [[d["due"][:16], d["state"], d["cite"], d["on"], d["about"], d["notify"], d["evidence"]] for d in found]
    output.print_table("duties", ["due", "state", "clause", "on", "about", "to", "evidence"], rows)


@app.command()
def commitments(
    file: Path | None = typer.Argument(None, help="Ledger file with further evidence."),
    book: list[Path] | None = BookOption,
    as_json: bool = JsonOption,
) -> None:
    """Promises of meetings with owner, due date and evidence, or none."""
    held = ledger.books(read_ledger(file) if file is not None else [])
    found = promised(load_book(book), held, now_us=clock.now_us())
    if as_json:
        output.emit_json({"commitments": found})
        return
    rows = [[c["id"], c["state"], c["made"], c["due"], c["text"], ", ".join(c["evidence"]) or None] for c in found]
    output.print_table("commitments", ["id", "state", "made", "due", "promise", "evidence"], rows)


@app.command()
def reconcile(
    ours: Path = typer.Argument(..., help="Ledger file of one side."),
    theirs: Path = typer.Argument(..., help="Ledger file of the other."),
    as_json: bool = JsonOption,
) -> None:
    """Two ledgers compared: entries one side lacks, balances and inventories that differ; exit 7 when any does."""
    found = ledger.reconcile(read_ledger(ours), read_ledger(theirs))
    same = not any(found.values())
    if as_json:
        output.emit_json({"same": same, **found})
    else:
        for name, items in found.items():
            for one in items:
                output.stdout.print(f"{name.replace('_', ' ')}: {one}", markup=False)
        output.say("the two ledgers agree" if same else "the two ledgers differ")
    if not same:
        raise typer.Exit(7)


@app.command()
def steps(kind: str = typer.Argument(..., help="support, equipment or access."), as_json: bool = JsonOption) -> None:
    """Steps of one kind, the state each may follow, and the facts each must bring."""
    if kind not in ledger.CYCLES:
        raise InputError(f"kind {kind!r} is not one of {', '.join(ledger.CYCLES)}", code="ledger.entry")
    found = ledger.steps_of(kind)
    if as_json:
        output.emit_json({"kind": kind, "steps": found})
        return
    rows = [[s["step"], ", ".join(s["after"]) or "(opens)", ", ".join(s["needs"])] for s in found]
    output.print_table(kind, ["step", "after", "must bring"], rows)
