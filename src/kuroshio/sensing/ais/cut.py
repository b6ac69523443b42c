"""Third pass, first half: payload bits to raw integers, a slot of many rows at a time.

What enters: message rows and the program of one family. What leaves: ``out[slot, row]``, NULL where a payload does not
have the slot. `Scratch` is the room that this half and `extract` work in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuroshio.sensing.ais.kernels import Bytes, i64, inner, kernel, u64
from kuroshio.sensing.ais.lanes import six_words
from kuroshio.sensing.ais.layouts import LAYOUTS
from kuroshio.sensing.ais.program import FAMILIES, NULL, Bits, Ints
from kuroshio.sensing.ais.records import CHARS, FILL, PAYLOAD, Table

Raw = npt.NDArray[np.int32]
MAX_WORDS = 12  # payload words of 48 bits that the slots of a layout may need, in fours
BLOCK = 512  # rows whose words fit the first cache


@kernel
def split(messages: Table, found: int, owners: Ints, rows: Table, counts: Ints) -> None:
    """Messages that give a row to each family, in order: ``rows[family]``, ``counts[family]``; ``owners`` by layout."""
    for family in range(counts.size):
        counts[family] = 0
    for m in range(found):
        for k in range(owners.shape[1]):
            family = owners[messages[m, 1], k]
            if family >= 0:
                rows[family, counts[family]] = m
                counts[family] += 1


class Scratch(NamedTuple):
    """Room the kernels work in, made once.

    For a block of rows: payload words, lengths, numbers of odd rows, places, one slot; for a window: rows of each
    layout, marks of rows, raw values.
    """

    words: npt.NDArray[np.uint64]
    lengths: Ints
    odd: Ints
    place: Ints
    cut: Raw
    tally: Ints
    good: Bytes
    flag: Bytes
    raw: Raw


def scratch(rows: int) -> Scratch:
    """Room for so many rows of any family."""
    slots = max(len(family.slots) for family in FAMILIES.values())
    return Scratch(
        np.zeros((MAX_WORDS, BLOCK), np.uint64), np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64),
        np.zeros(BLOCK, np.int64), np.zeros((1, BLOCK), np.int32), np.zeros(len(LAYOUTS), np.int64),
        np.zeros(rows + 8, np.uint8), np.zeros(rows + 8, np.uint8), np.empty(slots * (rows | 15), np.int32),
    )  # fmt: skip


@inner
def _tally(messages: Table, rows: Ints, count: int, tally: Ints) -> None:
    """Rows of each layout."""
    for layout in range(tally.size):
        tally[layout] = 0
    for row in range(count):
        tally[messages[rows[row], 1]] += 1


@inner
def _commonest(bits: Bits, tally: Ints) -> int:
    """Layout that, with those cut alike, most rows have."""
    best, most = 0, -1
    for layout in range(tally.size):
        total = 0
        if bits.like[layout] == layout:
            for other in range(tally.size):
                total += tally[other] if bits.like[other] == layout else 0
        if total > most:
            best, most = layout, total
    return best


@inner
def _load_row(buf: Bytes, rec: Table, at: int, words: int, room: Scratch, r: int) -> int:
    """Lay the payload words of a record at place ``r`` of the block; its bits."""
    payload, chars = rec[at, PAYLOAD], rec[at, CHARS]
    room.lengths[r] = chars * 6 - rec[at, FILL]
    for w in range(0, words, 4):
        four = six_words(buf, payload + 8 * w, chars - 8 * w)
        room.words[w, r], room.words[w + 1, r] = four[0], four[1]
        room.words[w + 2, r], room.words[w + 3, r] = four[2], four[3]
    return room.lengths[r]


@kernel
def extract(
    buf: Bytes, rec: Table, messages: Table, rows: Ints, count: int, bits: Bits, room: Scratch, out: Raw
) -> None:
    """Raw value of every slot of every row: ``out[slot, row]``, NULL where the payload does not have it.

    Blocks of rows are cut as their commonest layout says, slot by slot, which the compiler makes vector code of; then
    the rows of each other layout are cut together and put in their places.
    """
    _tally(messages, rows, count, room.tally)
    common = _commonest(bits, room.tally)
    for begin in range(0, count, BLOCK):
        size = min(BLOCK, count - begin)
        shortest, odd = 1 << 40, 0
        for r in range(size):
            at, layout = messages[rows[begin + r], 0], messages[rows[begin + r], 1]
            shortest = min(shortest, _load_row(buf, rec, at, bits.words[common], room, r))
            room.odd[odd] = r
            odd += bits.like[layout] != common
        for slot in range(out.shape[0]):
            _cut_block(bits.cut[common, slot], room, size, shortest, out[slot, begin : begin + size])
        while odd > 0:
            odd = _cut_others(buf, rec, messages, rows, begin, odd, bits, room, out)


@inner
def _cut_others(
    buf: Bytes, rec: Table, messages: Table, rows: Ints, begin: int, odd: int, bits: Bits, room: Scratch, out: Raw
) -> int:
    """Cut those of the odd rows that are cut like the first of them; number of odd rows left."""
    like = bits.like[messages[rows[begin + room.odd[0]], 1]]
    size, left, shortest = 0, 0, 1 << 40
    for k in range(odd):
        r = room.odd[k]
        m = rows[begin + r]
        if bits.like[messages[m, 1]] == like:
            shortest = min(shortest, _load_row(buf, rec, messages[m, 0], bits.words[like], room, size))
            room.place[size] = begin + r
            size += 1
        else:
            room.odd[left] = r
            left += 1
    for slot in range(out.shape[0]):
        _cut_block(bits.cut[like, slot], room, size, shortest, room.cut[0, 0:size])
        for k in range(size):
            out[slot, room.place[k]] = room.cut[0, k]
    return left


@inner
def _cut_block(cut: Ints, room: Scratch, size: int, shortest: int, out: Raw) -> None:
    """One slot of a block of rows, of which no payload is shorter than so many bits."""
    high, low, lengths = room.words[cut[0]], room.words[cut[0] + 1], room.lengths
    left, right, over, mask, sign, end = u64(cut[1]), u64(cut[2]), u64(cut[3]), cut[4], cut[5], cut[6]
    if right == u64(0):  # within one word
        for r in range(size):
            out[r] = ((i64(high[r] >> left) & mask) ^ sign) - sign
    else:
        for r in range(size):
            out[r] = ((i64(((high[r] >> left) << right) | (low[r] >> over)) & mask) ^ sign) - sign
    if end > shortest:
        for r in range(size):
            out[r] = out[r] if end <= lengths[r] else NULL
