"""Captured traffic: the UDP payloads of a pcap or pcapng file, each given to the decoder of its format.

What enters: bytes of a capture cut anywhere. What leaves: what the inner decoder makes of each datagram, with the
time of capture as arrival. TCP streams are not joined: those packets are comments. Fragments of IP are rejects.
Sources: draft-ietf-opsawg-pcap (pcap), draft-ietf-opsawg-pcapng (pcapng), tcpdump.org link-layer types.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from kuroshio.errors import ConfigError
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import Outcome

MAX_PACKET_BYTES = 262_144
PIECE_BYTES = 65_536
HEAD_BYTES = 12  # of a record: what is held of it when its lengths are read
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1), b"\xa1\xb2\xc3\xd4": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1000), b"\xa1\xb2\x3c\x4d": (">", 1000),
}  # fmt: skip
_SECTION, _INTERFACE, _ENHANCED, _SIMPLE = 0x0A0D0D0A, 1, 6, 3
_NULL, _ETHERNET, _RAW, _SLL, _SLL2, _IPV4, _IPV6 = 0, 1, 101, 113, 276, 228, 229
_UDP = 17


class PcapDecoder:
    """Decoder of a capture file (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    inner
        Format of the payloads, such as ``asterix`` or ``aivdm``.
    options
        Options of the inner format.
    port
        UDP destination port to take; None takes all.

    Raises
    ------
    ConfigError
        When the inner format cannot be opened.
    """

    def __init__(
        self, source: str, *, inner: str = "asterix", options: Mapping[str, Any] | None = None, port: int | None = None
    ) -> None:
        from kuroshio.sensing.formats import open_decoder  # the registry knows this module: no import at the top

        if inner == "pcap":
            raise ConfigError(f"source {source}: a capture within a capture", code="format.value")
        settings = dict(options or {})
        if inner == "asterix":
            settings.setdefault("framing", "datagram")
        self._inner = open_decoder(inner, source, settings)
        self.source, self.port = source, port
        self._held = b""
        self._order = ""
        self._ns_per_unit = 1000
        self._link = -1
        self._next_generation = False
        self._interfaces: list[tuple[int, int]] = []  # link type, units a second
        self._broken = False
        self._packets = 0

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """What the payloads of the packets that end within these bytes give."""
        outcome, parts = Outcome(self.source, received_at_us), list[Decoded]()
        for start in range(0, len(data), PIECE_BYTES):  # small pieces, for what is held is cut at each packet
            self._held += data[start : start + PIECE_BYTES]
            while not self._broken:
                used = self._record(outcome, parts)
                if used == 0:
                    break
                self._held = self._held[used:]
            if self._broken:
                self._held = b""
                break
        return Decoded.join([*parts, outcome.finish(int(bool(self._held)))])

    def flush(self) -> Decoded:
        """Decide what is held: a packet that never ended is a reject."""
        outcome = Outcome(self.source)
        if self._held:
            self._reject(outcome, "cut_packet", f"{len(self._held)} bytes", self._held)
            self._held = b""
        return Decoded.join([self._inner.flush(), outcome.finish(0)])

    def _reject(self, outcome: Outcome, reason: str, detail: str, raw: bytes) -> None:
        self._packets += 1
        outcome.decoded.ledger.lines += 1
        outcome.reject(self._packets, reason, detail, raw)

    def _comment(self, outcome: Outcome) -> None:
        self._packets += 1
        outcome.decoded.ledger.lines += 1
        outcome.decoded.ledger.comments += 1

    def _break(self, outcome: Outcome, detail: str) -> int:
        """Give the rest of the file up: its lengths can no longer be trusted."""
        self._reject(outcome, "not_pcap", detail, self._held[:HEAD_BYTES])
        self._broken = True
        return 0

    def _record(self, outcome: Outcome, parts: list[Decoded]) -> int:
        """Bytes used by the record at the front, 0 where it is not whole."""
        if len(self._held) < 24 and not (self._order and len(self._held) >= 16):
            return 0
        if not self._order:
            return self._file_header(outcome)
        if self._next_generation:
            return self._block(outcome, parts)
        seconds, part, kept, _ = struct.unpack_from(self._order + "IIII", self._held)
        if kept > MAX_PACKET_BYTES:
            return self._break(outcome, f"packet of {kept} bytes")
        if len(self._held) < 16 + kept:
            return 0
        at_us = seconds * 1_000_000 + part * self._ns_per_unit // 1000
        self._packet(self._held[16 : 16 + kept], self._link, at_us, outcome, parts)
        return 16 + int(kept)

    def _file_header(self, outcome: Outcome) -> int:
        magic = self._held[:4]
        if magic == b"\x0a\x0d\x0d\x0a":
            self._next_generation = True
            self._order = "<" if self._held[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            return self._block(outcome, [])
        if magic not in _MAGIC:
            return self._break(outcome, f"begins with {magic!r}")
        self._order, nano = _MAGIC[magic]
        self._ns_per_unit = 1 if nano == 1000 else 1000
        self._link = struct.unpack_from(self._order + "I", self._held, 20)[0] & 0x0FFFFFFF
        return 24

    def _block(self, outcome: Outcome, parts: list[Decoded]) -> int:
        """One block of a pcapng file."""
        if len(self._held) < 12:
            return 0
        if self._held[:4] == b"\x0a\x0d\x0d\x0a":
            self._order = "<" if self._held[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            self._interfaces = []
        kind, size = struct.unpack_from(self._order + "II", self._held)
        if size < 12 or size % 4 or size > 2 * MAX_PACKET_BYTES:
            return self._break(outcome, f"block of {size} bytes")
        if len(self._held) < size:
            return 0
        body = self._held[8 : size - 4]
        if kind == _INTERFACE and len(body) >= 8:
            self._interfaces.append((struct.unpack_from(self._order + "H", body)[0], self._units(body[8:])))
        elif kind == _ENHANCED and len(body) >= 20:
            interface, high, low, kept = struct.unpack_from(self._order + "IIII", body)
            if interface < len(self._interfaces) and kept <= len(body) - 20:
                link, units = self._interfaces[interface]
                at_us = ((high << 32) | low) * 1_000_000 // units
                self._packet(body[20 : 20 + kept], link, at_us, outcome, parts)
            else:
                self._reject(outcome, "bad_packet", f"interface {interface}, {kept} bytes", body)
        elif kind == _SIMPLE and len(body) >= 4 and self._interfaces:
            self._packet(body[4:], self._interfaces[0][0], None, outcome, parts)
        return int(size)

    def _units(self, options: bytes) -> int:
        """Units of time a second of an interface (option if_tsresol), a million where it does not say."""
        while len(options) >= 4:
            code, size = struct.unpack_from(self._order + "HH", options)
            if code == 9 and size >= 1 and len(options) >= 5:
                value = options[4]
                return int(2 ** (value & 127)) if value & 128 else int(10 ** min(value, 12))
            if code == 0:
                break
            options = options[4 + (size + 3) // 4 * 4 :]
        return 1_000_000

    def _packet(self, frame: bytes, link: int, at_us: int | None, outcome: Outcome, parts: list[Decoded]) -> None:
        found = datagram(frame, link)
        if isinstance(found, str):
            self._reject(outcome, found, f"link type {link}", frame)
        elif found is None or (self.port is not None and found[0] != self.port):
            self._comment(outcome)
        else:
            self._packets += 1
            parts.append(self._inner.feed(found[1], at_us))


def datagram(frame: bytes, link: int) -> tuple[int, bytes] | str | None:
    """(destination port, payload) of a UDP packet, None for another kind of packet, a reason where it is broken."""
    starts = {_ETHERNET: 14, _RAW: 0, _IPV4: 0, _IPV6: 0, _SLL: 16, _SLL2: 20, _NULL: 4}
    if link not in starts:
        return "unsupported_link"
    at = starts[link]
    if link == _ETHERNET:
        kind = frame[12:14]
        while kind in (b"\x81\x00", b"\x88\xa8"):  # IEEE 802.1Q tags
            kind, at = frame[at + 2 : at + 4], at + 4
        if kind not in (b"\x08\x00", b"\x86\xdd"):
            return None
    packet = frame[at:]
    if not packet:
        return "cut_packet"
    version = packet[0] >> 4
    if version == 4:
        header = (packet[0] & 15) * 4
        if len(packet) < header + 8 or header < 20:
            return "cut_packet"
        if packet[9] != _UDP:
            return None
        if struct.unpack_from(">H", packet, 6)[0] & 0x3FFF:
            return "fragment"
    elif version == 6:
        header = 40
        if len(packet) < header + 8:
            return "cut_packet"
        if packet[6] != _UDP:
            return None
    else:
        return None
    port, size = struct.unpack_from(">HH", packet, header + 2)
    if size < 8 or len(packet) < header + size:
        return "cut_packet"
    return int(port), packet[header + 8 : header + size]
