"""The evidence pack of an alert of this node: its rows read from the archive, and the alert made again of them.

What enters: an alert in the book, and rows of the past. What leaves: the bytes of a pack (`behaviour.pack`). A pack
is made only where the alert comes out of the stored rows as the node told it; else it is refused, with the reason.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import clock
from kuroshio.behaviour import Definitions, Norms, Zones
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.others import others_about, stretches, ways_about
from kuroshio.behaviour.pack import LEAD_US, alert_rows, begin_us, make_pack, raised_of
from kuroshio.behaviour.ruling import micros
from kuroshio.errors import InputError, NotFound, VerificationError
from kuroshio.schema import TRACKS
from kuroshio.store import Operations

Row = Mapping[str, Any]
MAX_ROWS = 2_000_000


class PackDesk:
    """Packs of the alerts of one node; any thread may call it.

    Parameters
    ----------
    operations
        The book of alerts.
    tracks
        Gives TRACKS rows of the past, asked as `Archive.read` is.
    definitions, zones, norms
        What the node's alerts are made by.
    """

    def __init__(
        self,
        operations: Operations,
        tracks: Callable[..., pa.Table],
        definitions: Definitions,
        zones: Zones | None = None,
        norms: Norms | None = None,
    ) -> None:
        self._operations, self._read = operations, tracks
        self._definitions, self._zones, self._norms = definitions, zones, norms

    def pack(self, alert_id: str, *, known_at_us: int | None = None) -> bytes:
        """The evidence pack of an alert as it stands, or as it was known at a time.

        Raises
        ------
        NotFound
            When there is no such alert, nobody knew of it then, or its rows are kept no more.
        InputError
            When it was withdrawn.
        VerificationError
            When the stored rows do not make it as it was told.
        """
        alert = self._alert(alert_id, known_at_us)
        if alert is None:
            when = "" if known_at_us is None else f" known at {clock.rfc3339(known_at_us)}"
            raise NotFound(f"no alert {alert_id[:80]!r}{when}", code="alert.unknown")
        if alert["change"] == "void":
            raise InputError(
                f"alert {alert_id} was withdrawn: nothing makes it any more",
                code="alert.void",
                advice="Ask for it with known_at, as it stood before.",
            )
        known_us = micros(alert["known_at"])
        bases = [base for name in raised_of(alert) if (base := self._alert(name, known_us)) is not None]
        rows = self._rows(alert, bases or [alert], known_us)
        if not rows.num_rows:
            raise NotFound(f"the rows of alert {alert_id} are not kept any more", code="alert.rows_gone")
        out = io.BytesIO()
        try:
            make_pack(out, alert, rows, self._definitions, zones=self._zones, norms=self._norms, bases=bases)
        except VerificationError as err:
            raise VerificationError(
                f"{err.message}: the archive does not hold all it rests on, or has more by now",
                code=err.error_code,
                advice="Late rows or rows let go of change what comes out; its evidence stands in the book of alerts.",
            ) from err
        return out.getvalue()

    def _alert(self, alert_id: str, known_at_us: int | None) -> dict[str, Any] | None:
        rows = alert_rows(self._operations.alert_history(alert_id))
        known = [row for row in rows if known_at_us is None or micros(row["known_at"]) <= known_at_us]
        return known[-1] if known else None

    def _rows(self, alert: Row, bases: Sequence[Row], known_us: int) -> pa.Table:
        """TRACKS rows of the ships of an alert, and of the others that it rests on."""
        tracks, mmsis = list(alert["track_ids"]), list(alert["mmsis"])
        first_us, end_us, read = begin_us(alert) - LEAD_US, known_us + 1, self._read
        of = {base["definition"]: self._definitions.get(str(base["definition"])) for base in bases}
        if all(d is not None and ways_about(d) for d in of.values()):  # of other numbers on its tracks it has a part
            tracks = []
        parts = [read(track_id=tracks, start_us=first_us, end_us=end_us)] if tracks else []
        if mmsis:
            named = read(mmsi=mmsis, start_us=first_us, end_us=end_us)
            parts.append(named.filter(pc.invert(pc.is_in(named["track_id"], pa.array(tracks, pa.int64())))))
        for base in bases:
            definition = self._definitions.get(str(base["definition"]))
            if definition is not None:
                parts += self._others(base, definition, end_us)
        rows = pa.concat_tables(parts) if parts else TRACKS.empty()
        if rows.num_rows > MAX_ROWS:
            raise InputError(f"alert {alert['alert_id']} rests on {rows.num_rows} rows", code="behaviour.pack_limit")
        return rows

    def _others(self, base: Row, definition: Definition, end_us: int) -> Iterator[pa.Table]:
        """Rows of other ships, a stretch of time at a time: there may be many, and few are kept."""
        for first_us, over_us, box in stretches(base, definition):
            rows = self._read(start_us=first_us, end_us=min(over_us, end_us), box=box)
            if ways_about(definition):
                ships = pc.unique(rows["mmsi"].drop_null()).to_pylist()
                rows = self._read(mmsi=ships, start_us=first_us, end_us=min(over_us, end_us)) if ships else rows
            some = others_about(rows, base, definition)
            if some is not None:
                yield some
