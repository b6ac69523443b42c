"""Frames of the wire between two partners: what each carries, and its bytes.

What enters: mappings and bodies. What leaves: bytes, or PeerError. One frame is one type byte, the length of its
canonical JSON header, the header, and a body. ``spec/wire/README.md`` is the contract.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kuroshio.errors import PeerError, VerificationError
from kuroshio.schema.signing import canonical, parse_canonical

WIRE_VERSIONS = (2, 3)  # the last two are spoken; who speaks 3 reads tracks with tracklets
TRACK_FORM_OF = {2: 1, 3: 2}  # newest form of a release of tracks that a partner of a version reads
MAX_HEADER = 64 << 10
MAX_BODY = 16 << 20
_HEAD = struct.Struct(">BI")


class Lane(IntEnum):
    """Ordered lanes of a partner's log, most urgent first."""

    CONTROL = 0  # recall, receipts, policy, checkpoints
    RECORD = 1  # alerts, safety, orders: never dropped, never thinned
    STATE = 2  # tracks: the newest wins


class Type(IntEnum):
    """Types of frame."""

    HELLO = 1  # sender -> receiver: versions, epoch, heads of the lanes, time
    WELCOME = 2  # receiver -> sender: version chosen, positions per lane, time
    ITEM = 3  # sender -> receiver: lane, seq, kind, item id; body is the bundle
    SKIP = 4  # sender -> receiver: lane, from, to, reason: these numbers carry nothing
    ACK = 5  # receiver -> sender: lane, seq: all up to here are durable there
    REFUSE = 6  # receiver -> sender: lane, seq, code: taken notice of and not taken
    BEAT = 7  # either way: time, heads or positions
    BYE = 8  # either way: code


@dataclass(frozen=True)
class Frame:
    """One frame."""

    type: Type
    header: dict[str, Any]
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Bytes on the wire."""
        head = canonical(self.header)
        return _HEAD.pack(self.type, len(head)) + head + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> Frame:
        """Frame of its bytes.

        Raises
        ------
        PeerError
            ``peer.frame`` when it is malformed or beyond the limits.
        """
        if not _HEAD.size <= len(data) <= _HEAD.size + MAX_HEADER + MAX_BODY:
            raise PeerError(f"a frame of {len(data)} bytes", code="peer.frame")
        kind, length = _HEAD.unpack_from(data)
        if length > MAX_HEADER or _HEAD.size + length > len(data):
            raise PeerError("a frame cut short", code="peer.frame")
        try:
            header = parse_canonical(data[_HEAD.size : _HEAD.size + length], limit=MAX_HEADER)
            return cls(Type(kind), header, bytes(data[_HEAD.size + length :]))
        except (VerificationError, ValueError) as err:
            raise PeerError(f"frame of type {kind}: {err}", code="peer.frame") from err

    def whole(self, name: str, *, least: int = 0) -> int:
        """Whole number of a header field.

        Raises
        ------
        PeerError
            When it is missing, not a whole number, or below the least.
        """
        value = self.header.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise PeerError(f"{self.type.name.lower()}: field {name} is {value!r}", code="peer.field")
        return value

    def lane(self) -> Lane:
        """Lane the frame speaks of."""
        value = self.whole("lane")
        if value not in tuple(Lane):
            raise PeerError(f"no lane {value}", code="peer.field")
        return Lane(value)

    def lanes(self, name: str) -> dict[Lane, int]:
        """One whole number a lane."""
        value = self.header.get(name)
        good = isinstance(value, list) and len(value) == len(Lane)
        if not good or not all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in value or ()):
            raise PeerError(f"{self.type.name.lower()}: field {name} is {value!r}", code="peer.field")
        return {lane: int(value[lane]) for lane in Lane}  # type: ignore[index]


def item_id_of(body: bytes) -> str:
    """Content id of an item: what is deduplicated for ever."""
    import hashlib

    return hashlib.sha256(body).hexdigest()
