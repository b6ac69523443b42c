"""`kuroshio why-track`: the story of one track, of a running node or of an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kuroshio.cli import output
from kuroshio.cli.asking import HERE, TokenFile, Url, ask, token_of

app = typer.Typer(add_completion=False)
REPORTS_SHOWN = 20


@app.command()
def why_track(
    track_id: Annotated[int, typer.Argument(min=0, max=2**63 - 1, help="Number of the track.")],
    folder: Annotated[
        Path | None, typer.Option("-i", "--in", help="Folder that `kuroshio track` wrote; else a running node.")
    ] = None,
    url: Url = HERE,
    token_file: TokenFile = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Tell a track's story: what fed it, which gates, when confirmed, who it claims to be, what operators did."""
    if folder is None:
        told = ask(url, f"tracks/{track_id}/story", token_of(token_file))
    else:
        from kuroshio.picture.why import story

        told = story(folder, track_id)
    if json:
        output.emit_json(told)
        return
    output.print_table(f"Track {track_id}", ["when", "what"], [[e["observed_at"], e["text"]] for e in told["events"]])
    claims = [[c["claim"], c["value"], c["first_at"], c["last_at"]] for c in told["identity"]]
    output.print_table("Identity", ["claim", "value", "from", "to"], claims)
    output.print_table("Last seen by", ["source", "when"], [[s["source"], s["last_at"]] for s in told["seen"]])
    rows = [[k, v["count"], v["largest_d2"]] for k, v in told["observations"].items()]
    gates = ", ".join(f"{name} {limit:g}" for name, limit in told["gates"].items())
    output.print_table(f"Observations (gates of d2: {gates})", ["outcome", "count", "largest d2"], rows)
    output.print_table(
        "Newest reports", ["when", "source", "outcome", "d2"], [_cells(r) for r in told["reports"][:REPORTS_SHOWN]]
    )


def _cells(report: dict[str, Any]) -> list[Any]:
    d2 = report["d2"]
    return [report["observed_at"], report["source"], report["outcome"], None if d2 is None else f"{d2:.1f}"]
