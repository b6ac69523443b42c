"""`kuroshio accord`: check, print and ask agreement files.

Files come from ``--book`` (files or folders, repeated); without it the sample book is used and the command says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from kuroshio import accord, clock
from kuroshio.accord import difference, printed, terms_in_words
from kuroshio.cli import accord_ledger, accord_other, output
from kuroshio.cli.accord_inputs import (
    ITEM_HELP,
    AtOption,
    BookOption,
    FromOption,
    JsonOption,
    KnownOption,
    load_book,
    moment,
    read_item,
    read_items,
    read_text,
)
from kuroshio.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Check, print, ask and dry-run agreements.")
app.add_typer(accord_ledger.app, name="ledger")
accord_other.register(app)


@app.command()
def check(
    files: list[Path] | None = typer.Argument(None, help="Agreement files or folders; default the sample book."),
    as_json: bool = JsonOption,
) -> None:
    """Read files and show every fault with file, line, column and value; exit 5 when there is any."""
    paths = list(files) if files else accord.sample_paths()
    try:
        book = accord.load(paths)
    except accord.AccordFileError as err:
        if as_json:
            output.emit_json({"ok": False, "faults": [f.as_dict() for f in err.faults]})
            raise typer.Exit(err.exit_code) from err
        raise
    counts = {name: len(entries) for name, entries in book.entries.items()}
    if as_json:
        output.emit_json({"ok": True, "faults": [], "rules_digest": book.rules_digest, "counts": counts})
        return
    rows = [[a["id"], ", ".join(a["parties"]), a["binding"], a["state"], len(a["clauses"])] for a in book.accords()]
    output.print_table("accords", ["id", "parties", "binding", "state", "clauses"], rows)
    output.say(f"no faults; digest {book.rules_digest}")


@app.command()
def why(
    item: str = typer.Option(..., "--item", "-i", help=ITEM_HELP),
    from_: str = FromOption,
    to: str = typer.Option(..., "--to", help="Party that would receive."),
    book: list[Path] | None = BookOption,
    at: str | None = AtOption,
    known: str | None = KnownOption,
    recipient: bool = typer.Option(False, "--recipient", help="Show what the recipient may be told instead."),
    as_json: bool = JsonOption,
) -> None:
    """Why one thing flows or not: each tie, caveat and basis with its clause, and what would change it."""
    valid_at_us = moment(at)
    found = accord.why(
        load_book(book),
        read_item(item),
        releaser=from_,
        to=to,
        valid_at_us=valid_at_us,
        known_at_us=moment(known) if known else None,
    )
    view = found["recipient" if recipient else "releaser"]
    if as_json:
        output.emit_json({"valid_at": clock.rfc3339(valid_at_us), **view})
        return
    if recipient:
        output.stdout.print(view["text"])
        output.stdout.print(f"in force: {', '.join(view['in_force']) or 'none'}")
        return
    output.stdout.print(f"{from_} -> {to}: {view['effect'].upper()}  ({view['cited']})", markup=False)
    steps = [[r["cite"], r["kind"], r["effect"], r["text"], r["role"]] for r in view["reasons"]]
    output.print_table("how it was decided", ["clause", "kind", "effect", "what it says", "role"], steps)
    if view["obligations"]:
        output.stdout.print(f"  terms: {terms_in_words(view['obligations'])}", markup=False)
    for one in view["would_change"]:
        output.stdout.print(f"  would change: if {one['if']}", markup=False)


@app.command("dry-run")
def dry_run(
    picture: Path = typer.Argument(..., help="Stored picture: Parquet of ITEMS or TRACKS."),
    draft: Path | None = typer.Option(None, "--draft", "-d", help="Draft agreement file, taken as in force."),
    from_: str = FromOption,
    to: list[str] | None = typer.Option(
        None, "--to", help="Recipient; repeat. Default: all parties to an accord with it."
    ),
    book: list[Path] | None = BookOption,
    at: str | None = AtOption,
    known: str | None = KnownOption,
    level: str = typer.Option("R", "--level", help="Level of tracks (ITEMS carry their own)."),
    purpose: str = typer.Option("maritime_safety", "--purpose", help="Purpose of tracks."),
    map_file: Path | None = typer.Option(None, "--map", help="Write where the changes are, as GeoJSON cells."),
    examples: int = typer.Option(3, "--examples", min=0, max=100, help="Examples of each change."),
    as_json: bool = JsonOption,
) -> None:
    """What would flow from a stored picture under a draft: counts by effect, party and clause, and the difference."""
    items = read_items(picture, originator=from_, level=level, purpose=purpose)
    found = accord.dry_run(
        load_book(book),
        read_text(draft) if draft is not None else None,
        items,
        releaser=from_,
        to=to or None,
        valid_at_us=moment(at),
        known_at_us=moment(known) if known else None,
        examples=examples,
    )
    if map_file is not None:
        cells = found.get("change", {}).get("map", {"type": "FeatureCollection", "features": []})
        map_file.write_text(json.dumps(cells), encoding="utf-8")
    if as_json:
        output.emit_json(found)
        return
    _print_dry_run(found)


def _print_dry_run(found: dict[str, Any]) -> None:
    rows: list[list[Any]] = []
    for party, effects in found["today"]["party"].items():
        after = found.get("draft", {}).get("party", {}).get(party, {})
        rows.extend([party, effect, count, after.get(effect)] for effect, count in effects.items())
    output.print_table(f"{found['items']:,} items from {found['releaser']}", ["to", "effect", "today", "draft"], rows)
    side = found.get("draft", found["today"])
    clauses = [[p, clause, n] for p, named in side["clause"].items() for clause, n in named.items()]
    which = "by clause, under the draft" if "draft" in found else "by clause"
    output.print_table(which, ["to", "clause", "items"], clauses)
    _print_moves(found.get("change", {}))


def _print_moves(change: dict[str, Any]) -> None:
    for party, moves in change.get("effect", {}).items():
        for move, n in moves.items():
            output.stdout.print(f"{party}: {move}: {n:,}", markup=False)
    for one in change.get("terms", ()):
        before, after = terms_in_words(one["today"]), terms_in_words(one["draft"])
        output.stdout.print(f"{one['to']}: {one['items']:,} with other terms: {before} -> {after}", markup=False)
    for one in change.get("examples", ()):
        before, after = one["today"], one["draft"]
        told = f"{before['effect']} ({before['cited']}) -> {after['effect']} ({after['cited']})"
        output.stdout.print(f"  {one['item_id']} to {one['to']}: {told}", markup=False)


@app.command("print")
def print_(
    accord_id: str | None = typer.Argument(None, help="Accord; default all, with the national rules."),
    book: list[Path] | None = BookOption,
    language: str = typer.Option("en", "--language", "-l", help="en, ja or fil."),
    as_json: bool = JsonOption,
) -> None:
    """Agreements in plain language, generated from the files."""
    held = load_book(book)
    ids = [accord_id] if accord_id else list(held.content.accords)
    texts = {one: printed.print_accord(held, one, language=language, at_us=clock.now_us()) for one in ids}
    if as_json:
        output.emit_json({"language": language, "accords": texts, "listing": held.accords(valid_at_us=clock.now_us())})
        return
    for text in texts.values():
        output.stdout.print(text, markup=False, highlight=False, soft_wrap=True)
    if accord_id is None:
        output.stdout.print(
            printed.print_caveats(held, language=language), markup=False, highlight=False, soft_wrap=True
        )


@app.command("what-if")
def what_if(
    item: str = typer.Option(..., "--item", "-i", help=ITEM_HELP),
    from_: str = FromOption,
    to: str = typer.Option(..., "--to", help="Party that would receive."),
    assume: list[str] | None = typer.Option(
        None, "--assume", "-a", help="ACCORD=STATE, such as JPN-PHL-INFO=in_force."
    ),
    consent: list[str] | None = typer.Option(None, "--consent", "-c", help="Consent as JSON, or @FILE."),
    draft: Path | None = typer.Option(None, "--draft", "-d", help="Draft agreement file, taken as in force."),
    book: list[Path] | None = BookOption,
    at: str | None = AtOption,
    known: str | None = KnownOption,
    as_json: bool = JsonOption,
) -> None:
    """One decision as it is, and as it would be under assumed states, consents or a draft."""
    held = load_book(book)
    states = {}
    for pair in assume or ():
        name, sign, state = pair.partition("=")
        if not sign or not state:
            raise ConfigError(f"--assume takes ACCORD=STATE, found {pair!r}", code="accord.assume")
        states[name] = state
    then = held.with_draft(read_text(draft)) if draft is not None else held
    then = then.assuming(states) if states else then
    for text in consent or ():
        then = then.with_consent(read_item(text))
    ask: dict[str, Any] = {"releaser": from_, "to": to, "valid_at_us": moment(at)}
    ask["known_at_us"] = moment(known) if known else None
    plain = read_item(item)
    today = accord.decision_dict(held.evaluate(plain, **ask))
    other = accord.decision_dict(then.evaluate(plain, **ask))
    if as_json:
        output.emit_json({"today": today, "then": other, "changed": today["effect"] != other["effect"]})
        return
    for name, one in (("today", today), ("then", other)):
        output.stdout.print(f"{name}: {one['effect'].upper()} ({one['cited']}) {one['obligations']}", markup=False)


@app.command("as-of")
def as_of(
    at: str = typer.Argument(..., help="Legal date or time (RFC 3339)."),
    known: str | None = KnownOption,
    accord_id: str | None = typer.Option(None, "--accord", help="One accord; default all."),
    book: list[Path] | None = BookOption,
    as_json: bool = JsonOption,
) -> None:
    """Status of each accord at a legal date, as known at another, with what disagrees."""
    held = load_book(book)
    found = accord.as_of(held, valid_at_us=moment(at), known_at_us=moment(known) if known else None)
    if accord_id is not None:
        held.accord(accord_id)
        found["accords"] = [row for row in found["accords"] if row["accord"] == accord_id]
    if as_json:
        output.emit_json(found)
        return
    table = [
        [r["accord"], r["state"], (r["since"] or "")[:10] or None, r["source"], "; ".join(r["conflicts"]) or None]
        for r in found["accords"]
    ]
    output.print_table(f"as of {at}", ["accord", "state", "since", "source", "conflicts"], table)


@app.command()
def route(
    item: str = typer.Option(..., "--item", "-i", help=ITEM_HELP),
    from_: str = FromOption,
    to: str | None = typer.Option(None, "--to", help="Party to reach; default every party."),
    hops: int = typer.Option(2, "--hops", min=1, max=4, help="Longest path."),
    breaks: bool = typer.Option(False, "--breaks", help="Also what is lost when an accord, party or consent falls."),
    book: list[Path] | None = BookOption,
    at: str | None = AtOption,
    known: str | None = KnownOption,
    as_json: bool = JsonOption,
) -> None:
    """Lawful paths of one thing to a party, and who must sign."""
    held, plain = load_book(book), read_item(item)
    ask: dict[str, Any] = {"releaser": from_, "valid_at_us": moment(at), "max_hops": hops}
    ask["known_at_us"] = moment(known) if known else None
    if to is not None:
        found: dict[str, Any] = {"to": to, "routes": [r.as_dict() for r in accord.routes(held, plain, to=to, **ask)]}
    else:
        found = {"reach": accord.reach(held, plain, **ask)}
    if breaks:
        found["breaks"] = accord.what_breaks(held, plain, **ask)
    if as_json:
        output.emit_json(found)
        return
    best = found.get("routes") or [v["best"] for v in found.get("reach", {}).values() if v["best"]]
    rows = [
        [" > ".join(r["path"]), r["effect"], ", ".join(r["signatures"]) or None, terms_in_words(r["obligations"])]
        for r in best
    ]
    output.print_table("lawful paths", ["path", "effect", "who must sign", "terms"], rows)
    for one in found.get("breaks", {}).get("falls", ()):
        if one["lost"] or one["worse"]:
            lost, worse = ", ".join(one["lost"]) or "none", ", ".join(one["worse"]) or "none"
            output.stdout.print(f"without {one['kind']} {one['name']}: lost {lost}; worse {worse}", markup=False)


@app.command()
def lint(
    files: list[Path] | None = typer.Argument(None, help="Agreement files or folders; default the sample book."),
    strict: bool = typer.Option(False, "--strict", help="Exit 5 when there is a warning."),
    as_json: bool = JsonOption,
) -> None:
    """What loads but is odd, open or will surprise, each with its place."""
    found = accord.lint(load_book(list(files) if files else None), now_us=clock.now_us())
    warnings = sum(f.severity == "warning" for f in found)
    if as_json:
        output.emit_json({"warnings": warnings, "findings": [f.as_dict() for f in found]})
    else:
        for one in found:
            output.stdout.print(f"{one.severity:8}{one}", markup=False, highlight=False, soft_wrap=True)
    if strict and warnings:
        raise typer.Exit(accord.AccordFileError.exit_code)


@app.command()
def coverage(book: list[Path] | None = BookOption, as_json: bool = JsonOption) -> None:
    """Each article of each instrument: coded, a human's, a duty, not coded, or not mentioned."""
    found = difference.coverage(load_book(book))
    if as_json:
        output.emit_json({"coverage": found})
        return
    rows = [
        [one["accord"], row["article"], row["treatment"], ", ".join(row["clauses"]) or None, row["note"]]
        for one in found
        for row in one["articles"] or [{"article": None, "treatment": "not declared", "clauses": [], "note": None}]
    ]
    output.print_table("coverage", ["accord", "article", "treatment", "clauses", "note"], rows)


