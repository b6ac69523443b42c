"""JSON feeds a line: what the adapters of AIS receivers and services have in common.

What enters: lines of JSON objects. What leaves: positions and statics with raw fields where the feed has them, and
rejects. A feed is another program's decoding: what it left out is null here. Adapters are in `feeds_ais` and
`feeds_signalk`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import InputError
from kuroshio.schema import AIDS, BASE_STATIONS, POSITIONS, REJECTS, SAFETY, STATICS, Table
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import Line, LineSplitter, Outcome
from kuroshio.units import MPS_PER_KN, US_PER_S

MAX_JSON_LINE = 262_144
TIME_FEED, TIME_ARRIVAL = "feed", "arrival"


class Refused(Exception):
    """An object that is no report; the reason goes into the reject row. Never leaves this package."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass
class Reports:
    """What one object says: rows by column name, or that it is a known thing without a report."""

    positions: list[dict[str, Any]] = field(default_factory=list)
    statics: list[dict[str, Any]] = field(default_factory=list)
    aids: list[dict[str, Any]] = field(default_factory=list)
    base_stations: list[dict[str, Any]] = field(default_factory=list)
    safety: list[dict[str, Any]] = field(default_factory=list)
    nmea: list[bytes] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """True when it is a greeting, a status or the like."""
        return not (self.nmea or any(getattr(self, name) for name in KEPT))

    def add(self, other: Reports) -> None:
        """Take the rows of another."""
        for name in (*KEPT, "nmea"):
            getattr(self, name).extend(getattr(other, name))


# tables a feed may fill
KEPT: dict[str, Table] = {t.name: t for t in (POSITIONS, STATICS, AIDS, BASE_STATIONS, SAFETY)}
Adapter = Callable[[Any, int | None], Reports]


