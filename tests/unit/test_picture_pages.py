"""Lines that a step gives away stay as they were told, and their memory comes back once nobody looks at them."""

from __future__ import annotations

import numpy as np

from kuroshio.picture import journal
from kuroshio.picture.table import CTL_LOG, CTL_SIZE


def _step(pages: journal.Pages, log: journal.Log, mark: int, lines: int) -> tuple[np.ndarray, journal.Log]:
    ctl = np.zeros(CTL_SIZE, np.int64)
    log.lines["ints"][:lines] = mark
    ctl[CTL_LOG] = lines
    told, _, log = pages.hand_over(log, ctl)
    assert ctl[CTL_LOG] == 0
    return told, log


def test_what_is_held_is_never_written_again() -> None:
    pages, log, held = journal.Pages(), journal.new_log(1000), []
    for mark in range(1, 12):
        lines = 3 if mark % 5 == 0 else 600 + mark
        told, log = _step(pages, log, mark, lines)
        if mark % 3:
            held.append((mark, lines, told["ints"]))  # a view of the buffer, as an update keeps it
    for mark, lines, ints in held:
        assert ints.shape[0] == lines
        assert (ints == mark).all()


def test_memory_is_used_again_when_nobody_holds_it() -> None:
    pages, log, places = journal.Pages(), journal.new_log(1000), set()
    for mark in range(20):
        told, log = _step(pages, log, mark, 900)
        places.add(told.ctypes.data)
        del told
    assert len(places) <= journal.PAGES_KEPT + 1


def test_few_lines_are_copied_and_keep_no_buffer() -> None:
    pages, log = journal.Pages(), journal.new_log(1000)
    told, after = _step(pages, log, 1, journal.LINES_COPIED)
    assert told.base is None or len(told.base) == len(told)
    assert after.lines is log.lines


def test_a_larger_buffer_takes_the_place_of_smaller_ones() -> None:
    pages, log = journal.Pages(), journal.new_log(1000)
    for _ in range(4):
        told, log = _step(pages, log, 1, 900)
        del told
    ctl = np.zeros(CTL_SIZE, np.int64)
    log = journal.ensure(log, ctl, 5000, 1)
    for _ in range(6):
        _, log = _step(pages, log, 2, 4000)
        assert len(log.lines) >= 5000
