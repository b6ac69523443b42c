"""`python -m benchmarks.picture [--quick] [--json]`."""

from __future__ import annotations

import argparse
import json
import time

from benchmarks.picture import run, scene
from kuroshio.picture import warm_up


def against_stonesoup(ships: int, budget_s: float, *, seed: int = 11, from_s: float = 60.0) -> dict:
    """Parity and full mode beside Stone Soup on the same frames, as far as Stone Soup comes in its budget."""
    folder = run.stonesoup_path(20.0)
    duration_s = 600.0
    whole = scene.make(seed, ships, duration_s)
    peer = run.run_stonesoup(whole, budget_s, folder) if folder else None
    reached = min(float(peer["reached_s"]) if peer else duration_s, duration_s)
    part = whole.until(reached)
    at = [t for t in sorted(part.truth) if from_s <= t <= reached - 1e-9]
    if peer:
        at = [t for t in at if str(t) in peer["snapshots"]]
    run.run_parity(part.until(20.0), [])  # compiled before it is timed
    parity, full = run.run_parity(part, at), run.run_full(part, at)
    out = {
        "ships": ships,
        "scored_instants": len(at),
        "parity_reports_per_s": parity["reports"] / parity["cpu_s"],
        "full_reports_per_s": full["reports"] / full["cpu_s"],
        "gospa_parity_m": run.mean_gospa(part, parity["snapshots"], at),
        "gospa_full_m": run.mean_gospa(part, full["snapshots"], at),
        "anees": run.mean_anees(part, full["snapshots"], at),
        "stonesoup_reports_per_s": None,
        "ratio_stonesoup": None,
        "gospa_ratio_parity": None,
        "gospa_ratio_full": None,
    }
    if peer:
        rate = peer["reports"] / peer["cpu_s"]
        peer_gospa = run.mean_gospa(part, {float(k): v for k, v in peer["snapshots"].items()}, at)
        out.update(
            stonesoup_reports_per_s=rate,
            gospa_stonesoup_m=peer_gospa,
            ratio_stonesoup=out["parity_reports_per_s"] / rate,
            gospa_ratio_parity=out["gospa_parity_m"] / peer_gospa,
            gospa_ratio_full=out["gospa_full_m"] / peer_gospa,
        )
    else:
        out["stonesoup"] = "not installed and pip could not install it"
    return out


def growth(ships: int, duration_s: float, seed: int = 12) -> dict:
    """Rate and worst step of full mode at a size."""
    whole = scene.make(seed, ships, duration_s)
    full = run.run_full(whole, [])
    tracker = full["tracker"]
    return {
        "ships": ships,
        "reports": full["reports"],
        "reports_per_s": full["reports"] / full["cpu_s"],
        "step_ms_max": 1e3 * max(full["steps"]),
        "step_ms_median": 1e3 * sorted(full["steps"])[len(full["steps"]) // 2],
        "real_time_factor": duration_s / full["cpu_s"],
        "bytes_per_track": tracker.table.bytes_per_row,
    }


def quick() -> dict:
    """The figures of the contract, within 50 s."""
    begun = time.monotonic()
    warm_up()
    out = against_stonesoup(20, 18.0, from_s=40.0)
    ten = growth(10_000, 40.0)
    out.update(
        reports_per_s_10k=ten["reports_per_s"],
        step_ms_max_10k=ten["step_ms_max"],
        step_ms_median_10k=ten["step_ms_median"],
        bytes_per_track=ten["bytes_per_track"],
        elapsed_s=time.monotonic() - begun,
    )
    return out


def full() -> dict:
    """The tables of the documentation; some minutes."""
    warm_up()
    return {
        "stonesoup": [against_stonesoup(n, 60.0) for n in (100, 300, 1000)],
        "growth": [growth(n, d) for n, d in ((1000, 300.0), (10_000, 120.0), (100_000, 40.0))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within 50 s")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    result = quick() if arguments.quick else full()
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
