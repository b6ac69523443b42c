"""What is left to no association: our tracker on a scored scene, told whose each plot and each report is.

Everything else is the tracker as it is shipped: what it sees, its filter, lives, registration and flags. A plot may go
to a track of its own ship alone, false plots are none, a report names a track of plots of its own ship alone, and two
tracks are joined only if they are of one ship. What a figure still lacks then is the sensors', the scene's or the
measure's; what it lacks beyond is association's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.picture import live
from kuroshio.picture import Tracker, gate
from kuroshio.picture import frames as frames_module
from kuroshio.picture.grid import build
from kuroshio.picture.identity import CONFLICTING, STARTED, Candidates
from kuroshio.picture.lifecycle import predict_rows
from kuroshio.picture.tracker import BIND_RADIUS_M
from kuroshio.testing import metrics
from kuroshio.testing.sea.scene import Scene
from kuroshio.testing.sea.trials import trial

_plain_gate = gate.gate_frame


class Truth:
    """Whose each observation is, and whose each track: of the ship of the observation it began with."""

    def __init__(self) -> None:
        self.of_obs: dict[int, int] = {}
        self.of_track: dict[int, int] = {}

    def hear(self, chunks: Iterable[Scene]) -> Iterator[Scene]:
        """The chunks without false plots, each read before it is played."""
        for scene in chunks:
            real = pa.array(scene.ship_ids >= 0)
            table, ships = scene.observations.filter(real), scene.ship_ids[scene.ship_ids >= 0]
            self.of_obs.update(zip(table["obs_id"].to_pylist(), ships.tolist(), strict=True))
            yield replace(scene, observations=table, ship_ids=ships)

    def obs(self, rows: Any) -> np.ndarray:
        """Ship of each of some observations."""
        return np.array([self.of_obs[k] for k in rows["obs_id"].tolist()], np.int64)

    def tracks(self, uids: np.ndarray) -> np.ndarray:
        """Ship of each of some tracks."""
        return np.array([self.of_track[k] for k in uids.tolist()], np.int64)

    def note(self, obs: Any, out: Any) -> None:
        """Tracks that began with one of some observations."""
        for k in np.flatnonzero((out["code"] == STARTED) | (out["code"] == CONFLICTING)).tolist():
            self.of_track[int(out["uid"][k])] = self.of_obs[int(obs["obs_id"][k])]


def prepare(tracker: Tracker, truth: Truth) -> None:
    """Make a new tracker ask the truth where it would weigh likelihoods."""
    scan_part, keyed, pairs = tracker.frames._scan_part, tracker._keyed, tracker.house.merging.pairs

    def frame_told(obs: Any, idx: Any, source: int, scan: int, out: Any) -> None:
        def own(tracks: Any, rows: Any, all_obs: Any, some: Any, *rest: Any) -> tuple[Any, ...]:
            found = _plain_gate(tracks, rows, all_obs, some, *rest)
            same = truth.tracks(tracks["uid"][found[0]]) == truth.obs(all_obs[some])[found[1]]
            return tuple(column[same] for column in found)

        frames_module.gate.gate_frame = own
        try:
            scan_part(obs, idx, source, scan, out)
        finally:
            frames_module.gate.gate_frame = _plain_gate
        truth.note(obs[idx], out[idx])

    def keyed_told(obs: Any, a: int, b: int, out: Any) -> None:
        for k in np.flatnonzero(obs["mmsi"][a:b] > 0) + a:  # one by one, each with its ship's tracks as candidates
            tracker._candidates = _of_ship(tracker, truth, truth.of_obs[int(obs["obs_id"][k])])
            keyed(obs, k, k + 1, out)
            truth.note(obs[k : k + 1], out[k : k + 1])

    def pairs_told(found: Any, uid: Any, passes: int) -> Any:
        one = truth.tracks(uid[found[:, 0]]) == truth.tracks(uid[found[:, 1]])
        return pairs(found[one], uid, passes)

    tracker.frames._scan_part = frame_told  # type: ignore[method-assign]
    tracker._keyed = keyed_told  # type: ignore[method-assign]
    tracker.house.merging.pairs = pairs_told  # type: ignore[method-assign]


def _of_ship(tracker: Tracker, truth: Truth, ship: int) -> Candidates:
    """Tracks of plots of one ship, as `Tracker._candidate_rows` gives those of all."""
    life, rows = tracker.table.life, tracker.table.live
    rows = rows[life.mmsi[rows] == 0]
    rows = rows[[truth.of_track[k] == ship for k in life.uid[rows].tolist()]] if len(rows) else rows
    rows = rows[life.fed[rows, 1] >= 2]
    at_us = (tracker.next_tick_us or 0) - tracker.tick_us
    state = predict_rows(tracker.table.tracks, rows, at_us, tracker.motion)
    grid = build(np.ascontiguousarray(state[:, 0]), np.ascontiguousarray(state[:, 1]), BIND_RADIUS_M)
    return Candidates(rows, grid, BIND_RADIUS_M, tracker.forbidden, True)


def track(chunks: Iterable[Scene]) -> live.Run:
    """`live.track` of a scene by a tracker that is told whose all is."""
    truth = Truth()
    return live.track(truth.hear(chunks), prepare=lambda tracker: prepare(tracker, truth))


def by_name(run: live.Run) -> dict[str, Any]:
    """ANEES of honest ships, and of it the part of pairs whose names agree (both none, or one and the same)."""
    pairs = metrics.match(run.snapshots, run.truth, hold_s=1.0, skip_s=120.0, cutoff_m=500.0)
    gt, tr = pairs.gt, pairs.tr
    ship, shown = pairs.true_row[pairs.pairs[:, 0]], pairs.shown_row[pairs.pairs[:, 1]]
    said, real = (np.nan_to_num(c.number("mmsi")[k]) for c, k in ((tr, shown), (gt, ship)))
    values = metrics.nees(*pairs.errors(1e-3)) / 2.0
    honest = gt.is_word("spoof", "none")[ship]
    agree, n = honest & (said == real), max(int(honest.sum()), 1)
    return {
        "anees": float(values[honest].mean()),
        "anees_of_agreeing": float(values[agree].mean()),
        "pairs_that_disagree": int(n - agree.sum()),
        "pairs": n,
        "anees_from_the_rest": float(values[honest & ~agree].sum()) / n,
    }


def table(name: str = "hard", seeds: tuple[int, ...] = (31, 32, 33), ships: int | None = None) -> dict[str, Any]:
    """Two rows a seed: the tracker as it is shipped, and told whose all is."""
    rows = []
    for seed in seeds:
        for case, play in (("as shipped", live.track), ("told whose all is", track)):
            run = play(trial(name).play(seed, ships=ships))
            score = run.score(cutoff_m=500.0)
            dark, spoof = score.dark or {}, score.spoof or {}
            rows.append(
                {
                    "scene": name, "seed": seed, "case": case, "identity_correct": score.identity_correct,
                    "dark_recall": dark.get("recall"), "dark_precision": dark.get("precision"),
                    "false_flags": spoof.get("false_flags"),
                    "false_flags_per_vessel_h": spoof.get("false_flags_per_vessel_h"),
                    "track_changes_per_h": score.track_changes_per_h, **by_name(run),
                }
            )  # fmt: skip
    return {"rows": rows}
