"""ASTERIX to observations: plots and tracks of radars (048, 010), of other systems (062), of aircraft (021).

What enters: data blocks, from datagrams or concatenated in a file. What leaves: observations with a covariance from
the radar's range and bearing errors, the heads of radar video (240), and rejects. One unit of the ledger is a record,
or a block that could not be read. Service messages (034, 002, 063, 065) are counted as comments.
Source: EUROCONTROL-SPEC-0149; structure from libasterix (`asterix_spec`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from kuroshio.errors import ConfigError
from kuroshio.geo import destination
from kuroshio.schema import OBSERVATIONS, RADAR_VIDEO, concat
from kuroshio.sensing.asterix_categories import (
    ANGLE_LSB_DEG,
    CATEGORIES,
    NEEDS_SITE,
    RANGE_LSB_M,
    SPEED_LSB_MPS,
    Items,
    Measured,
)
from kuroshio.sensing.asterix_scan import scan_block
from kuroshio.sensing.asterix_spec import Layout, layout
from kuroshio.sensing.asterix_video import VIDEO, video_heads
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import RAW_LIMIT, Outcome
from kuroshio.sensing.radar import check_site
from kuroshio.sensing.radar_plots import constant, content_ids, nullable_ints, polar_observations
from kuroshio.sensing.radar_sentences import TimeOfDay
from kuroshio.units import US_PER_S, IntArray

__all__ = ["ANGLE_LSB_DEG", "RANGE_LSB_M", "SPEED_LSB_MPS", "AsterixDecoder"]
TIME_LSB_US = US_PER_S / 128.0  # I048/140 and its like, 1/128 s
RESYNC_BLOCK_BYTES = 4096  # after rubbish only blocks up to this are looked for: each try walks one
MAX_RECORDS = 8192  # records of one block; a block of 65,535 bytes with records of 8 bytes
SERVICE = frozenset({2, 8, 19, 23, 25, 34, 63, 65, 247})


class AsterixDecoder:
    """Decoder of one ASTERIX source (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    lat_deg, lon_deg, antenna_height_m
        Where the radar head stands; one position for the source. Needed where plots are polar (010, 048).
    categories
        Categories to read; those left out are rejects, service messages comments.
    category_editions
        Edition by category, such as ``{48: "1.31"}``; the newest known otherwise.
    range_sigma_m, bearing_sigma_deg
        One-sigma errors of the radar; the rounding of the format is added.
    velocity_sigma_mps
        One-sigma of each velocity component where the radar sends a local track (I048/200).
    track_sigma_m
        One-sigma of each axis for tracks and reports that bring no estimate of their error (062, 021).
    aircraft
        Take the aircraft of category 021, as observations of sensor ``other``; else they are comments.
    north_offset_deg
        Added to each bearing: the registration of the radar.
    scan_s
        Rotation period, to number revolutions by time and bearing; None leaves `scan` null.
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
        lat_deg: float | None = None,
        lon_deg: float | None = None,
        antenna_height_m: float = 0.0,
        categories: Sequence[int] = (10, 21, 48, 62),
        category_editions: Mapping[int | str, str] | None = None,
        range_sigma_m: float = 50.0,
        bearing_sigma_deg: float = 0.3,
        velocity_sigma_mps: float = 1.0,
        track_sigma_m: float = 100.0,
        aircraft: bool = False,
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
        unknown = sorted((set(categories) | set(self._editions)) - {*CATEGORIES, VIDEO})
        if unknown:
            raise ConfigError(f"source {source}: category {unknown[0]} is not one of {sorted(CATEGORIES)} or {VIDEO}")
        if lat_deg is None and NEEDS_SITE & set(categories):
            raise ConfigError(f"source {source}: lat_deg and lon_deg are needed, or categories without 10 and 48")
        self._layouts = {c: layout(c, self._editions.get(c)) for c in categories}
        self._layouts[VIDEO] = layout(VIDEO, self._editions.get(VIDEO))
        self._known = self._layouts.keys() | SERVICE
        self._clock = TimeOfDay(reference_us)
        self.track_sigma_m, self.aircraft = track_sigma_m, aircraft
        self.service_blocks: Counter[int] = Counter()
        self._phase: float | None = None
        self._rest = b""
        self._skipped, self._skipped_raw = 0, b""
        self._count = 0

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Observations and rejects of the blocks that end within these bytes."""
        outcome = Outcome(self.source, received_at_us)
        buffer = self._rest + data
        tables: dict[str, list[pa.Table]] = {OBSERVATIONS.name: [], RADAR_VIDEO.name: []}
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
                tables[RADAR_VIDEO.name if buffer[at] == VIDEO else OBSERVATIONS.name].append(table)
            at += length
        self._rest = buffer[at:]
        if self.framing == "datagram":
            self._end(outcome)
        return outcome.finish(
            0,
            observations=concat(OBSERVATIONS, tables[OBSERVATIONS.name]),
            radar_video=concat(RADAR_VIDEO, tables[RADAR_VIDEO.name]),
        )

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
        if length > RESYNC_BLOCK_BYTES:
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
                self.service_blocks[category] += 1
            else:
                self._reject(outcome, "unsupported_category", f"category {category}", block)
            return None
        spec = self._layouts[category]
        data, offsets, stop = _walk(block, spec)
        table, count = None, len(offsets)
        if count:
            first = self._count
            self._count += count
            ledger.lines += count
            items = Items(spec, data, offsets)
            if category == VIDEO:
                table = self._heads(items, first, outcome)
            else:
                table = self._rows(CATEGORIES[category](items), first, category, outcome, offsets, block)
        if stop < len(block):
            self._reject(outcome, "bad_record", f"category {category}, at byte {stop} of {len(block)}", block[stop:])
        return table

    def _heads(self, items: Items, first: int, outcome: Outcome) -> pa.Table:
        """Heads of video records; each is a message, also without a time."""
        received = outcome.received_at_us
        times = self._times(items.uint("140", 0, 3), received)
        outcome.decoded.ledger.messages += len(times)
        stations = self._stations(items.uint("010", 0, 2))
        return video_heads(items, times, stations, source=self.source, first=first, received_us=received)

    def _rows(
        self, m: Measured, first: int, category: int, outcome: Outcome, offsets: IntArray, block: bytes
    ) -> pa.Table | None:
        """Observations of a block's records; those without place or time are rejects, tests are comments."""
        ledger, received = outcome.decoded.ledger, outcome.received_at_us
        ignored = m.ignored | (m.aircraft and not self.aircraft)
        times = self._times(m.of_day, received)
        placed = m.placed_with(self.lat_deg is not None)
        good = placed & (times >= 0) & ~ignored
        ledger.comments += int(ignored.sum())
        ledger.messages += int(good.sum())
        for row in np.flatnonzero(~good & ~ignored):  # rejects only
            reason = "no_position" if not placed[row] else "no_time"
            start = int(offsets[row][offsets[row] >= 0].min(initial=len(block)))
            outcome.reject(first + int(row) + 1, reason, f"category {category} record", block[start:])
        parts = []
        for choose, make in ((m.polar, self._polar), (~m.polar, self._placed)):
            rows = np.flatnonzero(good & choose)
            if len(rows):
                parts.append(make(m, rows, times[rows], received))
        return concat(OBSERVATIONS, parts) if parts else None

    def _polar(self, m: Measured, rows: IntArray, times: IntArray, received: int | None) -> pa.Table:
        moving = ~np.isnan(m.sog_mps[rows])
        bearing = m.bearing_deg[rows] + self.north_offset_deg
        return polar_observations(
            source=self.source,
            station=self._stations(m.station[rows]),
            sensor_lat_deg=self.lat_deg,
            sensor_lon_deg=self.lon_deg,
            antenna_height_m=self.antenna_height_m,
            observed_us=times,
            received_us=received,
            time_source="asterix",
            range_m=m.range_m[rows],
            bearing_deg=bearing,
            range_sigma_m=np.sqrt(self.range_sigma_m**2 + m.range_step_m**2 / 12.0),
            bearing_sigma_deg=np.sqrt(self.bearing_sigma_deg**2 + ANGLE_LSB_DEG**2 / 12.0),
            local_track=m.track[rows],
            scan=self._scans(times, m.bearing_deg[rows]),
            sog_mps=m.sog_mps[rows],
            cog_deg=np.where(moving, m.cog_deg[rows], np.nan),
            vel_sigma_mps=np.where(moving, self.velocity_sigma_mps, np.nan),
            exercise=self.exercise,
        )

    def _placed(self, m: Measured, rows: IntArray, times: IntArray, received: int | None) -> pa.Table:
        """Rows of records placed by latitude and longitude, or by metres from the site."""
        count = len(rows)
        lat, lon = m.lat_deg[rows], m.lon_deg[rows]
        relative = np.isnan(lat)
        if relative.any() and self.lat_deg is not None and self.lon_deg is not None:
            east, north = m.east_m[rows], m.north_m[rows]
            angle = np.degrees(np.arctan2(east, north))
            there = destination(self.lat_deg, self.lon_deg, angle + self.north_offset_deg, np.hypot(east, north))
            lat, lon = np.where(relative, there[0], lat), np.where(relative, there[1], lon)
        default = np.array([self.track_sigma_m**2, 0.0, self.track_sigma_m**2])[:, None]
        cov = np.where(np.isnan(m.cov[:, rows]), default, m.cov[:, rows])
        moving = ~np.isnan(m.sog_mps[rows])
        ids = content_ids(
            self.source,
            times,
            np.rint(lat * 1e7).astype(np.int64),
            np.rint(lon * 1e7).astype(np.int64),
            m.track[rows],
        )
        arrays = {
            "obs_id": ids,
            "observed_at": times,
            "received_at": None if received is None else np.full(count, received),
            "time_source": constant("asterix", count),
            "source": constant(self.source, count),
            "station": self._stations(m.station[rows]),
            "sensor": constant("other" if m.aircraft else "radar", count),
            "lat_deg": lat,
            "lon_deg": lon,
            "cov_ee_m2": cov[0],
            "cov_en_m2": cov[1],
            "cov_nn_m2": cov[2],
            "sog_mps": m.sog_mps[rows],
            "cog_deg": np.where(moving, m.cog_deg[rows], np.nan),
            "vel_sigma_mps": np.where(moving, self.velocity_sigma_mps, np.nan),
            "local_track": nullable_ints(m.track[rows], pa.int64()),
            "length_m": m.length_m[rows],
            "exercise": None if self.exercise is None else np.full(count, self.exercise),
        }
        return OBSERVATIONS.build({k: v for k, v in arrays.items() if v is not None}, count)

    def _scans(self, times: IntArray, bearing_deg: np.ndarray) -> IntArray | None:
        """Number of the revolution each plot is of: what time and bearing of one antenna agree on."""
        if self.scan_s is None:
            return None
        turns = times / (self.scan_s * US_PER_S) - bearing_deg / 360.0
        if self._phase is None:
            self._phase = float(turns[0] % 1.0)
        scans: IntArray = np.rint(turns - self._phase).astype(np.int64)
        return scans

    def _stations(self, codes: IntArray) -> pa.Array:
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
    offsets = np.empty((min((len(block) - 3) // 2 + 1, MAX_RECORDS), len(spec.items)), np.int64)
    count, stop = scan_block(data, 3, len(block), spec.frns, spec.fspec_bytes, spec.items, spec.extents, offsets)
    return data, offsets[:count], stop
