"""Reference pages of the message and application layouts, made from the tables that decode them.

What leaves: Markdown text. `python -m kuroshio.sensing.ais.reference FOLDER` writes the pages; a test holds that they
are what the tables say.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from kuroshio.sensing.ais.applications import Application
from kuroshio.sensing.ais.contents import APPLICATIONS
from kuroshio.sensing.ais.fields import STANDARD, Field
from kuroshio.sensing.ais.layouts import LAYOUTS

_KINDS = {"u": "unsigned", "i": "signed", "b": "flag", "t": "text", "d": "data", "x": "spare"}


def _value(item: Field) -> str:
    if not item.si or (item.num == item.den == 1 and not item.offset and item.si == item.name):
        return ""
    if item.si == "rot_degpmin":
        return "`rot_degpmin` = (raw / 4.733)² with its sign"
    scale = "" if item.num == item.den == 1 else f" × {item.num:g} / {item.den:g}"
    offset = "" if not item.offset else f" {'+' if item.offset > 0 else '-'} {abs(item.offset):g}"
    return f"`{item.si}` = raw{scale}{offset}"


def _absent(item: Field) -> str:
    bounds = []
    if item.absent is not None:
        bounds.append(f"{item.absent}")
    if item.low is not None and item.kind == "i":
        bounds.append(f"below {item.low}")
    if item.high is not None and item.high != item.raw_max:
        bounds.append(f"above {item.high}")
    return ", ".join(bounds)


def _rows(fields: Iterable[Field], start: int = 0) -> list[str]:
    rows, at = [], start
    for item in fields:
        width = str(item.bits) if item.bits else "rest"
        note = "; ".join(x for x in (item.clause, item.doc) if x)
        cells = (str(at), width, f"`{item.name}`", _KINDS[item.kind], _value(item), _absent(item), note)
        rows.append("| " + " | ".join(cells) + " |")
        at += item.bits
    return rows


_HEAD = ["| bit | bits | name | kind | SI | null at | clause and meaning |", "|---|---|---|---|---|---|---|"]


def messages_page() -> str:
    """Page of all message layouts."""
    lines = [
        "# AIS messages", "",
        f"Made from the tables in `kuroshio.sensing.ais` that decode and encode them. Source: {STANDARD}, annex 8, the",
        "clause of each message. Names are those of `ais.encode` and `ais.unpack`; a payload shorter than the least",
        "length is a reject (`too_short`), and a field that it does not hold whole is null.", "",
    ]  # fmt: skip
    for layout in sorted(LAYOUTS, key=lambda x: x.types):
        types = ", ".join(map(str, layout.types))
        variant = f" ({layout.variant})" if layout.variant else ""
        lines += [
            f"## {types}{variant}: {layout.title}",
            "",
            f"Table `{layout.family}`, least length {layout.min_bits}",
        ]
        lines[-1] += " bits." + (f" May end after {', '.join(map(str, layout.cuts))} bits." if layout.cuts else "")
        lines += ["", *_HEAD, *_rows(layout.fields)]
        lines += [row.replace("| 0 |", "| end |", 1) for row in _rows(layout.tail)] + [""]
    return "\n".join(lines)


def _application(app: Application) -> list[str]:
    kinds = {(6,): "addressed", (8,): "broadcast", (6, 8): "addressed or broadcast"}.get(app.types, "message 17")
    name = f"{app.dac}/{app.fi}: {app.title}" if app.dac else app.title
    lines = [f"## {name}", "", f"{app.source}; {kinds}; at least {app.least} bits of data.", ""]
    if app.fields:
        lines += [*_HEAD, *_rows(app.fields), ""]
    if app.group:
        lines += [f"Then `{app.group}`, elements of {app.element_bits} bits:", ""]
        if app.element:
            lines += [*_HEAD, *_rows(app.element), ""]
    for number, fields in app.variants.items():
        lines += [f"Where the selector is {number}:", "", *_HEAD, *_rows(fields), ""]
    return lines


def applications_page() -> str:
    """Page of all application layouts."""
    lines = [
        "# AIS application messages", "",
        "Contents of binary messages that `binary.content` tells as JSON, made from the tables that decode them. Other",
        "identifiers keep `payload` and have no content. Bits count from the first bit of the application data.", "",
    ]  # fmt: skip
    for app in APPLICATIONS:
        lines += _application(app)
    return "\n".join(lines)


PAGES = {"ais-messages.md": messages_page, "ais-applications.md": applications_page}


def main(folder: str) -> None:
    """Write the pages to a folder."""
    for name, page in PAGES.items():
        (Path(folder) / name).write_text(page() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
