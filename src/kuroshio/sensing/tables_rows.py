"""Rows of a table to positions, statics or observations, all at once.

What enters: a table, of text or typed, with the names of its header, and a layout. What leaves: tables of the schema
and the rows that could not be read, with their reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.schema import OBSERVATIONS, POSITIONS, STATICS
from kuroshio.sensing.radar_plots import constant, content_ids, nullable_ints, polar_covariance
from kuroshio.sensing.tables_columns import NO_TIME, coded, integers, numbers, plain, times_us, words_of
from kuroshio.sensing.tables_layouts import SPEED_UNITS, Layout
from kuroshio.units import MPS_PER_KN, BoolArray, FloatArray, IntArray

TIME_TABLE = "file"
_STATIC_TEXT = ("name", "call_sign", "destination")
_SIZES = ("to_bow_m", "to_stern_m", "to_port_m", "to_starboard_m")


@dataclass(frozen=True)
class Rows:
    """Rows of one block with their line numbers and what applies to all of them."""

    source: str
    layout: Layout
    text: pa.Table
    lines: IntArray
    received_at_us: int | None
    exercise: bool | None

    def column(self, target: str) -> Any | None:
        """The column that holds a target, None where the table has none."""
        lower = {name.lower(): name for name in reversed(self.text.column_names)}
        for name in self.layout.columns.get(target, ()):
            if name.lower() in lower:
                return plain(self.text.column(lower[name.lower()]))
        return None

    def number(self, target: str, counters: Counter[str]) -> FloatArray:
        """Numbers of a target; NaN where absent, and faulty cells counted."""
        values = self.column(target)
        if values is None:
            return np.full(len(self.lines), np.nan)
        floats, faulty = numbers(values)
        counters[f"bad_cell:{target}"] += int(faulty.sum())
        return floats


def build(
    rows: Rows, counters: Counter[str], fresh: Callable[[IntArray], np.ndarray]
) -> tuple[dict[str, pa.Table], list[tuple[int, str, str]]]:
    """(tables by name, faults as (row, reason, detail)) of text rows.

    Parameters
    ----------
    counters
        Counts of cells that could not be read, by target.
    fresh
        Tells which static rows, by digest, were not given before.
    """
    count = len(rows.lines)
    times = times_us(rows.column("time"), rows.layout.time_format)
    lat, lat_faulty = numbers(rows.column("lat_deg"))
    lon, lon_faulty = numbers(rows.column("lon_deg"))
    counters.update({"rows": count})
    reason = np.full(count, "", object)
    reason[times == NO_TIME] = "bad_time"
    # ITU-R M.1371-5: 91 and 181 degrees say that the position is not available
    lat, lon = np.where(lat == 91.0, np.nan, lat), np.where(lon == 181.0, np.nan, lon)
    reason[lat_faulty | lon_faulty] = "bad_position"
    reason[(np.abs(lat) > 90.0) | (np.abs(lon) > 180.0)] = "out_of_range"
    mmsi = np.full(count, -1, np.int64)
    if rows.column("mmsi") is not None:
        mmsi = integers(rows.number("mmsi", counters), 0, 0xFFFFFFFF)
    if rows.layout.sensor == "ais":
        reason[mmsi < 0] = "bad_mmsi"
    else:
        reason[np.isnan(lat) | np.isnan(lon)] = "no_position"
    good: BoolArray = reason == ""
    faults = [(int(row), str(reason[row]), _detail(rows, int(row))) for row in np.flatnonzero(~good)]
    motion = _motion(rows, counters)
    kept = np.flatnonzero(good)
    base = {"time": times, "lat": lat, "lon": lon, "mmsi": mmsi, **motion}
    chosen = {name: values[kept] for name, values in base.items()}
    if rows.layout.sensor != "ais":
        return {"observations": _observations(rows, chosen, kept, counters)}, faults
    tables = {"positions": _positions(rows, chosen, kept, counters)}
    statics = _statics(rows, chosen, kept, counters, fresh)
    if statics.num_rows:
        tables["statics"] = statics
    return tables, faults


def _detail(rows: Rows, row: int) -> str:
    shown = []
    for target in ("time", "mmsi", "lat_deg", "lon_deg"):
        column = rows.column(target)
        if column is not None:
            shown.append(f"{target} {column[row].as_py()!r}")
    return ", ".join(shown)[:200]


def _motion(rows: Rows, counters: Counter[str]) -> dict[str, FloatArray]:
    """Speed in m/s, course and heading in degrees, sentinels made NaN (ITU-R M.1371-5, message 1)."""
    speed, course = rows.number("sog", counters), rows.number("cog_deg", counters)
    heading, turn = rows.number("heading_deg", counters), rows.number("rot_degpmin", counters)
    if rows.layout.wraps_signed:
        # MarineCadastre up to 2020 read the 10-bit speed and 12-bit course as signed
        speed = np.where(speed < 0.0, speed + 102.4, speed)
        course = np.where(course < 0.0, course + 409.6, course)
    if rows.layout.speed_unit == "kn":
        speed = np.where(speed >= 102.25, np.nan, speed)
    return {
        "sog": np.where(speed >= 0.0, speed * SPEED_UNITS[rows.layout.speed_unit], np.nan),
        "cog": np.where((course >= 0.0) & (course < 360.0), course, np.nan),
        "heading": np.where((heading >= 0.0) & (heading < 360.0), heading, np.nan),
        "rot": np.where(np.abs(turn) <= 720.0, turn, np.nan),
    }


def _classes(rows: Rows, kept: IntArray) -> IntArray:
    """Message type by the table's class: 1 for class A and where it does not say, 18 for class B."""
    given = rows.column("msg_type")
    if given is not None:
        return np.clip(integers(numbers(given)[0], 1, 27, 1)[kept], 1, 27)
    values = rows.column("class")
    if values is None or not rows.layout.classes:
        return np.ones(len(kept), np.int64)
    found = coded(values, dict(rows.layout.classes), -1, -1)[kept]
    return np.where(found >= 0, found, 1)


