"""The evidence pack of an alert of this node: its rows read from the archive, and the alert made again of them.

What enters: an alert in the book, and the archive. What leaves: the bytes of a pack (`behaviour.pack`). A pack is made
only where the alert comes out of the stored rows as the node told it; else it is refused, with the reason.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from math import floor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import clock
from kuroshio.behaviour import Definitions, Norms, Zones
from kuroshio.behaviour.pack import LEAD_US, alert_rows, counted_beside, heard_about, make_pack
from kuroshio.behaviour.reception import CELLS_A_DEG, period_of
from kuroshio.behaviour.ruling import micros
from kuroshio.errors import InputError, NotFound, VerificationError
from kuroshio.schema import TRACKS
from kuroshio.store import Archive, Operations

Row = Mapping[str, Any]
MAX_ROWS = 2_000_000


class PackDesk:
    """Packs of the alerts of one node; any thread may call it.

    Parameters
    ----------
    operations
        The book of alerts.
    archive
        Rows of the past.
    definitions, zones, norms
        What the node's alerts are made by.
    """

    def __init__(
        self,
        operations: Operations,
        archive: Archive,
        definitions: Definitions,
        zones: Zones | None = None,
        norms: Norms | None = None,
    ) -> None:
        self._operations, self._archive = operations, archive
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
        rested = json.loads(alert["evidence"]).get("raised_of", [])  # of a rule's alert
        bases = [base for of in rested if (base := self._alert(of["alert_id"], known_us)) is not None]
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

    def _rows(self, alert: Row, bases: Iterable[Row], known_us: int) -> pa.Table:
        """TRACKS rows of the ships of an alert, and of the others that tell who was heard about its silences."""
        tracks, mmsis = list(alert["track_ids"]), list(alert["mmsis"])
        first_us, end_us, read = micros(alert["start_at"]) - LEAD_US, known_us + 1, self._archive.read
        parts = [read(TRACKS.name, track_id=tracks, start_us=first_us, end_us=end_us)] if tracks else []
        if mmsis:
            named = read(TRACKS.name, mmsi=mmsis, start_us=first_us, end_us=end_us)
            parts.append(named.filter(pc.invert(pc.is_in(named["track_id"], pa.array(tracks, pa.int64())))))
        for base in bases:
            definition = self._definitions.get(str(base["definition"]))
            if definition is not None and definition.kernel == "gap" and base["lat_deg"] is not None:
                parts += self._heard(base, definition.us("silence_s"), known_us)
            elif definition is not None and definition.kernel == "interference" and base["end_at"] is not None:
                parts.append(self._beside(base, float(definition["cell_deg"]), known_us))
        rows = pa.concat_tables(parts) if parts else TRACKS.empty()
        if rows.num_rows > MAX_ROWS:
            raise InputError(f"alert {alert['alert_id']} rests on {rows.num_rows} rows", code="behaviour.pack_limit")
        return rows

    def _heard(self, base: Row, silence_us: int, known_us: int) -> list[pa.Table]:
        """Rows of other ships about a silence, a period at a time: there may be many, and few are kept."""
        period_us, start_us = period_of(silence_us), micros(base["start_at"])
        south, west = (floor(base[n] * CELLS_A_DEG) / CELLS_A_DEG for n in ("lat_deg", "lon_deg"))
        side = 1.0 / CELLS_A_DEG
        box = (_lon(west - side), max(-90.0, south - side), _lon(west + 2 * side), min(90.0, south + 2 * side))
        found = []
        for period in range(start_us // period_us - 1, (start_us + silence_us) // period_us):  # a few
            end_us = min((period + 1) * period_us, known_us + 1)
            rows = self._archive.read(TRACKS.name, start_us=period * period_us, end_us=end_us, box=box)
            found.append(heard_about(rows, base, silence_us))
        return found

    def _beside(self, base: Row, cell_deg: float, known_us: int) -> pa.Table:
        """Rows of the other ships counted in a cell and hour."""
        half, lat, lon = 0.5 * cell_deg, base["lat_deg"], base["lon_deg"]
        box = (_lon(lon - half), max(-90.0, lat - half), _lon(lon + half), min(90.0, lat + half))
        start_us, end_us = micros(base["start_at"]), min(micros(base["end_at"]), known_us + 1)
        return counted_beside(
            self._archive.read(TRACKS.name, start_us=start_us, end_us=end_us, box=box), base, cell_deg
        )


def _lon(lon_deg: float) -> float:
    return (lon_deg + 180.0) % 360.0 - 180.0
