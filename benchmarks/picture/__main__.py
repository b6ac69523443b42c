"""`python -m benchmarks.picture [--quick | NAME ...] [--json] [--out DIR]`; see `RUNS` for the names."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.picture import live, peer


def _data() -> Path:
    if "KUROSHIO_DATA" not in os.environ:
        raise SystemExit("this run needs recorded data: set KUROSHIO_DATA to its folder")
    return Path(os.environ["KUROSHIO_DATA"])


def _peer(arguments: argparse.Namespace) -> dict:
    return peer.full()


def _autoferry(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import autoferry

    return autoferry.table(_data() / "autoferry")


def _solent(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import solent

    return solent.table(_data())


def _growth(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import growth

    return growth.table()


def _keyed(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import growth

    return growth.keyed()


def _long(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import growth

    return growth.long(arguments.ships, arguments.minutes, arguments.budget_s)


def _sea(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import growth

    return growth.sea()


def _scenes(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import accuracy

    return accuracy.scenes()


def _told(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import told

    return told.table()


def _maps(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import accuracy

    result, drawn = accuracy.maps()
    if arguments.out:
        for name, svg in drawn.items():
            (arguments.out / f"map-{name}.svg").write_text(svg, encoding="utf-8")
    return result


def _registration(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import accuracy

    return accuracy.registration()


def _late(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import accuracy

    return accuracy.late()


def _spoof(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import accuracy

    return accuracy.drag()


def _sharing(arguments: argparse.Namespace) -> dict:
    from benchmarks.picture import sharing

    return sharing.table()


RUNS: dict[str, Callable[[argparse.Namespace], dict]] = {
    "peer": _peer,
    "autoferry": _autoferry,
    "solent": _solent,
    "growth": _growth,
    "keyed": _keyed,
    "long": _long,
    "sea": _sea,
    "scenes": _scenes,
    "told": _told,
    "maps": _maps,
    "registration": _registration,
    "late": _late,
    "spoof": _spoof,
    "sharing": _sharing,
}


def _kept(name: str, result: dict, arguments: argparse.Namespace) -> None:
    """The result in a file of its own, with what made it, and the page of all of them made anew."""
    from benchmarks.picture import page

    out, command = arguments.out, f"python -m benchmarks.picture {name}"
    if name == "long":
        command += f" --ships {arguments.ships} --minutes {arguments.minutes:g} --budget-s {arguments.budget_s:g}"
    kept = {"command": command, "machine": page.machine(), "revision": page.revision(), **live.rounded(result)}
    (out / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    page.write(out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*RUNS, "all", "page"]))
    parser.add_argument("--quick", action="store_true", help="the figures of the contract, within 50 s")
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--out", type=Path, help="folder for results, pictures, and the page of them")
    parser.add_argument("--ships", type=int, default=100_000, help="of the long run")
    parser.add_argument("--minutes", type=float, default=60.0, help="of the long run, minutes of data")
    parser.add_argument("--budget-s", type=float, default=600.0, help="of the long run, wall seconds")
    arguments = parser.parse_args()
    if arguments.quick:
        results: dict = peer.quick()
    else:
        names = [n for n in (RUNS if "all" in arguments.names else arguments.names) if n != "page"]
        if unknown := set(names) - set(RUNS):
            parser.error(f"no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
        if not arguments.names:
            parser.error("say --quick or a name")
        results = {}
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
        for name in names:
            begun = time.monotonic()
            results[name] = RUNS[name](arguments)
            results[name]["elapsed_s"] = time.monotonic() - begun
            if arguments.out:
                _kept(name, results[name], arguments)
        if arguments.out and not names:
            from benchmarks.picture import page

            page.write(arguments.out)
        results = results[names[0]] if len(names) == 1 else results
    print(json.dumps(results) if arguments.json else json.dumps(live.rounded(results), indent=2))


if __name__ == "__main__":
    main()
