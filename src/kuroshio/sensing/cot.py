"""Cursor on Target: events in as observations, tracks out as events.

What enters: a stream of ``<event>`` elements, or rows of tracks. What leaves: observations with the error that ``ce``
declares, or events of XML. No document type, entity or processing instruction is accepted. Events that are no
surface position (chat, routes, drawings) are comments. An event marked as of an exercise (``opex``) stays marked.
Source: MITRE, Cursor on Target event schema 2.0: ``ce`` is the one-sigma circular error in metres, 9999999 unknown.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import ConfigError, InputError
from kuroshio.schema import OBSERVATIONS
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import Outcome
from kuroshio.sensing.radar_plots import constant, content_ids
from kuroshio.units import US_PER_S

MAX_EVENT_BYTES = 65_536
UNKNOWN_ERROR_M = 9_999_999.0
_BEGIN, _END = b"<event", b"</event>"
_FORBIDDEN = re.compile(rb"<!|<\?")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_REPLACEMENT, _OPEX = "\ufffd", ' opex="e"'
_MMSI = re.compile(r"(?:^|[^0-9])MMSI[-._ ]?(\d{9})(?:$|[^0-9])", re.IGNORECASE)


class CotDecoder:
    """Decoder of Cursor on Target events (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    sigma_m
        One-sigma error of each axis for events whose ``ce`` is unknown.
    sensor
        Kind to file the observations under: ``human``, ``partner``, ``other``.
    types
        Prefixes of event types to take; others are comments. ``a-`` and a sea surface dimension by default.
    """

    def __init__(
        self,
        source: str,
        *,
        sigma_m: float = 200.0,
        sensor: str = "human",
        types: list[str] | None = None,
        exercise: bool | None = None,
    ) -> None:
        if not 0.0 < sigma_m < 1e6:
            raise ConfigError(f"source {source}: sigma_m {sigma_m} is not a length", code="cot.sigma")
        self.source, self.sigma_m, self.sensor, self.exercise = source, float(sigma_m), sensor, exercise
        self._types = tuple(types) if types else None
        self._held = b""
        self._count = 0

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Observations of the events that end within these bytes."""
        outcome, rows = Outcome(self.source, received_at_us), list[dict[str, Any]]()
        for start in range(0, len(data), MAX_EVENT_BYTES):  # small pieces, for what is held is cut at each event
            self._held += data[start : start + MAX_EVENT_BYTES]
            self._events(outcome, rows)
        return outcome.finish(int(bool(self._held.strip())), observations=self._table(rows, received_at_us))

    def _events(self, outcome: Outcome, rows: list[dict[str, Any]]) -> None:
        """Take every whole event held, and give up the bytes of one that does not end within the limit."""
        while True:
            end = self._event_end(self._held[:MAX_EVENT_BYTES])
            if end < 0 and len(self._held) < MAX_EVENT_BYTES:
                return
            element = self._held[: end if end >= 0 else MAX_EVENT_BYTES]
            self._held = self._held[len(element) :]
            if end >= 0:
                self._take(element, outcome, rows)
            else:
                self._count_line(outcome)
                outcome.reject(self._count, "oversize", f"event above {MAX_EVENT_BYTES} bytes", element)

    def flush(self) -> Decoded:
        """Decide what is held: an event that never ended is a reject."""
        outcome = Outcome(self.source)
        if self._held.strip():
            self._count_line(outcome)
            outcome.reject(self._count, "cut_event", "no </event>", self._held)
        self._held = b""
        return outcome.finish(0)

    @staticmethod
    def _event_end(held: bytes) -> int:
        """Position after the first whole event, -1 where there is none; an event may close itself."""
        end = held.find(_END)
        alone = re.search(rb"<event\b[^<>]*/>", held)
        if alone and (end < 0 or alone.end() <= end):
            return alone.end()
        return end + len(_END) if end >= 0 else -1

    def _count_line(self, outcome: Outcome) -> None:
        self._count += 1
        outcome.decoded.ledger.lines += 1

    def _take(self, element: bytes, outcome: Outcome, rows: list[dict[str, Any]]) -> None:
        self._count_line(outcome)
        begin = element.find(_BEGIN)
        body = element[begin:] if begin >= 0 else element
        found = "not_an_event" if begin < 0 else self._row(body)
        if isinstance(found, str):
            outcome.reject(self._count, found, "event", element)
        elif found is None:
            outcome.decoded.ledger.comments += 1
        else:
            outcome.decoded.ledger.messages += 1
            rows.append(found)

    def _row(self, body: bytes) -> dict[str, Any] | str | None:
        """Values of an event, None for one without a surface position, or the reason why it is none."""
        if _FORBIDDEN.search(body):
            return "forbidden_xml"
        try:
            event = ET.fromstring(body)  # noqa: S314 - bounded, and no declaration of any kind passes the check above
        except (ET.ParseError, ValueError):
            return "not_xml"
        kind = event.get("type", "")
        if not self._wanted(kind):
            return None
        point = event.find("point")
        if point is None:
            return "no_position"
        lat, lon, error = (_number(point.get(n)) for n in ("lat", "lon", "ce"))
        if lat is None or lon is None:
            return "no_position"
        if abs(lat) > 90.0 or abs(lon) > 180.0:
            return "out_of_range"
        try:
            at = clock.parse_rfc3339(event.get("time") or event.get("start") or "")
        except InputError:
            return "bad_time"
        track = event.find("detail/track")
        speed, course = (None, None) if track is None else (_number(track.get("speed")), _number(track.get("course")))
        sigma = error if error is not None and 0.0 < error < UNKNOWN_ERROR_M else self.sigma_m
        uid = event.get("uid", "")
        match = _MMSI.search(uid)
        return {
            "time": at, "lat": lat, "lon": lon, "sigma": sigma, "sog": speed, "cog": course, "uid": uid[:64],
            "mmsi": int(match.group(1)) if match else None, "exercise": event.get("opex", "").startswith("e"),
        }  # fmt: skip

    def _wanted(self, kind: str) -> bool:
        """Types by prefix; by default atoms (a-affiliation-) in the sea surface dimension, or in none."""
        if self._types is not None:
            return kind.startswith(self._types)
        parts = kind.split("-")
        return parts[0] == "a" and (len(parts) < 3 or parts[2] == "S")

    def _table(self, rows: list[dict[str, Any]], received_at_us: int | None) -> pa.Table | None:
        if not rows:
            return None
        count = len(rows)

        def column(name: str) -> np.ndarray:
            return np.array([np.nan if r[name] is None else r[name] for r in rows], np.float64)

        times = np.array([r["time"] for r in rows], np.int64)
        lat, lon, variance = column("lat"), column("lon"), np.square(column("sigma"))
        sog, cog = column("sog"), column("cog") % 360.0
        moving = (sog >= 0.0) & ~np.isnan(cog)
        arrays: dict[str, Any] = {
            "obs_id": content_ids(
                self.source, times, np.rint(lat * 1e7).astype(np.int64), np.rint(lon * 1e7).astype(np.int64)
            ),
            "observed_at": times,
            "time_source": constant("event", count),
            "source": constant(self.source, count),
            "station": pa.array([r["uid"] for r in rows], pa.string()).dictionary_encode(),
            "sensor": constant(self.sensor, count),
            "lat_deg": lat,
            "lon_deg": lon,
            "cov_ee_m2": variance,
            "cov_en_m2": np.zeros(count),
            "cov_nn_m2": variance,
            "sog_mps": np.where(moving, sog, np.nan),
            "cog_deg": np.where(moving, cog, np.nan),
            "vel_sigma_mps": np.where(moving, 1.0, np.nan),
            "mmsi": pa.array([r["mmsi"] for r in rows], pa.int64()),
        }
        if received_at_us is not None:
            arrays["received_at"] = np.full(count, received_at_us)
        arrays["exercise"] = [True if r["exercise"] else self.exercise for r in rows]
        return OBSERVATIONS.build(arrays, count)


def encode_cot(tracks: pa.Table, *, prefix: str = "KUROSHIO", stale_s: float = 120.0, affiliation: str = "u") -> bytes:
    """Events of tracks, one a row, each with a line feed.

    Parameters
    ----------
    tracks
        Rows of the tracks table.
    prefix
        Begins each uid: ``prefix.track.17``.
    stale_s
        How long a receiver may show it.
    affiliation
        Letter of the event type: u unknown, n neutral, f friend, s suspect.

    Notes
    -----
    ``ce`` is the larger half axis of the one-sigma ellipse; height is unknown.
    """
    events = []
    for row in tracks.to_pylist():  # one event a track: XML is written a row at a time
        ee, en, nn = (row.get(n) or 0.0 for n in ("cov_ee_m2", "cov_en_m2", "cov_nn_m2"))
        largest = 0.5 * (ee + nn) + math.hypot(0.5 * (ee - nn), en)
        ve, vn = row.get("ve_mps"), row.get("vn_mps")
        moving = ve is not None and vn is not None
        name = f"MMSI {row['mmsi']}" if row.get("mmsi") else f"track {row['track_id']}"
        events.append(
            cot_event(
                f"{prefix}.track.{row['track_id']}",
                at_us=round(row["observed_at"].timestamp() * US_PER_S),
                stale_s=stale_s,
                affiliation=affiliation,
                lat_deg=row["lat_deg"],
                lon_deg=row["lon_deg"],
                ce_m=math.sqrt(largest) if largest > 0.0 else None,
                sog_mps=math.hypot(ve, vn) if moving else None,
                cog_deg=math.degrees(math.atan2(ve, vn)) if moving else None,
                callsign=row.get("name") or name,
                exercise=bool(row.get("exercise")),
            )
        )
    return "".join(events).encode()


def cot_event(
    uid: str,
    *,
    at_us: int,
    stale_s: float,
    lat_deg: float,
    lon_deg: float,
    callsign: str,
    affiliation: str = "u",
    ce_m: float | None = None,
    sog_mps: float | None = None,
    cog_deg: float | None = None,
    remarks: str = "",
    exercise: bool = False,
) -> str:
    """One event of a surface track as XML, with a line feed.

    Parameters
    ----------
    ce_m
        One-sigma circular error, None where unknown.
    remarks
        Free text, left out where empty.
    exercise
        Writes ``opex="e"``, by which Cursor on Target marks an exercise.

    Raises
    ------
    InputError
        On an affiliation the schema does not have.
    """
    if len(affiliation) != 1 or affiliation not in "puafnshjk":
        raise InputError(f"affiliation {affiliation!r} is no Cursor on Target affiliation", code="cot.affiliation")
    motion = ""
    if sog_mps is not None and cog_deg is not None:
        course = f"{cog_deg % 360.0:.1f}".replace("360.0", "0.0")
        motion = f'<track course="{course}" speed="{sog_mps:.2f}"/>'
    text = f"<remarks>{escape(_NOT_XML.sub(_REPLACEMENT, remarks))}</remarks>" if remarks else ""
    time, stale = clock.rfc3339(at_us), clock.rfc3339(at_us + round(stale_s * US_PER_S))
    error = UNKNOWN_ERROR_M if ce_m is None else ce_m
    return (
        f'<event version="2.0" uid={_quoted(uid)} type="a-{affiliation}-S" how="m-f"'
        f' time="{time}" start="{time}" stale="{stale}"{_OPEX if exercise else ""}>'
        f'<point lat="{lat_deg:.6f}" lon="{lon_deg:.6f}" hae="{UNKNOWN_ERROR_M}"'
        f' ce="{error:.1f}" le="{UNKNOWN_ERROR_M}"/>'
        f"<detail><contact callsign={_quoted(callsign)}/>{motion}{text}</detail></event>\n"
    )


def _quoted(value: str) -> str:
    return quoteattr(_NOT_XML.sub(_REPLACEMENT, value))


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
