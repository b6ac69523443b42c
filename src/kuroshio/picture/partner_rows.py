"""TRACKS rows of partners and of what they add: columns put in place.

What enters: rows and arrays. What leaves: rows. It decides nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.picture.partner_states import CROSS, STATE
from kuroshio.picture.tracklets import number_of
from kuroshio.schema import TRACKS, concat
from kuroshio.schema.core import UTC_US
from kuroshio.units import FloatArray, IntArray


def each(times: Any) -> pa.Array:
    """Each time as a list of one."""
    values = times.combine_chunks().cast(UTC_US) if isinstance(times, pa.ChunkedArray) else times.cast(UTC_US)
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32)), values)


def provenances(table: pa.Table, state: FloatArray) -> IntArray:
    """Number of each row's provenance, 0 where it is not told or the row does not tell its whole covariance."""
    told = table["provenance"].to_pylist()
    whole = np.asarray(np.isfinite(state[:, 10:]).all(axis=1))
    return np.array([number_of(t) if t and w else 0 for t, w in zip(told, whole, strict=True)], np.int64)


def fused_rows(own: pa.Table, at: IntArray, state: FloatArray, used: list[list[int]], rows: pa.Table) -> pa.Table:
    """Own rows with the state of some replaced, marked with the partners' tracks it comes from."""
    if not len(at):
        return own
    changed = own.take(pa.array(at))
    first = rows.take(pa.array([u[0] for u in used]))
    givers, refs = rows["partner"].to_pylist(), rows["partner_track"].to_pylist()
    times, marks = np.asarray(rows["observed_at"].cast(pa.int64())), rows["lineage"].to_pylist()
    texts = pa.list_(pa.string())
    put: dict[str, Any] = {name: pa.array(state[:, k], from_pandas=True) for k, name in enumerate((*STATE, *CROSS))}
    put["partner"], put["partner_track"] = first["partner"], first["partner_track"]
    put["fused_with"] = pa.array([[f"{givers[k]}:{refs[k]}" for k in u] for u in used], texts)
    put["lineage"] = pa.array([list(dict.fromkeys(m for k in u for m in marks[k] or ())) for u in used], texts)
    put["last_partner_at"] = pa.array([int(times[u].max()) for u in used], pa.int64()).cast(UTC_US)
    put["sensors"] = pa.array([[*s, "partner"] for s in changed["sensors"].to_pylist()], texts)
    for name, column in put.items():
        k = TRACKS.names.index(name)
        changed = changed.set_column(k, TRACKS.arrow.field(k), column)
    stay = np.ones(own.num_rows, np.bool_)
    stay[at] = False
    both = concat(TRACKS, [own.filter(pa.array(stay)), changed])
    return both.take(pa.array(np.argsort(np.concatenate([np.flatnonzero(stay), at]), kind="stable")))
