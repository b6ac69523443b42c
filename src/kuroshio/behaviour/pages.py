"""One page of documentation a behaviour, made from its definition and a planted example.

`python -m kuroshio.behaviour.pages FOLDER` writes them all, with a picture each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kuroshio.behaviour.definition import Definition, load_definitions
from kuroshio.behaviour.examples import picture


def _cell(value: object) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def page(d: Definition, example: str) -> str:
    """Markdown of one definition: prose, inputs, thresholds with sources, known false positives, an example.

    Parameters
    ----------
    example
        The alert of its planted example as a sentence; its picture lies in ``pictures``.
    """
    lines = [
        f"# {d.title} (`{d.id}`)",
        "",
        f"Version {d.version}, severity {d.severity}, kernel `{d.kernel}`, {'on' if d.enabled else 'off'} by default.",
        "",
        d.prose(),
        "",
        f"It would have been cancelled by: {d.cancelled_by[0].lower() + d.cancelled_by[1:]}",
        "",
    ]
    if d.limits:
        lines += [f"Limits: {d.limits}", ""]
    lines += ["## Inputs", "", *(f"- {name}" for name in d.inputs), "", "## Thresholds", ""]
    lines += ["| name | value | unit | meaning | held against | source |", "|---|---|---|---|---|---|"]
    for t in d.thresholds.values():
        held = f"`{t.measured}` {t.sense}" if t.measured else ""
        lines.append(f"| `{t.name}` | {_cell(t.value)} | {t.unit} | {t.meaning} | {held} | {t.source} |")
    lines += ["## Example", "", f"![{example}](pictures/{d.id}.svg)", "", f"Planted: {example}", ""]
    number = next((t for t in d.thresholds.values() if isinstance(t.value, int | float)), None)
    lines += ["", "## Known false positives", "", *(f"- {text}" for text in d.known_false_positives), ""]
    if number is not None:
        lines += [
            "## Change it",
            "",
            "```toml",
            f'id = "{d.id}"',
            "[thresholds]",
            f"{number.name} = {number.value}",
            "```",
            "",
        ]
    return "\n".join(lines)


def write_pages(folder: Path) -> list[Path]:
    """Write all pages and their index; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    definitions = load_definitions()
    written = []
    (folder / "pictures").mkdir(exist_ok=True)
    for d in definitions.values():
        svg, example = picture(definitions, d.id)
        for path, text in ((folder / f"{d.id}.md", page(d, example)), (folder / "pictures" / f"{d.id}.svg", svg)):
            path.write_text(text, "utf-8")
            written.append(path)
    rows = [f"| [{d.title}]({d.id}.md) | `{d.id}` | {d.severity} | {d.prose()} |" for d in definitions.values()]
    head = ["# Alerts", "", "Made from the definitions; do not edit.", "", "| alert | id | severity | definition |"]
    index = folder / "index.md"
    index.write_text("\n".join([*head, "|---|---|---|---|", *rows, ""]), "utf-8")
    return [*written, index]


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
