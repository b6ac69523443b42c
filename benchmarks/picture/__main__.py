"""`python -m benchmarks.picture [--quick | --autoferry] [--json]`."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from benchmarks.picture import autoferry, run, scene
from kuroshio.picture import warm_up


def against_stonesoup(ships: int, budget_s: float, *, seed: int = 11, from_s: float = 60.0) -> dict:
    """Parity and full mode beside Stone Soup on the same frames.

    Stone Soup comes as far as its budget of CPU seconds lets it; on that part all three are compared. Over the whole
    ten minutes parity mode stands for it, scaled by their ratio on the common part (1.000 when they are equal).
    """
    folder = run.stonesoup_path(20.0)
    duration_s = 600.0
    whole = scene.make(seed, ships, duration_s)
    at_work = run.StoneSoup(whole, budget_s, folder) if folder else None
    warm_up()
    at = [t for t in sorted(whole.truth) if t >= from_s]
    run.run_parity(whole.until(20.0), [])  # compiled before it is timed
    parity, full = run.run_parity(whole, at), run.run_full(whole, at)
    long_parity, long_full = (run.mean_gospa(whole, r["snapshots"], at) for r in (parity, full))
    out = {
        "ships": ships,
        "parity_reports_per_s": parity["reports"] / parity["cpu_s"],
        "full_reports_per_s": full["reports"] / full["cpu_s"],
        "gospa_parity_m": long_parity,
        "gospa_full_m": long_full,
        "anees": run.mean_anees(whole, full["snapshots"], at),
        "stonesoup_reports_per_s": None,
        "ratio_stonesoup": None,
        "gospa_ratio_parity": None,
        "gospa_ratio_full": None,
    }
    peer = at_work.result() if at_work else None
    if peer is None:
        out["stonesoup"] = "failed" if at_work else "not installed and pip could not install it"
        return out
    rate = peer["reports"] / peer["cpu_s"]
    common = [t for t in sorted(whole.truth) if t >= from_s and str(t) in peer["snapshots"] and t < peer["reached_s"]]
    theirs = run.mean_gospa(whole, {float(k): v for k, v in peer["snapshots"].items()}, common)
    out.update(stonesoup_reports_per_s=rate, common_instants=len(common), reached_s=peer["reached_s"])
    if theirs is None:
        out["stonesoup"] = f"reached only {peer['reached_s']} s of the scene in its budget: the machine is busy"
        return out
    same = run.mean_gospa(whole, parity["snapshots"], common) / theirs
    out.update(
        ratio_stonesoup=out["parity_reports_per_s"] / rate,
        ratio_stonesoup_full=out["full_reports_per_s"] / rate,
        gospa_ratio_parity=same,
        gospa_ratio_full_common=run.mean_gospa(whole, full["snapshots"], common) / theirs,
        gospa_ratio_full=long_full / long_parity * same,
    )
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
        "stonesoup": [against_stonesoup(n, b) for n, b in ((100, 40.0), (300, 60.0), (1000, 120.0))],
        "growth": [growth(n, d) for n, d in ((1000, 300.0), (10_000, 120.0), (100_000, 40.0))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within 50 s")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--autoferry", action="store_true", help="real radar with truth; needs KUROSHIO_DATA")
    arguments = parser.parse_args()
    if arguments.autoferry:
        result = autoferry.run(Path(os.environ["KUROSHIO_DATA"]) / "autoferry")
    else:
        result = quick() if arguments.quick else full()
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
