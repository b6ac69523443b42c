"""What a question to the archive means: conditions on time, place and identity, and rows that are the same row."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.errors import InputError
from kuroshio.schema import Table
from kuroshio.store.layout import SEQ

Box = tuple[float, float, float, float]

# columns that say two rows are the same row: one came again after a crash, or by two ways
UNIQUE: dict[str, str] = {"observations": "obs_id"}
TIME_COLUMNS = ("observed_at", "start_at", "received_at")


def time_column(table: Table) -> str:
    """Column that dates the rows of a table."""
    for name in TIME_COLUMNS:
        if name in table.names:
            return name
    raise InputError(f"table {table.name} has no time", code="store.table")


def distinct(rows: pa.Table, unique: str | None) -> pa.Table:
    """Rows with the first to arrive of each identity; all of them where the table has none."""
    if unique is None or rows.num_rows < 2:
        return rows
    first = rows.group_by(unique).aggregate([(SEQ, "min")]).column(f"{SEQ}_min")
    return rows if len(first) == rows.num_rows else rows.filter(pc.is_in(rows.column(SEQ), value_set=first))


def between(table: Table, start_us: int | None, end_us: int | None) -> pc.Expression | None:
    """Condition on the half-open interval of time, None when it is open."""
    name = time_column(table)
    type_ = table.arrow.field(name).type
    chosen = None
    if start_us is not None:
        chosen = pc.field(name) >= pa.scalar(start_us, type_)
    if end_us is not None:
        chosen = also(chosen, pc.field(name) < pa.scalar(end_us, type_))
    return chosen


def within(table: Table, box: Box | None) -> pc.Expression | None:
    """Condition on (west, south, east, north) in degrees."""
    if box is None:
        return None
    if "lat_deg" not in table.names:
        raise InputError(f"table {table.name} has no place", code="store.column")
    west, south, east, north = box
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise InputError(f"box {box} is not west, south, east, north in degrees", code="store.box")
    lat, lon = pc.field("lat_deg"), pc.field("lon_deg")
    span = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return (lat >= south) & (lat <= north) & span


def named(table: Table, column: str, values: int | Sequence[int] | None) -> pc.Expression | None:
    """Condition on one number or several in a column."""
    if values is None:
        return None
    if column not in table.names:
        raise InputError(f"table {table.name} has no {column}", code="store.column")
    type_ = table.arrow.field(column).type
    if isinstance(values, int):
        return pc.field(column) == pa.scalar(values, type_)
    return pc.field(column).isin(pa.array(list(values), type_))


def numbers(values: int | Sequence[int]) -> set[int]:
    """One number or several as a set."""
    return {values} if isinstance(values, int) else set(values)


def also(*conditions: pc.Expression | None) -> pc.Expression | None:
    """All conditions together."""
    whole = None
    for condition in conditions:
        if condition is not None:
            whole = condition if whole is None else whole & condition
    return whole
