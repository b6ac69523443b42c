"""`kuroshio warm-up`: compile every kernel once, so that the first real run starts at once."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Annotated

import typer

from kuroshio.cli import output
from kuroshio.errors import KuroshioError

app = typer.Typer(add_completion=False)
ROOMS = ("behaviour", "picture", "sensing", "geo", "accord")  # the longest first
COMPILE = "import importlib, sys; getattr(importlib.import_module('kuroshio.' + sys.argv[1]), 'warm_up', int)()"


@app.command()
def warm_up(
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Compile the kernels of every room into the cache beside the code, on all cores; about a minute on two."""
    with output.progress(quiet=quiet) as bar, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        task = bar.add_task("compiling the kernels", total=len(ROOMS))
        for done in as_completed([pool.submit(_compile, room) for room in ROOMS]):
            done.result()
            bar.advance(task)


def _compile(room: str) -> None:
    """Compile one room in a process of its own: the compiler holds the interpreter's lock."""
    command = [sys.executable, "-c", COMPILE, room]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (our own words)
    if result.returncode != 0:
        raise KuroshioError(f"compiling {room} failed: {result.stderr[-800:]}", code="warm_up.failed")