@app.command()
def diff(
    old: list[Path] = typer.Option(..., "--old", help="Files or folders before; repeat."),
    new: list[Path] = typer.Option(..., "--new", help="Files or folders after; repeat."),
    picture: Path | None = typer.Option(None, "--picture", help="Parquet of ITEMS or TRACKS: also the effect on it."),
    from_: str | None = typer.Option(None, "--from", help="Party whose picture it is."),
    level: str = typer.Option("R", "--level", help="Level of tracks."),
    purpose: str = typer.Option("maritime_safety", "--purpose", help="Purpose of tracks."),
    at: str | None = AtOption,
    as_json: bool = JsonOption,
) -> None:
    """Two sets of files compared: clauses in words, and what the difference does to a picture."""
    before, after = accord.load(old), accord.load(new)
    found: dict[str, Any] = {"text": difference.text_difference(before, after)}
    if picture is not None:
        if from_ is None:
            raise ConfigError("--picture needs --from: whose picture is it?", code="accord.from")
        items = read_items(picture, originator=from_, level=level, purpose=purpose)
        found["effect"] = difference.effect_difference(before, after, items, releaser=from_, valid_at_us=moment(at))
    if as_json:
        output.emit_json(found)
        return
    for sentence in difference.in_words(before, after):
        output.stdout.print(sentence, markup=False, soft_wrap=True)
    effect = found.get("effect")
    if effect is not None:
        output.say(f"{effect['items']:,} items from {effect['releaser']}: {effect['change']['rows']:,} change")
        _print_moves(effect["change"])


@app.command()
def graph(
    book: list[Path] | None = BookOption,
    at: str | None = AtOption,
    known: str | None = KnownOption,
    as_json: bool = JsonOption,
) -> None:
    """The network of agreements: who is linked to whom by what, in which state."""
    found = accord.graph(load_book(book), valid_at_us=moment(at), known_at_us=moment(known) if known else None)
    if as_json:
        output.emit_json(found)
        return
    rows = [
        [
            " - ".join(e["parties"]),
            ", ".join(a["id"] for a in e["in_force"]) or None,
            ", ".join(f"{a['id']} ({a['state']})" for a in e["not_in_force"]) or None,
        ]
        for e in found["edges"]
    ]
    output.print_table("network", ["pair", "in force", "not in force"], rows)
    shapes = [
        [
            name.replace("_", " "),
            s["links"],
            s["pairs_within_two"],
            f"{s['worst_party'] or '-'} ({s['worst_party_share_lost']:.0%})",
            f"{s['worst_link'] or '-'} ({s['worst_link_share_lost']:.0%})",
        ]
        for name, s in found["shape"].items()
    ]
    columns = ["network", "links", "pairs within two hops", "worst party to fall", "worst link to fall"]
    output.print_table("what one fall costs", columns, shapes)
