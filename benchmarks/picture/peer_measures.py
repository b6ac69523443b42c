"""Stone Soup's own figures for small made-up runs: `python -m benchmarks.picture.peer_measures > FILE`.

The file tests/golden/metrics_stonesoup.json holds what it printed; test_testing_metrics_peer compares our measures
with it, and makes it anew where Stone Soup is installed. The runs lie on the equator, so that metres are the same on
Stone Soup's plane and on the ellipsoid; ships are lost, found again under another number, or held twice.
"""

from __future__ import annotations

import datetime
import json

import numpy as np

EPOCH = datetime.datetime(2026, 1, 1)  # noqa: DTZ001 - Stone Soup compares naive times
CUTOFF_M, INSTANTS, STEP_S = 300.0, 12, 10.0


def runs(seed: int) -> dict:
    """One run: true places, track places and the association, all in metres, by instant."""
    rng = np.random.default_rng(seed)
    ships = int(rng.integers(3, 7))
    start, v = rng.uniform(-4000, 4000, (ships, 2)), rng.uniform(-8, 8, (ships, 2))
    truth = [[(k, *(start[k] + v[k] * STEP_S * n)) for k in range(ships)] for n in range(INSTANTS)]
    tracks: list[list[tuple]] = [[] for _ in range(INSTANTS)]
    held: list[list[tuple]] = [[] for _ in range(INSTANTS)]
    for k in range(ships):
        cut = int(rng.integers(5, INSTANTS - 2))
        twice = rng.random() < 0.5
        for n in range(int(rng.integers(0, 3)), INSTANTS):
            for number in {10 * k + (n >= cut), *([10 * k + 5] if twice and 2 <= n <= 8 else [])}:
                x, y = np.array(truth[n][k][1:]) + rng.normal(0, 40, 2)
                name = [0, k + 1, 99][int(rng.choice(3, p=[0.1, 0.8, 0.1]))] if number % 10 else k + 1
                tracks[n].append((number, x, y, int(name)))
                held[n].append((k, number))
    for n in range(3, 7):
        tracks[n].append((900, *rng.uniform(-4000, 4000, 2), 0))
    return {"truth": truth, "tracks": tracks, "held": held}


def stonesoup(run: dict) -> dict:
    """GOSPA and OSPA of each instant, and the SIAP figures, as Stone Soup computes them."""
    from stonesoup.measures import Euclidean
    from stonesoup.metricgenerator.ospametric import GOSPAMetric, OSPAMetric
    from stonesoup.metricgenerator.tracktotruthmetrics import IDSIAPMetrics
    from stonesoup.types.association import AssociationSet, TimeRangeAssociation
    from stonesoup.types.groundtruth import GroundTruthPath, GroundTruthState
    from stonesoup.types.state import State
    from stonesoup.types.time import CompoundTimeRange, TimeRange
    from stonesoup.types.track import Track

    def when(n):
        return EPOCH + datetime.timedelta(seconds=n * STEP_S)

    gospa, ospa = GOSPAMetric(c=CUTOFF_M, p=2), OSPAMetric(c=CUTOFF_M, p=2)
    out: dict = {"gospa": [], "localisation": [], "missed": [], "false": [], "ospa": []}
    for n in range(INSTANTS):
        true = [State([[x], [y]], timestamp=when(n)) for _, x, y in run["truth"][n]]
        got = [State([[x], [y]], timestamp=when(n)) for _, x, y, _ in run["tracks"][n]]
        value = gospa.compute_gospa_metric(got, true)[0].value
        for key in ("localisation", "missed", "false"):
            out[key].append(value[key])
        out["gospa"].append(value["distance"])
        out["ospa"].append(ospa.compute_OSPA_distance(got, true).value)
    paths, tracks = {}, {}
    for n in range(INSTANTS):
        for k, x, y in run["truth"][n]:
            paths.setdefault(k, []).append(GroundTruthState([[x], [y]], timestamp=when(n), metadata={"id": k + 1}))
        for number, x, y, name in run["tracks"][n]:
            state = State([[x], [y]], timestamp=when(n))
            tracks.setdefault(number, []).append((state, {"id": name or None}))
    paths = {k: GroundTruthPath(states) for k, states in paths.items()}
    for number, rows in tracks.items():
        track = Track()
        for state, metadata in rows:
            track.append(state)
            track.metadatas[-1].update(metadata)
        tracks[number] = track
    spans: dict = {}
    for n, pairs in enumerate(run["held"]):
        for pair in map(tuple, pairs):
            spans.setdefault(pair, []).append(n)
    associations = set()
    for (k, number), at in spans.items():
        for part in np.split(np.array(at), np.flatnonzero(np.diff(at) > 1) + 1):
            span = CompoundTimeRange([TimeRange(when(part[0]), when(part[-1]))])
            associations.add(TimeRangeAssociation({paths[k], tracks[number]}, span))

    class Manager:
        association_set = AssociationSet(associations)
        states_sets = {"tracks": set(tracks.values()), "groundtruth_paths": set(paths.values())}  # noqa: RUF012

        @staticmethod
        def list_timestamps(generator):
            del generator
            return [when(n) for n in range(INSTANTS)]

    siap = IDSIAPMetrics(
        position_measure=Euclidean((0, 1)), velocity_measure=Euclidean((0, 1)), truth_id="id", track_id="id"
    )
    found = {m.title: m.value for m in siap.compute_metric(Manager()) if not m.title.endswith(("times", "timestamp"))}
    names = {
        "completeness": "SIAP Completeness", "ambiguity": "SIAP Ambiguity", "spuriousness": "SIAP Spuriousness",
        "id_completeness": "SIAP ID Completeness", "id_correctness": "SIAP ID Correctness",
        "id_ambiguity": "SIAP ID Ambiguity", "longest_segment": "SIAP Longest Track Segment",
        "track_changes_per_s": "SIAP Rate of Track Number Change",
    }  # fmt: skip
    out["siap"] = {ours: found[theirs] for ours, theirs in names.items()}
    return out


def main() -> None:
    rows = []
    for seed in range(5):
        run = runs(seed)
        rounded = json.loads(json.dumps(run), parse_float=lambda text: round(float(text), 2))
        rows.append({"run": rounded, "expected": stonesoup(rounded)})
    whole = {"cutoff_m": CUTOFF_M, "step_s": STEP_S, "peer": "Stone Soup 1.9.1", "runs": rows}
    print(json.dumps(whole).replace('{"run"', '\n{"run"'))


if __name__ == "__main__":
    main()
