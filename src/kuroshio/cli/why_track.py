"""`kuroshio why-track`: the story of one track."""

from __future__ import annotations

from pathlib import Path

import typer

from kuroshio.cli import output

app = typer.Typer(add_completion=False)


@app.command()
def why_track(
    track_id: int = typer.Argument(help="Number of the track."),
    folder: Path = typer.Option(..., "-i", "--in", help="Folder that `kuroshio track` wrote."),
    json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Tell a track's story: what fed it, when it was confirmed, who it claims to be, what happened to it."""
    from kuroshio.picture.why import story

    told = story(folder, track_id)
    if json:
        output.emit_json(told)
        return
    output.print_table(f"Track {track_id}", ["when", "what"], [[e["observed_at"], e["text"]] for e in told["events"]])
    rows = [[k, v["count"], v["largest_d2"]] for k, v in told["observations"].items()]
    output.print_table("Observations", ["outcome", "count", "largest d2"], rows)
