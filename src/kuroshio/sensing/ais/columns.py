"""From message rows to Arrow tables of the schema: the only place where the engine's arrays become columns.

What enters: the buffer, records, message rows. What leaves: one table a family that has rows, dictionary columns
built from what the rows name, and the table of rejects with its reasons in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kuroshio.schema import MANAGEMENT, REJECTS
from kuroshio.sensing.ais import contents, cut, extract, fieldtext
from kuroshio.sensing.ais import records as scan
from kuroshio.sensing.ais.clocks import CLOCKS
from kuroshio.sensing.ais.layouts import LAYOUTS
from kuroshio.sensing.ais.program import FAMILIES, OWNERS, Family, Output

RAW_CUT = 4096  # bytes of a rejected line that are kept
_STAMP = pa.timestamp("us", tz="UTC")
_CLOCK_NAMES = pa.array(CLOCKS)
_REASON_NAMES = pa.array(scan.REASONS)
_PARTS = pa.array(["A", "B"])
_DATA = np.array(
    [
        (layout.starts.get("data", 0), sum(item.bits for item in layout.tail))
        for layout in LAYOUTS
    ],
    np.int64,
)  # fmt: skip
_MANAGED = fieldtext.field_table(
    [layout.fields if layout.family == MANAGEMENT.name else None for layout in LAYOUTS],
    scaled=False,
    skip=frozenset({"type", "repeat", "mmsi"}),
)


@dataclass
class Batch:
    """What one window gives to the columns."""

    buf: npt.NDArray[np.uint8]
    rec: npt.NDArray[np.int64]
    messages: npt.NDArray[np.int64]
    found: int
    source: pa.Array
    codes: npt.NDArray[np.int32]  # channel codes: all -1 between uses, 65536 long
    room: cut.Scratch
    received_us: int = -1
    hint_us: int = -1


def _bitmap(rows: int) -> npt.NDArray[np.uint8]:
    return np.zeros((rows + 7) // 8 + 8, np.uint8)


_NOTHING = np.zeros(1 << 16, np.int64)
_NOTHING.flags.writeable = False


def _zeros(rows: int) -> Any:
    """At least so many zeros that nobody writes: the data of columns that say nothing."""
    return _NOTHING if rows <= _NOTHING.size else np.zeros(rows, np.int64)


@cache
def _nulls(type_: pa.DataType) -> pa.Array:
    return pa.nulls(_NOTHING.size, type_)


def _absent(type_: pa.DataType, rows: int) -> pa.Array:
    """Nulls that share one buffer."""
    return _nulls(type_).slice(0, rows) if rows <= _NOTHING.size else pa.nulls(rows, type_)


def _array(type_: pa.DataType, rows: int, valid: npt.NDArray[np.uint8] | None, nulls: int, *data: Any) -> pa.Array:
    held = pa.py_buffer(valid) if valid is not None and nulls else None
    return pa.Array.from_buffers(type_, rows, [held, *(pa.py_buffer(d) for d in data)], nulls)


def _labels(
    ids: npt.NDArray[np.int32], rows: int, valid: npt.NDArray[np.uint8] | None, nulls: int, words: pa.Array
) -> pa.Array:
    return pa.DictionaryArray.from_arrays(_array(pa.int32(), rows, valid, nulls, ids), words)


def tables(batch: Batch) -> dict[str, pa.Table]:
    """Table of each family that has rows."""
    made: dict[str, pa.Table] = {}
    rows, counts = np.empty((len(FAMILIES), batch.found), np.int64), np.empty(len(FAMILIES), np.int64)
    cut.split(batch.messages, batch.found, OWNERS, rows, counts)
    for family, members, count in zip(FAMILIES.values(), rows, counts.tolist(), strict=True):
        if count:
            made[family.table.name] = _table(batch, family, members, count)
    return made


def _table(batch: Batch, family: Family, rows: npt.NDArray[np.int64], count: int) -> pa.Table:
    stride = count | 15  # columns that do not share cache sets
    raw = batch.room.raw[: len(family.slots) * stride].reshape(len(family.slots), stride)
    cut.extract(batch.buf, batch.rec, batch.messages, rows, count, family.bits, batch.room, raw)
    layouts = np.empty(count, np.int64)
    columns = _envelope(batch, rows, count, layouts)
    if "to_bow" in family.slots:
        extract.no_dimensions(raw, family.slots.index("to_bow"), count)
    _numbers(batch, family, raw, layouts, count, stride, columns)
    for output in family.texts:
        columns[output.name] = _texts(batch, output, rows, count)
    if family.table.name == "base_stations":
        columns["utc_at"] = _utc(raw, family, count)
    elif family.table.name == "statics":
        columns["part"] = _part(raw, family, count)
    elif family.table.name == "management":
        columns["content"] = _content(batch, rows, count)
    elif family.table.name == "binary":
        columns |= _payload(batch, rows, count)
        columns["content"] = _contents(batch, family, raw, rows, count)
    return pa.Table.from_arrays([columns[name] for name in family.schema.names], schema=family.schema)


def _numbers(
    batch: Batch,
    family: Family,
    raw: npt.NDArray[np.int32],
    layouts: npt.NDArray[np.int64],
    count: int,
    stride: int,
    columns: dict[str, pa.Array],
) -> None:
    """Numeric columns, by one kernel into one array a width."""
    plan, size = family.plan, (count + 7) // 8
    groups = np.bincount(np.where(plan.how == 1, 0, plan.how), minlength=6)
    reals = np.empty((groups[0], stride), np.float64)
    bytes1, bytes2 = np.empty((groups[2], stride), np.uint8), np.empty((groups[3], stride), np.uint16)
    bytes4 = np.empty((groups[4], stride), np.int32)
    flags, valid = np.empty((groups[5], size), np.uint8), np.empty((len(plan.how), size), np.uint8)
    nulls = np.empty(len(plan.how), np.int64)
    extract.values(
        raw, layouts, count, plan, family.bits.start, batch.room, reals, bytes1, bytes2, bytes4, flags, valid, nulls
    )
    held = (reals, reals, bytes1, bytes2, bytes4, flags)
    missing = nulls.tolist()
    for c, (how, dest) in enumerate(zip(plan.how.tolist(), plan.dest.tolist(), strict=True)):
        name, type_ = _HEAD[c] if c < 3 else (family.numbers[c - 3].name, family.numbers[c - 3].type)
        columns[name] = _array(type_, count, valid[c], missing[c], held[how][dest])


_HEAD = (("mmsi", pa.uint32()), ("msg_type", pa.uint8()), ("repeat", pa.uint8()))


def _envelope(
    batch: Batch, rows: npt.NDArray[np.int64], count: int, layouts: npt.NDArray[np.int64]
) -> dict[str, pa.Array]:
    longs, ints = np.empty((3, count), np.int64), np.empty((2, count), np.int32)
    times, lines, names = longs
    clocks, channels = ints
    bits = np.empty(count, np.uint16)
    maps = np.zeros((3, (count + 7) // 8), np.uint8)
    checked, timed, tuned = maps
    untimed, named = extract.envelope(
        batch.rec, batch.messages, rows, count, batch.received_us, batch.hint_us, layouts,
        times, clocks, lines, channels, names, bits, checked, timed, batch.room,
    )  # fmt: skip
    seen = np.empty(256, np.int64)
    ids, unheard = extract.intern_codes(channels, count, batch.codes, seen, tuned)
    words = pa.array([_channel(code) for code in seen[:ids].tolist()], pa.string())
    if batch.received_us >= 0:
        received = _array(_STAMP, count, None, 0, np.full(count, batch.received_us, np.int64))
    else:
        received = _absent(_STAMP, count)
    return {
        "observed_at": _array(_STAMP, count, timed, untimed, times),
        "time_source": _labels(clocks, count, timed, untimed, _CLOCK_NAMES),
        "received_at": received,
        "source": _labels(_zeros(count), count, None, 0, batch.source),
        "station": _stations(batch, names, count, named),
        "channel": _labels(channels, count, tuned, unheard, words),
        "line": _array(pa.int64(), count, None, 0, lines),
        "checksum_ok": _array(pa.bool_(), count, None, 0, checked),
        "bits": _array(pa.uint16(), count, None, 0, bits),
    }


def _channel(code: int) -> str:
    return bytes(b for b in (code >> 8, code & 255) if b).decode("latin-1")


def _stations(batch: Batch, names: npt.NDArray[np.int64], count: int, named: int) -> pa.Array:
    if not named:
        return pa.DictionaryArray.from_arrays(_absent(pa.int32(), count), pa.array([], pa.string()))
    ids, found, size = np.zeros(count, np.int32), -1, 256
    while found < 0:  # few stations as a rule
        size *= 8
        unique, valid = np.empty(size // 2, np.int64), _bitmap(count)
        found = extract.intern_names(batch.buf, names, count, np.full(size, -1, np.int64), unique, ids, valid)
    words = [
        batch.buf[(code >> 8) : (code >> 8) + (code & 255)].tobytes().decode("utf-8", "replace")
        for code in unique[:found].tolist()
    ]
    return _labels(ids, count, valid, count - named, pa.array(words, pa.string()))


def _texts(batch: Batch, output: Output, rows: npt.NDArray[np.int64], count: int) -> pa.Array:
    assert output.text is not None
    room = extract.text_room(batch.rec, batch.messages, rows, count, output.text)
    offsets, out = np.empty(count + 1, np.int32), np.empty(room + 8, np.uint8)
    valid = _bitmap(count)
    nulls = extract.texts(batch.buf, batch.rec, batch.messages, rows, count, output.text, offsets, out, valid)
    return _array(pa.string(), count, valid, nulls, offsets, out[: offsets[count]])


def _utc(raw: npt.NDArray[np.int32], family: Family, count: int) -> pa.Array:
    times, valid = np.empty(count, np.int64), _bitmap(count)
    nulls = extract.utc_times(raw, family.slots.index("utc_year"), count, times, valid)
    return _array(_STAMP, count, valid, nulls, times)


def _part(raw: npt.NDArray[np.int32], family: Family, count: int) -> pa.Array:
    part = raw[family.slots.index("part"), :count]
    return _PARTS.take(pa.array(np.where(part < 0, 0, part), mask=part < 0))


def _content(batch: Batch, rows: npt.NDArray[np.int64], count: int) -> pa.Array:
    room = fieldtext.objects_room(batch.rec, batch.messages, rows, count, _MANAGED)
    offsets, out = np.empty(count + 1, np.int32), np.empty(room, np.uint8)
    fieldtext.objects(batch.buf, batch.rec, batch.messages, rows, count, _MANAGED, offsets, out)
    return _array(pa.string(), count, None, 0, offsets, out[: offsets[count]])


def _payload(batch: Batch, rows: npt.NDArray[np.int64], count: int) -> dict[str, pa.Array]:
    room = extract.payload_room(batch.rec, batch.messages, rows, count)
    offsets, out, sizes = np.empty(count + 1, np.int32), np.empty(room + 8, np.uint8), np.empty(count, np.int64)
    extract.payloads(batch.buf, batch.rec, batch.messages, rows, count, _DATA, offsets, out, sizes)
    return {
        "payload": _array(pa.binary(), count, None, 0, offsets, out[: offsets[count]]),
        "payload_bits": _array(pa.uint16(), count, None, 0, sizes.astype(np.uint16)),
    }


def _contents(
    batch: Batch, family: Family, raw: npt.NDArray[np.int32], rows: npt.NDArray[np.int64], count: int
) -> pa.Array:
    found, valid = np.empty(count, np.int16), _bitmap(count)
    dac, fi, dest, kind = (raw[family.slots.index(name)] for name in ("dac", "fi", "dest_mmsi", "type"))
    room = contents.choose(
        found, batch.rec, batch.messages, rows, count, _DATA, dac, fi, dest, kind, contents.CONTENTS,
        contents.DGNSS_ROW,
    )  # fmt: skip
    offsets, out = np.empty(count + 1, np.int32), np.empty(room + 8, np.uint8)
    nulls = contents.write(
        batch.buf, batch.rec, batch.messages, rows, count, _DATA, found, contents.CONTENTS, contents.DGNSS_ROW,
        offsets, out, valid,
    )  # fmt: skip
    return _array(pa.string(), count, valid, nulls, offsets, out[: offsets[count]])


def rejects(buf: npt.NDArray[np.uint8], rej: npt.NDArray[np.int64], source: pa.Array, received_us: int) -> pa.Table:
    """Rejects of one window, in the order they were decided."""
    count = len(rej)
    rej = rej[np.lexsort((rej[:, scan.R_LINE], rej[:, scan.R_EVENT]))]
    starts, lengths = rej[:, scan.R_START], np.minimum(rej[:, scan.R_LENGTH], RAW_CUT)
    keys, inverse = np.unique(rej[:, [scan.R_REASON, scan.R_A, scan.R_B]], axis=0, return_inverse=True)
    details = pa.array([_detail(*map(int, key)) for key in keys], pa.string())
    stamp = _STAMP
    raw = [buf[s : s + n].tobytes() for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)]  # rare rows
    return pa.Table.from_arrays(
        [
            _labels(np.zeros(count, np.int32), count, None, 0, source),
            pa.array(rej[:, scan.R_LINE]),
            pa.array(np.full(count, received_us), stamp) if received_us >= 0 else pa.nulls(count, stamp),
            _labels(rej[:, scan.R_REASON].astype(np.int32), count, None, 0, _REASON_NAMES),
            details.take(pa.array(inverse.reshape(-1))),
            pa.array(raw, pa.binary()),
        ],
        schema=REJECTS.arrow,
    )


def _detail(reason: int, a: int, b: int) -> str | None:
    """What was expected and found, in words."""
    name = scan.REASONS[reason]
    if name == "checksum":
        return f"computed {a:02X}, the sentence says {b:02X}"
    if name == "checksum_missing":
        return f"computed {a:02X}, the sentence has none"
    if name == "bad_field":
        return (f"{b + 1} fields, expected 7", "part numbers", "fill bits")[a]
    if name == "too_short":
        return f"type {a} with {b} bits"
    if name == "unknown_type":
        return f"type {a} with {b} bits is not defined"
    if name == "bad_payload":
        return f"byte 0x{a:02X} at character {b}"
    if name == "orphan_part":
        return f"part {a} of {b}, the others never came"
    if name == "line_too_long":  # how much longer depends on what was still held of it
        return f"more than {b} bytes"
    if name == "too_many_sentences":
        return f"{a}, the limit is {b}"
    return f"{a} characters" if name == "payload_too_long" else None
