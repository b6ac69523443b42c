"""One message between its payload bits and a mapping of field names: the plain form of what the byte engine does.

What enters: a mapping of raw or SI values, or payload characters. What leaves: payload characters, or a mapping with
every field raw, spare bits included, so that packing it again gives the same bits. For one message at a time; the
byte engine decodes streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuroshio.errors import InputError
from kuroshio.sensing.ais.fields import TEXT_ALPHABET, Field, Layout
from kuroshio.sensing.ais.layouts import choose, choose_for

MAX_BITS = 1064  # ITU-R M.1371-5, message 26: five slots
ARMOUR = bytes(48 + v if v < 40 else 56 + v for v in range(64))  # IEC 61162-1, 6-bit field encoding
_VALUE = {c: v for v, c in enumerate(ARMOUR)}
_CHAR = {c: v for v, c in enumerate(TEXT_ALPHABET)}


def pack(message: Mapping[str, Any]) -> tuple[int, int]:
    """Payload of a mapping as an integer and its number of bits.

    Parameters
    ----------
    message
        ``type`` (or ``msg_type``) and ``mmsi``; each other field by its raw name (integer) or its SI name (float);
        text as str, flags as bool. A field not given, or None, is sent as "not available". ``bits`` asks for
        a total length (the tail is then cut, or zero); ``rest`` is the integer in the bits beyond the layout.

    Raises
    ------
    InputError
        On an unknown type or field, or a value that does not fit.
    """
    layout = choose_for(message)
    value, bits = 0, 0
    limit, wanted = _length(layout, message), message.get("bits")
    tail = layout.tail if wanted is None or wanted >= layout.min_bits else ()  # a stump has no tail
    room = 1 << 30 if wanted is None else wanted - sum(item.bits for item in tail)
    for item in layout.fields:
        if limit is not None and bits >= limit:
            break
        raw, width = _field(item, layout, message)
        if bits + width > room and item.kind == "t":  # a text that was cut keeps its whole characters
            chars = (room - bits) // 6
            raw, width = raw >> (width - 6 * chars), 6 * chars
        if bits + width > room:
            break
        value, bits = (value << width) | raw, bits + width
    for item in tail:
        raw, width = _field(item, layout, message)
        value, bits = (value << width) | raw, bits + width
    if wanted is None and (layout.cuts or layout.has("name_extension")):
        wanted = -(-bits // 8) * 8
    if wanted is not None and wanted > bits:
        value, bits = (value << (wanted - bits)) | int(message.get("rest", 0)), wanted
    if bits > MAX_BITS:
        raise InputError(f"message type {layout.types[0]} is {bits} bits, more than {MAX_BITS}", code="ais.length")
    return value, bits


def unpack(value: int, bits: int) -> dict[str, Any] | None:
    """Every field of a payload, raw: integers, flags as bool, text with its padding, data as bytes.

    A field that the payload is too short for is left out. None where the type has no layout.
    """
    if bits < 38:
        return None
    layout = choose(value >> (bits - 6), value, bits)
    if layout is None:
        return None
    message: dict[str, Any] = {"bits": bits}
    if layout.variant:
        message["variant"] = layout.variant
    tail = layout.tail if bits >= layout.min_bits else ()
    end = bits - sum(item.bits for item in tail)
    at = 0
    for item in layout.fields:
        width = item.bits or max(0, end - at)
        if item.kind == "t":
            width = min(width, max(0, end - at)) // 6 * 6
        if at + width > end:
            break
        raw = (value >> (bits - at - width)) & ((1 << width) - 1)
        message[item.name] = _raw(item, raw, width)
        if item.kind == "d":
            message["data_bits"] = width
        at += width
    if not tail and at < end:
        message["rest"] = value & ((1 << (end - at)) - 1)
    for item in tail:
        end += item.bits
        message[item.name] = _raw(item, (value >> (bits - end)) & ((1 << item.bits) - 1), item.bits)
    return message


def armour(value: int, bits: int) -> tuple[bytes, int]:
    """Payload characters of so many bits, and the number of fill bits in the last one."""
    chars = -(-bits // 6)
    fill = chars * 6 - bits
    value <<= fill
    return bytes(ARMOUR[(value >> (6 * (chars - 1 - k))) & 63] for k in range(chars)), fill


def unarmour(payload: bytes, fill: int) -> tuple[int, int]:
    """Integer and number of bits of payload characters.

    Raises
    ------
    InputError
        On a character outside the 6-bit set.
    """
    value = 0
    for char in payload:
        if char not in _VALUE:
            raise InputError(f"payload character {chr(char)!r} is not six-bit", code="ais.payload")
        value = (value << 6) | _VALUE[char]
    return value >> fill, max(0, 6 * len(payload) - fill)


def _length(layout: Layout, message: Mapping[str, Any]) -> int | None:
    if not layout.cuts:
        return None
    used = layout.cuts[0]
    for item in layout.fields:
        if message.get(item.name) is not None or (item.si and message.get(item.si) is not None):
            used = max(used, layout.starts[item.name] + item.bits)
    return next((cut for cut in layout.cuts if cut >= used), layout.bits)


def _field(item: Field, layout: Layout, message: Mapping[str, Any]) -> tuple[int, int]:
    given = message.get(item.name)
    if item.kind == "t":
        return _text(item, given)
    if item.kind == "d":
        return _data(given, message.get("data_bits"))
    start = layout.starts.get(item.name)
    chosen = next((wanted for at, _, wanted in layout.when if at == start), None)
    if item.name == "type":
        given = message.get("msg_type", given)
    elif chosen is not None:
        given = chosen
    elif given is None and item.si and item.si in message:
        given = item.from_si(message[item.si])
    if given is None:
        if item.name == "mmsi":
            raise InputError("a message needs an mmsi", code="ais.field")
        given = item.default
    raw = int(given)
    low, high = (0, item.raw_max) if item.kind in "xb" else (item.raw_min, item.raw_max)
    if not low <= raw <= high:
        raise InputError(f"field {item.name}: {given!r} is outside {low}..{high}", code="ais.range")
    return raw & ((1 << item.bits) - 1), item.bits


def _text(item: Field, given: str | None) -> tuple[int, int]:
    text = (given or "").upper()
    chars = item.bits // 6 if item.bits else len(text)
    if len(text) > chars:
        raise InputError(f"field {item.name}: {given!r} is longer than {chars} characters", code="ais.range")
    value = 0
    for char in text.ljust(chars, "@"):
        if char not in _CHAR:
            raise InputError(f"field {item.name}: {char!r} is not in the six-bit alphabet", code="ais.text")
        value = (value << 6) | _CHAR[char]
    return value, chars * 6


def _data(given: bytes | None, bits: int | None) -> tuple[int, int]:
    data = given or b""
    bits = len(data) * 8 if bits is None else bits
    if not 0 <= bits <= len(data) * 8:
        raise InputError(f"data_bits {bits} is outside the {len(data)} bytes given", code="ais.range")
    return int.from_bytes(data, "big") >> (len(data) * 8 - bits), bits


def _raw(item: Field, raw: int, width: int) -> int | bool | str | bytes:
    if item.kind == "i":
        return raw - (1 << width) if raw >> (width - 1) else raw
    if item.kind == "b":
        return bool(raw)
    if item.kind == "t":
        chars = width // 6
        raw >>= width - chars * 6
        return "".join(TEXT_ALPHABET[(raw >> (6 * (chars - 1 - k))) & 63] for k in range(chars))
    if item.kind == "d":
        size = -(-width // 8)
        return (raw << (size * 8 - width)).to_bytes(size, "big")
    return raw
