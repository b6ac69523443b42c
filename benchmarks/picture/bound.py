"""What no tracker can do better on a peer scene: our filter told whose each plot is, and the Cramer-Rao bound.

The bound is a clairvoyant's: it is told whose each plot is, and each turn a ship makes, so that ships move without
noise. A tracker, which has to expect turns, stays above it. Source: van Trees, Detection, Estimation and Modulation
Theory I, 2.4.3; Tichavsky, Muravchik, Nehorai, IEEE T-SP 1998, for no process noise. Both are told as GOSPA would be
with no ship missed and no track false: the root of the sum of squared errors.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from benchmarks.picture import run, scene

VELOCITY_VAR = (2.0**2 + 2.0 * 12.0 + 12.0**2) / 6.0  # per axis, of speeds uniform in 2 to 12 m/s and any course


class Named(scene.Scene):
    """A scene whose plots name their ship; as a vessel monitoring system's, for a radar's name confirms nothing."""

    def observations(self) -> pa.Table:
        table = super().observations()
        at = table.schema.get_field_index("sensor")
        words = np.where(np.asarray(table["scan"].is_valid()), "vms", "ais")
        return table.set_column(at, table.schema.field(at), pa.array(words).cast(table.schema.field(at).type))


def told(whole: scene.Scene, at: list[float]) -> float:
    """Mean GOSPA of full mode's filter where every plot names its ship and no plot is false."""
    named = Named([_named(f) for f in whole.frames], whole.truth, whole.radars)
    return float(run.mean_gospa(whole, run.run_full(named, at)["snapshots"], at) or 0.0)


def _named(frame: scene.Frame) -> scene.Frame:
    real = frame.ship >= 0
    velocity = None if frame.velocity is None else frame.velocity[real]
    return scene.Frame(
        frame.t_s, frame.sensor, frame.xy[real], frame.cov[real], frame.ship[real], velocity,
        scene.MMSI_FIRST + frame.ship[real],
    )  # fmt: skip


def clairvoyant_m(whole: scene.Scene, at: list[float]) -> float:
    """Mean over the times of the root of the summed variances that the bound leaves, metres."""
    ships = len(next(iter(whole.truth.values())))
    info = np.zeros((ships, 4, 4))
    info[:, [2, 3], [2, 3]] = 1.0 / VELOCITY_VAR
    since, waiting, out = np.zeros(ships), sorted(at), []

    def carried(k: np.ndarray, t_s: float) -> np.ndarray:
        back = np.tile(np.eye(4), (len(k), 1, 1))
        back[:, [0, 1], [2, 3]] = (since[k] - t_s)[:, None]
        return back.transpose(0, 2, 1) @ info[k] @ back

    def left_m(t_s: float) -> float:
        var = np.linalg.inv(carried(np.arange(ships), t_s) + 1e-12 * np.eye(4))
        return float(np.sqrt((var[:, 0, 0] + var[:, 1, 1]).sum()))

    for frame in sorted(whole.frames, key=lambda f: f.t_s):
        while waiting and frame.t_s >= waiting[0]:
            out.append(left_m(waiting.pop(0)))
        real = frame.ship >= 0
        k, cov = frame.ship[real], frame.cov[real]
        info[k], since[k] = carried(k, frame.t_s), frame.t_s
        info[k, :2, :2] += np.linalg.inv(np.stack([cov[:, [0, 1]], cov[:, [1, 2]]], axis=1))
        if frame.velocity is not None:
            info[k, [[2], [3]], [[2], [3]]] += 1.0 / scene.SIGMA_V**2
    return float(np.mean(out + [left_m(t) for t in waiting]))
