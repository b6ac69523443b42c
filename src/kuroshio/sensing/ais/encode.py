"""Encoder: messages to sentences, as a transponder and a shore receiver would send them.

What enters: mappings with the field names of the layouts (docs/reference/ais-messages.md), raw or SI. What leaves:
NMEA 0183 sentences with checksum, several parts where needed, and tag blocks where asked. It does not schedule
transmissions; `kuroshio.testing` does. `encode_positions` is the array form for many ships at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuroshio.errors import InputError
from kuroshio.sensing.ais.fields import Layout
from kuroshio.sensing.ais.layouts import BY_TYPE
from kuroshio.sensing.ais.pack import armour, pack

PART_CHARS = 60  # IEC 61162-1: a sentence has at most 82 characters


def checksum(body: bytes) -> bytes:
    """Two hexadecimal digits of the exclusive or of all bytes (IEC 61162-1)."""
    value = 0
    for byte in body:
        value ^= byte
    return b"%02X" % value


def tag(fields: Mapping[str, Any]) -> bytes:
    r"""Tag block, ``\s:x,c:1*hh\``, from its parameters in order.

    ``c`` is written as given; ``time_us`` is written as c in seconds, or in milliseconds where they are not zero.

    Source: IEC 61162-450 / NMEA 0183 v4, tag block.
    """
    parts = []
    for key, value in fields.items():
        if value is None:
            continue
        name, text = key, str(value)
        if key == "time_us":
            millis = (int(value) + 500) // 1000
            name, text = "c", str(millis // 1000 if millis % 1000 == 0 else millis)
        if any(c in text for c in "\\*,\r\n") or not text.isascii():
            raise InputError(f"tag block {name}: {text!r} has a character it cannot carry", code="ais.tag_block")
        parts.append(f"{name}:{text}")
    body = ",".join(parts).encode()
    return b"\\" + body + b"*" + checksum(body) + b"\\"


def sentences(
    payload: bytes,
    fill: int,
    *,
    talker: str = "AI",
    formatter: str = "VDM",
    channel: str = "A",
    sequence: int | None = None,
    tag_block: Mapping[str, Any] | None = None,
) -> list[bytes]:
    """Sentences, without line ends, that carry payload characters.

    ``sequence`` 0-9 links the parts of one message; a message of one part has none. In ``tag_block`` the key ``g``
    is a group number: each part then says ``g:part-parts-number``, and the other parameters go with the first.
    """
    parts = [payload[at : at + PART_CHARS] for at in range(0, max(1, len(payload)), PART_CHARS)]
    if len(parts) > 9:
        raise InputError(f"{len(payload)} payload characters need more than 9 sentences", code="ais.length")
    if len(parts) > 1 and sequence is None:
        sequence = 0
    number = b"" if sequence is None or len(parts) == 1 else b"%d" % (sequence % 10)
    lines = []
    for k, part in enumerate(parts, 1):
        last = k == len(parts)
        body = b"%s%s,%d,%d,%s,%s,%s,%d" % (
            talker.encode(), formatter.encode(), len(parts), k, number, channel.encode(), part, fill if last else 0,
        )  # fmt: skip
        lines.append(_tag_of(tag_block, k, len(parts)) + b"!" + body + b"*" + checksum(body))
    return lines


def encode(
    message: Mapping[str, Any],
    *,
    talker: str = "AI",
    channel: str = "A",
    sequence: int | None = None,
    tag_block: Mapping[str, Any] | None = None,
    formatter: str = "VDM",
) -> list[bytes]:
    """Sentences, without line ends, of one message.

    Parameters
    ----------
    message
        ``msg_type`` (or ``type``) 1-27, ``mmsi``, and fields by raw name (``lat``: 1/10000 min) or SI name
        (``lat_deg``); see `kuroshio.sensing.ais.pack.pack`. Fields not given are "not available".
    talker, formatter
        Of the sentence: AI and VDM for a receiver's report, VDO for own ship.
    channel
        A, B or empty.
    sequence
        0-9, links the parts of a message of several.
    tag_block
        ``time_us`` or ``c``, ``s`` (station), ``g`` (group number), ``n``, ``t`` ...

    Raises
    ------
    InputError
        On an unknown type or field, or a value that does not fit.
    """
    payload, fill = armour(*pack(message))
    return sentences(
        payload, fill, talker=talker, formatter=formatter, channel=channel, sequence=sequence, tag_block=tag_block
    )


def encode_position(
    *,
    mmsi: int,
    lat_deg: float | None,
    lon_deg: float | None,
    sog_mps: float | None = None,
    cog_deg: float | None = None,
    heading_deg: float | None = None,
    msg_type: int = 1,
    nav_status: int | None = None,
    utc_second: int | None = None,
    rot_degpmin: float | None = None,
    position_accurate: bool = True,
    talker: str = "AI",
    channel: str = "A",
    tag_block: Mapping[str, Any] | None = None,
    **more: Any,
) -> bytes:
    """Sentence, without line end, of a position report of type 1, 2, 3, 9, 18, 19, 21, 27 from SI values.

    None and NaN are "not available". Speed above the field's greatest value is sent as that value, course and
    heading are taken modulo 360. Fields the type does not carry are left out. ``more`` takes other fields by name.
    """
    message = {
        "msg_type": msg_type, "mmsi": mmsi, "lat_deg": lat_deg, "lon_deg": lon_deg, "sog_mps": sog_mps,
        "cog_deg": cog_deg, "heading_deg": heading_deg, "position_accurate": position_accurate,
        "nav_status": nav_status, "utc_second": utc_second, "rot_degpmin": rot_degpmin,
    }  # fmt: skip
    layout = BY_TYPE[msg_type][0]
    known = {name for item in layout.fields for name in (item.name, item.si)} | {"msg_type"}
    message = {name: _clamped(layout, name, value) for name, value in message.items() if name in known} | more
    return encode(message, talker=talker, channel=channel, tag_block=tag_block)[0]


def _clamped(layout: Layout, name: str, value: Any) -> Any:
    if value is None or name not in {"sog_mps", "cog_deg", "heading_deg"}:
        return value
    item = next(f for f in layout.fields if f.si == name)
    assert item.high is not None
    if name == "sog_mps":
        return min(value, item.high * item.num / item.den)
    turned = value % 360.0
    return 0.0 if turned * item.den + 0.5 >= item.high + 1 else turned


def _tag_of(tag_block: Mapping[str, Any] | None, part: int, parts: int) -> bytes:
    if tag_block is None:
        return b""
    fields = dict(tag_block) if part == 1 else {}
    group = tag_block.get("g")
    fields.pop("g", None)
    if group is not None and parts > 1:
        fields = {"g": f"{part}-{parts}-{group}", **fields}
    return tag(fields) if fields else b""
