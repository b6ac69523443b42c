"""What is still to tell of alerts after a start: how each stands otherwise than the book says.

What enters: the changes that a journal read again makes, to the end of the first cycle after it, and the last row of
each of their alerts in the book. What leaves: the changes to write. A journal is read again in other steps than it was
read in at first, so that its changes are others on the way and the same in the end: nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kuroshio.behaviour.ruling import changes

Row = dict[str, Any]


def untold(rows: Iterable[Row], last: Mapping[str, Row]) -> list[Row]:
    """Changes that bring the book to what rows of the ledger, in their order, say in the end.

    Parameters
    ----------
    rows
        ALERTS rows.
    last
        The last row of each alert in the book, by id.
    """
    made: dict[str, list[Row]] = {}
    for row in rows:  # alerts are few
        mine = made.setdefault(str(row["alert_id"]), [])
        if row["change"] == "void":
            mine.clear()
        mine.append(row)
    out: list[Row] = []
    for name, mine in made.items():
        said = last.get(name)
        stands = said is not None and said["change"] != "void"
        if mine[-1]["change"] == "void":
            out += mine if stands else []
        elif stands:
            out += changes(said, mine[-1])
        else:
            mine = [row for row in mine if row["change"] != "void"]
            out += [mine[0] | {"change": "open"}, *mine[1:]] if mine[0]["end_at"] is None else changes(None, mine[-1])
    return out
