"""Three nodes that see the same ships and tell one another: what fusing does to honesty.

Three radars, one a node, all over the same ships; every 10 s each node tells the others its picture. Naive fusion
takes what it hears as independent and passes on the result, so that information comes round again; covariance
intersection (the product's rule for a partner's bare tracks) does not; shared reports with their identities (the
product's rule where partners give reports) count each report once. Positions are scored: ANEES 1 is honest.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.picture import live
from kuroshio.picture import Tracker
from kuroshio.schema import TRACKS, concat
from kuroshio.testing import metrics
from kuroshio.testing.sea.scene import Scene, four_radars, observations

SHIPS, MINUTES, EVERY_S, SEED = 60, 12, 10, 41
Q = 1e-3
COV = ("cov_ee_m2", "cov_en_m2", "cov_nn_m2", "cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2")


def _scene() -> Scene:
    radar = {"range_m": 130_000.0, "scan_s": 10.0, "range_sigma_m": 50.0, "bearing_sigma_deg": 0.3}
    sites = four_radars((20.0, 122.0), 25.0, p_detection=0.9, clutter_per_scan=5.0, **radar)[:3]
    return observations(SEED, SHIPS, 60.0 * MINUTES, half_nm=25.0, radars=sites, dark_share=1.0)


def _only(scene: Scene, source: str) -> pa.Table:
    return scene.observations.filter(pa.array(np.array(scene.observations["source"].to_pylist()) == source))


class _Node:
    """One node: its tracker and what it hears."""

    def __init__(self, scene: Scene, number: int, *, all_radars: bool) -> None:
        sensors = [s for s in scene.sensors() if all_radars or s.source == f"radar{number}"]
        self.name, self.tracker = f"node{number}", Tracker(sensors=sensors)
        self.rows = scene.observations if all_radars else _only(scene, f"radar{number}")
        self.at = live.arrival_us(self.rows, late=False)
        self.done = 0
        self.shots: list[pa.Table] = []

    def step(self, now_us: int, partners: pa.Table | None = None, repeat: bool = False) -> None:
        upto = int(np.searchsorted(self.at, now_us, "right"))
        part = self.rows.slice(self.done, upto - self.done)
        if repeat:  # the same reports a second time, by way of the other partner
            part = pa.concat_tables([part, part])
        self.done = upto
        self.tracker.step(part, now_us=now_us, partners=partners)

    def told(self, shot: pa.Table, *, whole: bool = False) -> pa.Table:
        """A snapshot as a partner's rows for others; ``whole`` with its provenance, which tracklets need."""
        refs = pa.array([str(t) for t in shot["track_id"].to_pylist()], pa.string())
        marks = [f"{self.name}-{t}" if whole else None for t in shot["track_id"].to_pylist()]
        for column, values in (
            ("partner", pa.array([self.name] * shot.num_rows, pa.string())),
            ("partner_track", refs),
            ("provenance", pa.array(marks, pa.string())),
        ):
            shot = shot.set_column(shot.schema.get_field_index(column), shot.schema.field(column), values)
        return shot


def _instants(scene: Scene) -> list[int]:
    start = int(scene.truth["observed_at"].cast(pa.int64())[0].as_py())
    return [start + s * live.US for s in range(EVERY_S, 60 * MINUTES, EVERY_S)]


def _score(shots: list[pa.Table], scene: Scene) -> dict:
    score = metrics.score(concat(TRACKS, shots), scene.truth, hold_s=1.0, skip_s=180.0, cutoff_m=2000.0)
    return {
        "anees": score.anees,
        "position_error_m": score.position_error_m,
        "completeness": score.completeness,
        "in_95": score.ellipse.get(0.95),
    }


def _alone(scene: Scene) -> list[_Node]:
    nodes = [_Node(scene, n, all_radars=False) for n in range(3)]
    for now_us in _instants(scene):
        for node in nodes:
            node.step(now_us)
            node.shots.append(node.tracker.snapshot(now_us))
    return nodes


def _fused(scene: Scene, alone: list[_Node], *, pass_on: bool = False, whole: bool = False) -> list[_Node]:
    """Partners' bare tracks into the tracker: the product's own fusion.

    Told is each node's own picture, or what it made of it with the others' (a rumour that comes round). Of the latter
    only what its own sensors hold too: partners' tracks under a new name each time would be twice as many each time.
    """
    nodes = [_Node(scene, n, all_radars=False) for n in range(3)]
    told: list[pa.Table] = [TRACKS.empty()] * 3
    for k, now_us in enumerate(_instants(scene)):
        for number, node in enumerate(nodes):
            node.step(now_us, partners=concat(TRACKS, [t for n, t in enumerate(told) if n != number]))
            node.shots.append(node.tracker.snapshot(now_us))
        shots = [_held(n.shots[k]) if pass_on else a.shots[k] for n, a in zip(nodes, alone, strict=True)]
        told = [n.told(shot, whole=whole) for n, shot in zip(nodes, shots, strict=True)]
    return nodes


