"""Layouts compiled to integer arrays: what the kernels read instead of code for each message type.

What enters: the layouts and the schema's tables. What leaves: which layout a payload has (`Choice`), which bits go to
which slot of a family (`Family`), and how slots become columns (`Output`). Arrays are arguments of the kernels, never
their constants: a kernel's cache stays valid when a table changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kuroshio.schema import AIDS, BASE_STATIONS, BINARY, MANAGEMENT, POSITIONS, SAFETY, STATICS, Table
from kuroshio.schema.reports import ENVELOPE
from kuroshio.sensing.ais.fields import Field
from kuroshio.sensing.ais.layouts import LAYOUTS
from kuroshio.sensing.ais.pack import ARMOUR

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NULL = -(1 << 31)  # raw value of a field the payload does not have; no field of 32 bits or less means it
WORD = 48  # bits in a payload word: eight characters

SIX = np.full(256, 255, np.uint8)  # value of a payload character, 255 where it is none
for _value, _char in enumerate(ARMOUR):
    SIX[_char] = _value


class Choice(NamedTuple):
    """Candidates by message type, selectors, least length and auxiliary mark by layout.

    ``only`` is by first payload character: the layout of a type that has just one, else -1.
    """

    candidates: Ints
    when: Ints
    min_bits: Ints
    auxiliary: Ints
    only: Ints


class Bits(NamedTuple):
    """Where the slots of a family are: by layout and slot, first bit (-1 none); by layout, payload words needed.

    ``cut`` is how a slot is cut from two words hi, lo: word number, shifts ``((hi >> a) << b) | (lo >> c)``, mask,
    sign bit, and the bit after it (so great that no payload has it where the layout lacks the slot). ``like`` is the
    first layout with the same cuts.
    """

    start: Ints
    words: Ints
    cut: Ints
    like: Ints


class Plan(NamedTuple):
    """Numeric columns of a family: how each is made, from which slot, into which row of which typed array.

    ``how``: 0 scaled, 1 rate of turn, 2 one byte, 3 two bytes, 4 four bytes, 5 flag. By column and layout: factor,
    divisor, least and greatest raw value that is a measurement, and the one that is absent.
    """

    how: Ints
    slot: Ints
    dest: Ints
    num: Floats
    den: Floats
    low: Ints
    high: Ints
    absent: Ints


class Scale(NamedTuple):
    """SI conversion of one column by layout: factor, divisor, and the raw values that are a measurement."""

    num: Floats
    den: Floats
    low: Ints
    high: Ints
    absent: Ints


@dataclass(frozen=True)
class Output:
    """One column of a family: its slot and how it is made of it: raw, si, rot, flag or text."""

    name: str
    how: str
    type: pa.DataType
    slot: int = -1
    scale: Scale | None = None
    text: Ints | None = None


@dataclass(frozen=True)
class Family:
    """How one table is made: its slots and its columns after the envelope."""

    table: Table
    slots: tuple[str, ...]
    bits: Bits
    plan: Plan
    numbers: tuple[Output, ...]
    texts: tuple[Output, ...]
    schema: pa.Schema


HEAD_SLOTS = ("type", "repeat", "mmsi")
_EXTRA_SLOTS = {
    "base_stations": ("utc_year", "utc_month", "utc_day", "utc_hour", "utc_minute", "utc_second"),
    "statics": ("part",),
}
_MADE_ELSEWHERE = {"part", "utc_at", "content", "payload", "payload_bits"} | {c.name for c in ENVELOPE}


def choice() -> Choice:
    """Which layouts a type may have, and what decides between them."""
    candidates = np.full((64, 4), -1, np.int64)
    when = np.zeros((len(LAYOUTS), 2, 3), np.int64)
    auxiliary = np.full(len(LAYOUTS), -1, np.int64)
    for at, layout in enumerate(LAYOUTS):
        for number in layout.types:
            row = candidates[number]
            row[np.flatnonzero(row < 0)[0]] = at
        for k, selector in enumerate(layout.when):
            when[at, k] = selector
        if layout.variant.startswith("B"):
            auxiliary[at] = int(layout.variant == "B-auxiliary")
    auxiliary[[i for i, layout in enumerate(LAYOUTS) if 24 not in layout.types]] = -1
    only = np.full(256, -1, np.int64)
    for number in range(1, 28):
        if candidates[number, 1] < 0:
            only[ARMOUR[number]] = candidates[number, 0]
    least = np.array([layout.min_bits for layout in LAYOUTS], np.int64)
    return Choice(candidates, when, least, auxiliary, only)


def families_of(at: int) -> tuple[str, ...]:
    """Tables a layout gives rows to: its own, and those that share what it says."""
    layout = LAYOUTS[at]
    if layout.family in {"base_stations", "aids"}:
        return (layout.family, "positions")
    return (layout.family, "statics") if 19 in layout.types else (layout.family,)


def _source(column: str, at: int) -> tuple[Field, str] | None:
    for item in LAYOUTS[at].fields:
        if item.si == column:
            return item, "rot" if column == "rot_degpmin" else "si"
        if item.name == column:
            return item, {"b": "flag", "t": "text"}.get(item.kind, "raw")
        if item.name + "_raw" == column:
            return item, "code"
    if column == "dest_mmsi":
        return next(((f, "raw") for f in LAYOUTS[at].fields if f.name == "dest_mmsi1"), None)
    return None


def _scale(found: dict[int, Field], how: str) -> Scale:
    count = len(LAYOUTS)
    scale = Scale(
        np.ones(count), np.ones(count), np.full(count, NULL + 1, np.int64), np.full(count, 1 << 31, np.int64),
        np.full(count, NULL, np.int64),
    )  # fmt: skip
    for at, item in found.items() if how != "code" else ():
        scale.absent[at] = NULL if item.absent is None else item.absent
        if how not in ("si", "rot"):
            continue
        scale.num[at], scale.den[at] = item.num, item.den
        scale.low[at] = item.raw_min if item.low is None else item.low
        scale.high[at] = item.raw_max if item.high is None else item.high
    return scale


def _text_ranges(found: dict[int, Field]) -> Ints:
    """First bit and width by layout (-1 none, width 0 to the end), and the same of an extension."""
    ranges = np.full((len(LAYOUTS), 4), -1, np.int64)
    for at, item in found.items():
        ranges[at, :2] = LAYOUTS[at].starts[item.name], item.bits
        if LAYOUTS[at].has("name_extension") and item.name == "name":
            ranges[at, 2:] = LAYOUTS[at].starts["name_extension"], 0
    return ranges


def family(table: Table) -> Family:
    """Program of one table, from the names of its columns and of the fields."""
    members = [at for at in range(len(LAYOUTS)) if table.name in families_of(at)]
    slots: list[str] = [*HEAD_SLOTS, *_EXTRA_SLOTS.get(table.name, ())]
    numbers, texts = [], []
    for column in table.names:
        if column in _MADE_ELSEWHERE:
            continue
        sources = {at: found for at in members if (found := _source(column, at)) is not None}
        assert sources, f"no field for column {table.name}.{column}"
        fields = {at: item for at, (item, _) in sources.items()}
        how, type_ = next(iter(sources.values()))[1], table.arrow.field(column).type
        if how == "text":
            texts.append(Output(column, how, type_, text=_text_ranges(fields)))
            continue
        if how == "si" and pa.types.is_integer(type_):
            how = "raw"
        slot = next(iter(fields.values())).name
        if slot not in slots:
            slots.append(slot)
        numbers.append(Output(column, how, type_, slots.index(slot), _scale(fields, how)))
    plan = _plan([Output("mmsi", "code", pa.uint32(), 2, _scale({}, "code")),
                  Output("msg_type", "code", pa.uint8(), 0, _scale({}, "code")),
                  Output("repeat", "code", pa.uint8(), 1, _scale({}, "code")), *numbers])  # fmt: skip
    return Family(table, tuple(slots), _bits(members, slots), plan, tuple(numbers), tuple(texts), table.arrow)


def _plan(outputs: list[Output]) -> Plan:
    how, dest, used = [], [], dict.fromkeys(range(6), 0)
    for output in outputs:
        kind = {"si": 0, "rot": 1, "flag": 5}.get(output.how)
        if kind is None:
            kind = {1: 2, 2: 3, 4: 4}[output.type.bit_width // 8]
        group = 0 if kind == 1 else kind
        how.append(kind)
        dest.append(used[group])
        used[group] += 1
    scales = [output.scale for output in outputs]
    stacked = [np.array([scale[k] for scale in scales if scale is not None]) for k in range(5)]
    slot = np.array([output.slot for output in outputs], np.int64)
    return Plan(np.array(how, np.int64), slot, np.array(dest, np.int64), *stacked)


def _bits(members: list[int], slots: list[str]) -> Bits:
    start = np.full((len(LAYOUTS), len(slots)), -1, np.int64)
    words = np.zeros(len(LAYOUTS), np.int64)
    cut = np.zeros((len(LAYOUTS), len(slots), 8), np.int64)
    cut[:, :, 6] = 1 << 40
    for at in members:
        layout = LAYOUTS[at]
        for k, name in enumerate(slots):
            named = name if layout.has(name) else "dest_mmsi1" if name == "dest_mmsi" else name
            if named not in layout.starts or layout.find(named).kind not in "uib":
                continue
            item, first = layout.find(named), layout.starts[named]
            word, end = first // WORD, first % WORD + item.bits
            over = end > WORD
            shifts = (0, end - WORD, 2 * WORD - end) if over else (WORD - end, 0, 63)
            sign = 1 << (item.bits - 1) if item.kind == "i" else 0
            start[at, k] = first
            cut[at, k] = (word, *shifts, (1 << item.bits) - 1, sign, first + item.bits, 0)
            words[at] = max(words[at], word + 1 + over)
    _, alike, group = np.unique(cut.reshape(len(LAYOUTS), -1), axis=0, return_index=True, return_inverse=True)
    return Bits(start, words, cut, alike[group.reshape(-1)].astype(np.int64))


FAMILIES: dict[str, Family] = {
    table.name: family(table) for table in (POSITIONS, STATICS, BASE_STATIONS, AIDS, SAFETY, BINARY, MANAGEMENT)
}
OWNERS = np.full((len(LAYOUTS), 2), -1, np.int64)  # layout: the families that it gives a row to
for _layout in range(len(LAYOUTS)):
    for _place, _name in enumerate(families_of(_layout)):
        OWNERS[_layout, _place] = list(FAMILIES).index(_name)
CHOICE = choice()
