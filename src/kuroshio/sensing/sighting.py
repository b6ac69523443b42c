"""A person's sighting as an observation with its own error: from a form, the API, or a text of ``name: value`` lines.

What enters: a mapping, or text such as a watch officer mails. What leaves: one observation, or an error that names
the field. A sighting may give a place, or a bearing and distance from where the observer stood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import ConfigError, InputError
from kuroshio.geo import destination
from kuroshio.schema import OBSERVATIONS
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import LineSplitter, Outcome
from kuroshio.sensing.radar_plots import constant, content_ids, polar_covariance
from kuroshio.units import M_PER_NM, MPS_PER_KN

DEFAULT_SIGMA_M = 1000.0
FIELDS = frozenset(
    {"time", "position", "lat_deg", "lon_deg", "error_m", "bearing_deg", "distance_m", "observer", "course_deg",
     "speed_mps", "length_m", "mmsi", "name", "remarks"}
)  # fmt: skip
_ANGLE = re.compile(r"(\d{1,3})(?:[-° ]\s*(\d{1,2}(?:\.\d+)?))?(?:['′ -]\s*(\d{1,2}(?:\.\d+)?)\"?)?\s*([NSEW])", re.I)
_PLAIN = re.compile(r"^\s*([+-]?\d{1,2}(?:\.\d+)?)\s*[,; ]\s*([+-]?\d{1,3}(?:\.\d+)?)\s*$")
_QUANTITY = re.compile(r"^\s*([+-]?\d+(?:\.\d+)?)\s*([a-z°/]*)", re.I)
_LENGTH_M = {"": 1.0, "m": 1.0, "km": 1000.0, "nm": M_PER_NM, "ft": 0.3048}
_SPEED_MPS = {"": MPS_PER_KN, "kn": MPS_PER_KN, "kt": MPS_PER_KN, "kts": MPS_PER_KN, "m/s": 1.0, "km/h": 1 / 3.6}
_NAMES = {  # what people write, to the field it means
    "when": "time", "dtg": "time", "pos": "position", "where": "position", "error": "error_m", "accuracy": "error_m",
    "bearing": "bearing_deg", "distance": "distance_m", "range": "distance_m", "course": "course_deg",
    "heading": "course_deg", "speed": "speed_mps", "length": "length_m", "reporter": "observer", "by": "observer",
    "from": "observer", "what": "remarks", "note": "remarks", "notes": "remarks", "ship": "name", "vessel": "name",
}  # fmt: skip


def sighting(fields: Mapping[str, Any], *, source: str, received_at_us: int, exercise: bool | None = None) -> pa.Table:
    """One observation of a person's sighting.

    Parameters
    ----------
    fields
        ``time`` (RFC 3339; the arrival where absent); ``position`` as text, or ``lat_deg`` and ``lon_deg``;
        ``bearing_deg`` and ``distance_m`` where the position is the observer's; ``error_m`` one-sigma (1,000 m where
        absent, and a fifth of the distance for a bearing and distance); ``course_deg``, ``speed_mps``, ``length_m``,
        ``mmsi``, ``observer``, ``name``, ``remarks``.
    source
        Name of the source.
    received_at_us
        Arrival in UTC microseconds.

    Raises
    ------
    InputError
        Naming the field that is unknown, missing or out of its range.
    """
    unknown = sorted(set(fields) - FIELDS)
    if unknown:
        raise InputError(f"sighting: no field {unknown[0]!r}; known are {', '.join(sorted(FIELDS))}",
                         code="sighting.field")  # fmt: skip
    at_us = received_at_us if fields.get("time") is None else clock.parse_rfc3339(str(fields["time"]))
    lat, lon = _place(fields)
    sensor = (np.nan, np.nan)
    distance, bearing = _within(fields, "distance_m", 0.0, 100_000.0), _within(fields, "bearing_deg", 0.0, 360.0)
    sigma = _within(fields, "error_m", 1.0, 200_000.0)
    if (distance is None) != (bearing is None):
        raise InputError("sighting: bearing_deg and distance_m go together", code="sighting.field")
    if distance is not None and bearing is not None:
        sensor = (lat, lon)
        there = destination(lat, lon, bearing, distance)
        lat, lon = float(there[0]), float(there[1])
        along = sigma if sigma is not None else 0.2 * distance + 50.0  # by eye, a fifth; ten degrees across
        across = sigma if sigma is not None else np.radians(5.0) * distance + 50.0
        cov = polar_covariance(lat, lon, sensor[0], sensor[1], bearing, along**2, across**2)
    else:
        spread = DEFAULT_SIGMA_M if sigma is None else sigma
        cov = (spread**2, 0.0, spread**2)  # type: ignore[assignment]
    speed, course = _within(fields, "speed_mps", 0.0, 60.0), _within(fields, "course_deg", 0.0, 360.0)
    mmsi = fields.get("mmsi")
    if mmsi is not None and not re.fullmatch(r"\d{1,9}", str(mmsi)):
        raise InputError(f"sighting: mmsi {mmsi!r} is not a number of nine digits", code="sighting.field")
    both = speed is not None and course is not None
    ids = content_ids(source, [at_us], [round(lat * 1e7)], [round(lon * 1e7)])
    row: dict[str, Any] = {
        "obs_id": ids, "observed_at": [at_us], "received_at": [received_at_us],
        "time_source": constant("arrival" if fields.get("time") is None else "person", 1),
        "source": constant(source, 1), "station": [str(fields["observer"])[:64] if fields.get("observer") else None],
        "sensor": constant("human", 1), "lat_deg": [lat], "lon_deg": [lon],
        "cov_ee_m2": [float(cov[0])], "cov_en_m2": [float(cov[1])], "cov_nn_m2": [float(cov[2])],
        "sog_mps": [speed if both else None], "cog_deg": [course % 360.0 if both and course is not None else None],
        "vel_sigma_mps": [2.5 if both else None], "mmsi": [None if mmsi is None else int(mmsi)],
        "length_m": [_within(fields, "length_m", 1.0, 600.0)],
        "sensor_lat_deg": [None if np.isnan(sensor[0]) else sensor[0]],
        "sensor_lon_deg": [None if np.isnan(sensor[1]) else sensor[1]], "exercise": [exercise],
    }  # fmt: skip
    return OBSERVATIONS.build(row, 1)


def parse_text(text: str) -> dict[str, Any]:
    """Fields of a sighting in ``name: value`` lines, units allowed (nm, km, m, kn); unknown names go into remarks.

    Raises
    ------
    InputError
        Where a value is not of its kind.
    """
    fields: dict[str, Any] = {}
    remarks: list[str] = []
    for line in text.splitlines()[:200]:
        name, colon, value = line.partition(":")
        key = name.strip().lower().replace(" ", "_")
        key = _NAMES.get(key, key)
        if not colon or key not in FIELDS or not value.strip():
            if line.strip():
                remarks.append(line.strip())
            continue
        if key in ("error_m", "distance_m", "length_m"):
            fields[key] = _quantity(key, value, _LENGTH_M)
        elif key == "speed_mps":
            fields[key] = _quantity(key, value, _SPEED_MPS)
        elif key in ("bearing_deg", "course_deg", "lat_deg", "lon_deg"):
            fields[key] = _quantity(key, value, {"": 1.0, "°": 1.0, "deg": 1.0, "t": 1.0})
        else:
            fields[key] = value.strip()
    if remarks:
        fields["remarks"] = "\n".join([*([fields["remarks"]] if "remarks" in fields else []), *remarks])[:2000]
    return fields


def sighting_line(fields: Mapping[str, Any]) -> bytes:
    """Bytes by which a source of format ``sighting`` is told of a form's fields: one line of JSON.

    A line cannot be told apart from another field of the text form by what a person wrote into it.
    """
    return json.dumps(dict(fields), ensure_ascii=True).encode() + b"\n"


class SightingDecoder:
    """Decoder of sightings (implements `sensing.base.SourceDecoder`): texts parted by a line of dashes, or JSON lines.

    Parameters
    ----------
    source
        Name of the source.
    """

    def __init__(self, source: str, *, exercise: bool | None = None) -> None:
        if not source:
            raise ConfigError("a source of sightings needs a name")
        self.source, self.exercise = source, exercise
        self._splitter = LineSplitter()
        self._report: list[bytes] = []
        self._first = self._held_bytes = 0
        self._received_us: int | None = None

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Observations of the reports that end within these bytes."""
        outcome = Outcome(self.source, received_at_us)
        self._received_us = received_at_us
        return self._lines(self._splitter.feed(data), outcome)

    def flush(self) -> Decoded:
        """Observation of the last report."""
        outcome = Outcome(self.source, self._received_us)
        done = self._lines(self._splitter.flush(), outcome)
        tables = [done.tables["observations"]] if "observations" in done.tables else []
        self._close(outcome, tables)
        return outcome.finish(0, observations=pa.concat_tables(tables) if tables else None)

    def _lines(self, lines: list[Any], outcome: Outcome) -> Decoded:
        tables: list[pa.Table] = []
        for line in lines:  # people write a few reports an hour
            outcome.decoded.ledger.lines += 1
            if line.oversize or self._held_bytes > 16_384:
                outcome.reject(line.number, "oversize", "line or report too long", line.data)
            elif re.fullmatch(rb"\s*-{3,}\s*", line.data):
                outcome.decoded.ledger.comments += 1
                self._close(outcome, tables)
            elif not self._report and line.data.startswith(b"{"):
                self._first = line.number
                self._decide(line.data, _json_fields, 1, outcome, tables)
            else:
                self._first = self._first if self._report else line.number
                self._report.append(line.data)
                self._held_bytes += len(line.data)
                outcome.decoded.ledger.parts += 1
        return outcome.finish(self._splitter.waiting, observations=pa.concat_tables(tables) if tables else None)

    def _close(self, outcome: Outcome, tables: list[pa.Table]) -> None:
        report, self._report, self._held_bytes = self._report, [], 0
        raw = b"\n".join(report)
        ledger = outcome.decoded.ledger
        if not report:
            return
        ledger.parts -= len(report)
        if not raw.strip():
            ledger.comments += len(report)
            return
        self._decide(raw, _text_fields, len(report), outcome, tables)

    def _decide(
        self,
        raw: bytes,
        parse: Callable[[bytes], dict[str, Any]],
        lines: int,
        outcome: Outcome,
        tables: list[pa.Table],
    ) -> None:
        """Make a report of its bytes: an observation, or one reject for all its lines."""
        ledger = outcome.decoded.ledger
        try:
            fields = parse(raw)
            if fields.get("time") is None and outcome.received_at_us is None:
                raise InputError("sighting: no time", code="sighting.time")
            arrival = outcome.received_at_us
            if arrival is None:
                arrival = clock.parse_rfc3339(str(fields["time"]))
            made = sighting(fields, source=self.source, received_at_us=arrival, exercise=self.exercise)
        except InputError as err:
            outcome.reject(self._first, "bad_sighting", err.message[:200], raw, count=lines)
            return
        tables.append(made)
        ledger.messages += 1
        ledger.parts += lines - 1


