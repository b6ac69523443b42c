"""The decoder of one AIS source: bytes in any pieces, tables and an exact ledger out.

What enters: bytes of one source. What leaves: `Decoded` tables of whole lines; an unfinished line and parts that wait
are carried. Results do not depend on where reads begin and end. It holds at most one line of 64 KiB and the waiting
parts; it opens nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kuroshio.errors import InputError
from kuroshio.schema import REJECTS, STATICS
from kuroshio.sensing.ais import columns, parts, passes
from kuroshio.sensing.ais import records as scan
from kuroshio.sensing.ais.cut import scratch
from kuroshio.sensing.ais.join24 import Join24
from kuroshio.sensing.ais.program import CHOICE
from kuroshio.sensing.base import Decoded, Ledger

WINDOW = 65_536  # records decoded at a time
AGE_LINES = 5_000  # lines after which a part without a clock is an orphan
_PAD = 64  # bytes after the last line that kernels may read


class Decoder:
    """Decoder of one AIS source.

    Parameters
    ----------
    source
        Name written to every row.
    keep_bad_checksum
        Keep sentences whose checksum is wrong or missing, marked in ``checksum_ok``; by default they are rejects.
    multipart_age_s
        Stream time after which parts of an incomplete message are orphans.
    multipart_limit
        Incomplete messages held at once; beyond it the oldest is an orphan.
    clock_hint_us
        Time of the source (such as a file's) for rows no clock speaks of; None leaves them null.
    """

    def __init__(
        self,
        source: str,
        *,
        keep_bad_checksum: bool = False,
        multipart_age_s: float = 60.0,
        multipart_limit: int = 256,
        clock_hint_us: int | None = None,
    ) -> None:
        self.source = source
        self._age_us = int(multipart_age_s * 1_000_000)
        self._hint_us = -1 if clock_hint_us is None else clock_hint_us
        self._name = pa.array([source], pa.string())
        self._state = np.zeros(scan.STATE, np.int64)
        self._state[[scan.S_TIME, scan.S_CLOCK]] = -1
        self._state[scan.S_KEEP_BAD] = keep_bad_checksum
        self._slots = np.zeros((max(1, multipart_limit), parts.SLOT), np.int64)
        self._joiner = np.zeros(parts.JOINER, np.int64)
        self._kept = np.zeros((0, scan.RECORD), np.int64)  # records of waiting parts; START points into _tail
        self._tail = b""  # bytes of the pending station, the waiting parts, and the unfinished line
        self._lead = 0  # bytes of _tail before the unfinished line
        self._skipped = 0  # bytes of an overlong line already dropped
        self._received_us = -1
        rows = WINDOW + scan.MAX_SENTENCES + 2
        spare = (max(1, multipart_limit) + 2) * parts.MAX_PARTS
        self._rec = np.empty((2 * rows + spare, scan.RECORD), np.int64)
        self._rej = np.empty((2 * rows + 2 * spare, scan.REJECT), np.int64)
        self._room = scratch(rows + spare)
        self._comma = np.empty(8, np.int64)
        self._codes = np.full(1 << 16, -1, np.int32)
        self._messages = np.empty((rows + spare, 2), np.int64)
        self._buffer: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._join24 = Join24()

    @property
    def counters(self) -> dict[str, int]:
        """What hit a limit or was ignored: bad tag blocks, sentences beyond one a line, evicted messages."""
        return {
            "tag_blocks_bad": int(self._state[scan.S_TAG_BAD]),
            "sentences_joined_on_a_line": int(self._state[scan.S_JOINED]),
            "multipart_evicted": int(self._joiner[parts.J_EVICTED]),
        }

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Tables and ledger of the lines that these bytes complete.

        Parameters
        ----------
        data
            Any piece of the source's bytes.
        received_at_us
            Time they arrived; gives ``received_at``, and ``observed_at`` where no other clock speaks.
        """
        self._received_us = -1 if received_at_us is None else received_at_us
        cut = data.rfind(b"\n") + 1
        if cut == 0:
            self._hold(data)
            return Decoded(ledger=Ledger(waiting=self._waiting()))
        decoded = self._lines(data, cut)
        self._skipped = 0
        self._hold(data[cut:])
        return decoded

    def flush(self) -> Decoded:
        """Decide everything that still waits: the end of the source."""
        unfinished = len(self._tail) > self._lead or self._skipped > 0
        decoded = self._lines(b"\n" if unfinished else b"", 1 if unfinished else 0, last=True)
        self._tail, self._lead, self._skipped = b"", 0, 0
        return decoded

    def state(self) -> dict[str, bytes]:
        """What is carried to the next bytes: lines, clock, waiting parts, unfinished line, names of type 24."""
        carried = np.array([self._lead, self._skipped, self._received_us], np.int64)
        return {
            "scan": self._state.tobytes(), "slots": self._slots.tobytes(), "joiner": self._joiner.tobytes(),
            "kept": self._kept.tobytes(), "carried": carried.tobytes(), "tail": self._tail,
            **self._join24.state(),
        }  # fmt: skip

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Go on where a decoder with the same options gave its `state`.

        Raises
        ------
        InputError
            When the state is of another version or of other limits.
        """
        arrays = {"scan": self._state, "slots": self._slots, "joiner": self._joiner}
        wrong = [name for name, held in arrays.items() if len(state.get(name, b"")) != held.nbytes]
        if wrong or not {"kept", "carried", "tail"} <= set(state) or len(state["kept"]) % (8 * scan.RECORD):
            raise InputError(f"decoder state does not fit: {', '.join(wrong) or 'incomplete'}", code="ais.state")
        for name, held in arrays.items():
            held[:] = np.frombuffer(state[name], np.int64).reshape(held.shape)
        self._kept = np.frombuffer(state["kept"], np.int64).reshape(-1, scan.RECORD).copy()
        self._lead, self._skipped, self._received_us = np.frombuffer(state["carried"], np.int64).tolist()
        self._tail = state["tail"]
        self._join24.restore(state)

    def _hold(self, rest: bytes) -> None:
        """Keep an unfinished line, but never more than a line may have."""
        held = len(self._tail) - self._lead + len(rest)
        if held <= scan.MAX_LINE + 1:
            self._tail += rest
            return
        self._skipped += held - scan.MAX_LINE - 1
        self._tail = (self._tail + rest)[: self._lead + scan.MAX_LINE + 1]

    def _waiting(self) -> int:
        return int(self._kept[:, scan.COUNTS].sum())

    def _load(self, data: bytes, cut: int) -> tuple[int, int]:
        """Lay the carried bytes and the new ones in the buffer; first byte of the lines and end."""
        size = len(self._tail) + cut
        room = 2 * size + 4 * _PAD
        if self._buffer.size < room:
            self._buffer = np.empty(room + room // 8, np.uint8)
        elif self._buffer.size > 1 << 24 and room < self._buffer.size // 8:
            self._buffer = np.empty(room, np.uint8)
        tail = len(self._tail)
        self._buffer[:tail] = np.frombuffer(self._tail, np.uint8)
        self._buffer[tail:size] = np.frombuffer(data, np.uint8, cut)
        self._buffer[size : size + _PAD] = 10
        return self._lead, size

    def _lines(self, data: bytes, cut: int, *, last: bool = False) -> Decoded:
        pos, stop = self._load(data, cut)
        ledger = Ledger()
        windows: list[dict[str, pa.Table]] = []
        waiting = len(self._kept)
        self._rec[:waiting] = self._kept
        while pos < stop:
            pos, waiting = self._window(pos, stop, waiting, ledger, windows)
        if last:
            windows.append(self._end(ledger))
            waiting = 0
        self._carry(waiting)
        ledger.waiting = self._waiting()
        made = Decoded.join([Decoded(tables) for tables in windows]) if len(windows) > 1 else Decoded()
        if len(windows) == 1:
            made.tables = windows[0]
        made.ledger = ledger
        return made

    def _window(
        self, pos: int, stop: int, waiting: int, ledger: Ledger, windows: list[dict[str, pa.Table]]
    ) -> tuple[int, int]:
        """Decode as many lines as fit the row tables; next line and number of waiting records."""
        state, joiner = self._state, self._joiner
        first_line = int(state[scan.S_LINE])
        pos = passes.read_window(
            self._buffer, pos, stop, stop + _PAD, waiting, WINDOW, self._rec, self._rej, state, self._slots, joiner,
            self._messages, CHOICE, self._received_us, self._age_us, AGE_LINES, self._comma,
        )  # fmt: skip
        ledger.lines += int(state[scan.S_LINE]) - first_line
        ledger.messages += int(joiner[parts.J_MESSAGES])
        ledger.parts += int(joiner[parts.J_PARTS])
        ledger.comments += int(state[scan.S_COMMENTS])
        batch = columns.Batch(
            self._buffer, self._rec, self._messages, int(joiner[parts.J_FOUND]), self._name, self._codes, self._room,
            self._received_us, self._hint_us,
        )  # fmt: skip
        made = columns.tables(batch)
        if STATICS.name in made:
            made[STATICS.name] = self._join24.apply(made[STATICS.name])
        self._add_rejects(made, ledger)
        windows.append(made)
        waiting = self._compact()
        self._rec[:waiting] = self._kept
        return pos, waiting

    def _compact(self) -> int:
        joiner = self._joiner
        kept = np.empty((int(joiner[parts.J_SLOTS]) * parts.MAX_PARTS, scan.RECORD), np.int64)
        count = int(parts.keep_waiting(self._rec, self._slots, joiner, kept))
        self._kept = kept[:count]
        return count

    def _add_rejects(self, made: dict[str, pa.Table], ledger: Ledger) -> None:
        count = int(self._joiner[parts.J_REJECTS])
        if not count:
            return
        rej = self._rej[:count]
        made[REJECTS.name] = columns.rejects(self._buffer, rej, self._name, self._received_us)
        counted = rej[rej[:, scan.R_COUNTS] != 0, scan.R_REASON]
        reasons = Counter(counted.tolist())
        ledger.rejected.update({scan.REASONS[reason]: n for reason, n in reasons.items()})

    def _end(self, ledger: Ledger) -> dict[str, pa.Table]:
        made: dict[str, pa.Table] = {}
        self._joiner[parts.J_REJECTS] = 0
        parts.orphan_all(self._rec, self._slots, self._rej, self._joiner, int(self._state[scan.S_LINE]))
        self._add_rejects(made, ledger)
        self._kept = self._kept[:0]
        return made

    def _carry(self, waiting: int) -> None:
        """Keep the bytes that waiting parts and a pending station point to."""
        pieces, at = [], 0
        state = self._state
        if state[scan.S_RANK] > scan.RANK_NONE:
            start, length = int(state[scan.S_STATION]) >> 8, int(state[scan.S_STATION]) & 255
            pieces.append(self._buffer[start : start + length].tobytes())
            state[scan.S_STATION], at = length, length
        for row in self._kept:  # few: parts that wait
            start, length = int(row[scan.START]), int(row[scan.LENGTH])
            name, size = int(row[scan.STATION]) >> 8, int(row[scan.STATION]) & 255
            pieces.append(self._buffer[start : start + length].tobytes())
            pieces.append(self._buffer[name : name + size].tobytes())
            row[scan.PAYLOAD] += at - start
            row[scan.START], row[scan.STATION] = at, ((at + length) << 8) | size
            at += length + size
        self._tail, self._lead = b"".join(pieces), at
