"""One transmission heard by several stations: first reception kept, the others named beside it.

What enters: report tables in the order they were received. What leaves: tables without the repeats, and for each
repeat who heard it, when, and which row it repeats. A repeat says exactly the same bits within the window; a later
equal report is a new one, since a moored ship sends the same bits for hours. It does not merge different reports of
one ship: the picture does that. Rows without a time are never repeats.

Two stations' clocks may differ. Where the rows also have the time they arrived here, rows of different stations that
arrived within the window are one transmission although their stations' times differ by up to a further limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.errors import InputError
from kuroshio.schema import AIDS, BASE_STATIONS, BINARY, MANAGEMENT, POSITIONS, RECEPTIONS, SAFETY, STATICS, concat
from kuroshio.sensing.ais.kernels import Ints, i64, kernel
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.dedupe_keys import keys_of, text_hashes

WINDOW_S = 10.0  # stations' clocks and networks; class A repeats at least 2 s apart, its bits then differ in the second
CLOCK_OFFSET_S = (
    60.0  # a moored ship says the same again after 3 minutes (ITU-R M.1371-5, annex 1, reporting intervals)
)
LIMIT = 1 << 16  # first receptions remembered; a power of two
STEPS = 256  # newest candidates looked at: a sender cannot make the search long
FAMILIES = (POSITIONS, STATICS, BASE_STATIONS, AIDS, SAFETY, BINARY, MANAGEMENT)
HEARD = pa.list_(
    pa.struct([("station", pa.string()), ("source", pa.string()), ("observed_at", pa.timestamp("us", tz="UTC"))])
)
NO_TIME = np.iinfo(np.int64).min
_KEY, _OBSERVED, _RECEIVED, _STATION, _SOURCE, _LINE, _BEFORE = range(7)  # columns of what is remembered


@dataclass(frozen=True)
class Deduplicated:
    """Rows kept, and how many receptions each had; ``removed`` counts the rows that went."""

    table: pa.Table
    receptions: pa.Array
    removed: int


class Deduplicator:
    """Removes repeats from a stream of decoded tables, of one source or of several in turn.

    Parameters
    ----------
    window_s
        Longest time between the first reception and a repeat.
    clock_offset_s
        How much further apart two stations' own times may be where the arrivals are within the window.
    limit
        First receptions remembered, a power of two; beyond it the oldest is forgotten.
    """

    def __init__(
        self, *, window_s: float = WINDOW_S, clock_offset_s: float = CLOCK_OFFSET_S, limit: int = LIMIT
    ) -> None:
        if not 0.0 <= window_s <= 86_400.0 or not 0.0 <= clock_offset_s <= 86_400.0:
            raise InputError(f"window {window_s} s or clock offset {clock_offset_s} s is not within a day",
                             code="dedupe.window")  # fmt: skip
        if limit < 1 or limit & (limit - 1):
            raise InputError(f"limit {limit} is not a power of two", code="dedupe.limit")
        self._window_us, self._offset_us = int(window_s * 1_000_000), int(clock_offset_s * 1_000_000)
        self._held, self._heads = np.zeros((limit, 7), np.int64), np.zeros(limit, np.int64)
        self._count = np.zeros(1, np.int64)
        self._sources: dict[str, int] = {}

    def apply(self, decoded: Decoded) -> Decoded:
        """The tables without repeats, and a table ``receptions`` with a row for each repeat; the ledger is unchanged.

        Parameters
        ----------
        decoded
            What a decoder gave; what earlier calls had counts as heard before.
        """
        tables, repeats = dict(decoded.tables), []
        for family in FAMILIES:
            table = decoded.tables.get(family.name)
            if table is None or not table.num_rows:
                continue
            _, fresh, first = self.link(table, family.name)
            if fresh.all():
                continue
            tables[family.name] = table.filter(pa.array(fresh))
            repeats.append(self._receptions(table, family.name, ~fresh, first))
        if repeats:
            tables[RECEPTIONS.name] = concat(RECEPTIONS, repeats)
        return Decoded(tables, decoded.ledger)

    def link(self, table: pa.Table, family: str) -> tuple[Ints, npt.NDArray[np.bool_], Ints]:
        """By row: number of its first reception (0 none), whether it is that one, and the first's source and line."""
        rows = table.num_rows
        source_ids, stations = self._places(table)
        numbers, first = np.empty(rows, np.int64), np.empty((rows, 2), np.int64)
        fresh = np.empty(rows, np.bool_)
        _link(
            keys_of(table, family), _micros(table["observed_at"]), _micros(table["received_at"]), stations, source_ids,
            pc.fill_null(table["line"], -1).to_numpy().astype(np.int64), self._held, self._heads, self._count,
            self._window_us, self._offset_us, numbers, fresh, first,
        )  # fmt: skip
        return numbers, fresh, first

    def _places(self, table: pa.Table) -> tuple[Ints, Ints]:
        """Number of each row's source, and a hash of its source and station together."""
        names = table["source"].combine_chunks()
        plain = names if pa.types.is_dictionary(names.type) else names.dictionary_encode()
        words = plain.dictionary.to_pylist()
        known = np.array([self._sources.setdefault(w, len(self._sources)) for w in words] + [-1], np.int64)
        ids = known[pc.fill_null(plain.indices, len(words)).to_numpy()]
        return ids, (text_hashes(names) * np.uint64(31) ^ text_hashes(table["station"].combine_chunks())).view(np.int64)

    def _receptions(self, table: pa.Table, family: str, repeat: npt.NDArray[np.bool_], first: Ints) -> pa.Table:
        rows = table.filter(pa.array(repeat))
        words = pa.array(list(self._sources), pa.string())
        sources, lines = first[repeat].T
        arrays: dict[str, Any] = {n: rows[n].combine_chunks() for n in RECEPTIONS.names if n in rows.schema.names}
        arrays["table"] = [family] * rows.num_rows
        arrays["first_source"] = pa.DictionaryArray.from_arrays(
            pa.array(sources.astype(np.int32), mask=sources < 0), words
        )
        arrays["first_line"] = pa.array(lines, mask=lines < 0)
        return RECEPTIONS.build(arrays, rows.num_rows)

    def state(self) -> dict[str, bytes]:
        """What is remembered."""
        held = min(int(self._count[0]), len(self._held))
        return {
            "held": self._held[:held].tobytes(), "heads": self._heads.tobytes() if held else b"",
            "count": self._count.tobytes(), "sources": json.dumps(list(self._sources)).encode(),
        }  # fmt: skip

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Go on where one with the same limit gave its `state`.

        Raises
        ------
        InputError
            When the state is of another limit or version.
        """
        count = np.frombuffer(state.get("count", b""), np.int64)
        held = min(int(count[0]), len(self._held)) if count.size == 1 else -1
        heads = len(self._heads) * 8 if held > 0 else 0
        if held < 0 or (len(state.get("held", b"")), len(state.get("heads", b""))) != (held * 56, heads):
            raise InputError("state of repeats does not fit", code="dedupe.state")
        self._held[:], self._heads[:], self._count[:] = 0, 0, count
        self._held[:held] = np.frombuffer(state["held"], np.int64).reshape(held, 7)
        if held:
            self._heads[:] = np.frombuffer(state["heads"], np.int64)
        self._sources = {name: at for at, name in enumerate(json.loads(state["sources"]))}


def deduplicate(table: pa.Table, *, window_s: float = WINDOW_S) -> Deduplicated:
    """First reception of each transmission of one table, with all its receptions.

    Parameters
    ----------
    table
        Reports of one family in the order received: positions, statics ...
    window_s
        Longest time between the first reception and a repeat.

    Returns
    -------
    Deduplicated
        ``receptions`` has, for each kept row, a list of {station, source, observed_at}, the kept row's own first.
    """
    rows = table.num_rows
    stream = Deduplicator(window_s=window_s, limit=1 << max(4, rows.bit_length()))
    numbers, fresh, _ = stream.link(table, "")
    kept = np.flatnonzero(fresh)
    own = np.arange(rows)
    row_of = np.zeros(rows + 1, np.int64)
    row_of[numbers[kept]] = kept  # a row without a time has number 0 and is only its own
    first = np.where(fresh, own, row_of[numbers])
    order = np.lexsort((own, first))
    counts = np.bincount(np.searchsorted(kept, first), minlength=len(kept))
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))).astype(np.int32))
    taken = table.select(["station", "source", "observed_at"]).take(pa.array(order))
    columns = [taken[n].cast(pa.string()).combine_chunks() for n in ("station", "source")]
    columns.append(taken["observed_at"].combine_chunks())
    struct = pa.StructArray.from_arrays(columns, fields=list(HEARD.value_type))
    return Deduplicated(table.take(pa.array(kept)), pa.ListArray.from_arrays(offsets, struct), rows - len(kept))


def _micros(column: Any) -> Ints:
    values: Ints = pc.fill_null(column.cast(pa.int64()), NO_TIME).to_numpy().astype(np.int64)
    return values


@kernel
def _link(
    keys: Ints, observed: Ints, received: Ints, stations: Ints, sources: Ints, lines: Ints, held: Ints, heads: Ints,
    count: Ints, window_us: int, offset_us: int, numbers: Ints, fresh: npt.NDArray[np.bool_], first: Ints,
) -> None:  # fmt: skip
    """Number (from 1) of the first reception of each row, and its source and line; a row that is one is remembered.

    ``heads`` holds, by key, the number of the newest first reception; each names the one before it. A number at or
    below ``count - limit`` has been overwritten and ends the search.
    """
    limit = held.shape[0]
    for row in range(keys.size):
        numbers[row], fresh[row], first[row, 0], first[row, 1] = 0, True, -1, -1
        if observed[row] == NO_TIME:
            continue
        bucket = (keys[row] ^ (keys[row] >> 23)) & (limit - 1)
        number, steps = heads[bucket], i64(0)
        while number > 0 and number > count[0] - limit and steps < STEPS:
            at = (number - 1) & (limit - 1)
            if held[at, _KEY] == keys[row]:
                apart = abs(observed[row] - held[at, _OBSERVED])
                near = apart <= window_us
                arrived = received[row] != NO_TIME and held[at, _RECEIVED] != NO_TIME
                if not near and arrived and stations[row] != held[at, _STATION]:
                    near = abs(received[row] - held[at, _RECEIVED]) <= window_us and apart <= window_us + offset_us
                if near:
                    numbers[row], fresh[row] = number, False
                    first[row, 0], first[row, 1] = held[at, _SOURCE], held[at, _LINE]
                    break
            number, steps = held[at, _BEFORE], steps + 1
        if fresh[row]:
            at = count[0] & (limit - 1)
            held[at, _KEY], held[at, _OBSERVED], held[at, _RECEIVED] = keys[row], observed[row], received[row]
            held[at, _STATION], held[at, _SOURCE], held[at, _LINE] = stations[row], sources[row], lines[row]
            held[at, _BEFORE] = heads[bucket]
            count[0] += 1
            heads[bucket] = count[0]
            numbers[row] = count[0]