class JsonFeedDecoder:
    """Decoder of a feed of JSON lines (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    adapter
        Makes reports of one object.

    Notes
    -----
    Objects that carry the NMEA sentences they were made of are decoded from those, by our own decoder.
    """

    def __init__(self, source: str, adapter: Adapter) -> None:
        from kuroshio.sensing.ais import Decoder
        from kuroshio.sensing.ais.join24 import Join24

        self.source, self._adapter = source, adapter
        self._splitter = LineSplitter(MAX_JSON_LINE)
        self._nmea = Decoder(source)
        self._join24 = Join24()
        self._fresh = self._nmea.state()  # an object's sentences are a log of their own

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Reports of the lines that end within these bytes."""
        return self._decode(self._splitter.feed(data), received_at_us)

    def flush(self) -> Decoded:
        """Reports of a last line without an end."""
        return self._decode(self._splitter.flush(), None)

    def _decode(self, lines: Iterable[Line], received_at_us: int | None) -> Decoded:
        outcome = Outcome(self.source, received_at_us)
        ledger = outcome.decoded.ledger
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in KEPT}
        carried: list[tuple[Line, Reports]] = []
        for line in lines:  # JSON comes a line at a time; such feeds bring hundreds a second
            ledger.lines += 1
            text = line.data.strip(b" \t\x00,")
            if line.oversize:
                outcome.reject(line.number, "oversize", f"longer than {MAX_JSON_LINE} bytes", line.data)
                continue
            if not text or text in (b"[", b"]"):
                ledger.comments += 1
                continue
            try:
                found = self._adapter(_parse(text), received_at_us)
            except Refused as refused:
                outcome.reject(line.number, refused.reason, refused.detail, line.data)
                continue
            except RecursionError:
                outcome.reject(line.number, "bad_shape", "nested too deeply", line.data)
                continue
            if found.empty:
                ledger.comments += 1
                continue
            if found.nmea:
                carried.append((line, found))
                continue
            ledger.messages += 1
            _put(rows, found, line.number)
        wrapped = self._wrapped(carried, rows, outcome)
        made = {name: self._table(KEPT[name], kept, received_at_us) for name, kept in rows.items()}
        done = outcome.finish(self._splitter.waiting, **made)
        done = _in_order([*wrapped, done]) if wrapped else done
        if STATICS.name in done.tables:
            done.tables[STATICS.name] = self._join24.apply(done.tables[STATICS.name])
        return done

    def _wrapped(
        self, carried: list[tuple[Line, Reports]], rows: dict[str, list[dict[str, Any]]], outcome: Outcome
    ) -> list[Decoded]:
        """What our own decoder makes of the sentences that objects carry.

        An object's sentences are a log of their own. Those that are whole alone cannot join others, so that many
        objects are decoded at once; the rest one by one.
        """
        alone = [all(map(_is_whole, found.nmea)) for _, found in carried]
        batches = [[one for one, whole in zip(carried, alone, strict=True) if whole]]
        batches += [[one] for one, whole in zip(carried, alone, strict=True) if not whole]
        return [self._sentences(batch, rows, outcome) for batch in batches if batch]

    def _sentences(
        self, batch: list[tuple[Line, Reports]], rows: dict[str, list[dict[str, Any]]], outcome: Outcome
    ) -> Decoded:
        """The sentences of some objects decoded by ourselves; the line of each row is its object's.

        A sentence that fails beside good ones is a row of rejects that counts no line; an object without a good one
        is refused.
        """
        self._nmea.restore(self._fresh)
        data = [b"".join(sentence.strip() + b"\r\n" for sentence in found.nmea) for _, found in batch]
        whole = self._nmea.feed(b"".join(data), outcome.received_at_us)
        inner = Decoded.join([whole, self._nmea.flush()])
        owner = np.repeat(np.arange(len(batch)), [one.count(b"\n") for one in data])
        numbers = np.array([line.number for line, _ in batch], np.int64)
        owners = {name: owner[table["line"].to_numpy() - 1] for name, table in inner.tables.items()}
        good = np.zeros(len(batch), np.bool_)
        for name, owned in owners.items():
            good[owned] |= name != REJECTS.name
        outcome.decoded.ledger.messages += int(good.sum())
        failed = owners.get(REJECTS.name, np.zeros(0, np.int64))
        for at in np.flatnonzero(~good).tolist():  # rare
            first = np.flatnonzero(failed == at)
            reason = inner.tables[REJECTS.name]["reason"][int(first[0])].as_py() if first.size else "no_message"
            outcome.reject(batch[at][0].number, reason, "in the sentences carried", batch[at][0].data)
        for at in np.flatnonzero(good).tolist():
            _put(rows, batch[at][1], batch[at][0].number)
        tables = {}
        for name, table in inner.tables.items():
            at = table.schema.get_field_index("line")
            table = table.set_column(at, table.schema.field(at), pa.array(numbers[owners[name]]))
            tables[name] = table.filter(pa.array(good[owners[name]]))
        return Decoded(tables)

    def _table(self, schema: Table, rows: list[dict[str, Any]], received_at_us: int | None) -> pa.Table | None:
        if not rows:
            return None
        names = sorted({name for row in rows for name in row})
        arrays: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
        for name, values in arrays.items():
            if pa.types.is_floating(schema.arrow.field(name).type):
                arrays[name] = np.array([np.nan if v is None else v for v in values], np.float64)
        arrays["source"] = [self.source] * len(rows)
        if received_at_us is not None:
            arrays["received_at"] = [received_at_us] * len(rows)
        return schema.build(arrays, len(rows))


def _put(rows: dict[str, list[dict[str, Any]]], found: Reports, line: int) -> None:
    """Add the rows of an object by table."""
    for name, kept in rows.items():
        kept += [{**row, "line": line} for row in getattr(found, name)]


def _is_whole(sentence: bytes) -> bool:
    """Whether a sentence is one line and says that it is the only part of its message."""
    inside = sentence.strip()
    return b"\n" not in inside and inside.count(b"!") == 1 and b",1,1," in inside[inside.find(b"!") :][:12]


def _in_order(parts: list[Decoded]) -> Decoded:
    """All parts as one, rows in the order of their lines wherever they were made."""
    joined = Decoded.join(parts)
    for name, table in joined.tables.items():
        lines = table["line"].to_numpy()
        if np.any(lines[1:] < lines[:-1]):
            joined.tables[name] = table.take(pa.array(np.argsort(lines, kind="stable")))
    return joined


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as err:
        raise Refused("not_json", str(err)[:200]) from err


def mapping(value: Any, what: str) -> dict[str, Any]:
    """The value as an object; refused where it is none."""
    if not isinstance(value, dict):
        raise Refused("bad_shape", f"{what} is {type(value).__name__}")
    return value


def real(value: Any) -> float | None:
    """A finite number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole(value: Any, low: int, high: int) -> int | None:
    """A whole number within [low, high], also when written as text; None for anything else."""
    if isinstance(value, str) and value.strip().isdigit() and len(value) < 20:
        value = int(value)
    number = real(value)
    if number is None or number != int(number) or not low <= number <= high:
        return None
    return int(number)


