"""The frame of a journal entry: how received bytes lie on disk.

    length  u32   bytes of the body
    check   u32   CRC-32 of length and body (ISO 3309, as zlib)
    body          received_at_us i64, length of source u16, source UTF-8, bytes as received

All little endian. A length of zero never occurs, so that a run of zeros (a page the disk never wrote) is no frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from kuroshio.units import UtcMicros

HEAD = struct.Struct("<II")
BODY = struct.Struct("<qH")
LENGTH = struct.Struct("<I")
ENTRY_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True)
class Entry:
    """One received chunk of bytes; ``position`` is that of the entry after it."""

    position: int
    source: str
    received_at_us: UtcMicros
    data: bytes


def framed(source: str, received_at_us: UtcMicros, data: bytes) -> bytes:
    """Frame of one entry."""
    name = source.encode()
    body_length = BODY.size + len(name) + len(data)
    length = LENGTH.pack(body_length)
    body = b"".join((BODY.pack(received_at_us, len(name)), name, data))
    return b"".join((length, LENGTH.pack(zlib.crc32(body, zlib.crc32(length))), body))


def read_frames(buffer: memoryview, start: int, base: int) -> Iterator[Entry]:
    """Entries of a buffer from an offset until the first place that is not a whole frame.

    Parameters
    ----------
    buffer
        Bytes of a segment.
    start
        Offset of the first frame.
    base
        Position of offset 0 in the journal.
    """
    offset = start
    while True:
        end = frame_end(buffer, offset)
        if end is None:
            return
        received_at_us, name_length = BODY.unpack_from(buffer, offset + HEAD.size)
        name_at = offset + HEAD.size + BODY.size
        source = bytes(buffer[name_at : name_at + name_length]).decode()
        yield Entry(base + end, source, received_at_us, bytes(buffer[name_at + name_length : end]))
        offset = end


def frame_end(buffer: memoryview, offset: int) -> int | None:
    """Offset after the whole and undamaged frame at an offset, or None."""
    if offset + HEAD.size > len(buffer):
        return None
    length, check = HEAD.unpack_from(buffer, offset)
    end = offset + HEAD.size + length
    if not BODY.size <= length <= ENTRY_LIMIT or end > len(buffer):
        return None
    found = zlib.crc32(buffer[offset + HEAD.size : end], zlib.crc32(buffer[offset : offset + LENGTH.size]))
    if found != check:
        return None
    name_length = BODY.unpack_from(buffer, offset + HEAD.size)[1]
    return end if BODY.size + name_length <= length else None
