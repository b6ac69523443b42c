"""Rates of record and exchange: `python -m benchmarks.exchange [--quick] [--json]`.

leaves_per_s: hashing commitments into the tree and its tiles. durable_releases_per_s: real release leaves through
`Log.append`, 64 a call, each call one fdatasync; ``durable_single_per_s`` is 16 threads with one leaf a call, sharing
syncs. proof_us: inclusion proof from tiles on disk, random leaves. verify_per_s: inclusion proofs verified.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from kuroshio import record
from kuroshio.exchange import Outlet, receive, seal_tracks
from kuroshio.record.tiles import Tree, tile_path
from kuroshio.schema import TRACKS, Citation, Decision, Effect, Obligations
from kuroshio.schema import merkle as tree_hash
from kuroshio.schema.signing import Ed25519Signer, KeyRing, public_key
from kuroshio.testing.network import attacks, leaks

T0_US = 1_790_000_000_000_000
SECRET = bytes(range(32))
PHL = Ed25519Signer("PHL", b"p" * 32)


def bulk(count: int) -> tuple[float, float, Tree, dict[tuple[int, int], bytes]]:
    """(leaves a second of the clock, of the processor, tree, tiles)."""
    commitments = [i.to_bytes(32, "big") for i in range(count)]
    tiles: dict[tuple[int, int], bytes] = {}
    tree = Tree(lambda lv, i, w: tiles[lv, i], lambda lv, i, h: tiles.__setitem__((lv, i), h))
    begin = time.perf_counter(), time.process_time()
    for start in range(0, count, 4096):
        tree.append(tree_hash.leaf_hashes(commitments[start : start + 4096]))
    tree.root()
    wall, cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
    return count / wall, count / cpu, tree, tiles


def leaf(number: int) -> dict[str, Any]:
    return {
        "kind": "tracks", "from": "PHL", "to": f"P{number % 8}", "accord": "SIM", "accord_version": "1",
        "clauses": ["SIM Art.4"], "rules_digest": "ab" * 32, "engine": "kuroshio", "obligations": {"delay_s": 60},
        "bundle_root": "c" * 44, "rows": number % 100, "purpose": "maritime_safety", "level": "U", "held_under": [],
        "originator": "PHL", "lineage": ["PHL"], "release_id": f"{number:064x}", "at_us": T0_US + number,
        "decided_by": "rule", "consents": [],
    }  # fmt: skip


def durable(count: int, folder: Path) -> float:
    log = record.open_log(folder, PHL, secret=SECRET)
    leaves = [leaf(i) for i in range(count)]
    begin = time.perf_counter()
    for start in range(0, count, 64):
        log.append(leaves[start : start + 64])
    return count / (time.perf_counter() - begin)


def single(count: int, folder: Path, threads: int = 16) -> tuple[float, float]:
    """(leaves a second, leaves a sync) of many callers with one leaf each."""
    log = record.open_log(folder, PHL, secret=SECRET)

    def work(first: int) -> None:
        for number in range(first, count, threads):
            log.append([leaf(number)])

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    begin = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (time.perf_counter() - begin), count / log.counters["syncs"]


def proofs(tree: Tree, tiles: dict[tuple[int, int], bytes], folder: Path, count: int) -> dict[str, float]:
    disk = record.Disk(folder)
    for (level, index), data in tiles.items():
        disk.put(tile_path(level, index), data)
    cold = Tree(lambda lv, i, w: disk.read(tile_path(lv, i, w)), lambda lv, i, h: None)
    for level in range(tree.levels()):
        cold.restore(level, tree.partial(level))
    cold.size = tree.size
    picks = np.random.Generator(np.random.PCG64(1)).integers(0, tree.size, count).tolist()
    begin, cpu = time.perf_counter(), time.process_time()
    made = [cold.inclusion(i) for i in picks]
    proof_us, proof_cpu_us = (
        (t1 - t0) / count * 1e6 for t1, t0 in ((time.perf_counter(), begin), (time.process_time(), cpu))
    )
    root = tree.root()
    hashes = [tree_hash.leaf_hash(i.to_bytes(32, "big")) for i in picks]
    begin, cpu = time.perf_counter(), time.process_time()
    for index, proof, hashed in zip(picks, made, hashes, strict=True):
        tree_hash.verify_inclusion(hashed, index, tree.size, proof, root)
    return {
        "proof_us": proof_us,
        "proof_cpu_us": proof_cpu_us,
        "proof_bytes": max(32 * len(p) for p in made),
        "verify_per_s": count / (time.perf_counter() - begin),
        "verify_per_cpu_s": count / (time.process_time() - cpu),
    }


def partners(tracks: int, steps: int) -> dict[str, float]:
    """Cost of one release of changed tracks for one more partner, sealed and received."""
    rng = np.random.Generator(np.random.PCG64(2))
    keys, cost, taken = KeyRing([public_key(PHL)]), 0.0, 0.0
    verdict = Decision(
        Effect.OBLIGE, (Citation("SIM", "Art.4"),), Obligations(grid_deg=0.1, time_bucket_s=60), basis="SIM"
    )
    outlet = Outlet("JPN", SECRET)
    for step in range(steps):
        now_us = T0_US + step * 60_000_000
        rows = TRACKS.build(
            {
                "track_id": np.arange(tracks), "observed_at": np.full(tracks, now_us).astype("datetime64[us]"),
                "lat_deg": rng.uniform(10, 20, tracks), "lon_deg": rng.uniform(115, 125, tracks),
                "status": ["confirmed"] * tracks, "sog_mps": np.full(tracks, 6.0), "cog_deg": np.full(tracks, 90.0),
                "mmsi": 548_000_000 + np.arange(tracks),
            }
        )  # fmt: skip
        begin = time.perf_counter()
        release = seal_tracks(rows, verdict, releaser="PHL", to="JPN", now_us=now_us, signer=PHL, outlet=outlet)
        middle = time.perf_counter()
        assert release is not None
        data = release.with_receipt({"x": 1}).to_bytes()
        receive(data, keys=keys, me="JPN", now_us=now_us, verify_receipt=lambda r: None)
        if step:
            cost, taken = cost + middle - begin, taken + time.perf_counter() - middle
    rows_total = tracks * (steps - 1)
    return {
        "seal_us_per_row": cost / rows_total * 1e6,
        "receive_us_per_row": taken / rows_total * 1e6,
        "bundle_bytes_per_row": len(data) / tracks,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    leaves = 200_000 if asked.quick else 10_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rate, cpu_rate, tree, tiles = bulk(leaves)
        value: dict[str, Any] = {"leaves": leaves, "leaves_per_s": rate, "leaves_per_cpu_s": cpu_rate}
        value |= proofs(tree, tiles, folder / "tiles", 2_000 if asked.quick else 20_000)
        value["durable_releases_per_s"] = durable(6_400 if asked.quick else 64_000, folder / "log")
        value["durable_single_per_s"], value["leaves_per_sync"] = single(8_000, folder / "single")
    value |= partners(2_000 if asked.quick else 20_000, 3 if asked.quick else 6)
    if not asked.quick:
        value["attacks_in_promised_errors"] = attacks.suite()
        value["leaks_60_rows"] = {t: leaks.rates(60, t, at_most=1e-3) for t in leaks.TREATMENTS}
        value["attacks_on_plain_rounding"] = attacks.suite(plain=True)
    value["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    value["load_average"] = os.getloadavg()[0]
    value = {k: round(v, 2) if isinstance(v, float) else v for k, v in value.items()}
    if asked.json:
        sys.stdout.write(json.dumps(value) + "\n")
    else:
        for key, item in value.items():
            sys.stdout.write(f"{key:32} {item}\n")


if __name__ == "__main__":
    main()
