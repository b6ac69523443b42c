"""What ships say of themselves, put beside their positions: name, IMO number, call sign, type, length.

What enters: POSITIONS and STATICS as a decoder writes them, in any order. What leaves: the positions with the columns
that behaviour reads. Each value is the last one told at or before the position; before the first, the first.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.behaviour.columns import whole_numbers
from kuroshio.units import BoolArray, IntArray

FIELDS = ("imo", "name", "call_sign", "ship_type", "length_m")
_MAX_T = np.int64(1) << 62


def with_statics(positions: pa.Table, statics: pa.Table) -> pa.Table:
    """Positions with the columns of `FIELDS` that the statics have and the positions lack.

    Parameters
    ----------
    positions, statics
        Tables with ``mmsi`` and ``observed_at``; a length may be given as ``to_bow_m`` and ``to_stern_m``.
    """
    if {"to_bow_m", "to_stern_m"} <= set(statics.column_names) and "length_m" not in statics.column_names:
        length = pc.add(*(statics[n].cast(pa.float64()) for n in ("to_bow_m", "to_stern_m")))
        statics = statics.append_column("length_m", pc.if_else(pc.greater(length, 0.0), length, None))
    who, t = (_ints(positions, name) for name in ("mmsi", "observed_at"))
    for name in FIELDS:
        if name not in statics.column_names or name in positions.column_names:
            continue
        told = statics.filter(pc.is_valid(statics[name]))
        at = _told(_ints(told, "mmsi"), _ints(told, "observed_at"), who, t)
        positions = positions.append_column(name, told[name].combine_chunks().take(pa.array(at, mask=at < 0)))
    return positions


def _told(source: IntArray, source_t: IntArray, who: IntArray, t: IntArray) -> IntArray:
    """Row of the statics that holds at each position, -1 where the ship told nothing."""
    n = len(source)
    if not n:
        return np.full(len(who), -1, np.int64)
    ship = np.append(source, who)
    moment = np.append(source_t, t)
    order = np.lexsort((np.arange(len(ship)) >= n, moment, ship))  # a static of the same time comes first
    from_static: BoolArray = order < n
    place = np.where(from_static, np.arange(len(order)), -1)
    before = np.maximum.accumulate(place)
    after = np.minimum.accumulate(np.where(from_static, np.arange(len(order)), _MAX_T)[::-1])[::-1]
    same_before = (before >= 0) & (ship[order[np.maximum(before, 0)]] == ship[order])
    near = np.minimum(after, len(order) - 1)
    same_after = (after < _MAX_T) & (ship[order[near]] == ship[order])
    found = np.where(same_before, order[np.maximum(before, 0)], np.where(same_after, order[near], -1))
    result = np.empty(len(order), np.int64)
    result[order] = found
    return result[n:]


def _ints(table: pa.Table, name: str) -> IntArray:
    column = table[name].combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz))
    return np.asarray(pc.fill_null(whole_numbers(column).cast(pa.int64()), -1), np.int64)
