"""The first two passes over a window, taken in turns of lines few enough that their records stay in the cache.

What enters: a buffer of whole lines. What leaves: records, messages and rejects of a window. Where a turn ends changes
nothing (tests/properties/test_sensing_ais_streams.py).
"""

from __future__ import annotations

from kuroshio.sensing.ais.kernels import Bytes, kernel
from kuroshio.sensing.ais.parts import J_FOUND, J_MESSAGES, J_PARTS, J_RECORDS, J_REJECTS, J_SIDE, resolve
from kuroshio.sensing.ais.program import Choice
from kuroshio.sensing.ais.records import MAX_SENTENCES, S_COMMENTS, S_RECORDS, S_REJECTS, Table
from kuroshio.sensing.ais.scan_fast import scan

TURN = 2048  # records


@kernel
def read_window(
    buf: Bytes, pos: int, stop: int, side: int, waiting: int, rows: int, rec: Table, rej: Table, state: Table,
    slots: Table, joiner: Table, messages: Table, choice: Choice, received_us: int, age_us: int, age_lines: int,
    comma: Table,
) -> int:  # fmt: skip
    """Read lines from ``pos`` until ``stop`` or ``rows`` new records; index of the first line not read.

    The first ``waiting`` records are parts that came before; joined messages get records behind those of the window,
    and their payloads are written from ``buf[side]`` on.
    """
    most = waiting + rows
    room = MAX_SENTENCES + 2
    state[S_RECORDS], state[S_REJECTS], state[S_COMMENTS] = waiting, 0, 0
    joiner[J_MESSAGES], joiner[J_PARTS], joiner[J_FOUND], joiner[J_REJECTS] = 0, 0, 0, 0
    joiner[J_SIDE], joiner[J_RECORDS] = side, most + room
    while pos < stop and state[S_RECORDS] < most and joiner[J_REJECTS] < rows:
        first = state[S_RECORDS]
        state[S_REJECTS] = joiner[J_REJECTS]
        pos = scan(buf, pos, stop, rec[: min(first + TURN, most) + room], rej[: rows + room], state, comma)
        joiner[J_REJECTS] = state[S_REJECTS]
        resolve(buf, rec, first, state[S_RECORDS], slots, rej, joiner, messages, choice, received_us, age_us, age_lines)
    return pos