def _received(rows: Rows, count: int) -> dict[str, Any]:
    return {} if rows.received_at_us is None else {"received_at": np.full(count, rows.received_at_us)}


def _station(rows: Rows, kept: IntArray) -> dict[str, Any]:
    values = rows.column("station")
    return {} if values is None else {"station": words_of(values).take(pa.array(kept)).dictionary_encode()}


def _positions(rows: Rows, chosen: dict[str, Any], kept: IntArray, counters: Counter[str]) -> pa.Table:
    count = len(kept)
    status = rows.column("nav_status")
    codes = np.full(count, -1) if status is None else coded(status, dict(rows.layout.statuses), 0, 15)[kept]
    kind = _classes(rows, kept)
    speed_raw = np.where(np.isnan(chosen["sog"]), 1023, np.rint(chosen["sog"] / MPS_PER_KN * 10.0))
    course_raw = np.where(np.isnan(chosen["cog"]), 3600, np.rint(chosen["cog"] * 10.0))
    lat_raw = np.where(np.isnan(chosen["lat"]), 91 * 600_000, np.rint(chosen["lat"] * 600_000.0))
    lon_raw = np.where(np.isnan(chosen["lon"]), 181 * 600_000, np.rint(chosen["lon"] * 600_000.0))
    arrays: dict[str, Any] = {
        "mmsi": chosen["mmsi"].astype(np.uint32),
        "msg_type": kind.astype(np.uint8),
        "observed_at": chosen["time"],
        "time_source": constant(TIME_TABLE, count),
        "source": constant(rows.source, count),
        "line": rows.lines[kept],
        "lon_deg": chosen["lon"],
        "lat_deg": chosen["lat"],
        "lon_raw": lon_raw.astype(np.int32),
        "lat_raw": lat_raw.astype(np.int32),
        "sog_mps": chosen["sog"],
        "sog_raw": np.clip(speed_raw, 0, 1023).astype(np.uint16),
        "cog_deg": chosen["cog"],
        "cog_raw": np.clip(course_raw, 0, 3600).astype(np.uint16),
        "heading_deg": chosen["heading"],
        "rot_degpmin": chosen["rot"],
        "nav_status": nullable_ints(codes, pa.uint8()),
        **_received(rows, count),
        **_station(rows, kept),
    }
    return POSITIONS.build(arrays, count)


