"""The partner view: what a party would be sent, by the code that sends it, without a signature.

What enters: groups of rows with their decision. What leaves: the rows as that party would see them and, for the
releaser, which rows are withheld and why. It makes no release.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.errors import ReleaseRefused
from kuroshio.exchange.columns import int64_of
from kuroshio.exchange.outlet import Outlet, bucket_s_of
from kuroshio.exchange.seal import as_table
from kuroshio.exchange.select import as_tracks, select_tracks
from kuroshio.schema import TRACKS, Decision, concat
from kuroshio.schema.release import RELEASED_TRACKS


@dataclass(frozen=True)
class View:
    """What a party would see.

    Parameters
    ----------
    released
        RELEASED_TRACKS rows.
    tracks
        The same rows in TRACKS form; ``track_id`` is this node's number, for the releaser's own screen.
    shown
        (track_id, cited clause, obligations) of each row, in the order of the rows.
    withheld
        (track_id, cited clause, reason) of rows that do not go.
    """

    released: pa.Table
    tracks: pa.Table
    shown: tuple[tuple[int, str, dict[str, Any]], ...]
    withheld: tuple[tuple[int, str, str], ...]


def view(
    groups: Iterable[tuple[pa.Table, Decision]], *, releaser: str, to: str, now_us: int, outlet: Outlet | None = None,
    secret: bytes = b"",
) -> View:  # fmt: skip
    """The picture of groups of TRACKS rows as a party would see it at once, if it had seen nothing yet.

    Parameters
    ----------
    groups
        Rows and the decision that covers all of them.
    outlet
        Memory of that recipient: its references, shifts and held-back states are used and left unchanged. Without
        one, ``secret`` (the node's) makes the same references and shifts, and delayed rows show as withheld.

    Raises
    ------
    ReleaseRefused
        When neither outlet nor secret is given.
    """
    source = outlet.preview() if outlet is not None else Outlet(to, secret)
    parts: list[pa.Table] = []
    ids: list[int] = []
    shown: list[tuple[int, str, dict[str, Any]]] = []
    withheld: list[tuple[int, str, str]] = []
    for rows, decision in groups:
        table = as_table(rows, TRACKS)
        every = int64_of(table, "track_id")
        if not decision.flows or not decision.basis:
            withheld += [(i, decision.cited, decision.effect.word) for i in np.unique(every).tolist()]
            continue
        obligations = replace(decision.obligations, time_bucket_s=bucket_s_of(decision.obligations))
        try:
            due = source.due(table, obligations, now_us, keep=False)
            part = select_tracks(due, obligations, source)
        except ReleaseRefused as err:
            withheld += [(i, decision.cited, err.error_code) for i in np.unique(every).tolist()]
            continue
        gone = int64_of(due, "track_id")
        parts.append(part)
        ids += gone.tolist()
        shown += [(i, decision.cited, obligations.as_dict()) for i in gone.tolist()]
        late = np.setdiff1d(every, gone)
        withheld += [(i, decision.cited, "delay" if obligations.delay_s else "echo") for i in late.tolist()]
    released = concat(RELEASED_TRACKS, [RELEASED_TRACKS.conform(part) for part in parts])
    tracks = as_tracks(released, track_ids=ids, partner=None, held_by=f"view:{to}")
    return View(released, tracks, tuple(shown), tuple(withheld))
