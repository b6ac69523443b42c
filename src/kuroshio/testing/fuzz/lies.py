"""Arrow files well formed to a reader that does not check: their offsets point outside them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def lying(rows: pa.Table, column: str) -> bytes:
    """The rows as an Arrow file in which the last text of a column ends two gigabytes behind the file's end.

    Parameters
    ----------
    rows
        At least two.
    column
        Of texts all of one length in bytes, so that its offsets are known.
    """
    at = rows.schema.get_field_index(column)
    rows = rows.set_column(at, column, rows[column].combine_chunks())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    offsets = (np.arange(rows.num_rows + 1) * len(rows[column][0].as_py().encode())).astype("<i4")
    true, lie = offsets.tobytes(), offsets.copy()
    lie[-2:] = 2**31 - 64, 2**31 - 1
    body: bytes = sink.getvalue().to_pybytes()
    if body.count(true) != 1:
        raise ValueError(f"offsets of {column} are {body.count(true)} times in the file")
    return body.replace(true, lie.tobytes())
