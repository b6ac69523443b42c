"""What a column and a table are: the words of the data dictionary.

What enters: declarations. What leaves: Arrow schemas with units in their metadata, and checks of a table against
them. It holds no data and reads no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from kuroshio.errors import InputError

UTC_US = pa.timestamp("us", tz="UTC")
TEXT = pa.string()
LABEL = pa.dictionary(pa.int32(), pa.string())
F64 = pa.float64()
I8, I16, I32, I64 = pa.int8(), pa.int16(), pa.int32(), pa.int64()
U8, U16, U32 = pa.uint8(), pa.uint16(), pa.uint32()
BOOL = pa.bool_()
BYTES = pa.binary()
TEXTS = pa.list_(pa.string())
IDS = pa.list_(pa.int64())
TIMES = pa.list_(UTC_US)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name
        Carries unit and frame: ``sog_mps``, ``cog_deg``.
    type
        Arrow type.
    doc
        One sentence: meaning, and when it is null.
    unit
        SI symbol, or empty.
    required
        True when a null is a fault.
    source
        Standard and clause the meaning comes from.
    """

    name: str
    type: pa.DataType
    doc: str
    unit: str = ""
    required: bool = False
    source: str = ""

    @property
    def field(self) -> pa.Field:
        """Arrow field with unit, meaning and source as metadata."""
        meta = {"doc": self.doc, "unit": self.unit, "source": self.source}
        return pa.field(self.name, self.type, not self.required, {k: v for k, v in meta.items() if v})


@dataclass(frozen=True)
class Table:
    """One table of the data dictionary: a name, its meaning and its columns in order."""

    name: str
    doc: str
    columns: tuple[Column, ...]

    @cached_property
    def arrow(self) -> pa.Schema:
        """Arrow schema in the order of the columns."""
        return pa.schema([c.field for c in self.columns], {"kuroshio.table": self.name})

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def _empty(self) -> pa.Table:
        return self.arrow.empty_table()

    def empty(self) -> pa.Table:
        """Table with no rows."""
        return self._empty

    def build(self, arrays: Mapping[str, Any], rows: int | None = None) -> pa.Table:
        """Table of this schema from arrays by name; a column not named is null.

        Parameters
        ----------
        arrays
            Arrow or NumPy arrays, or sequences, one entry a row; NaN in a float column becomes null.
        rows
            Number of rows where no array says it.

        Raises
        ------
        InputError
            On a name the schema does not have, or lengths that differ.
        """
        unknown = set(arrays) - set(self.names)
        if unknown:
            raise InputError(f"table {self.name} has no column {sorted(unknown)}", code="schema.column")
        length = rows if rows is not None else len(next(iter(arrays.values()))) if arrays else 0
        columns = []
        for column in self.columns:
            values = arrays.get(column.name)
            if values is None:
                columns.append(pa.nulls(length, column.type))
                continue
            columns.append(_as_arrow(values, column.type))
            if len(columns[-1]) != length:
                raise InputError(
                    f"table {self.name}: column {column.name} has {len(columns[-1])} rows, not {length}",
                    code="schema.length",
                )
        return pa.Table.from_arrays(columns, schema=self.arrow)

    def from_rows(self, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
        """Table from mappings, for small tables at the edge; not for a hot path."""
        return pa.Table.from_pylist([dict(row) for row in rows], schema=self.arrow)

    def conform(self, table: pa.Table) -> pa.Table:
        """The table in this schema's order and types, missing optional columns null, others dropped.

        Raises
        ------
        InputError
            When a required column is missing or a type cannot be cast without loss.
        """
        missing = [c.name for c in self.columns if c.required and c.name not in table.column_names]
        if missing:
            raise InputError(
                f"table {self.name}: missing column {', '.join(missing)}; has {', '.join(table.column_names)}",
                code="schema.missing",
            )
        columns = []
        for column in self.columns:
            if column.name not in table.column_names:
                columns.append(pa.nulls(table.num_rows, column.type))
                continue
            columns.append(as_type(table.column(column.name), column.type, f"{self.name}.{column.name}"))
        return pa.Table.from_arrays(columns, schema=self.arrow)


def as_type(column: Any, kind: pa.DataType, name: str) -> Any:
    """A column or array as another Arrow type; as it stands where it is of that type.

    Raises
    ------
    InputError
        When it holds a value that has no such form.
    """
    if column.type == kind:
        return column
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as err:
        said = f"column {name} is {column.type} and cannot be read as {kind}: {err}"
        raise InputError(said, code="schema.type") from err


def _as_arrow(values: Any, type_: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values if values.type == type_ else values.cast(type_)
    if pa.types.is_dictionary(type_):
        if isinstance(values, list):
            return pa.array(
                values, type_
            )  # a few labels: encoding a column of text and casting it costs four times this
        return pa.array(values, pa.string()).dictionary_encode().cast(type_)
    return pa.array(values, type_, from_pandas=pa.types.is_floating(type_))


def concat(table: Table, parts: Sequence[pa.Table]) -> pa.Table:
    """All rows of the parts in order, as one table of the given schema."""
    kept = [part for part in parts if part.num_rows]
    if not kept:
        return table.empty()
    return pa.concat_tables(kept).unify_dictionaries().combine_chunks() if len(kept) > 1 else kept[0]
