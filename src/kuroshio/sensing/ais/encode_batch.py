"""Position reports of many ships at once: arrays in, the bytes of a feed out.

What enters: SI arrays by column name, as the schema's positions have them. What leaves: sentences with line ends,
one a row, in order. Same bits as `kuroshio.sensing.ais.encode.encode_position`, at a few million a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kuroshio.errors import InputError
from kuroshio.sensing.ais.fields import ROT_FACTOR, Field, Layout
from kuroshio.sensing.ais.kernels import Bytes, inner, kernel
from kuroshio.sensing.ais.layouts import BY_TYPE
from kuroshio.sensing.ais.pack import ARMOUR

_ARMOUR = np.frombuffer(ARMOUR, np.uint8)
_HEX = np.frombuffer(b"0123456789ABCDEF", np.uint8)
_ROOM = 160  # bytes a row may need: tag block of 80 and a sentence of 80
_ENDED_TYPES = frozenset({1, 2, 3, 9, 18, 27})


def encode_positions(
    columns: Mapping[str, Any],
    *,
    msg_type: int = 1,
    talker: str = "AI",
    channel: str = "A",
    station: str | None = None,
    time_us: npt.ArrayLike | None = None,
) -> bytes:
    """Feed of position reports, one CR LF ended sentence a row.

    Parameters
    ----------
    columns
        ``mmsi`` and any fields of the type by SI or raw name, each an array or a scalar; NaN is "not available".
        Speed is cut at the field's greatest value; course and heading are taken modulo 360.
    msg_type
        1, 2, 3, 9, 18 or 27.
    station, time_us
        Written as tag block ``s`` and ``c`` (seconds, or milliseconds where they are not zero); none if both None.

    Raises
    ------
    InputError
        On another type, an unknown column, or a value outside its field.
    """
    if msg_type not in _ENDED_TYPES:
        raise InputError(f"type {msg_type} is not a position report of fixed length", code="ais.type")
    layout = BY_TYPE[msg_type][0]
    rows = len(np.atleast_1d(np.asarray(columns["mmsi"])))
    raw = _raw_columns(columns, layout, msg_type, rows)
    widths = np.array([item.bits for item in layout.fields], np.int64)
    head = f"{talker}VDM,1,1,,{channel},".encode()
    stamp = np.zeros(0, np.int64) if time_us is None else np.broadcast_to(np.asarray(time_us, np.int64), (rows,)).copy()
    name = b"" if station is None else station.encode()
    if len(name) > 40 or any(c in b"\\*,\r\n" for c in name):
        raise InputError(f"station {station!r} cannot stand in a tag block", code="ais.tag_block")
    out = np.empty(rows * _ROOM, np.uint8)
    size = _write(
        raw, widths, np.frombuffer(head, np.uint8), np.frombuffer(name or b"", np.uint8), stamp, out, _ARMOUR, _HEX
    )
    return out[:size].tobytes()


def _raw_columns(columns: Mapping[str, Any], layout: Layout, msg_type: int, rows: int) -> npt.NDArray[np.int64]:
    raw = np.empty((rows, len(layout.fields)), np.int64)
    known = {"msg_type"}
    for at, item in enumerate(layout.fields):
        known |= {item.name, item.si}
        if item.name == "type":
            raw[:, at] = msg_type
        elif item.name in columns:
            raw[:, at] = np.asarray(columns[item.name])
        elif item.si and item.si in columns:
            raw[:, at] = _from_si(item, np.asarray(columns[item.si], np.float64))
        else:
            raw[:, at] = item.default
        low = 0 if item.kind in "xb" else item.raw_min
        wrong = (raw[:, at] < low) | (raw[:, at] > item.raw_max)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise InputError(f"field {item.name}, row {row}: {raw[row, at]} does not fit", code="ais.range")
    unknown = set(columns) - known
    if unknown:
        raise InputError(f"message type {msg_type} has no field {sorted(unknown)}", code="ais.field")
    return raw


def _from_si(item: Field, value: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    absent = np.isnan(value)
    held = np.where(absent, 0.0, value)
    if item.si == "rot_degpmin":
        raw = np.copysign(np.minimum(126.0, np.floor(ROT_FACTOR * np.sqrt(np.abs(held)) + 0.5)), held)
    elif item.si in {"cog_deg", "heading_deg"}:
        assert item.high is not None
        raw = np.floor((held % 360.0) * item.den + 0.5) % (item.high + 1)
    else:
        raw = np.floor(held * item.den / item.num + 0.5)
    if item.si == "sog_mps":
        assert item.high is not None
        raw = np.minimum(raw, item.high)
    low, high = item.raw_min if item.low is None else item.low, item.raw_max if item.high is None else item.high
    wrong = ~absent & ((raw < low) | (raw > high))
    if wrong.any():
        row = int(np.flatnonzero(np.atleast_1d(wrong))[0])
        raise InputError(f"field {item.si}, row {row}: {np.atleast_1d(value)[row]} does not fit", code="ais.range")
    return np.where(absent, item.default, raw).astype(np.int64)


@inner
def _digits(value: int, out: Bytes, at: int) -> int:
    size, rest = 1, value // 10
    while rest > 0:
        size, rest = size + 1, rest // 10
    for k in range(size):
        out[at + size - 1 - k] = 48 + value % 10
        value //= 10
    return at + size


@inner
def _sum(out: Bytes, start: int, at: int, hexa: Bytes) -> int:
    value = 0
    for k in range(start, at):
        value ^= out[k]
    out[at], out[at + 1], out[at + 2] = 42, hexa[value >> 4], hexa[value & 15]
    return at + 3


@kernel
def _write(
    raw: npt.NDArray[np.int64],
    widths: npt.NDArray[np.int64],
    head: Bytes,
    station: Bytes,
    stamp: npt.NDArray[np.int64],
    out: Bytes,
    armour: Bytes,
    hexa: Bytes,
) -> int:
    at = 0
    for row in range(raw.shape[0]):
        if station.size > 0 or stamp.size > 0:
            out[at] = 92
            at += 1
            start = at
            if station.size > 0:
                out[at], out[at + 1] = 115, 58
                for k in range(station.size):
                    out[at + 2 + k] = station[k]
                at += 2 + station.size
            if stamp.size > 0:
                if station.size > 0:
                    out[at] = 44
                    at += 1
                out[at], out[at + 1] = 99, 58
                millis = (stamp[row] + 500) // 1000
                at = _digits(millis // 1000 if millis % 1000 == 0 else millis, out, at + 2)
            at = _sum(out, start, at, hexa)
            out[at] = 92
            at += 1
        out[at] = 33
        start = at + 1
        for k in range(head.size):
            out[start + k] = head[k]
        at = start + head.size
        held, count = 0, 0
        for k in range(widths.size):
            width = widths[k]
            held = (held << width) | (raw[row, k] & ((1 << width) - 1))
            count += width
            while count >= 6:
                count -= 6
                out[at] = armour[(held >> count) & 63]
                at += 1
            held &= (1 << count) - 1
        fill = (6 - count) % 6
        if count > 0:
            out[at] = armour[(held << fill) & 63]
            at += 1
        out[at], out[at + 1] = 44, 48 + fill
        at = _sum(out, start, at + 2, hexa)
        out[at], out[at + 1] = 13, 10
        at += 2
    return at
