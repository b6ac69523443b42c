"""Changes of bytes: at bits, at fields and lines, by words of the format, and from one input into another.

What enters: bytes, a generator, and the words of a format. What leaves: other bytes. Same generator, same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Rng = np.random.Generator
Change = Callable[[bytes, Rng], bytes]
LIMIT = 200_000  # bytes of an input; longer ones are cut

NUMBERS = (
    b"0", b"-0", b"1", b"-1", b"9", b"10", b"127", b"128", b"255", b"256", b"65535", b"65536", b"2147483647",
    b"2147483648", b"-2147483649", b"4294967295", b"9223372036854775807", b"9223372036854775808", b"1e9", b"1e308",
    b"1e999", b"-1e999", b"NaN", b"Infinity", b"0.1", b"1.5e-320", b"00000000001", b"99999999999999999999999999", b"",
    b"90", b"-90.000001", b"180", b"180.0000001", b"360", b"359.9999", b"1700000000", b"253402300800", b"-62135596801",
)  # fmt: skip
BYTES = (b"\0", b"\xff", b"\n", b"\r\n", b"\r", b",", b"*", b"\\", b"!", b"$", b'"', b"'", b"{", b"}", b"[", b"]", b"<",
         b">", b"&", b";", b":", b"=", b"#", b"-", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x9a\xa2", b"\xef\xbb\xbf",
         b"\x7f", b"\x80", b"\t", b" ")  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1 << 31, 1 << 63, -(1 << 63) - 1, 10**30, 1e308, float("inf"), float("-inf"),
    float("nan"), 0.1, "", "x", "é", "\x00", "1", "1e999", "NaN", " 5 ", [], {}, [None], {"": None}, [[[[]]]],
    "A" * 5000,
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def below(rng: Rng, limit: int) -> int:
    """Whole number from 0 to below a limit."""
    return int(rng.integers(0, max(1, limit)))


def one_of(rng: Rng, items: Sequence[Any]) -> Any:
    """One of the items."""
    return items[below(rng, len(items))]


def _span(data: bytes, rng: Rng) -> tuple[int, int]:
    at = below(rng, len(data) + 1)
    size = 1 + below(rng, 4) if rng.random() < 0.6 else 1 + below(rng, 40 if rng.random() < 0.8 else len(data))
    return at, min(len(data), at + size)


def flip(data: bytes, rng: Rng) -> bytes:
    """One bit turned over."""
    if not data:
        return data
    at = below(rng, len(data))
    return data[:at] + bytes([data[at] ^ (1 << below(rng, 8))]) + data[at + 1 :]


def put_byte(data: bytes, rng: Rng) -> bytes:
    """Special or random bytes in place of, or before, others."""
    at, end = _span(data, rng)
    fresh = one_of(rng, BYTES) if rng.random() < 0.6 else rng.bytes(1 + below(rng, 4))
    return data[:at] + fresh + data[at if rng.random() < 0.5 else end :]


def cut(data: bytes, rng: Rng) -> bytes:
    """A range left out."""
    at, end = _span(data, rng)
    return data[:at] + data[end:]


def end_early(data: bytes, rng: Rng) -> bytes:
    """Only the beginning."""
    return data[: below(rng, len(data) + 1)]


def copy(data: bytes, rng: Rng) -> bytes:
    """A range once more, elsewhere."""
    at, end = _span(data, rng)
    to = below(rng, len(data) + 1)
    return data[:to] + data[at:end] + data[to:]


def repeat(data: bytes, rng: Rng) -> bytes:
    """A range many times over: long fields, long lines, many parts."""
    at, end = _span(data, rng)
    times = 1 << below(rng, 8 if rng.random() < 0.9 else 16)
    return data[:at] + data[at:end] * min(times, LIMIT // max(1, end - at)) + data[end:]


def number(data: bytes, rng: Rng) -> bytes:
    """A decimal number replaced by one at a border."""
    found = list(_NUMBER.finditer(data[:4000]))
    if not found:
        return put_byte(data, rng)
    match = one_of(rng, found)
    return data[: match.start()] + one_of(rng, NUMBERS) + data[match.end() :]


def lines(data: bytes, rng: Rng) -> bytes:
    """Lines dropped, doubled, exchanged or joined."""
    rows = data.split(b"\n")
    at, other = below(rng, len(rows)), below(rng, len(rows))
    how = below(rng, 4)
    if how == 0:
        del rows[at]
    elif how == 1:
        rows.insert(other, rows[at])
    elif how == 2:
        rows[at], rows[other] = rows[other], rows[at]
    elif at + 1 < len(rows):
        rows[at : at + 2] = [rows[at] + rows[at + 1]]
    return b"\n".join(rows)


def field(data: bytes, rng: Rng) -> bytes:
    """A comma-separated field dropped, doubled, emptied, or replaced by a number."""
    rows = data.split(b"\n")
    at = below(rng, len(rows))
    parts = rows[at].split(b",")
    k, how = below(rng, len(parts)), below(rng, 4)
    if how == 0:
        del parts[k]
    elif how == 1:
        parts.insert(k, parts[k])
    else:
        parts[k] = b"" if how == 2 else one_of(rng, NUMBERS)
    rows[at] = b",".join(parts)
    return b"\n".join(rows)


def json_value(data: bytes, rng: Rng) -> bytes:
    """A value somewhere in a line of JSON replaced, dropped or nested."""
    rows = data.split(b"\n")
    at = below(rng, len(rows))
    try:
        value = json.loads(rows[at])
    except (ValueError, RecursionError):
        return number(data, rng)
    rows[at] = json.dumps(changed(value, rng), ensure_ascii=bool(rng.random() < 0.5)).encode("utf-8", "surrogatepass")
    return b"\n".join(rows)


def changed(value: Any, rng: Rng) -> Any:
    """A value of JSON, in it one replaced, dropped or nested."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = one_of(rng, sorted(value))
        kept = dict(value)
        how = rng.random()
        if how < 0.1:
            del kept[key]
        elif how < 0.15:
            kept[key] = [kept[key]]
        else:
            kept[key] = changed(kept[key], rng)
        return kept
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = below(rng, len(value))
        return [*value[:at], changed(value[at], rng), *value[at + (rng.random() < 0.9) :]]
    return one_of(rng, VALUES)


GENERAL: tuple[Change, ...] = (flip, put_byte, put_byte, cut, cut, end_early, copy, copy, repeat, number, number, lines,
                               lines, field)  # fmt: skip


def mutate(data: bytes, rng: Rng, *, words: Sequence[bytes], pool: Sequence[bytes], changes: Sequence[Change]) -> bytes:
    """The bytes after one to six changes.

    Parameters
    ----------
    words
        Words of the format, put in at random places.
    pool
        Inputs to take ranges from.
    changes
        Changes that know the format, taken as often as the general ones.
    """
    for _ in range(1 + below(rng, 2 if rng.random() < 0.5 else 6)):
        choice = rng.random()
        if choice < 0.1 and words:
            at, end = _span(data, rng)
            data = data[:at] + one_of(rng, words) + data[at if rng.random() < 0.5 else end :]
        elif choice < 0.2 and pool:
            other = one_of(rng, pool)
            at, end = _span(other, rng)
            to = below(rng, len(data) + 1)
            data = data[:to] + other[at:end] + data[to:]
        elif choice < 0.6 and changes:
            data = one_of(rng, changes)(data, rng)
        else:
            data = one_of(rng, GENERAL)(data, rng)
        data = data[:LIMIT]
    return data
