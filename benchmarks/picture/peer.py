"""Beside Stone Soup: parity and full mode on exactly its frames, and `--quick`, the figures of the contract.

What is compared: Stone Soup comes as far as its budget of CPU seconds lets it. On that part, the same frames, its
rate and GOSPA stand beside those of parity mode (the same algorithm on our kernels) and of full mode (the product).
Full against parity is also told over ten minutes, again on the same frames for both, with the errors that make up each
GOSPA and what is left to nobody (`bound`).
"""

from __future__ import annotations

import time

from benchmarks.picture import bound, growth, run, scene
from kuroshio.picture import warm_up

REPEATS = 5
RATE_MOST = 1000.0  # reports a second that Stone Soup was never seen to exceed: it gets no more frames than that
COMMON_FROM_S = 30.0  # three hits take two scans; before, there is nothing to compare
NOT_THERE = "not installed and pip could not install it"


def against_stonesoup(
    ships: int, budget_s: float, wall_s: float, *, seed: int = 11, from_s: float = 60.0, duration_s: float = 600.0
) -> dict:
    """Rates and GOSPA of all three at a size.

    Parameters
    ----------
    budget_s, wall_s
        CPU and wall seconds that Stone Soup gets.
    from_s
        Where the ten minutes begin to be scored.
    """
    folder = run.stonesoup_path(20.0)
    whole = scene.make(seed, ships, duration_s)
    reach = whole.first(int(budget_s * RATE_MOST))
    at_work = run.StoneSoup(reach, budget_s, folder, wall_s) if folder else None
    warm_up()
    at = [t for t in sorted(whole.truth) if t >= COMMON_FROM_S]
    run.run_parity(whole.until(20.0), [])  # compiled before it is timed
    parity, full = run.run_parity(whole, at), run.run_full(whole, at)
    at = [t for t in at if t >= from_s]
    long_parity, long_full = (run.mean_gospa(whole, r["snapshots"], at) for r in (parity, full))
    shares = {f"{name}_{k}": v for name, r in (("parity", parity), ("full", full))
              for k, v in run.shares(whole, r["snapshots"], at).items()}  # fmt: skip
    out = {
        "ships": ships,
        "duration_s": duration_s,
        "reports": whole.reports,
        "parity_reports_per_s": parity["reports"] / parity["cpu_s"],
        "full_reports_per_s": full["reports"] / full["cpu_s"],
        "gospa_parity_m": long_parity,
        "gospa_full_m": long_full,
        "gospa_ratio_full": long_full / long_parity,
        **shares,
        "anees": run.mean_anees(whole, full["snapshots"], at),
        "stonesoup_reports_per_s": None,
        "ratio_stonesoup": None,
        "ratio_stonesoup_full": None,
        "gospa_ratio_parity": None,
        "gospa_ratio_full_common": None,
    }
    peer = at_work.result() if at_work else None
    if peer is None:
        return {**out, "stonesoup": "failed" if at_work else NOT_THERE}
    return {**out, **_common(whole, peer, parity, full)}


def _common(whole: scene.Scene, peer: dict, parity: dict, full: dict) -> dict:
    """Rates and GOSPA on the frames Stone Soup worked off; the rates are medians of some runs."""
    rate = peer["reports"] / peer["cpu_s"]
    part = whole.until(peer["reached_s"])
    ours = sorted(part.reports / run.run_parity(part, [])["cpu_s"] for _ in range(REPEATS))[REPEATS // 2]
    all_ours = sorted(part.reports / run.run_full(part, [])["cpu_s"] for _ in range(REPEATS))[REPEATS // 2]
    common = [
        t for t in sorted(whole.truth) if t >= COMMON_FROM_S and str(t) in peer["snapshots"] and t < peer["reached_s"]
    ]
    theirs = run.mean_gospa(whole, {float(k): v for k, v in peer["snapshots"].items()}, common)
    out = {
        "stonesoup_reports_per_s": rate,
        "stonesoup_cpu_s": peer["cpu_s"],
        "reached_s": peer["reached_s"],
        "common_reports": peer["reports"],
        "common_instants": len(common),
        "common_parity_reports_per_s": ours,
        "common_full_reports_per_s": all_ours,
        "ratio_stonesoup": ours / rate,
        "ratio_stonesoup_full": all_ours / rate,
    }
    if theirs is None:
        return {**out, "stonesoup": f"reached only {peer['reached_s']} s of the scene in its budget: a busy machine"}
    return {
        **out,
        "gospa_stonesoup_m": theirs,
        "gospa_ratio_parity": run.mean_gospa(whole, parity["snapshots"], common) / theirs,
        "gospa_ratio_full_common": run.mean_gospa(whole, full["snapshots"], common) / theirs,
    }


def quick() -> dict:
    """The figures of the contract, within 50 s on a machine of two cores."""
    begun = time.monotonic()
    out = against_stonesoup(100, 12.0, 32.0)  # 30 s of the scene must be reached, also beside other work
    ten = growth.at_size(10_000, 40.0)
    return {
        **out,
        "reports_per_s_10k": ten["reports_per_s"],
        "step_ms_max_10k": ten["step_ms_max"],
        "step_ms_median_10k": ten["step_ms_median"],
        "bytes_per_track": ten["bytes_per_track"],
        "elapsed_s": time.monotonic() - begun,
    }


def full() -> dict:
    """The table of the documentation."""
    rows = []
    for ships, budget_s, wall_s in ((100, 60.0, 720.0), (300, 60.0, 720.0), (1000, 120.0, 2400.0)):
        row = against_stonesoup(ships, budget_s, wall_s)
        whole = scene.make(11, ships, 600.0)
        at = [t for t in sorted(whole.truth) if t >= 60.0]
        rows.append({**row, "gospa_told_m": bound.told(whole, at), "bound_m": bound.clairvoyant_m(whole, at)})
    return {"rows": rows}
