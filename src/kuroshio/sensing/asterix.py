"""ASTERIX to observations: category 048 plots and tracks of coastal and ship radars.

What enters: data blocks, from datagrams or concatenated in a file. What leaves: observations with a covariance from
the radar's range and bearing errors, and rejects. One unit of the ledger is a record, or a block that could not be
read. Service messages (034, 002, 063, 065) are counted as comments.
Source: EUROCONTROL-SPEC-0149-4 (category 048); structure from libasterix (`asterix_spec`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from kuroshio.errors import ConfigError
from kuroshio.schema import OBSERVATIONS, concat
from kuroshio.sensing.asterix_scan import read_int, read_uint, scan_block
from kuroshio.sensing.asterix_spec import Layout, layout
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import RAW_LIMIT, Outcome
from kuroshio.sensing.radar import check_site
from kuroshio.sensing.radar_plots import polar_observations
from kuroshio.sensing.radar_sentences import TimeOfDay
from kuroshio.units import M_PER_NM, US_PER_S, IntArray

RANGE_LSB_M = M_PER_NM / 256.0  # I048/040 RHO, 1/256 NM
ANGLE_LSB_DEG = 360.0 / 65536.0  # I048/040 THETA and I048/200 HDG
SPEED_LSB_MPS = M_PER_NM / 16384.0  # I048/200 GSP, 2^-14 NM/s
CARTESIAN_LSB_M = M_PER_NM / 128.0  # I048/042 X and Y, 1/128 NM
TIME_LSB_US = US_PER_S / 128.0  # I048/140, 1/128 s
SERVICE = frozenset({2, 8, 19, 23, 25, 34, 63, 65, 247})


class AsterixDecoder:
    """Decoder of one ASTERIX source (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    lat_deg, lon_deg, antenna_height_m
        Where the radar head stands; one position for the source.
    category_editions
        Edition by category, such as ``{48: "1.31"}``; the newest known otherwise.
    range_sigma_m, bearing_sigma_deg
        One-sigma errors of the radar; the rounding of the format is added.
    velocity_sigma_mps
        One-sigma of each velocity component where the radar sends a local track (I048/200).
    north_offset_deg
        Added to each bearing: the registration of the radar.
    scan_s
        Rotation period, to number scans by time where the source sends none; None leaves `scan` null.
    framing
        ``stream`` for files and TCP, where a block may be cut anywhere; ``datagram`` where each call brings whole
        blocks and a cut one is a reject.
    reference_us
        A moment of the day an archive begins; live data takes the day from its arrival.
    exercise
        Marks every observation as exercise data.

    Raises
    ------
    ConfigError
        On a site, edition or framing that cannot be.
    """

    def __init__(
        self,
        source: str,
        *,
        lat_deg: float,
        lon_deg: float,
        antenna_height_m: float = 0.0,
        category_editions: Mapping[int, str] | None = None,
        range_sigma_m: float = 50.0,
        bearing_sigma_deg: float = 0.3,
        velocity_sigma_mps: float = 1.0,
        north_offset_deg: float = 0.0,
        scan_s: float | None = None,
        framing: str = "stream",
        reference_us: int | None = None,
        exercise: bool | None = None,
    ) -> None:
        check_site(source, lat_deg, lon_deg, range_sigma_m, bearing_sigma_deg, antenna_height_m)
        if framing not in ("stream", "datagram"):
            raise ConfigError(f"source {source}: framing {framing!r} is neither stream nor datagram")
        if scan_s is not None and not 0.1 <= scan_s <= 3600.0:
            raise ConfigError(f"source {source}: scan_s {scan_s}")
        self.source, self.framing, self.exercise = source, framing, exercise
        self.lat_deg, self.lon_deg, self.antenna_height_m = lat_deg, lon_deg, antenna_height_m
        self.range_sigma_m, self.bearing_sigma_deg = range_sigma_m, bearing_sigma_deg
        self.velocity_sigma_mps, self.north_offset_deg, self.scan_s = velocity_sigma_mps, north_offset_deg, scan_s
        self._editions = {int(k): str(v) for k, v in (category_editions or {}).items()}
        self._layouts = {48: layout(48, self._editions.get(48))}
        self._known = self._layouts.keys() | SERVICE
        self._clock = TimeOfDay(reference_us)
        self._rest = b""
        self._skipped, self._skipped_raw = 0, b""
        self._count = 0

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Observations and rejects of the blocks that end within these bytes."""
        outcome = Outcome(self.source, received_at_us)
        buffer = self._rest + data
        tables: list[pa.Table] = []
        at = 0
        # a loop over blocks: a block carries many records, which are read together
        while len(buffer) - at >= 3:
            length = int.from_bytes(buffer[at + 1 : at + 3], "big")
            if length < 4 or (self._skipped and self._begins_block(buffer, at) is False):
                self._skip(buffer[at : at + 1])
                at += 1
                continue
            if len(buffer) - at < length:
                break
            self._give_up_skipped(outcome)
            table = self._block(buffer[at : at + length], outcome, received_at_us)
            if table is not None:
                tables.append(table)
            at += length
        self._rest = buffer[at:]
        if self.framing == "datagram":
            self._end(outcome)
        return outcome.finish(0, observations=concat(OBSERVATIONS, tables))

    def flush(self) -> Decoded:
        """Decide what still waits: a block that never ended."""
        outcome = Outcome(self.source)
        self._end(outcome)
        return outcome.finish(0)

    def _end(self, outcome: Outcome) -> None:
        if self._skipped:
            self._skip(self._rest)
            self._rest = b""
            self._give_up_skipped(outcome)
        elif self._rest:
            self._reject(outcome, "cut_block", f"{len(self._rest)} bytes of a block", self._rest)
            self._rest = b""

    def _reject(self, outcome: Outcome, reason: str, detail: str, raw: bytes) -> None:
        self._count += 1
        outcome.decoded.ledger.lines += 1
        outcome.reject(self._count, reason, detail, raw)

    def _begins_block(self, buffer: bytes, at: int) -> bool | None:
        """Whether a whole block of a known category begins here, by walking its records; None when it is cut."""
        category, length = buffer[at], int.from_bytes(buffer[at + 1 : at + 3], "big")
        if category not in self._known or length < 4:
            return False
        if len(buffer) - at < length:
            return None
        spec = self._layouts.get(category) or layout(category)
        _, offsets, stop = _walk(buffer[at : at + length], spec)
        return len(offsets) > 0 and stop == length

    def _skip(self, data: bytes) -> None:
        self._skipped += len(data)
        self._skipped_raw = (self._skipped_raw + data)[:RAW_LIMIT]

    def _give_up_skipped(self, outcome: Outcome) -> None:
        """One reject row for bytes between blocks that were no block."""
        if self._skipped:
            self._reject(outcome, "bad_length", f"{self._skipped} bytes that begin no block", self._skipped_raw)
            self._skipped, self._skipped_raw = 0, b""

    def _block(self, block: bytes, outcome: Outcome, received_at_us: int | None) -> pa.Table | None:
        category = block[0]
        ledger = outcome.decoded.ledger
        if category not in self._layouts:
            if category in SERVICE:
                self._count += 1
                ledger.lines += 1
                ledger.comments += 1
            else:
                self._reject(outcome, "unsupported_category", f"category {category}", block)
            return None
        spec = self._layouts[category]
        data, offsets, stop = _walk(block, spec)
        table, count = None, len(offsets)
        if count:
            self._count += count
            ledger.lines += count
            table = self._plots(spec, data, offsets, block, outcome, received_at_us)
        if stop < len(block):
            self._reject(outcome, "bad_record", f"category {category}, at byte {stop} of {len(block)}", block[stop:])
        return table

    def _plots(
        self, spec: Layout, data: np.ndarray, offsets: IntArray, block: bytes, outcome: Outcome, received: int | None
    ) -> pa.Table | None:
        """Observations of category 048 records; records without position or time are rejects."""

        def at(name: str) -> IntArray:
            return offsets[:, spec.slots[name]]

        polar, cartesian, time = at("040"), at("042"), at("140")
        ledger = outcome.decoded.ledger
        test = self._test_reports(data, at("020"))
        placed = (polar >= 0) | (cartesian >= 0)
        times = self._times(read_uint(data, time, 3), received)
        good = placed & (times >= 0) & ~test
        ledger.comments += int(test.sum())
        for row in np.flatnonzero(~good & ~test):  # rejects only
            reason = "no_position" if not placed[row] else "no_time"
            start = int(offsets[row][offsets[row] >= 0].min(initial=len(block)))
            outcome.reject(self._count - len(offsets) + int(row) + 1, reason, "category 048 record", block[start:])
        ledger.messages += int(good.sum())
        if not good.any():
            return None
        polar, cartesian = polar[good], cartesian[good]
        x = read_int(data, cartesian, 2) * CARTESIAN_LSB_M
        y = read_int(data, np.where(cartesian >= 0, cartesian + 2, -1), 2) * CARTESIAN_LSB_M
        has_polar = polar >= 0
        rho = np.where(has_polar, read_uint(data, polar, 2) * RANGE_LSB_M, np.hypot(x, y))
        second = np.where(has_polar, polar + 2, -1)
        theta = np.where(has_polar, read_uint(data, second, 2) * ANGLE_LSB_DEG, np.degrees(np.arctan2(x, y)) % 360.0)
        velocity = at("200")[good]
        speed = np.where(velocity >= 0, read_uint(data, velocity, 2) * SPEED_LSB_MPS, np.nan)
        heading = np.where(velocity >= 0, velocity + 2, -1)
        course = np.where(velocity >= 0, read_uint(data, heading, 2) * ANGLE_LSB_DEG, np.nan)
        track = at("161")[good]
        stamps = times[good]
        scan = None if self.scan_s is None else stamps // round(self.scan_s * US_PER_S)
        return polar_observations(
            source=self.source,
            station=self._stations(data, at("010")[good]),
            sensor_lat_deg=self.lat_deg,
            sensor_lon_deg=self.lon_deg,
            antenna_height_m=self.antenna_height_m,
            observed_us=stamps,
            received_us=received,
            time_source="asterix",
            range_m=rho,
            bearing_deg=theta + self.north_offset_deg,
            range_sigma_m=np.sqrt(self.range_sigma_m**2 + RANGE_LSB_M**2 / 12.0),
            bearing_sigma_deg=np.sqrt(self.bearing_sigma_deg**2 + ANGLE_LSB_DEG**2 / 12.0),
            local_track=np.where(track >= 0, read_uint(data, track, 2) & 0x0FFF, -1),
            scan=scan,
            sog_mps=speed,
            cog_deg=course,
            vel_sigma_mps=np.where(velocity >= 0, self.velocity_sigma_mps, np.nan),
            exercise=self.exercise,
        )

    @staticmethod
    def _test_reports(data: np.ndarray, at: IntArray) -> np.ndarray:
        """True for records that say they are tests (I048/020, first extension, TST)."""
        first = read_uint(data, at, 1)
        extended = (first >= 0) & (first & 1 == 1)
        second = read_uint(data, np.where(extended, at + 1, -1), 1)
        return (extended & (second & 0x80 > 0)) & (first >= 0)

    def _stations(self, data: np.ndarray, at: IntArray) -> pa.Array:
        codes = read_uint(data, at, 2)
        unique, index = np.unique(codes, return_inverse=True)
        names = [self.source if code < 0 else f"{code >> 8}/{code & 255}" for code in unique.tolist()]
        return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(names, pa.string()))

    def _times(self, of_day: IntArray, received: int | None) -> IntArray:
        """UTC of times of day, nearest to arrival or to the last record; -1 where there is none."""
        result = np.full(len(of_day), -1, np.int64)
        for row in np.flatnonzero(of_day >= 0):  # the day of each follows from the one before it
            at = self._clock.resolve(round(int(of_day[row]) * TIME_LSB_US), received)
            if at is not None:
                result[row] = at
        return result


def _walk(block: bytes, spec: Layout) -> tuple[np.ndarray, IntArray, int]:
    """(bytes, item offsets by record, where the walk stopped) of a data block."""
    data = np.frombuffer(block, np.uint8)
    offsets = np.empty(((len(block) - 3) // 2 + 1, len(spec.items)), np.int64)
    count, stop = scan_block(data, 3, len(block), spec.frns, spec.fspec_bytes, spec.items, spec.extents, offsets)
    return data, offsets[:count], stop