def text(value: Any, limit: int = 120) -> str | None:
    """Text without padding, None where nothing is left."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").strip(" @\t\r\n")[:limit] or None


def flag(value: Any) -> bool | None:
    """A truth value, also as 0 and 1; None for anything else."""
    return bool(value) if isinstance(value, bool) or value in (0, 1) else None


def required_mmsi(value: Any) -> int:
    """MMSI as a number; refused where it is none."""
    number = whole(value, 0, 999_999_999)
    if number is None:
        raise Refused("bad_mmsi", f"mmsi {value!r}"[:120])
    return number


def position(
    *,
    mmsi: int,
    msg_type: int,
    lat: Any,
    lon: Any,
    sog_kn: Any = None,
    cog: Any = None,
    heading: Any = None,
    rot_raw: Any = None,
    status: Any = None,
    accurate: Any = None,
    raim: Any = None,
    second: Any = None,
    **more: Any,
) -> dict[str, Any]:
    """A row of positions from SI-like values, sentinels made null (ITU-R M.1371-5, annex 8).

    Raises
    ------
    Refused
        On a position outside the globe that is no sentinel.
    """
    lat_deg, lon_deg = real(lat), real(lon)
    lat_deg = None if lat_deg is None or lat_deg == 91.0 else lat_deg
    lon_deg = None if lon_deg is None or lon_deg == 181.0 else lon_deg
    if (lat_deg is not None and abs(lat_deg) > 90.0) or (lon_deg is not None and abs(lon_deg) > 180.0):
        raise Refused("out_of_range", f"position {lat_deg}, {lon_deg}")
    speed, course, head = real(sog_kn), real(cog), real(heading)
    turn = whole(rot_raw, -128, 127)
    long_range, aircraft = msg_type == 27, msg_type == 9
    fastest = 62.5 if long_range else 1022.5 if aircraft else 102.25  # kn; above it is not available
    degree = 600 if long_range else 600_000
    row: dict[str, Any] = {
        "mmsi": mmsi,
        "msg_type": msg_type,
        "lat_deg": lat_deg,
        "lon_deg": lon_deg,
        "lat_raw": 91 * degree if lat_deg is None else round(lat_deg * degree),
        "lon_raw": 181 * degree if lon_deg is None else round(lon_deg * degree),
        "sog_mps": speed * MPS_PER_KN if speed is not None and 0.0 <= speed < fastest else None,
        "cog_deg": course if course is not None and 0.0 <= course < 360.0 else None,
        "heading_deg": head if head is not None and 0.0 <= head < 360.0 else None,
        "rot_raw": turn,
        "rot_degpmin": None if turn is None or abs(turn) > 126 else math.copysign((abs(turn) / 4.733) ** 2, turn),
        "nav_status": whole(status, 0, 15),
        "position_accurate": flag(accurate),
        "raim": flag(raim),
        "utc_second": whole(second, 0, 63),
    }
    knots, degrees = row["sog_mps"], row["cog_deg"]
    knots = None if knots is None else knots / MPS_PER_KN
    if long_range:  # whole knots and degrees
        row["sog_raw"] = 63 if knots is None else round(knots)
        row["cog_raw"] = 511 if degrees is None else round(degrees) % 360
    else:
        row["sog_raw"] = 1023 if knots is None else round(knots * (1 if aircraft else 10))
        row["cog_raw"] = 3600 if degrees is None else round(degrees * 10) % 3600
    return row | more


def turn_of(value: Any) -> dict[str, Any]:
    """Rate of turn as gpsd scales it: degrees a minute, or a word where only the direction is known."""
    words = {"fastleft": -127, "fastright": 127}
    if isinstance(value, str) and value in words:
        return {"rot_raw": words[value]}
    try:
        rate = real(float(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return {}
    return {} if rate is None or abs(rate) > 720.0 else {"rot_degpmin": rate}


def eta_of(value: Any) -> dict[str, int | None]:
    """Parts of an ETA written ``05-15T14:00Z``, or by name; those not available are null (M.1371-5, message 5)."""
    match = re.fullmatch(r"(\d\d)-(\d\d)T(\d\d):(\d\d)Z", value) if isinstance(value, str) else None
    given: tuple[Any, ...] = match.groups() if match else (None,) * 4
    if isinstance(value, dict):
        given = tuple(value.get(name) for name in ("Month", "Day", "Hour", "Minute"))
    limits = (("eta_month", 1, 12), ("eta_day", 1, 31), ("eta_hour", 0, 23), ("eta_minute", 0, 59))
    return {name: whole(part, low, high) for (name, low, high), part in zip(limits, given, strict=True)}


def place_of(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of a row of positions that base stations and aids have too."""
    return {name: row[name] for name in ("mmsi", "msg_type", "lat_deg", "lon_deg", "position_accurate", "raim")}


def stamped(row: dict[str, Any], at_us: int | None, received_at_us: int | None) -> dict[str, Any]:
    """The row with the feed's time, or else its arrival's."""
    if at_us is not None:
        return row | {"observed_at": at_us, "time_source": TIME_FEED}
    if received_at_us is not None:
        return row | {"observed_at": received_at_us, "time_source": TIME_ARRIVAL}
    return row


def epoch_us(value: Any) -> int | None:
    """UTC microseconds of a number of seconds or milliseconds since 1970, told apart by size; None else."""
    number = real(value)
    if number is None or not 0 < number < 1e14:
        return None
    return round(number * (US_PER_S if number < 1e11 else 1000))


def written_us(value: Any) -> int | None:
    """UTC microseconds of a written time (RFC 3339), None where it is none."""
    try:
        return clock.parse_rfc3339(str(value))
    except InputError:
        return None
