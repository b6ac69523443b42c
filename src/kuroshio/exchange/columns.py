"""Selection: which columns of a track may leave under given obligations, and the bytes each row commits to.

What enters: TRACKS rows and obligations. What leaves: RELEASED_TRACKS rows built column by column from what is
allowed. Nothing is ever removed from a copy of a track: a column that no line here selects has no way out.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.errors import ReleaseRefused
from kuroshio.schema.core import Table
from kuroshio.schema.release import RELEASED_ALERTS, RELEASED_TRACKS, TRACKLETS

# group -> released columns that a redaction of that name withholds
GROUPS: dict[str, frozenset[str]] = {
    "sensor": frozenset({"sensors", "p_exists"}),
    "sources": frozenset({"sensors"}),
    "identity": frozenset({"mmsi", "p_identity", "imo", "name", "call_sign", "mmsis"}),
    "kinematics": frozenset({"sog_mps", "cog_deg", "vel_sigma_mps", "heading_deg", "nav_status"}) | TRACKLETS,
    "tracklets": TRACKLETS,
    "name": frozenset({"name", "call_sign"}),
    "evidence": frozenset({"summary"}),
}
# columns without which a row means nothing: withholding them is withholding the row, which is a decision
ESSENTIAL = frozenset(
    {"ref", "observed_at", "lat_deg", "lon_deg", "status", "lineage", "exercise", "cov_ee_m2", "cov_en_m2", "cov_nn_m2"}
)
# withheld as soon as the position is coarsened: exact words and angles would undo the cell
COARSE_WITHHOLDS = frozenset({"name", "call_sign", "heading_deg", "p_exists", "p_identity"})
# columns of TRACKS that are released under the same name and meaning
PASSED = (
    "heading_deg",
    "p_exists",
    "status",
    "flags",
    "sensors",
    "mmsi",
    "p_identity",
    "imo",
    "name",
    "call_sign",
    "ship_type",
    "length_m",
    "nav_status",
    "exercise",
)
# number of steps in one unit: released values are whole numbers of steps, so that a row has one spelling
STEPS: dict[str, float] = {
    "lat_deg": 1e7,
    "lon_deg": 1e7,
    "cov_ee_m2": 1e2,
    "cov_en_m2": 1e2,
    "cov_nn_m2": 1e2,
    "sog_mps": 1e3,
    "cog_deg": 1e2,
    "vel_sigma_mps": 1e3,
    "cov_vee_m2s2": 1e6,
    "cov_ven_m2s2": 1e6,
    "cov_vnn_m2s2": 1e6,
    "cov_eve_m2s": 1e4,
    "cov_evn_m2s": 1e4,
    "cov_nve_m2s": 1e4,
    "cov_nvn_m2s": 1e4,
    "heading_deg": 1e1,
    "p_exists": 1e4,
    "p_identity": 1e4,
    "length_m": 1e1,
}


def withheld_columns(redact: frozenset[str]) -> frozenset[str]:
    """Released columns that redactions withhold.

    Raises
    ------
    ReleaseRefused
        On a redaction this node does not know, or one that leaves nothing to send: what it cannot carry out, it
        does not send.
    """
    columns: set[str] = set()
    known = set(RELEASED_TRACKS.names) | set(RELEASED_ALERTS.names)
    for name in redact:
        if name in GROUPS:
            columns |= GROUPS[name]
        elif name in ESSENTIAL:
            raise ReleaseRefused(f"a row without {name} cannot be sent", code="exchange.redaction_essential")
        elif name in known:
            columns.add(name)
        else:
            raise ReleaseRefused(f"redaction {name!r} is not known here", code="exchange.redaction_unknown")
    return frozenset(columns)


def rounded(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A float column as whole numbers of its step, NaN where null."""
    values = table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.rint(values * STEPS[name])


def on_steps(values: np.ndarray[Any, np.dtype[np.float64]], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Values moved to the step of their column."""
    return np.rint(values * STEPS[name]) / STEPS[name]


def row_bytes(table: pa.Table, schema: Table) -> list[bytes]:
    """Canonical bytes of each row: a JSON array of whole numbers, texts, booleans and nulls in column order.

    Whole numbers instead of floats make this spelling equal to RFC 8785 in any language. Times are microseconds.
    """
    texts = [_spelled(table, column.name) for column in schema.columns]
    joined = pc.binary_join_element_wise(*texts, ",", null_handling="replace", null_replacement="null")
    rows = pc.binary_join_element_wise("[", joined, "]", "")
    return list(rows.cast(pa.binary()).to_pylist())


def _spelled(table: pa.Table, name: str) -> pa.Array:
    """JSON texts of one column; null stays null."""
    if table.column(name).null_count == table.num_rows:  # as most are that a sensor does not measure
        return pa.nulls(table.num_rows, pa.string())
    if name in STEPS:
        steps = rounded(table, name)
        nulls = ~np.isfinite(steps)
        return pa.array(np.where(nulls, 0, steps).astype(np.int64), mask=nulls).cast(pa.string())
    values = table.column(name).combine_chunks()
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.int64()).cast(pa.string())
    if pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        return values.cast(pa.string())  # Arrow spells booleans as JSON does
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    if pa.types.is_list(values.type):
        return _spelled_lists(values)
    return _quoted(values)


_ESCAPED = r"[\"\\\x00-\x1f]"
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _quoted(texts: pa.Array) -> pa.Array:
    """JSON strings of texts; one at a time only where a character must be escaped."""
    if pc.any(pc.match_substring_regex(texts, _ESCAPED)).as_py():
        return pa.array([None if text is None else _dump(text) for text in texts.to_pylist()], pa.string())
    return pc.binary_join_element_wise('"', texts, '"', "")


def _spelled_lists(lists: pa.Array) -> pa.Array:
    """JSON arrays of lists of texts."""
    inner = lists.flatten()
    if inner.null_count or pc.any(pc.match_substring_regex(inner, _ESCAPED)).as_py():
        return pa.array([None if row is None else _dump(row) for row in lists.to_pylist()], pa.string())
    joined = pc.binary_join_element_wise('["', pc.binary_join(lists, '","'), '"]', "")
    return pc.if_else(pc.equal(pc.list_value_length(lists), 0), "[]", joined)


def newest_per(keys: np.ndarray[Any, Any], times: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Row numbers, ascending by key, of the newest row of each key; of equal times the later row."""
    if not len(keys):
        return np.empty(0, np.int64)
    order = np.lexsort((times, keys))
    last = np.ones(len(order), bool)
    last[:-1] = keys[order][1:] != keys[order][:-1]
    return order[last].astype(np.int64)


def int64_of(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Integer or time column as int64; null is the least integer."""
    values = table.column(name).cast(pa.int64())
    return pc.fill_null(values, np.iinfo(np.int64).min).to_numpy(zero_copy_only=False).astype(np.int64)