def _text_fields(raw: bytes) -> dict[str, Any]:
    return parse_text(raw.decode("utf-8", "replace"))


def _json_fields(raw: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError) as err:
        raise InputError(f"sighting: not JSON: {str(err)[:100]}", code="sighting.json") from err
    return dict(fields)  # begins with a brace: an object


def _quantity(name: str, value: str, units: Mapping[str, float]) -> float:
    match = _QUANTITY.match(value)
    if match is None or match.group(2).lower() not in units:
        raise InputError(f"sighting: {name} {value.strip()!r}; units are {', '.join(u for u in units if u)}",
                         code="sighting.unit")  # fmt: skip
    return float(match.group(1)) * units[match.group(2).lower()]


def _within(fields: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as err:
        raise InputError(f"sighting: {name} {value!r} is not a number", code="sighting.field") from err
    if not low <= number <= high:
        raise InputError(f"sighting: {name} {number} is not within {low:g} to {high:g}", code="sighting.field")
    return number


def _place(fields: Mapping[str, Any]) -> tuple[float, float]:
    if fields.get("position") is not None:
        return parse_position(str(fields["position"]))
    lat, lon = _within(fields, "lat_deg", -90.0, 90.0), _within(fields, "lon_deg", -180.0, 180.0)
    if lat is None or lon is None:
        raise InputError("sighting: needs position, or lat_deg and lon_deg", code="sighting.position")
    return lat, lon


def parse_position(text: str) -> tuple[float, float]:
    """(latitude, longitude) of ``20-30.5N 121-45.2E``, ``20 30 30 N 121 45 0 E`` or ``20.508, 121.753``.

    Raises
    ------
    InputError
        When it is none of these or not on earth.
    """
    plain = _PLAIN.match(text)
    if plain:
        lat, lon = float(plain.group(1)), float(plain.group(2))
    else:
        found = {}
        for degrees, minutes, seconds, letter in _ANGLE.findall(text):
            if float(minutes or 0) >= 60.0 or float(seconds or 0) >= 60.0:
                continue
            value = float(degrees) + float(minutes or 0) / 60.0 + float(seconds or 0) / 3600.0
            found["lat" if letter.upper() in "NS" else "lon"] = -value if letter.upper() in "SW" else value
        if len(found) != 2:
            raise InputError(f"not a position: {text[:80]!r}", code="sighting.position",
                             advice="Write it as 20-30.5N 121-45.2E or 20.508, 121.753.")  # fmt: skip
        lat, lon = found["lat"], found["lon"]
    if abs(lat) > 90.0 or abs(lon) > 180.0:
        raise InputError(f"not on earth: {text[:80]!r}", code="sighting.position")
    return lat, lon
