"""The `kuroshio` command: finds the command named and loads only its module."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer
import typer.core
import typer.main
from rich.markup import escape

from kuroshio import __version__
from kuroshio.errors import KuroshioError

# command -> (module that holds it as `app`, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("kuroshio.cli.run", "Run a node from its file: sources in, picture, sharing, record and page out."),
    "feeds": ("kuroshio.cli.feeds", "Show the health of a running node's sources."),
    "partners": ("kuroshio.cli.partners", "Show the health of a running node's partners, each way."),
    "demo": ("kuroshio.cli.demo", "Run three nations' nodes and a simulated sea; --check verifies the story."),
    "decode": ("kuroshio.cli.decode", "Decode sensor logs to columns, every line accounted for."),
    "track": ("kuroshio.cli.track", "Fuse observations into tracks."),
    "detect": ("kuroshio.cli.detect", "Find behaviour in positions or tracks."),
    "sea": ("kuroshio.cli.sea", "Write a simulated sea to files, with its truth."),
    "score": ("kuroshio.cli.score", "Score tracks against the truth."),
    "operate": ("kuroshio.cli.operate", "Act on tracks: merge, split, name, drop ..., or undo."),
    "why-track": ("kuroshio.cli.why_track", "Tell the story of one track."),
    "accord": ("kuroshio.cli.accord", "Check, print, ask and dry-run agreements."),
    "record": ("kuroshio.cli.record", "Prove and verify the release record."),
    "exchange": ("kuroshio.cli.exchange", "Carry releases as files."),
    "cot": ("kuroshio.cli.cot", "Send the node's own picture to a TAK server or display."),
    "keys": ("kuroshio.cli.keys", "Make and show a node's keys and certificates."),
    "user": ("kuroshio.cli.user", "Add, list and remove the people who sign in."),
    "archive": ("kuroshio.cli.archive", "Show, export, order and let go of what a node's archive holds."),
    "norms": ("kuroshio.cli.norms", "Learn what is usual from an archive: coverage and traffic."),
    "rule": (
        "kuroshio.cli.rule",
        "Check and dry-run rules of a watch; propose, switch and silence those of a running node.",
    ),
    "alert": (
        "kuroshio.cli.alert",
        "List, show and judge alerts of a running node; pack, verify and reproduce their evidence.",
    ),
    "simulate": ("kuroshio.cli.simulate", "Run many nodes under faults and virtual time and check the laws."),
    "warm-up": ("kuroshio.cli.warm_up", "Compile every kernel once."),
    "schema": ("kuroshio.cli.schema", "Print the data dictionary."),
}


class LazyGroup(typer.core.TyperGroup):
    """Group that imports a command's module only when the command is used."""

    def list_commands(self, ctx: object) -> list[str]:
        """Names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> typer.core.TyperCommand | typer.core.TyperGroup | None:
        """Command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, text = COMMANDS[cmd_name]
        app = importlib.import_module(module).app
        command = typer.main.get_command(app)
        command.name = cmd_name
        command.help = command.help or text
        return command  # type: ignore[return-value]

    def format_commands(self, ctx: object, formatter: object) -> None:
        """Help lists commands from the table, without importing any."""
        with formatter.section("Commands"):  # type: ignore[attr-defined]
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])  # type: ignore[attr-defined]


app = typer.Typer(cls=LazyGroup, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"kuroshio {__version__}")
        raise typer.Exit


@app.callback()
def root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print it.")) -> None:
    """An open maritime domain awareness node: one picture, alerts with evidence, sharing by agreement, proof."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs the command; a failure is one clear line and a stable exit code."""
    from kuroshio.cli import output

    try:
        app(args=list(arguments) if arguments is not None else None)
    except KuroshioError as err:
        err.message = escape(err.message)
        output.fail(err)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
