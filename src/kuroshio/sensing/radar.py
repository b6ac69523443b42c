"""NMEA 0183 radar sentences to observations: TTM, TLL and TTD targets, with OSD, heading and own position.

What enters: bytes of a radar's NMEA output, tag blocks allowed. What leaves: observations with a covariance from the
radar's range and bearing errors, rows of `radar_status` (OSD, RSD), and rejects. A TTM is the radar's own smoothed
local track, not a plot: its errors are correlated over its filter's memory.
Source: IEC 61162-1 ed. 5, sentences TTM, TLL, TTD, OSD, RSD, HDT, THS, GGA, GLL, RMC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.errors import ConfigError
from kuroshio.geo import bearing_deg, distance_m
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import Line, LineSplitter, Outcome
from kuroshio.sensing.radar_plots import polar_observations, slant_range_m
from kuroshio.sensing.radar_sentences import (
    DAY_US,
    UNIT_M,
    Refusal,
    Sentence,
    TimeOfDay,
    angle,
    checksum,
    number,
    parse_sentence,
    parse_time,
    resolution,
)
from kuroshio.sensing.radar_status import OwnShip, status_of, status_table
from kuroshio.sensing.radar_ttd import Target, TargetAssembler
from kuroshio.units import M_PER_NM, MPS_PER_KN

_STATUSES = (b"", b"L", b"Q", b"T")  # lost, being acquired, tracked; old radars leave it out
CURRENT_SIGMA_MPS = 1.0  # of each component, where a velocity is through the water: the current is not known
TIME_TAG, TIME_SENTENCE, TIME_ARRIVAL = "tag_block", "sentence", "arrival"


@dataclass
class _Rows:
    """Columns gathered during one call."""

    station: list[str] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    clock: list[str] = field(default_factory=list)
    lat: list[float] = field(default_factory=list)
    lon: list[float] = field(default_factory=list)
    slant: list[float] = field(default_factory=list)
    bearing: list[float] = field(default_factory=list)
    range_step: list[float] = field(default_factory=list)
    bearing_step: list[float] = field(default_factory=list)
    track: list[int] = field(default_factory=list)
    sog: list[float] = field(default_factory=list)
    cog: list[float] = field(default_factory=list)
    water: list[bool] = field(default_factory=list)
    status: list[dict[str, Any]] = field(default_factory=list)


class TtmDecoder:
    """Decoder of a radar's NMEA sentences (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    lat_deg, lon_deg
        Where the antenna stands; None for a ship's radar, whose position then comes from GGA, GLL or RMC sentences
        on the same feed.
    range_sigma_m, bearing_sigma_deg
        One-sigma errors of the radar; the rounding of each field is added.
    velocity_sigma_mps
        One-sigma of each velocity component of a local track.
    north_offset_deg
        Added to each true bearing: the registration of a coastal radar.
    antenna_height_m
        Height above the sea, for the slant range.
    reference_us
        A moment of the day an archive begins, where neither tag blocks nor arrival give the day.
    keep_bad_checksum
        Take sentences with a wrong or absent checksum.
    exercise
        Marks every observation as exercise data.

    Raises
    ------
    ConfigError
        On a position, error or height that cannot be.
    """

    def __init__(
        self,
        source: str,
        *,
        lat_deg: float | None = None,
        lon_deg: float | None = None,
        range_sigma_m: float = 50.0,
        bearing_sigma_deg: float = 0.5,
        velocity_sigma_mps: float = 1.0,
        north_offset_deg: float = 0.0,
        antenna_height_m: float = 0.0,
        reference_us: int | None = None,
        keep_bad_checksum: bool = False,
        exercise: bool | None = None,
    ) -> None:
        check_site(source, lat_deg, lon_deg, range_sigma_m, bearing_sigma_deg, antenna_height_m)
        if velocity_sigma_mps <= 0.0:
            raise ConfigError(f"source {source}: velocity_sigma_mps must be positive, not {velocity_sigma_mps}")
        self.source, self.exercise = source, exercise
        self.range_sigma_m, self.bearing_sigma_deg = range_sigma_m, bearing_sigma_deg
        self.velocity_sigma_mps, self.antenna_height_m = velocity_sigma_mps, antenna_height_m
        self.north_offset_deg, self.keep_bad_checksum = north_offset_deg, keep_bad_checksum
        place = None if lat_deg is None or lon_deg is None else (lat_deg, lon_deg)
        self._own = OwnShip(place, fixed=place is not None)
        self._splitter, self._assembler = LineSplitter(), TargetAssembler()
        self._clock = TimeOfDay(reference_us)

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Observations and rejects of the lines that end within these bytes."""
        return self._decode(self._splitter.feed(data), received_at_us)

    def flush(self) -> Decoded:
        """Decide the unfinished line and the parts that wait for others."""
        return self._decode(self._splitter.flush(), None, final=True)

    def _decode(self, lines: list[Line], received_at_us: int | None, *, final: bool = False) -> Decoded:
        outcome, rows = Outcome(self.source, received_at_us), _Rows()
        ledger = outcome.decoded.ledger
        # a loop over lines: a radar gives tens of sentences a second, not millions
        for line in lines:
            ledger.lines += 1
            if line.oversize:
                outcome.reject(line.number, "oversize", f"longer than {self._splitter.max_bytes} bytes", line.data)
                continue
            sentence = parse_sentence(line.data, keep_bad_checksum=self.keep_bad_checksum)
            if sentence is None:
                ledger.comments += 1
            elif isinstance(sentence, Refusal):
                outcome.reject(line.number, sentence.reason, sentence.detail, line.data)
            else:
                self._take(sentence, line, outcome, rows, received_at_us)
        if final:
            for part in self._assembler.expire():
                ledger.parts -= 1
                outcome.reject(part.number, "orphan_part", "other parts never came", part.data)
        return outcome.finish(
            self._splitter.waiting,
            observations=self._table(rows, received_at_us),
            radar_status=status_table(self.source, rows.status, received_at_us),
        )

    def _take(self, s: Sentence, line: Line, outcome: Outcome, rows: _Rows, received_at_us: int | None) -> None:
        ledger = outcome.decoded.ledger
        if s.formatter == "TTM":
            refusal = self._ttm(s, rows, received_at_us)
        elif s.formatter == "TLL":
            refusal = self._tll(s, rows, received_at_us)
        elif s.formatter == "TTD":
            done = self._assembler.add(s, line)
            if isinstance(done, Refusal):
                outcome.reject(line.number, done.reason, done.detail, line.data)
                return
            for part in self._assembler.expire(overdue=True):
                ledger.parts -= 1
                outcome.reject(part.number, "orphan_part", "other parts never came", part.data)
            if done is None:
                ledger.parts += 1
                return
            refusal = next((r for r in [self._target(t, s, rows, received_at_us) for t in done] if r), None)
        elif s.formatter in ("OSD", "RSD"):
            refusal = self._status(s, line, rows, received_at_us)
        elif self._own.take(s):
            ledger.comments += 1
            return
        else:
            refusal = Refusal("unsupported", f"sentence {s.talker}{s.formatter}")
        if refusal is None:
            ledger.messages += 1
        else:
            outcome.reject(line.number, refusal.reason, refusal.detail, line.data)

    def _status(self, s: Sentence, line: Line, rows: _Rows, received_at_us: int | None) -> Refusal | None:
        """Add a row of own ship or display; a heading in it turns the relative bearings that follow."""
        row = status_of(s)
        if isinstance(row, Refusal):
            return row
        if row.get("heading_deg") is not None:
            self._own.heading_deg = row["heading_deg"]
        at, clock_name = (s.tag_time_us, TIME_TAG) if s.tag_time_us is not None else (received_at_us, TIME_ARRIVAL)
        lat, lon = self._own.place or (None, None)
        row |= {"observed_at": at, "time_source": None if at is None else clock_name, "line": line.number}
        row |= {"station": s.station or self.source, "sentence": s.formatter, "own_lat_deg": lat, "own_lon_deg": lon}
        rows.status.append(row)
        return None

    def _true_bearing(self, value: float, reference: bytes) -> float | Refusal:
        if not 0.0 <= value <= 360.0:
            return Refusal("out_of_range", f"bearing {value}")
        if reference == b"T":
            return value + self.north_offset_deg
        if reference == b"R":
            if self._own.heading_deg is None:
                return Refusal("no_heading", "relative bearing and no OSD, HDT or THS before it")
            return value + self._own.heading_deg
        return Refusal("bad_field", f"bearing reference {reference!r}")

    def _ttm(self, s: Sentence, rows: _Rows, received_at_us: int | None) -> Refusal | None:
        f = s.fields
        if len(f) < 12:
            return Refusal("too_short", f"TTM has {len(f)} fields, needs 12")
        status = f[11]
        if status not in _STATUSES:
            return Refusal("bad_field", f"status {status!r}"[:100])
        if status == b"L" or f[14:15] == (b"R",):
            return None  # lost by the radar, or reported to it by another sensor (AIS): counted, but no measurement
        unit = UNIT_M.get(f[9] or b"N")
        distance, bearing, track = number(f[1]), number(f[2]), number(f[0])
        if unit is None or distance is None or bearing is None or distance < 0.0:
            return Refusal("bad_field", f"distance {f[1]!r}, bearing {f[2]!r}, unit {f[9]!r}")
        true = self._true_bearing(bearing, f[3])
        if isinstance(true, Refusal):
            return true
        speed, course = number(f[4]), number(f[5])
        sog, cog = np.nan, np.nan
        if speed is not None and course is not None and f[6] == b"T" and status != b"Q":
            sog, cog = speed * unit / 3600.0, course % 360.0
        steps = (resolution(f[1]) * unit, resolution(f[2]))
        time = f[13] if len(f) > 13 else b""
        target = Target(-1 if track is None else int(track), distance * unit, true, sog, cog, *steps, time)
        return self._target(target, s, rows, received_at_us)

    def _tll(self, s: Sentence, rows: _Rows, received_at_us: int | None) -> Refusal | None:
        f = s.fields
        if len(f) < 8:
            return Refusal("too_short", f"TLL has {len(f)} fields, needs 8")
        if f[7] not in _STATUSES:
            return Refusal("bad_field", f"status {f[7]!r}"[:100])
        if f[7] == b"L":
            return None
        lat, lon, track = angle(f[1], f[2]), angle(f[3], f[4]), number(f[0])
        if lat is None or lon is None:
            return Refusal("bad_field", f"position {f[1]!r} {f[2]!r} {f[3]!r} {f[4]!r}")
        if self._own.place is None:
            return Refusal("no_position", "own position not known")
        ground = float(distance_m(*self._own.place, lat, lon))
        slant = float(slant_range_m(ground, self.antenna_height_m))
        step = resolution(f[1]) * M_PER_NM
        across_deg = float(np.degrees(step / max(ground, step)))
        bearing = float(bearing_deg(*self._own.place, lat, lon))
        number_ = -1 if track is None else int(track)
        target = Target(number_, slant, bearing, np.nan, np.nan, step, across_deg, f[6])
        return self._target(target, s, rows, received_at_us)

    def _target(self, t: Target, s: Sentence, rows: _Rows, received_at_us: int | None) -> Refusal | None:
        """Add one target to the rows, with the best clock it has; a refusal without position or clock."""
        if self._own.place is None:
            return Refusal("no_position", "own position not known")
        of_day = parse_time(t.time)
        if s.tag_time_us is not None:
            at, clock_name = s.tag_time_us, TIME_TAG
        elif of_day is not None and (resolved := self._clock.resolve(of_day, received_at_us)) is not None:
            at, clock_name = resolved, TIME_SENTENCE
        elif received_at_us is not None:
            at, clock_name = received_at_us, TIME_ARRIVAL
        else:
            return Refusal("no_time", "no tag block, no UTC field with a known day, no arrival")
        rows.time.append(at)
        rows.clock.append(clock_name)
        rows.station.append(s.station or self.source)
        rows.lat.append(self._own.place[0])
        rows.lon.append(self._own.place[1])
        rows.slant.append(t.range_m)
        rows.bearing.append(t.bearing_deg)
        rows.range_step.append(t.range_step_m)
        rows.bearing_step.append(t.bearing_step_deg)
        rows.track.append(t.number)
        rows.sog.append(t.sog_mps)
        rows.cog.append(t.cog_deg)
        rows.water.append(t.through_water)
        return None

    def _table(self, rows: _Rows, received_at_us: int | None) -> pa.Table | None:
        if not rows.time:
            return None
        sog = np.array(rows.sog)
        sigma = np.hypot(self.velocity_sigma_mps, np.where(rows.water, CURRENT_SIGMA_MPS, 0.0))
        labels = pa.array(rows.station, pa.string()).dictionary_encode()
        # rounding to a step has variance step^2 / 12 (uniform error)
        return polar_observations(
            source=self.source,
            station=labels,
            sensor_lat_deg=np.array(rows.lat),
            sensor_lon_deg=np.array(rows.lon),
            antenna_height_m=self.antenna_height_m,
            observed_us=np.array(rows.time, np.int64),
            received_us=received_at_us,
            time_source=pa.array(rows.clock, pa.string()).dictionary_encode(),
            range_m=np.array(rows.slant),
            bearing_deg=np.array(rows.bearing),
            range_sigma_m=np.sqrt(self.range_sigma_m**2 + np.square(rows.range_step) / 12.0),
            bearing_sigma_deg=np.sqrt(self.bearing_sigma_deg**2 + np.square(rows.bearing_step) / 12.0),
            local_track=np.array(rows.track, np.int64),
            sog_mps=sog,
            cog_deg=np.array(rows.cog),
            vel_sigma_mps=np.where(np.isnan(sog), np.nan, sigma),
            exercise=self.exercise,
        )


