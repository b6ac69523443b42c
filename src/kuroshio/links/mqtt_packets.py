"""The part of MQTT 3.1.1 that a subscriber speaks, as bytes: no socket, no clock.

What enters: values to send, and packets as read. What leaves: packets to send, and what a broker says. Publishing,
wills and QoS 2 are not here: a sensor feed is read. Source: MQTT Version 3.1.1, OASIS Standard, 29 October 2014
(ISO/IEC 20922:2016); clauses beside the numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kuroshio.errors import LinkError

# 2.2.1, control packet types
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14
LENGTH_BYTES_MAX = 4  # 2.2.3
REFUSALS = {  # 3.2.2.3
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses the client_id",
    3: "its service is unavailable",
    4: "user or key is wrong",
    5: "it does not authorise this client",
}
SUBSCRIPTION_REFUSED = 0x80  # 3.9.3


@dataclass(frozen=True)
class Publish:
    """One message of a broker; ``packet_id`` is 0 for QoS 0, which wants no answer."""

    topic: str
    payload: bytes
    packet_id: int


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A control packet (2.2)."""
    length, size = bytearray(), len(body)
    while True:
        size, digit = divmod(size, 128)[0], size % 128
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([kind << 4 | flags]) + bytes(length) + body


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def connect(
    client_id: str, *, keep_alive_s: int, clean: bool, user: str | None = None, key: str | None = None
) -> bytes:
    """CONNECT (3.1); a session that is not ``clean`` is kept by the broker while the client is away."""
    flags = (0x02 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if user is not None and key else 0)
    body = _text("MQTT") + bytes([4, flags]) + struct.pack("!H", keep_alive_s) + _text(client_id)
    if user is not None:
        body += _text(user) + (_text(key) if key else b"")
    return packet(CONNECT, body)


def subscribe(packet_id: int, topics: Sequence[str], qos: int) -> bytes:
    """SUBSCRIBE (3.8)."""
    return packet(SUBSCRIBE, struct.pack("!H", packet_id) + b"".join(_text(t) + bytes([qos]) for t in topics), flags=2)


def puback(packet_id: int) -> bytes:
    """PUBACK (3.4)."""
    return packet(PUBACK, struct.pack("!H", packet_id))


def check_connack(body: bytes) -> None:
    """LinkError unless the broker accepts the connection (3.2)."""
    if len(body) != 2:
        raise LinkError("not a broker: its first answer is malformed", code="link.mqtt")
    if body[1]:
        raise LinkError(f"the broker refuses: {REFUSALS.get(body[1], f'code {body[1]}')}", code="link.mqtt")


def check_suback(body: bytes, topics: Sequence[str]) -> None:
    """LinkError when the broker refuses one of the topics (3.9)."""
    codes = body[2:]
    refused = [topic for topic, code in zip(topics, codes, strict=False) if code == SUBSCRIPTION_REFUSED]
    if refused or len(codes) != len(topics):
        raise LinkError(f"the broker refuses topic {(refused or list(topics))[0]!r}", code="link.mqtt")


def read_publish(flags: int, body: bytes) -> Publish:
    """Message of a PUBLISH packet (3.3); LinkError when it is malformed or of QoS 2, which was not asked for."""
    qos = flags >> 1 & 3
    if len(body) < 2 or qos > 1:
        raise LinkError("malformed message from the broker", code="link.mqtt")
    size = struct.unpack_from("!H", body)[0]
    at = 2 + size + (2 if qos else 0)
    if at > len(body):
        raise LinkError("malformed message from the broker", code="link.mqtt")
    packet_id = struct.unpack_from("!H", body, 2 + size)[0] if qos else 0
    return Publish(body[2 : 2 + size].decode("utf-8", "replace"), body[at:], packet_id)
