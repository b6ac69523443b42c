"""AIS sentences for fuzzing: messages of every layout and application, damaged with their structure in mind.

What enters: a generator. What leaves: logs, and checks that only AIS has: the byte engine against the plain form, the
two line readers against each other, and a buffer that ends at memory which may not be read.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from kuroshio.sensing import ais
from kuroshio.sensing.ais import decoder as engine
from kuroshio.sensing.ais import records, scan, scan_fast
from kuroshio.sensing.ais.contents import APPLICATIONS
from kuroshio.sensing.ais.encode import checksum
from kuroshio.sensing.ais.fields import TEXT_ALPHABET, Field
from kuroshio.sensing.ais.fields_static import AUXILIARY_FIRST
from kuroshio.sensing.ais.layouts import LAYOUTS, is_auxiliary
from kuroshio.sensing.ais.pack import ARMOUR
from kuroshio.sensing.base import Decoded
from kuroshio.testing.fuzz.mutate import Change, Rng, below, one_of

WORDS = (
    b"!AIVDM,1,1,,A,", b"!AIVDO,", b"!BSVDM,2,1,3,B,", b"!ANVDM,2,2,3,B,", b"\\s:a,c:1700000000*", b"\\g:1-2-77*",
    b"\\g:2-2-77,n:9*", b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B", b",r003669946,1342569600", b",0*",
    b"*00", b"2024-07-19 08:45:30.074 ", b"2024-07-19T08:45:30Z ", b"1700000000.5 ", b"# ", b"c:", b"s:", b"g:", b"\\",
    b"!", b"\r\n", b",6*", b"x" * 70, b"0" * 90,
)  # fmt: skip
_SENTENCE = re.compile(rb"([!$])([^*!$\\\r\n]*)\*([0-9A-Fa-f]{0,2})")
_TAG = re.compile(rb"\\([^\\*\r\n]*)\*([0-9A-Fa-f]{0,2})\\")


def _value(item: Field, rng: Rng) -> Any:
    if item.kind == "t":
        size = item.bits // 6 or below(rng, 15)
        return "".join(TEXT_ALPHABET[int(k)] for k in rng.integers(0, 64 if rng.random() < 0.5 else 27, size))
    if item.kind == "d":
        return rng.bytes(below(rng, 90))
    if item.kind == "b":
        return bool(rng.random() < 0.5)
    low, high = (0, item.raw_max) if item.kind == "x" else (item.raw_min, item.raw_max)
    edges = [v for v in (low, high, item.default, item.absent, item.low, item.high) if v is not None]
    return one_of(rng, edges) if rng.random() < 0.4 else int(rng.integers(low, high, endpoint=True))


def message(rng: Rng) -> dict[str, Any]:
    """Raw fields of one message of any layout, or of one that carries an application."""
    layout = one_of(rng, LAYOUTS)
    told = {item.name: _value(item, rng) for item in (*layout.fields, *layout.tail)}
    told["type"] = one_of(rng, layout.types)
    names = {start: name for name, start in layout.starts.items()}
    told |= {names[start]: wanted for start, _, wanted in layout.when}
    if layout.variant == "B-auxiliary":
        told["mmsi"] = AUXILIARY_FIRST + below(rng, 9)
    elif is_auxiliary(told["mmsi"]):
        told["mmsi"] = 0
    if "dac" in told and rng.random() < 0.9:
        app = one_of(rng, APPLICATIONS)
        told["dac"], told["fi"] = app.dac, app.fi
        bits = app.fixed_bits + app.element_bits * below(rng, 5) + (below(rng, 60) if rng.random() < 0.5 else 0)
        told["data"] = rng.bytes(min(110, (bits + 7) // 8))
    if "data" in told:
        told["data_bits"] = max(0, 8 * len(told["data"]) - (below(rng, 8) if rng.random() < 0.3 else 0))
    return told


def _tag(rng: Rng) -> dict[str, Any] | None:
    if rng.random() < 0.5:
        return None
    return {"s": f"r{below(rng, 3)}", "c": 1_700_000_000 + below(rng, 200), "g": below(rng, 9)}


def make(rng: Rng) -> bytes:
    """A log of a few messages, their sentences in some order."""
    log: list[bytes] = []
    for _ in range(1 + below(rng, 5)):
        log += ais.encode(message(rng), sequence=below(rng, 10), tag_block=_tag(rng), channel=one_of(rng, "AB12"))
    if rng.random() < 0.3:
        log = [log[k] for k in rng.permutation(len(log))]
    return one_of(rng, (b"\n", b"\r\n")).join(log)


def repair(data: bytes, rng: Rng) -> bytes:
    """The same with checksums of sentences and tag blocks made right, each with some chance."""

    def sentence(match: re.Match[bytes]) -> bytes:
        mark, body = match.group(1), match.group(2)
        return mark + body + b"*" + checksum(body) if rng.random() < 0.9 else match.group(0)

    def tag(match: re.Match[bytes]) -> bytes:
        body = match.group(1)
        return b"\\" + body + b"*" + checksum(body) + b"\\" if rng.random() < 0.8 else match.group(0)

    return _TAG.sub(tag, _SENTENCE.sub(sentence, data))


def _payload(data: bytes, rng: Rng) -> bytes:
    """Payload characters changed, or the payload cut or made longer, in one sentence."""
    found = list(re.finditer(rb"VD[MO],[^,\n]*,[^,\n]*,[^,\n]*,[^,\n]*,([^,\n]+),", data))
    if not found:
        return data
    match = one_of(rng, found)
    payload = bytearray(match.group(1))
    how = below(rng, 4)
    if how == 0:
        payload = payload[: below(rng, len(payload) + 1)]
    elif how == 1:
        payload += bytes(ARMOUR[int(k)] for k in rng.integers(0, 64, below(rng, 120)))
    else:
        at = 0 if how == 2 else below(rng, len(payload))
        payload[at] = ARMOUR[below(rng, 64)]
    return data[: match.start(1)] + bytes(payload) + data[match.end(1) :]


def _parts(data: bytes, rng: Rng) -> bytes:
    """Number of parts, part or sequence of one sentence changed."""
    found = list(re.finditer(rb"VD[MO],(\d?),(\d?),(\d?),", data))
    if not found:
        return data
    match = one_of(rng, found)
    k = 1 + below(rng, 3)
    return data[: match.start(k)] + one_of(rng, (b"", b"%d" % below(rng, 10))) + data[match.end(k) :]


CHANGES: Sequence[Change] = (_payload, _payload, _parts)


def seeds() -> list[bytes]:
    """Logs of what recorded ones have: wrappers, groups, suffixes, prefixes, several sentences a line."""
    good = b"!AIVDM,1,1,,A,133sVfPP00PD>hRMDH@jNOvN20S8,0*7F"
    one = b"!AIVDM,2,1,3,A,56K8@vh2:w;D`OG??R0dTq9UF0l59F222222221@:HE694o`0@ORT80j0`<r3PDR,0*0D"
    two = b"!AIVDM,2,2,3,A,E0JH882,2*52"
    return [
        good, one + b"\n" + two, two + b"\r\n" + one, good + good, b"# comment\n\n" + good + b",r003669946,1342569600",
        b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B\n" + good,
        b"\\s:r1ACE0JVF*27\\\\c:1628097600,s:AS-SAM-BWBANK,n:27493*24\\!ANVDM,1,1,,B,15N7R>d000qh6tJC94n=7oJ00D02,0*3F",
        b"\\g:1-2-73874,n:157036,s:r003669945,c:1241544035*4A\\" + one + b"\n\\g:2-2-73874,n:157037*1D\\" + two,
        b"2024-07-19 08:45:30.074 " + good, b"\\s:2573105,c:1671620143*08\\\n" + good,
        b"!AIVDM,1,1,,B,,0*25", b"!AIVDM,1,1,1,,13aI8e?P00PGpU:NR6s00?vT2000,0,0*1C",
    ]  # fmt: skip


# -- checks


def engine_agrees_with_plain_form(decoded: Decoded) -> None:
    """Texts of JSON columns are JSON, and a payload kept is as long as it says."""
    for name in ("binary", "management"):
        for text in decoded.table(name)["content"].drop_null().to_pylist():
            assert isinstance(json.loads(text), dict), "content: not an object"
    binary = decoded.table("binary")
    sizes = zip(binary["payload"].to_pylist(), binary["payload_bits"].to_pylist(), strict=True)
    assert all(len(payload) == (bits + 7) // 8 for payload, bits in sizes), "payload: length"


def readers_agree(data: bytes) -> None:
    """The reader of common shapes and the general one give the same records and rejects."""
    if len(data) > 20_000:
        return
    raw = np.frombuffer(data + b"\n" * 32, np.uint8)
    fast, slow = (_read(raw, len(data) + 1, common) for common in (True, False))
    assert fast == slow, "readers: differ"


def _read(buf: np.ndarray[Any, np.dtype[np.uint8]], stop: int, common: bool) -> tuple[Any, ...]:
    rows = 2 * records.MAX_SENTENCES + 70 * (1 + int((buf == 10).sum()))
    rec = np.zeros((rows, records.RECORD), np.int64)
    rej = np.zeros((rows, records.REJECT), np.int64)
    state = np.zeros(records.STATE, np.int64)
    state[[records.S_TIME, records.S_CLOCK]] = -1
    pos, comma = 0, np.empty(8, np.int64)
    if common:
        scan_fast.scan(buf, 0, stop, rec, rej, state, comma)
    else:
        while pos < stop:
            state[records.S_LINE] += 1
            pos = scan.read_line(buf, pos, rec, rej, state, comma) + 1
    told = rec[: state[records.S_RECORDS]]
    names = [(int(s) >> 8, int(s) & 255) for s in told[:, records.STATION]]
    told[:, records.STATION] = 0
    told[:, records.CHECKED] &= ~records.ARMOURED  # a mark that only the fast reader sets
    return (
        told.tolist(), [buf[a : a + n].tobytes() for a, n in names], rej[: state[records.S_REJECTS]].tolist(),
        state[[records.S_LINE, records.S_COMMENTS, records.S_TAG_BAD]].tolist(),
    )  # fmt: skip


class GuardedBuffer:
    """Bytes whose last one is followed by a page that may not be read: a read beyond the end ends the process."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        pages = -(-size // page)
        self._held = mmap.mmap(-1, (pages + 1) * page)
        whole = np.frombuffer(self._held, np.uint8)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(whole.ctypes.data + pages * page), ctypes.c_size_t(page), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
        self.array = whole[pages * page - size : pages * page]


_GUARDED: dict[int, GuardedBuffer] = {}


def stays_within(data: bytes) -> None:
    """Decode in a buffer of the least size, full of other bytes, that ends at unreadable memory: the same ledger."""
    log = data + b"\n"
    size = 2 * len(log) + 4 * engine._PAD  # what the decoder takes at the least
    if size > 1 << 17:
        return
    guarded = _GUARDED.setdefault(size, GuardedBuffer(size)) if len(_GUARDED) < 256 else GuardedBuffer(size)
    guarded.array[:] = 0x31
    decoder, plain = ais.Decoder("s"), ais.Decoder("s")
    decoder._buffer = guarded.array  # nothing public lends a buffer, and only here one is wanted
    same = decoder.feed(log).ledger == plain.feed(log).ledger
    assert decoder._buffer is guarded.array, "bounds: the decoder took another buffer"
    assert same, "bounds: what follows the bytes was read"
