"""Every recorded log, and files that are no logs: no exception, each line accounted for, real sentences whole."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuroshio.sensing import ais
from kuroshio.sensing.base import Ledger

FOLDERS = ("ais-dotnet", "conformance", "dma-aisabnormal", "dma-aislib", "gfw-ais-tools", "gpsd", "libais", "pyais",
           "signalk", "marinecadastre", "stonesoup", "tracktable", "gfw-pipe-gaps")  # fmt: skip
# file -> messages expected (counted once, reviewed)
MESSAGES = {
    "ais-dotnet/Ais1000Lines.nm4": 877,
    "dma-aisabnormal/538004030_drift_1.ais": 5252,
    "dma-aislib/stream_example.txt.gz": 4051,
    "dma-aislib/ais250.txt": 243,
    "gpsd/sample.aivdm": 102,
    "gpsd/daemon/ais-nmea-type6-fid55.log": 1326,
    "libais/typeexamples.nmea": 26,
    "pyais/nmea_data_sample.txt": 778,
    "signalk/gofree-merrimac.log": 1459,
    "signalk/nais400-merrimac.log": 668,
}


def raw_bytes(path: Path) -> bytes:
    return gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_line_is_accounted_for(folder: str, shared_data: Path) -> None:
    for path in sorted((shared_data / folder).rglob("*")):
        if not path.is_file() or path.stat().st_size > 3_000_000:
            continue
        total, rejects = Ledger(), 0
        for decoded in ais.decode_file(path, block_bytes=100_000):
            total.add(decoded.ledger)
            rejects += decoded.table("rejects").num_rows
        data = raw_bytes(path)
        name = str(path.relative_to(shared_data))
        assert total.lines == data.count(b"\n") + (not data.endswith(b"\n") and data != b""), name
        assert total.lines == total.accounted, name
        assert total.waiting == 0, name
        assert rejects >= sum(total.rejected.values()), name
        if name in MESSAGES:
            assert total.messages == MESSAGES[name], name


SENTENCE = re.compile(rb"!..VD[MO],(\d),(\d),(\d?),([^,]*),([0-W`-w]+),([0-5])\*")


def payloads(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Payload characters and fill bits of each message of a log, parts joined where they follow one another."""
    held: dict[tuple[int, bytes, bytes], list[bytes]] = {}
    for total, part, sequence, channel, payload, fill in SENTENCE.findall(data):
        key = (int(total), sequence, channel)
        parts = [payload] if part == b"1" else [*held.pop(key, []), payload]
        if len(parts) != int(part):
            continue
        if part == total:
            yield b"".join(parts), int(fill)
        else:
            held[key] = parts


def test_real_sentences_come_back_bit_for_bit(shared_data: Path) -> None:
    """Every message of every log, spare bits included; only fill bits, which are no part of it, are sent as zero."""
    compared = filled = 0
    for folder in FOLDERS:
        for path in sorted((shared_data / folder).rglob("*")):
            if not path.is_file() or path.stat().st_size > 3_000_000:
                continue
            for payload, fill in payloads(raw_bytes(path)):
                value, bits = ais.unarmour(payload, fill)
                message = ais.unpack(value, bits)
                if message is None:
                    continue  # no type 1-27, or fewer bits than its head: a reject
                assert ais.pack(message) == (value, bits), payload
                chars, spare = ais.armour(value, bits)
                assert (chars[:-1], spare) == (payload[:-1], fill)
                compared, filled = compared + 1, filled + (chars[-1:] != payload[-1:])
    assert (compared, filled) == (46_909, 127)
