"""Bytes of a released row in both forms of a release of tracks: `python -m benchmarks.exchange.rows [--json]`.

A tracker follows a scene of the simulated sea; its picture is released every ten seconds as a node would, with signed
headers, in form 1 (without tracklets) and form 2. Counted are whole bundles, and the same bundles one after another in
one deflated stream, as a link carries them (`links.peer_http`). What is left out are the frame's own bytes and TLS.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from typing import Any

import pyarrow as pa

from kuroshio.exchange import Outlet, seal_tracks
from kuroshio.picture import Tracker
from kuroshio.schema import Citation, Decision, Effect
from kuroshio.schema.release import TRACK_FORMS
from kuroshio.testing.network.keys import key_of
from kuroshio.testing.sea.scene import four_radars, observations

EVERY_S, STEP_S = 10, 5
RULE = Decision(Effect.PERMIT, (Citation("BENCH", "Art.1"),), basis="BENCH", rules_digest="00" * 32)


def pictures(ships: int, seconds: int) -> list[tuple[int, pa.Table]]:
    """(time, TRACKS that changed since the last of these times) of a tracker over a scene with radars and AIS."""
    radar = {"range_m": 130_000.0, "scan_s": 5.0, "range_sigma_m": 50.0, "bearing_sigma_deg": 0.3}
    sites = four_radars((20.0, 122.0), 40.0, p_detection=0.9, clutter_per_scan=2.0, **radar)
    scene = observations(11, ships, float(seconds), half_nm=40.0, radars=sites, truth_step_s=STEP_S)
    rows = scene.observations.sort_by("observed_at")
    at = rows["observed_at"].cast(pa.int64()).to_numpy()
    begin = int(at[0]) // 1_000_000 * 1_000_000
    tracker, shots, done = Tracker(), [], 0
    for step in range(STEP_S, seconds + 1, STEP_S):
        now_us = begin + step * 1_000_000
        upto = int(at.searchsorted(now_us))
        tracker.step(rows.slice(done, upto - done), now_us=now_us)
        done = upto
        if step % EVERY_S == 0:
            shots.append((now_us, tracker.snapshot(now_us)))
    return shots


def measured(shots: list[tuple[int, pa.Table]], form: int) -> dict[str, float]:
    """Rows of the last half of the releases and their bytes."""
    outlet, signer = Outlet("JPN", b"benchmark secret", form=form), key_of("PHL")
    stream, rows, alone, together = zlib.compressobj(wbits=-15), 0, 0, 0
    for number, (now_us, shot) in enumerate(shots):
        release = seal_tracks(shot, RULE, releaser="PHL", to="JPN", now_us=now_us, signer=signer, outlet=outlet)
        if release is None:
            continue
        data = release.to_bytes()
        sent = len(stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))
        if number >= len(shots) // 2:
            rows, alone, together = rows + release.rows, alone + len(data), together + sent
    return {"rows": rows, "bytes_a_row": round(alone / rows, 1), "deflated_bytes_a_row": round(together / rows, 1)}


def table() -> list[dict[str, Any]]:
    """Figures by number of ships and form."""
    out = []
    for ships in (30, 300):
        shots = pictures(ships, 300)
        out += [{"ships": ships, "form": form, **measured(shots, form)} for form in TRACK_FORMS]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(table(), indent=None if asked.json else 1) + "\n")


if __name__ == "__main__":
    main()
