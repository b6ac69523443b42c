"""Contents of binary messages as JSON text, for every application identifier with a published layout.

What enters: message rows of the binary family, their data ranges and identifiers. What leaves: one JSON object a row,
or null. A list of elements (area shapes, sensor reports, waypoints) becomes a JSON list; an element whose selector has
no layout keeps its common fields. Lengths of area shapes are in metres, their scale factor applied.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuroshio.sensing.ais.applications import Application, value
from kuroshio.sensing.ais.asm_imo import APPLICATIONS as IMO
from kuroshio.sensing.ais.asm_regional import APPLICATIONS as REGIONAL
from kuroshio.sensing.ais.fields import coarse_position, spare
from kuroshio.sensing.ais.fieldtext import (
    F_LENGTH,
    F_START,
    F_WIDTH,
    SLACK,
    FieldTable,
    field_name,
    field_table,
    field_value,
)
from kuroshio.sensing.ais.kernels import Bytes, inner, kernel
from kuroshio.sensing.ais.lanes import LANES, copy_lanes
from kuroshio.sensing.ais.parts import bits_at
from kuroshio.sensing.ais.program import Ints
from kuroshio.sensing.ais.records import CHARS, FILL, PAYLOAD, Table

Raw = npt.NDArray[np.int32]

# Type 17 has no identifier: its data are a position and the head of a DGNSS message. ITU-R M.1371-5, message 17.
DGNSS = Application(
    (17,), 0, 0, "DGNSS corrections", "ITU-R M.1371-5 message 17",
    (*coarse_position(), spare(0, 5), value("correction_type", 6), value("station", 10), value("z_count", 13),
     value("sequence", 3), value("words", 5), value("health", 3)),
    35,
)  # fmt: skip
APPLICATIONS: tuple[Application, ...] = (*IMO, *REGIONAL, DGNSS)
VARIANTS = 16

# columns of an application row
A_FIXED, A_LEAST, A_MOST, A_NEXT, A_BITS, A_SELECT, A_NAME, A_LENGTH, A_EXACT, A_ROOM, A_ELEMENT_ROOM, A_FIRST = range(
    12
)


class Contents(NamedTuple):
    """Applications compiled: rows, field tables of the fixed part, of elements, of variants; lookup by identifier."""

    rows: Ints
    fixed: FieldTable
    element: FieldTable
    variant: FieldTable
    names: Bytes
    lookup: Raw  # addressed, DAC << 6 | FI -> first application, -1 none


def compile_contents() -> Contents:
    """Arrays of all applications."""
    none: frozenset[str] = frozenset()
    fixed = field_table([app.fields for app in APPLICATIONS], scaled=True, skip=none)
    element = field_table([app.element for app in APPLICATIONS], scaled=True, skip=none)
    variants = [app.variants.get(k) for app in APPLICATIONS for k in range(VARIANTS)]
    variant = field_table(variants, scaled=True, skip=none)
    lookup = np.full((2, 1 << 16), -1, np.int32)
    rows, names = np.zeros((len(APPLICATIONS), 12), np.int64), bytearray()
    for at, app in enumerate(APPLICATIONS):
        following = -1
        for addressed in (0, 1):
            if (6 if addressed else 8) in app.types:
                following = max(following, int(lookup[addressed, app.dac << 6 | app.fi]))
                lookup[addressed, app.dac << 6 | app.fi] = at
        group = b',"' + app.group.encode() + b'":['
        rows[at] = (
            app.fixed_bits, app.least, app.most, following, app.element_bits, app.select, len(names), len(group),
            app.exact_elements, _room(fixed, at),
            4 + _room(element, at) + max(_room(variant, at * VARIANTS + k) for k in range(VARIANTS)), app.first_bit,
        )  # fmt: skip
        names += group
    return Contents(rows, fixed, element, variant, np.frombuffer(bytes(names) + bytes(LANES), np.uint8), lookup)


def _room(table: FieldTable, at: int) -> int:
    fields = table.fields[table.first[at] : table.last[at]]
    return int((fields[:, F_LENGTH] + 26 + np.maximum(fields[:, F_WIDTH], 0) // 3).sum())


DGNSS_ROW = len(APPLICATIONS) - 1


@kernel
def choose(
    found: npt.NDArray[np.int16], rec: Table, messages: Table, rows: Ints, count: int, ranges: Ints, dac: Raw, fi: Raw,
    dest: Raw, kind: Raw, contents: Contents, dgnss: int,
) -> int:  # fmt: skip
    """Application of each row by identifier and length, -1 for none; bytes their objects can take."""
    room = 0
    for row in range(count):
        at, layout = messages[rows[row], 0], messages[rows[row], 1]
        bits = rec[at, CHARS] * 6 - rec[at, FILL] - ranges[layout, 1] - ranges[layout, 0]
        app = -1
        if kind[row] == 17:
            app = dgnss
            bits += 40
        elif dac[row] >= 0:
            addressed = 1 if dest[row] >= 0 else 0
            app = contents.lookup[addressed, (dac[row] << 6) | fi[row]]
        while app >= 0:
            least, most, whole = contents.rows[app, A_LEAST], contents.rows[app, A_MOST], True
            if contents.rows[app, A_EXACT] != 0:
                whole = (bits - contents.rows[app, A_FIXED]) % contents.rows[app, A_BITS] < 8
            if least <= bits <= most and whole:
                break
            app = contents.rows[app, A_NEXT]
        found[row] = app
        if app >= 0:
            room += 8 + contents.rows[app, A_LENGTH] + contents.rows[app, A_ROOM] + 2 * rec[at, CHARS]
            if contents.rows[app, A_BITS] > 0:
                room += (bits // contents.rows[app, A_BITS] + 1) * contents.rows[app, A_ELEMENT_ROOM]
    return room + SLACK


@inner
def _fields(
    buf: Bytes, payload: int, chars: int, length: int, base: int, table: FieldTable, row: int, out: Bytes, at: int
) -> int:  # fmt: skip
    """Append the fields of a table row that the data hold whole."""
    for f in range(table.first[row], table.last[row]):
        width = table.fields[f, F_WIDTH]
        if base + table.fields[f, F_START] + max(1, width) > length:
            continue
        at = field_name(table, f, out, at)
        at = field_value(buf, payload, chars, length, base, table.fields[f], out, at)
    return at


@kernel
def write(
    buf: Bytes, rec: Table, messages: Table, rows: Ints, count: int, ranges: Ints, found: npt.NDArray[np.int16],
    contents: Contents, dgnss: int, offsets: Raw, out: Bytes, valid: Bytes,
) -> int:  # fmt: skip
    """One JSON object a row that has an application; number of nulls."""
    at, nulls = 0, 0
    for row in range(count):
        offsets[row] = at
        app = found[row]
        if app < 0:
            nulls += 1
            continue
        valid[row >> 3] |= np.uint8(1 << (row & 7))
        one, layout = messages[rows[row], 0], messages[rows[row], 1]
        payload, chars = rec[one, PAYLOAD], rec[one, CHARS]
        length = chars * 6 - rec[one, FILL] - ranges[layout, 1]
        base = 40 if app == dgnss else ranges[layout, 0]
        picked = contents.rows[app, A_FIRST]
        if picked >= 0 and picked != bits_at(buf, payload, chars, base, 1):
            app = contents.rows[app, A_NEXT]  # the other layout of the identifier
        begun = at
        at = _fields(buf, payload, chars, length, base, contents.fixed, app, out, at)
        step = contents.rows[app, A_BITS]
        if step > 0:
            size = contents.rows[app, A_LENGTH]
            for k in range(0, size, LANES):
                copy_lanes(contents.names, contents.rows[app, A_NAME] + k, out, at + k)
            at += size
            bit, select = base + contents.rows[app, A_FIXED], contents.rows[app, A_SELECT]
            first = True
            while bit + step <= length:
                if not first:
                    out[at] = 44
                    at += 1
                first, opened = False, at
                at = _fields(buf, payload, chars, bit + step, bit, contents.element, app, out, at)
                if select > 0:
                    chosen = app * VARIANTS + bits_at(buf, payload, chars, bit, select)
                    at = _fields(buf, payload, chars, bit + step, bit, contents.variant, chosen, out, at)
                at = max(at, opened + 1)
                out[opened], out[at] = 123, 125
                at += 1
                bit += step
            out[at] = 93
            at += 1
        at = max(at, begun + 1)
        out[begun], out[at] = 123, 125
        at += 1
    offsets[count] = at
    return nulls


CONTENTS = compile_contents()
