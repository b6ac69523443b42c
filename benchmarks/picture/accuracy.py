"""Accuracy with default settings on the named scenes: figures by class of ship, flags, registration, late reports.

Every table plays scored scenes (`kuroshio sea list`) through a tracker with `TrackerConfig()` as it is shipped, in
steps of a second; snapshots each 10 s are scored against the truth after the first two minutes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from benchmarks.picture import drag_bound, live
from kuroshio.geo import enu_offset_m
from kuroshio.picture import Tracker
from kuroshio.testing import metrics, scoremap
from kuroshio.testing.sea.conditions import Conditions
from kuroshio.testing.sea.scene import Scene
from kuroshio.testing.sea.trials import Trial, trial

SEED = 31
SCENES = ("open-sea", "ramp", "real-ships", "harbours", "islands", "biased", "lossy", "spoofed", "hard")
PLAIN_SHIPS = {"harbours": 300}
KEPT = (
    "gospa_mean_m", "completeness", "ambiguity", "spuriousness", "identity_correct", "track_changes_per_h",
    "longest_segment", "position_error_m", "anees",
)  # fmt: skip


def _figures(score: metrics.Score, ships: int) -> dict:
    out = {name: getattr(score, name) for name in KEPT}
    out["gospa_per_root_ship_m"] = score.gospa_mean_m / ships**0.5
    out["ellipse"] = {str(k): v for k, v in score.ellipse.items()}
    out["dark"], out["spoof"] = score.dark, score.spoof
    return out


def maps(names: tuple[str, ...] = ("open-sea", "harbours", "hard"), ships: int = 200) -> tuple[dict, dict[str, str]]:
    """(figures, SVG by scene) of ten minutes of some scenes with few ships, to look at."""
    rows, drawn = [], {}
    for name in names:
        run = live.track(trial(name).play(SEED, ships=ships, duration_s=600.0))
        pairs = metrics.match(run.snapshots, run.truth, hold_s=1.0, skip_s=120.0, cutoff_m=500.0)
        score = metrics.figures(pairs)
        drawn[name] = scoremap.draw(pairs, score, f"{name}, {ships} ships, 10 minutes")
        rows.append({"scene": name, "ships": ships, **{c: getattr(score, c) for c in KEPT}})
    return {"rows": rows}, drawn


def scenes(names: tuple[str, ...] = SCENES, ships: int | None = None) -> dict:
    """One row a scene, with its classes."""
    rows = []
    for name in names:
        chosen = trial(name)
        count = ships or PLAIN_SHIPS.get(name, chosen.ships)
        run = live.track(chosen.play(SEED, ships=count))
        score = run.score(cutoff_m=500.0)
        rows.append(
            {
                "scene": name,
                "ships": count,
                "minutes": run.seconds / 60.0,
                "reports_per_s": run.reports / run.cpu_s,
                **_figures(score, count),
                "classes": score.as_dict()["classes"],
            }
        )
    return {"seed": SEED, "cutoff_m": 500.0, "rows": rows}


def _unregistered(tracker: Tracker) -> None:
    """A tracker that never compares radar plots with AIS."""
    tracker.house.register = lambda *arguments: None  # type: ignore[method-assign]


def registration(ships: int = 300) -> dict:
    """All radars wrong by 80 m and 0.5 degree, with registration and without it."""
    rows = []
    for name, biases, prepare in (
        ("no bias", (), None),
        ("bias, with registration", tuple((k, 80.0, 0.5) for k in range(4)), None),
        ("bias, without", tuple((k, 80.0, 0.5) for k in range(4)), _unregistered),
    ):
        run = live.track(replace(trial("open-sea"), biases=biases).play(SEED, ships=ships), prepare=prepare)
        score = run.score(skip_s=300.0)
        bias = [
            [b.range_m, float(np.degrees(b.bearing_rad))]
            for b in run.tracker.house.registration.bias.values()
            if b.count
        ]
        rows.append({"case": name, "ships": ships, "estimated": bias, **_figures(score, ships)})
    return {"rows": rows}


def _late_cases(scene: Scene) -> dict[str, pa.Table]:
    """Observations of a late scene in order, as they arrived, without the late ones, and with the late called new."""
    table = scene.observations
    observed, received = (table[c].cast(pa.int64()).to_numpy() for c in ("observed_at", "received_at"))
    at = table.schema.get_field_index("received_at")
    prompt = table.set_column(at, table.schema.field(at), table["observed_at"])
    k = table.schema.get_field_index("observed_at")
    return {
        "in order": prompt.take(pa.array(np.argsort(observed, kind="stable"))),
        "as they arrived": table,
        "late ones dropped": table.filter(pa.array(received == observed)),
        "late ones taken as current": table.set_column(k, table.schema.field(k), table["received_at"]),
    }


def late(ships: int = 60) -> dict:
    """Named reports up to two or thirty minutes late, at a third of them: four ways of taking them."""
    rows = []
    for wait_s in (120.0, 1800.0):
        conditions = Conditions(late_share=0.33, late_max_s=wait_s)
        scene = replace(trial("late"), conditions=conditions, dark_share=0.0).whole(SEED, ships=ships)
        scene = _until_delivered(scene)
        last: pa.Table | None = None
        for name, table in _late_cases(scene).items():
            run = live.track([replace(scene, observations=table)], late=name != "late ones taken as current", step_s=10)
            score = run.score(skip_s=300.0)
            end = run.snapshots.filter(pa.array(_newest(run.snapshots)))
            last = end if name == "in order" else last
            assert last is not None
            rows.append(
                {
                    "late_max_s": wait_s,
                    "case": name,
                    "ships": ships,
                    "ancient": run.tracker.totals["ancient"] + run.tracker.totals["too_old"],
                    "from_in_order_m": _apart(last, end),
                    **{c: getattr(score, c) for c in KEPT},
                }
            )
    return {"rows": rows}


def _until_delivered(scene: Scene) -> Scene:
    """The scene with no row arriving after its last second, and radar plots prompt: only named reports come late."""
    table = scene.observations
    observed, received = (table[c].cast(pa.int64()).to_numpy() for c in ("observed_at", "received_at"))
    named = np.asarray(table["mmsi"].is_valid())
    received = np.where(named & (received <= observed.max()), received, observed)
    at = table.schema.get_field_index("received_at")
    table = table.set_column(at, table.schema.field(at), pa.array(received, table.schema.field(at).type))
    return replace(scene, observations=table.take(pa.array(np.argsort(received, kind="stable"))))


def _newest(snapshots: pa.Table) -> np.ndarray:
    at = snapshots["observed_at"].cast(pa.int64()).to_numpy()
    return at == at.max()


def _apart(one: pa.Table, two: pa.Table) -> dict | None:
    """Distances between two last snapshots of the same ships, by MMSI: median, largest, and ships in only one."""
    mine = {m: k for k, m in enumerate(one["mmsi"].to_pylist()) if m}
    theirs = {m: k for k, m in enumerate(two["mmsi"].to_pylist()) if m}
    both = sorted(mine.keys() & theirs.keys())
    if not both:
        return None
    a, b = (t.take(pa.array([d[m] for m in both])) for t, d in ((one, mine), (two, theirs)))
    e, n = enu_offset_m(*(x[c].to_numpy() for x in (a, b) for c in ("lat_deg", "lon_deg")))
    far = np.hypot(e, n)
    return {"median": float(np.median(far)), "max": float(far.max()), "unmatched": len(mine.keys() ^ theirs.keys())}


def drag(ships: int = 400) -> dict:
    """Time until a drag of 1 m/s is flagged, and jumps by size."""
    conditions = Conditions(jump_share=0.1, drag_share=0.1, drag_mps=(1.0, 1.0), spoof_from=(0.25, 0.3))
    chosen: Trial = replace(trial("open-sea"), conditions=conditions)
    run = live.track(chosen.play(SEED, ships=ships))
    score = run.score(cutoff_m=500.0)
    return {"ships": ships, "spoof": score.spoof, "dark": score.dark, "by_range": drag_bound.by_range(run)}