def _statics(
    rows: Rows, chosen: dict[str, Any], kept: IntArray, counters: Counter[str], fresh: Callable[[IntArray], np.ndarray]
) -> pa.Table:
    """One row each time a ship's static data says something new."""
    texts = {name: rows.column(name) for name in _STATIC_TEXT}
    present = {name: words_of(v).take(pa.array(kept)) for name, v in texts.items() if v is not None}
    imo_text = rows.column("imo")
    imo = np.full(len(kept), -1)
    if imo_text is not None:
        if pa.types.is_string(imo_text.type):
            imo_text = pc.replace_substring_regex(imo_text, r"^\s*(?i:imo)?\s*", "")
        imo = integers(numbers(imo_text)[0], 1, 999_999_999)[kept]
    kind_text = rows.column("ship_type")
    kind = np.full(len(kept), -1)
    if kind_text is not None:
        kind = _with_cargo(rows, coded(kind_text, dict(rows.layout.ship_types), 0, 255)[kept], kept)
    sizes = _sizes(rows, kept, counters)
    draught = rows.number("draught_m", counters)[kept]
    fix_text, eta = rows.column("fix_type"), _eta(rows, kept)
    fix = np.full(len(kept), -1) if fix_text is None else coded(fix_text, dict(rows.layout.fix_types), 0, 15)[kept]
    if not present and imo_text is None and kind_text is None and (sizes < 0).all():
        return STATICS.empty()
    hashes = [
        chosen["mmsi"],
        imo,
        kind,
        fix,
        *eta.values(),
        *sizes,
        np.rint(np.nan_to_num(draught, nan=-1.0) * 10.0).astype(np.int64),
    ]
    hashes += [_text_codes(v) for v in present.values()]
    digests = content_ids("statics", *hashes)
    said = (imo >= 0) | (kind > 0) | (sizes >= 0).any(axis=0)
    for values in present.values():
        said |= pc.is_valid(values).to_numpy(zero_copy_only=False)
    _, first = np.unique(digests, return_index=True)
    first = np.sort(first)
    first = first[said[first]]
    first = first[fresh(digests[first])]
    count = len(first)
    kinds = np.where(_classes(rows, kept)[first] == 18, 24, 5)
    arrays: dict[str, Any] = {
        "mmsi": chosen["mmsi"][first].astype(np.uint32),
        "msg_type": kinds.astype(np.uint8),
        "observed_at": chosen["time"][first],
        "time_source": constant(TIME_TABLE, count),
        "source": constant(rows.source, count),
        "line": rows.lines[kept][first],
        "imo": nullable_ints(imo[first], pa.uint32()),
        "ship_type": nullable_ints(kind[first], pa.uint8()),
        "draught_m": np.where(draught[first] > 0.0, draught[first], np.nan),
        "fix_type": nullable_ints(fix[first], pa.uint8()),
        **{name: nullable_ints(values[first], pa.uint8()) for name, values in eta.items()},
        **{name: nullable_ints(sizes[n][first], pa.uint16()) for n, name in enumerate(_SIZES)},
        **{name: values.take(pa.array(first)) for name, values in present.items()},
        **_received(rows, count),
        **_station(rows, kept[first]),
    }
    return STATICS.build(arrays, count)


def _with_cargo(rows: Rows, kind: IntArray, kept: IntArray) -> IntArray:
    """Types of ship with the second digit that the table gives apart, as category of goods."""
    cargo = rows.column("cargo")
    if cargo is None or not rows.layout.cargoes:
        return kind
    digit = coded(cargo, dict(rows.layout.cargoes), 1, 9)[kept]
    may_carry = (kind >= 20) & (kind < 100) & (kind % 10 == 0) & ~np.isin(kind, (30, 50)) & (digit > 0)
    return np.where(may_carry, kind + np.maximum(digit, 0), kind)


def _eta(rows: Rows, kept: IntArray) -> dict[str, IntArray]:
    """Month, day, hour and minute of arrival, -1 where absent."""
    values = rows.column("eta")
    us = np.full(len(kept), NO_TIME) if values is None else times_us(values, rows.layout.time_format)[kept]
    good = us != NO_TIME
    minutes = np.where(good, us, 0).astype("datetime64[us]").astype("datetime64[m]")
    days = minutes.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    of_day = (minutes - days).astype(np.int64)
    parts = {
        "eta_month": months.astype(np.int64) % 12 + 1,
        "eta_day": (days - months).astype(np.int64) + 1,
        "eta_hour": of_day // 60,
        "eta_minute": of_day % 60,
    }
    return {name: np.where(good, part, -1) for name, part in parts.items()}


