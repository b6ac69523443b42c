"""`kuroshio warm-up`: compile every kernel once, so that the first real run starts at once."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from kuroshio.cli import output

app = typer.Typer(add_completion=False)
ROOMS = ("kuroshio.geo", "kuroshio.sensing", "kuroshio.picture", "kuroshio.behaviour", "kuroshio.testing")


@app.command()
def warm_up(
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Compile the kernels of every room into the cache beside the code."""
    with output.progress(quiet=quiet) as bar:
        task = bar.add_task("compiling", total=len(ROOMS))
        for name in ROOMS:
            bar.update(task, description=f"compiling {name.removeprefix('kuroshio.')}")
            compile_room = getattr(importlib.import_module(name), "warm_up", None)
            if compile_room is not None:
                compile_room()
            bar.advance(task)
