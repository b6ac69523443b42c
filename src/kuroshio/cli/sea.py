"""`kuroshio sea`: a simulated sea in files, with its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from kuroshio.cli import output
from kuroshio.errors import ConfigError

app = typer.Typer(add_completion=False)
START_US = 1_780_000_000_000_000


@app.command()
def sea(
    name: str = typer.Argument(help="Which sea; `kuroshio sea list` tells them."),
    seed: int = typer.Option(1, min=0, help="One seed, the same files."),
    ships: int = typer.Option(0, min=0, help="Number of ships of a scored scene; 0 is its own."),
    minutes: float = typer.Option(0.0, min=0.0, help="Length; 0 is its own (a story's is 60)."),
    raw: bool = typer.Option(False, help="Of a scored scene the sensors' bytes too."),
    out: Path | None = typer.Option(None, "-o", "--out", help="Folder."),
    json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Write a scored scene (observations, truth, sensors) or a story's sea (sensor bytes, truth, story)."""
    from kuroshio.testing.sea import SCENARIOS
    from kuroshio.testing.sea.trials import TRIALS

    if name == "list":
        rows = [[t.name, "scene", t.ships, f"{t.duration_s / 60:g}", t.about] for t in TRIALS.values()]
        rows += [[s, "story", "-", "-", "bytes of radars, AIS and satellites"] for s in SCENARIOS]
        if json:
            output.emit_json([dict(zip(("name", "kind", "ships", "minutes", "about"), r, strict=True)) for r in rows])
        else:
            output.print_table("Seas", ["name", "kind", "ships", "minutes", "what"], rows)
        return
    if out is None:
        raise ConfigError("no folder to write to", code="sea.folder", advice="Give -o DIR.")
    done = _story(name, seed, minutes, out) if name in SCENARIOS else _scene(name, seed, ships, minutes, raw, out)
    if json:
        output.emit_json({"name": name, "seed": seed, "folder": str(out), **done})
    else:
        parts = [[what, key, value] for what, counts in done.items() for key, value in counts.items()]
        output.print_table(f"Sea {name}", ["what", "name", "value"], parts)
        output.say(f"written to {out}")


def _story(name: str, seed: int, minutes: float, out: Path) -> dict[str, Any]:
    from kuroshio.testing.sea import SCENARIOS, Sea, record

    sea = Sea(seed, start_us=START_US, scenario=SCENARIOS[name])
    return {"sources": record(sea, START_US + round((minutes or 60.0) * 60e6), out)}


def _scene(name: str, seed: int, ships: int, minutes: float, raw: bool, out: Path) -> dict[str, Any]:
    from kuroshio.testing.sea import trials

    chosen = trials.trial(name)
    return trials.write(chosen.play(seed, ships=ships or None, duration_s=minutes * 60.0 or None), out, raw=raw)