def check_site(
    source: str,
    lat_deg: float | None,
    lon_deg: float | None,
    range_sigma_m: float,
    bearing_sigma_deg: float,
    antenna_height_m: float,
) -> None:
    """None when a radar's declared site can be; `ConfigError` naming the setting otherwise."""
    if (lat_deg is None) != (lon_deg is None):
        raise ConfigError(f"source {source}: lat_deg and lon_deg go together")
    if lat_deg is not None and lon_deg is not None and not (abs(lat_deg) <= 90.0 and abs(lon_deg) <= 180.0):
        raise ConfigError(f"source {source}: position {lat_deg}, {lon_deg} is not on earth")
    if not (0.0 < range_sigma_m < 1e5 and 0.0 < bearing_sigma_deg < 180.0):
        raise ConfigError(f"source {source}: range_sigma_m {range_sigma_m}, bearing_sigma_deg {bearing_sigma_deg}")
    if not 0.0 <= antenna_height_m < 20_000.0:
        raise ConfigError(f"source {source}: antenna_height_m {antenna_height_m}")


def encode_ttm(
    *,
    number: int,
    range_m: float,
    bearing_deg: float,
    sog_mps: float | None = None,
    cog_deg: float | None = None,
    at_us: int | None = None,
    station: str | None = None,
    status: str = "T",
    talker: str = "RA",
) -> bytes:
    """A TTM sentence with line end; with `station` it carries a tag block with station and time in milliseconds.

    Parameters
    ----------
    number
        Target number 0-999.
    range_m, bearing_deg
        Slant range and true bearing; written to 0.001 nautical mile and 0.1 degree.
    at_us
        UTC; fills the UTC field and, with `station`, the tag block's c.
    """
    speed = "" if sog_mps is None else f"{sog_mps / MPS_PER_KN:.1f}"
    course = "" if cog_deg is None else f"{cog_deg % 360.0:.1f}".replace("360.0", "0.0")
    time = ""
    if at_us is not None:
        hundredths = at_us % DAY_US // 10_000
        seconds, part = divmod(hundredths, 100)
        time = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}.{part:02d}"
    bearing = f"{bearing_deg % 360.0:.1f}".replace("360.0", "0.0")
    body = (
        f"{talker}TTM,{number:02d},{range_m / M_PER_NM:.3f},{bearing},T,{speed},{course},T,,,N,,{status},,{time},A"
    ).encode()
    sentence = b"$%s*%02X\r\n" % (body, checksum(body))
    if station is None:
        return sentence
    tag = f"s:{station}".encode() + (b"" if at_us is None else b",c:%d" % (at_us // 1000))
    return b"\\%s*%02X\\%s" % (tag, checksum(tag), sentence)
