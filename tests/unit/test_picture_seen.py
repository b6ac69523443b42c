"""When each source last fed a track: exact for six sources, never lost for a kind, the same live, cut and restarted."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.picture import Tracker, story_of
from kuroshio.picture.compiled import bare
from kuroshio.picture.seen import EMPTY, KINDS, NEVER, SEEN_MAX, TIME_MAX_US, note_seen, seen_columns, seen_us
from kuroshio.picture.table import TRACK
from kuroshio.schema import EVENTS, LINKS, OBSERVATIONS, TRACKS, concat

T0 = 1_700_000_000_000_000
SOURCES = {k: k % KINDS for k in range(14)}  # a source has one kind


@bare
def _note(tracks, kind, source, t_us):  # type: ignore[no-untyped-def]
    note_seen(tracks[0], kind, source, t_us)


def _after(notes: list[tuple[int, int]]) -> Any:
    tracks = np.zeros(1, TRACK)
    tracks["seen"] = EMPTY
    for source, t_us in notes:
        _note(tracks, SOURCES[source], source, t_us)
    return tracks["seen"]


@given(st.lists(st.tuples(st.sampled_from(sorted(SOURCES)), st.integers(0, TIME_MAX_US - 1)), max_size=40))
def test_no_kind_loses_its_last_time_whatever_the_order(notes: list[tuple[int, int]]) -> None:
    seen = _after(notes)
    for kind in range(KINDS):
        times = [t for s, t in notes if SOURCES[s] == kind]
        assert seen_us(seen, kind)[0] == max(times, default=NEVER)
    heard = {s for s, _ in notes}
    sources = np.array([sum(1 << s for s in heard)], np.int64)
    kinds, last, first = seen_columns(seen, sources, len(SOURCES))
    assert kinds[0].tolist() == [seen_us(seen, k)[0] for k in range(KINDS)]
    assert first.tolist() == [0, len(heard)]
    truth = [max(t for s, t in notes if s == source) for source in sorted(heard)]
    if len(heard) <= SEEN_MAX:
        assert last.tolist() == truth
    else:
        assert np.count_nonzero(last != NEVER) == SEEN_MAX
        assert (last <= np.array(truth)).all()


def _reports(source: str, kind: str, seconds: np.ndarray, seed: int) -> pa.Table:
    n = len(seconds)
    ais = kind == "ais"
    return OBSERVATIONS.build(
        {
            "obs_id": seed * 100_000 + np.arange(1, n + 1),
            "observed_at": (T0 + (seconds * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": [source] * n,
            "sensor": [kind] * n,
            "lat_deg": 20.0 + 5.0 * seconds / 111_000.0 + np.random.default_rng(seed).normal(0.0, 1e-5, n),
            "lon_deg": np.full(n, 122.0),
            "cov_ee_m2": np.full(n, 100.0),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, 100.0),
            "sog_mps": np.full(n, 5.0 if ais else np.nan),
            "cog_deg": np.full(n, 0.0 if ais else np.nan),
            "mmsi": pa.array([273_000_001 if ais else None] * n, pa.int64()),
            "scan": pa.array([None if ais else int(s) for s in seconds], pa.int64()),
        }
    )


def _ship() -> pa.Table:
    """One ship: two AIS receivers, four radars, a camera, each from its own time to its own time."""
    parts = [
        _reports("west", "ais", np.arange(0.0, 200.0, 10.0), 1),
        _reports("east", "ais", np.arange(5.0, 120.0, 10.0), 2),
        *(_reports(f"radar{k}", "radar", np.arange(2.0 + k, 150.0 + 10.0 * k, 4.0), 3 + k) for k in range(4)),
        _reports("camera", "image", np.array([60.5, 90.5]), 9),
    ]
    return concat(OBSERVATIONS, parts).sort_by([("observed_at", "ascending"), ("obs_id", "ascending")])


def _run(cuts: list[int], folder: Path | None) -> pa.Table:
    rows, tracker, out = _ship(), Tracker(), []
    times = np.asarray(rows["observed_at"].cast(pa.int64()))
    borders = [0, *cuts, rows.num_rows]
    for a, b in pairwise(borders):
        out.append(tracker.step(rows.slice(a, b - a), now_us=int(times[b - 1])).tracks)
        if folder is not None:
            tracker.save(folder / "state")
            tracker = Tracker.load(folder / "state")
    return concat(TRACKS, [*out, tracker.flush().tracks])


@pytest.mark.parametrize("restart", [False, True])
def test_rows_say_it_alike_however_they_are_cut_and_restarted(tmp_path: Path, restart: bool) -> None:
    whole, cut = _run([], None), _run([3, 17, 60, 61, 150], tmp_path if restart else None)
    assert whole.equals(cut)
    rows = _ship()
    names = np.array(rows["source"].to_pylist())
    times = np.asarray(rows["observed_at"].cast(pa.int64()))
    (track,) = {r["track_id"] for r in whole.to_pylist()}
    last = whole.slice(whole.num_rows - 1).to_pylist()[0]
    assert last["track_id"] == track
    assert sorted(last["sources"]) == sorted(set(names.tolist()))
    told = dict(zip(last["sources"], last["sources_last_at"], strict=True))
    truth = {n: datetime.fromtimestamp(int(times[names == n].max()) / 1e6, UTC) for n in set(names.tolist())}
    kept = {n: at for n, at in told.items() if at is not None}
    assert kept == {n: truth[n] for n in kept}
    assert set(told) - set(kept) == {"east"}  # of seven the oldest that is not the last of its kind
    assert last["last_image_at"] == told["camera"]
    assert last["last_ais_at"] == told["west"]
    story = story_of(EVENTS.empty(), LINKS.empty(), whole, track)
    assert [s["source"] for s in story["seen"]] == sorted(kept, key=lambda n: kept[n], reverse=True)