def _sizes(rows: Rows, kept: IntArray, counters: Counter[str]) -> IntArray:
    """To bow, stern, port and starboard in metres, -1 where absent.

    A table that has only length and beam gives them as M.1371-5 does where the reference point is not known:
    bow and port 0, stern the length, starboard the beam.
    """
    given = np.stack([integers(np.rint(rows.number(n, counters)[kept]), 0, 1022) for n in _SIZES])
    length = integers(np.rint(rows.number("length_m", counters)[kept]), 1, 1022)
    beam = integers(np.rint(rows.number("beam_m", counters)[kept]), 1, 126)
    lone = (given <= 0).all(axis=0) & (length > 0)
    zeros = np.zeros(len(kept), np.int64)
    whole = np.stack([zeros, length, zeros, np.maximum(beam, 0)])
    none = (given <= 0).all(axis=0) & ~lone
    return np.where(none, -1, np.where(lone, whole, given))


def _text_codes(values: Any) -> IntArray:
    """A number for each text, from its content, for digests."""
    encoded = values.dictionary_encode()
    import zlib

    codes = np.array([0, *[zlib.crc32(w.encode()) | 1 << 40 for w in encoded.dictionary.to_pylist()]], np.int64)
    return codes[pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False) + 1]


def _errors(
    rows: Rows, chosen: dict[str, Any], kept: IntArray, counters: Counter[str]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(east, east-north, north) covariance: of the stated ellipse, else of the stated circle, else the layout's."""
    scale, layout = rows.layout.error_scale, rows.layout
    sigma = rows.number("sigma_m", counters)[kept] / scale
    circle = np.where(sigma > 0.0, sigma, layout.sigma_m)
    major, minor, orientation = (
        rows.number(n, counters)[kept] for n in ("error_major_m", "error_minor_m", "error_orientation_deg")
    )
    stated = (major > 0.0) & (minor > 0.0) & ~np.isnan(orientation)
    along, across = np.where(stated, major / scale, circle), np.where(stated, minor / scale, circle)
    lat, lon = chosen["lat"], chosen["lon"]
    turn = np.where(stated, orientation, 0.0)
    return polar_covariance(lat, lon, lat, lon, turn, np.square(along), np.square(across))


def _observations(rows: Rows, chosen: dict[str, Any], kept: IntArray, counters: Counter[str]) -> pa.Table:
    count = len(kept)
    cov = _errors(rows, chosen, kept, counters)
    moving = ~np.isnan(chosen["sog"]) & ~np.isnan(chosen["cog"])
    length = rows.number("length_m", counters)[kept]
    local = np.full(count, -1) if rows.column("local_id") is None else integers(
        rows.number("local_id", counters)[kept], 0, 2**53
    )  # fmt: skip
    ids = content_ids(
        rows.source,
        chosen["time"],
        np.rint(chosen["lat"] * 1e7).astype(np.int64),
        np.rint(chosen["lon"] * 1e7).astype(np.int64),
        chosen["mmsi"],
        local,
    )
    arrays: dict[str, Any] = {
        "obs_id": ids,
        "observed_at": chosen["time"],
        "time_source": constant(TIME_TABLE, count),
        "source": constant(rows.source, count),
        "sensor": constant(rows.layout.sensor, count),
        "lat_deg": chosen["lat"],
        "lon_deg": chosen["lon"],
        "cov_ee_m2": cov[0],
        "cov_en_m2": cov[1],
        "cov_nn_m2": cov[2],
        "sog_mps": chosen["sog"],
        "cog_deg": chosen["cog"],
        "vel_sigma_mps": np.where(moving, 1.0, np.nan),
        "heading_deg": chosen["heading"],
        "mmsi": nullable_ints(chosen["mmsi"], pa.int64()),
        "local_track": nullable_ints(local, pa.int64()),
        "length_m": np.where(length > 0.0, length, np.nan),
        **_received(rows, count),
        **_station(rows, kept),
    }
    if rows.exercise is not None:
        arrays["exercise"] = np.full(count, rows.exercise)
    return OBSERVATIONS.build(arrays, count)
