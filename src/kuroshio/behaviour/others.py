"""Rows of other ships that an alert rests on: who was heard about a silence, who was counted beside those hit.

What enters: rows of any ships, an alert and its definition. What leaves: as few rows as give the same alert again, for
its pack; and where in time and place to look for them, for an archive that holds too many to read at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.behaviour.archive import archive_fixes
from kuroshio.behaviour.area import cells_at
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.fixes import HOUR_US
from kuroshio.behaviour.reception import CELLS_A_DEG, cells_about, cells_of, period_of
from kuroshio.geo.earth import distance_m

Alert = Mapping[str, Any]
Box = tuple[float, float, float, float]  # west, south, east, north in degrees
Stretch = tuple[int, int, Box]  # begin and end, UTC microseconds, and where
_NOT_MEASURED = ("tentative", "coasted")


def stretches(alert: Alert, definition: Definition) -> list[Stretch]:
    """Where `others_about` finds its rows, a few stretches of time apart; none where it has none."""
    if not _has_others(alert, definition):
        return []
    start_us = _us(alert["start_at"])
    if definition.kernel == "interference":
        half = 0.5 * float(definition["cell_deg"])
        west = alert["lon_deg"] - half
        edge = 1e-7 if west <= -180.0 else 0.0  # 180 east is in this cell too
        box = _box(alert["lat_deg"] - half, west - edge, 2.0 * half + edge)
        return [(start_us - HOUR_US, _us(alert["end_at"]), box)]  # a jump in the hour may be from a place before it
    side, silence_us = 1.0 / CELLS_A_DEG, definition.us("silence_s")
    south, west = (floor(alert[n] * CELLS_A_DEG) * side - side for n in ("lat_deg", "lon_deg"))
    period_us, box = period_of(silence_us), _box(south, west, 3.0 * side)
    return [(p * period_us, (p + 1) * period_us, box) for p in _periods(start_us, silence_us)]


def ways_about(definition: Definition) -> bool:
    """True where all rows in a stretch of time count of the ships that were in its box, wherever they were."""
    return definition.kernel == "interference"


def others_about(rows: pa.Table, alert: Alert, definition: Definition) -> pa.Table | None:
    """Rows of other ships that an alert of a definition rests on; None where it rests on its own ships alone."""
    if "mmsi" not in rows.column_names or not _has_others(alert, definition):
        return None
    if definition.kernel == "interference":
        return _counted_beside(rows, alert, definition)
    return _heard_about(rows, alert, definition.us("silence_s"))


def _has_others(alert: Alert, definition: Definition) -> bool:
    over = definition.kernel == "gap" or (definition.kernel == "interference" and alert["end_at"] is not None)
    return over and alert["lat_deg"] is not None


def _periods(start_us: int, silence_us: int) -> range:
    """Those whose reports tell who else was heard before a silence and in it."""
    period_us = period_of(silence_us)
    return range(start_us // period_us - 1, (start_us + silence_us) // period_us)


def _heard_about(rows: pa.Table, alert: Alert, silence_us: int) -> pa.Table:
    """A row a ship, cell and period that tells who was heard about the place of a silence."""
    period_us, periods = period_of(silence_us), _periods(_us(alert["start_at"]), silence_us)
    near = _reports(rows, alert, periods.start * period_us, periods.stop * period_us)
    cell = cells_of(*(np.asarray(near[n], np.float64) for n in ("lat_deg", "lon_deg")))
    about = np.isin(cell, cells_about(alert["lat_deg"], alert["lon_deg"]))
    return _first_of_each(near, about, cell, np.asarray(_times(near)) // period_us)


def _counted_beside(rows: pa.Table, alert: Alert, definition: Definition) -> pa.Table:
    """Of each ship a report that was hit, else one that counts it there, and where it jumped the one it came from."""
    start_us, d, times = _us(alert["start_at"]), definition, _times(rows)
    near = pc.and_(pc.greater_equal(times, start_us - 24 * HOUR_US), pc.less(times, _us(alert["end_at"])))
    mine = pc.is_in(rows["mmsi"].cast(pa.int64()), pa.array(alert["mmsis"], pa.int64()))
    rows = rows.filter(pc.fill_null(pc.and_(near, pc.invert(mine)), False))
    whole, rows = rows, rows.drop_columns("imo") if "imo" in rows.column_names else rows
    f = archive_fixes(rows.append_column("imo", pa.array(np.arange(rows.num_rows))))
    f = f.take((f.mmsi >= 0) & (f.ais_at == f.t))
    f = f.take(np.lexsort((f.track, f.t, f.mmsi)))
    who, t, lat, lon, sog = f.mmsi, f.t, f.lat, f.lon, f.sog
    held, own, across = np.empty(len(t), np.int64), np.arange(len(t)), np.abs(f.cog - f.heading)
    _held_against(who, t, d.us("min_interval_s"), held)
    far, dt_us = distance_m(lat[held], lon[held], lat, lon), t - t[held]
    jumped = (far > float(d["min_step_m"])) & (far > float(d["max_speed_mps"]) * dt_us * 1e-6)
    broken = (sog > float(d["break_speed_mps"])) & (np.minimum(across, 360.0 - across) > float(d["break_angle_deg"]))
    hit = (jumped & (dt_us >= d.us("min_interval_s"))) | broken
    place, size = np.where(jumped, held, own), float(d["cell_deg"])
    here = cells_at(np.asarray([alert["lat_deg"]]), np.asarray([alert["lon_deg"]]), size)
    counted = np.flatnonzero((cells_at(lat[place], lon[place], size) == here) & (t >= start_us))
    counted = counted[np.lexsort((~hit[counted], who[counted]))]
    first = counted[np.unique(who[counted], return_index=True)[1]]
    kept, more = first, first
    while len(more):  # the one it came from counts where it came from itself, if it points across its course
        more = np.setdiff1d(held[more[jumped[more]]], kept)
        kept, more = np.union1d(kept, more), more[broken[more]]
    return whole.take(pa.array(np.sort(f.imo[kept])))


@kernel
def _held_against(who: Any, t: Any, min_us: int, out: Any) -> None:
    """Row that each report is held against, of reports by (mmsi, time): its own for the first; see `area.jumps`."""
    last = 0
    for i in range(who.size):
        if who[i] != who[last]:
            last = i
        out[i] = last
        if t[i] - t[last] >= min_us:
            last = i


def _first_of_each(rows: pa.Table, wanted: Any, *by: Any) -> pa.Table:
    """Of the rows wanted the first of each ship and what else they are told apart by."""
    key = np.column_stack([np.asarray(rows["mmsi"].cast(pa.int64()), np.int64), *by])[wanted]
    first = np.unique(key, axis=0, return_index=True)[1]
    return rows.take(pa.array(np.sort(np.flatnonzero(wanted)[first])))


def _reports(rows: pa.Table, alert: Alert, start_us: int, end_us: int) -> pa.Table:
    """Rows of a stretch of time that are a report of their own time, not of the ships of an alert."""
    times = _times(rows)
    inside = pc.and_(pc.greater_equal(times, start_us), pc.less(times, end_us))
    mine = pc.is_in(rows["mmsi"].cast(pa.int64()), pa.array(alert["mmsis"], pa.int64()))
    near = rows.filter(pc.fill_null(pc.and_(inside, pc.invert(mine)), False))
    near = near.filter(pc.field("lat_deg").is_valid() & pc.field("lon_deg").is_valid() & pc.field("mmsi").is_valid())
    if "status" in near.column_names and "track_id" in near.column_names:  # no prediction tells that a ship was heard
        measured = pc.invert(pc.is_in(near["status"].cast(pa.string()), value_set=pa.array(_NOT_MEASURED)))
        told = pc.and_(pc.equal(near["last_ais_at"], near["observed_at"]), measured)
        near = near.filter(pc.fill_null(told, False))
    return near


def _times(rows: pa.Table) -> Any:
    return rows["observed_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())


def _us(at: Any) -> int:
    return round(at.timestamp() * 1e6)


def _box(south: float, west: float, side: float) -> Box:
    def wrapped(lon_deg: float) -> float:
        return (lon_deg + 180.0) % 360.0 - 180.0

    return wrapped(west), max(-90.0, south), wrapped(west + side), min(90.0, south + side)