def _held(shot: pa.Table) -> pa.Table:
    """What own sensors hold of a picture."""
    return shot.filter(pc.is_null(shot["partner"]))


def _provenance(scene: Scene) -> list[_Node]:
    """Every report to every node, twice: identities make it count once."""
    nodes = [_Node(scene, n, all_radars=True) for n in range(1)]  # all three are the same
    for now_us in _instants(scene):
        for node in nodes:
            node.step(now_us, repeat=True)
            node.shots.append(node.tracker.snapshot(now_us))
    return nodes


def _naive(scene: Scene, alone: list[_Node]) -> dict:
    """What the nodes' own pictures give when each takes the others' last fused picture as independent."""
    values, errors = [], []
    fused: list[dict[int, tuple]] = [{}, {}, {}]
    by_node = [_of_ships(node.shots, scene) for node in alone]
    for k in range(len(alone[0].shots)):
        new: list[dict[int, tuple]] = []
        for number in range(3):
            mine = {}
            for ship, (x, v, p, pv, truth) in by_node[number][k].items():
                information, vector = np.linalg.inv(p), np.linalg.inv(p) @ x
                for other in range(3):
                    if other != number and ship in fused[other]:
                        y, w, c, cv, _ = fused[other][ship]
                        moved = np.linalg.inv(c + EVERY_S**2 * cv + np.eye(2) * Q * EVERY_S**3 / 3.0)
                        information, vector = information + moved, vector + moved @ (y + EVERY_S * w)
                cov = np.linalg.inv(information)
                mine[ship] = (cov @ vector, v, cov, pv, truth)
            new.append(mine)
        fused = new
        if (k + 1) * EVERY_S >= 180:
            for mine in fused:
                for x, _, p, _, truth in mine.values():
                    e = x - truth
                    values.append(float(e @ np.linalg.solve(p, e)) / 2.0)
                    errors.append(float(e @ e))
    inside = float(np.mean(np.array(values) * 2.0 <= 5.991))
    return {"anees": float(np.mean(values)), "position_error_m": float(np.mean(errors)) ** 0.5, "in_95": inside}


def _of_ships(shots: list[pa.Table], scene: Scene) -> list[dict[int, tuple]]:
    """At each instant, by ship: its track's position in metres and velocity, their covariances, and the truth."""
    from kuroshio.geo import enu_offset_m

    pairs = metrics.match(concat(TRACKS, shots), scene.truth, hold_s=1.0, cutoff_m=2000.0)
    tr, gt = pairs.tr, pairs.gt
    out: list[dict[int, tuple]] = [{} for _ in shots]
    times = {int(s["observed_at"].cast(pa.int64())[0].as_py()): k for k, s in enumerate(shots) if s.num_rows}
    for i, j in pairs.pairs.tolist():
        row, true = int(pairs.shown_row[j]), int(pairs.true_row[i])
        k = times.get(int(pairs.times[pairs.shown_at[j]]))
        if k is None:
            continue
        place = np.array(enu_offset_m(20.0, 122.0, pairs.lat[j], pairs.lon[j]))
        really = np.array(enu_offset_m(20.0, 122.0, pairs.true_lat[i], pairs.true_lon[i]))
        ee, en, nn, vee, ven, vnn = (float(tr.number(c)[row]) for c in COV)
        speed = np.array([float(tr.number(c)[row]) for c in ("ve_mps", "vn_mps")])
        out[k][int(gt.ident[true])] = (
            place,
            speed,
            np.array([[ee, en], [en, nn]]),
            np.array([[vee, ven], [ven, vnn]]),
            really,
        )
    return out


def table() -> dict:
    """ANEES, error and share inside the 95 % ellipse of each way of sharing, over all nodes."""
    scene = _scene()
    alone = _alone(scene)
    rows = [{"case": "each node alone", **_mean(alone, scene)}, {"case": "naive, fed back", **_naive(scene, alone)}]
    for case, how in (
        ("own tracks told, covariance intersection", {}),
        ("own tracks told with provenance, tracklets", {"whole": True}),
        ("fused tracks passed on, covariance intersection", {"pass_on": True}),
    ):
        rows.append({"case": case, **_mean(_fused(scene, alone, **how), scene)})
    rows.append({"case": "shared reports, each counted once", **_mean(_provenance(scene), scene)})
    return {"ships": SHIPS, "minutes": MINUTES, "every_s": EVERY_S, "rows": rows}


def _mean(nodes: list[_Node], scene: Scene) -> dict:
    scores = [_score(node.shots, scene) for node in nodes]
    return {key: float(np.mean([s[key] for s in scores])) for key in scores[0]}
