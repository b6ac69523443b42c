"""The log of rows gives back what it was given, however narrow it keeps it, and only what was asked for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from kuroshio import clock
from kuroshio.behaviour.blocks import Block, Form
from kuroshio.behaviour.columns import constant
from kuroshio.behaviour.fixes import NEVER, Fixes, of_block
from kuroshio.behaviour.index import IdIndex, distinct
from kuroshio.behaviour.log import Log, _Chunk

_INTS = ("track", "t", "mmsi", "ais_at", "nav", "name")
_FLOATS = ("lat", "lon", "sog", "heading")
_SHARED: dict[str, Any] = {"flags": -1, "radar_at": NEVER, "image_at": NEVER, "ship_type": -1, "status": 0, "hits": -1}
_SHARED |= {"imo": -1, "call_sign": -1, "cog": np.nan, "length": np.nan, "exercise": False}
_TYPES: dict[str, Any] = {"cog": np.float64, "length": np.float64, "exercise": np.bool_}
_NAMES = [f.name for f in fields(Fixes)]
TRACKS = np.arange(50) * 7_000_000_000 + 3
FOREVER = np.full(50, 1 << 61)


def _step(n: int, seed: int, t0: int = 1_700_000_000_000_000, shared: tuple[str, ...] = ()) -> tuple[Fixes, Any]:
    """Rows of different tracks in order, a block as a live step makes it, with the rows of their tracks."""
    rng = clock.generator(seed)
    slot = np.sort(rng.permutation(50)[:n])
    ints = {name: rng.integers(0, 900_000_000, n) for name in _INTS} | {"track": TRACKS[slot]}
    ints |= {"t": t0 + rng.integers(0, 9_000_000, n), "nav": rng.integers(-1, 16, n), "name": np.full(n, -1)}
    ints["ais_at"] = np.where(rng.random(n) < 0.3, NEVER, ints["t"] - rng.integers(0, 60_000_000, n))
    floats = {"lat": rng.uniform(-90, 90, n), "lon": rng.uniform(-180, 180, n), "sog": rng.integers(0, 99, n) / 4}
    floats = {name: np.rint(v * 1e7) / 1e7 for name, v in floats.items()} | {"heading": np.full(n, np.nan)}
    alone = {name: constant(1, value, _TYPES.get(name, np.int64)) for name, value in _SHARED.items()}
    alone |= {name: constant(1, -1) for name in shared}
    names = [name for name in _INTS if name not in shared]
    form = Form.of(names, _FLOATS, alone)
    like = Fixes(**{name: alone[name] if name in alone else np.zeros(1) for name in _NAMES})
    block = Block(form, np.stack([ints[name] for name in names]), np.stack([floats[name] for name in _FLOATS]))
    return of_block(block, like), slot


def _rows(fixes: Fixes) -> list[bytes]:
    """Each row bit by bit, in the order of track and time; all that is no number is one."""
    order = np.lexsort((fixes.t, fixes.track))
    columns = [
        np.asarray(v)[order].astype("f8" if v.dtype == np.float64 else "i8") for v in fixes.as_columns().values()
    ]
    columns = [np.where(c != c, np.nan, c) if c.dtype == np.float64 else c for c in columns]
    return [b"".join(c[i].tobytes() for c in columns) for i in range(len(fixes))]


def _all(log: Log) -> Fixes:
    return log.between(-(1 << 60), -FOREVER, FOREVER, TRACKS)


def test_rows_come_back_as_they_were() -> None:
    log, steps = Log(), [_step(20, k) for k in range(30)]
    for k, (fixes, slot) in enumerate(steps):
        log.add(fixes, slot, 1_000 * k)
    assert sorted(_rows(_all(log))) == sorted(r for f, _ in steps for r in _rows(f))
    late = log.between(25_000, -FOREVER, FOREVER, TRACKS)
    assert sorted(_rows(late)) == sorted(r for f, _ in steps[25:] for r in _rows(f))
    some = FOREVER.copy()
    some[10:] = NEVER
    assert set(log.between(0, -FOREVER, some, TRACKS).track.tolist()) <= set(TRACKS[:10].tolist())


def _odd(name: str) -> tuple[Fixes, Any]:
    fixes, slot = _step(20, 99)
    {
        "zero": lambda: fixes.lat.__setitem__(3, -0.0),
        "fine": lambda: fixes.lon.__setitem__(3, 1.00000001),
        "speed": lambda: fixes.sog.__setitem__(3, 0.1),
        "number": lambda: fixes.mmsi.__setitem__(3, 1 << 40),
        "below": lambda: fixes.mmsi.__setitem__(3, -(1 << 31) - 1),
        "old": lambda: fixes.ais_at.__setitem__(3, fixes.t[3] - 3_600_000_000),
        "edge": lambda: fixes.ais_at.__setitem__(3, fixes.t[3] - (1 << 31)),
        "ahead": lambda: fixes.ais_at.__setitem__(3, 1 << 61),
        "name": lambda: fixes.name.__setitem__(3, 1 << 61),
    }[name]()
    return fixes, slot


@pytest.mark.parametrize("what", ["zero", "fine", "speed", "number", "below", "old", "edge", "ahead", "name"])
@pytest.mark.parametrize("first", [False, True])
def test_what_does_not_fit_is_kept_wide(what: str, first: bool) -> None:
    log, steps = Log(), [_step(20, k) for k in range(4)]
    steps.insert(0 if first else 2, _odd(what))
    for k, (fixes, slot) in enumerate(steps):
        log.add(fixes, slot, k)
    assert len(log.parts) == (1 if first else 2)  # what was wide once stays so
    assert sorted(_rows(_all(log))) == sorted(r for f, _ in steps for r in _rows(f))


def test_steps_that_share_less_begin_a_chunk() -> None:
    log = Log()
    steps = [
        _step(20, 0, shared=("nav", "name")),
        _step(20, 1, shared=("name",)),
        _step(20, 2),
        _step(20, 3, shared=("nav",)),
    ]
    for k, (fixes, slot) in enumerate(steps):
        log.add(fixes, slot, k)
    assert len(log.parts) == 3
    assert sorted(_rows(_all(log))) == sorted(r for f, _ in steps for r in _rows(f))


def test_memory_of_what_is_forgotten_is_used_again() -> None:
    log, kept, memories, chunks = Log(), [], [], []
    for k in range(700):
        fixes, slot = _step(40, k)
        log.add(fixes, slot, k)
        log.forget(k - 150)
        kept = [*kept, _rows(fixes)][-151:]
        chunk = log.parts[-1]
        assert isinstance(chunk, _Chunk)
        chunks += [chunk] if chunk not in chunks else []
        memories += [chunk.memory] if not any(chunk.memory is m for m in memories) else []
    assert len(log.parts) <= 4
    assert len(memories) < len(chunks)
    assert log.rows == 151 * 40
    arrays = log.arrays(TRACKS)
    assert sorted(_rows(log.between(549, -FOREVER, FOREVER, TRACKS))) == sorted(r for rows in kept for r in rows)
    assert arrays["log_arrived"].tolist() == np.repeat(np.arange(549, 700), 40).tolist()
    assert (TRACKS[arrays["log_slot"]] == arrays["track"]).all()
    again = Log()
    again.restore(arrays)
    assert _rows(_all(again)) == _rows(log.between(549, -FOREVER, FOREVER, TRACKS))


@pytest.mark.parametrize("n", [0, 1, 2, 5_000])
def test_distinct(n: int) -> None:
    keys = clock.generator(n).integers(-(1 << 40), 1 << 40, n)
    both = np.concatenate([keys, keys[: n // 2]])
    assert distinct(both).tolist() == np.unique(both).tolist()
    assert (both[:n] == keys).all()


def test_index_of_many_names_in_any_order() -> None:
    rng = clock.generator(5)
    names, index, known = rng.integers(0, 1 << 62, 30_000), IdIndex(), {}  # type: ignore[var-annotated]
    for _ in range(12):
        keys = rng.choice(names, 9_000)
        wanted = [known.setdefault(key, len(known)) for key in keys.tolist()]
        assert index.rows(keys).tolist() == wanted
    assert index.find(names).tolist() == [known.get(key, -1) for key in names.tolist()]
