"""Stone Soup's own components on the same frames, in a process of its own.

Called as ``python peer_stonesoup.py frames.npz cpu_budget_s wall_budget_s``; prints one JSON object: CPU seconds,
reports, the time reached and the confirmed tracks' positions at each ten seconds. Pipeline: constant velocity (q 0.01
m2/s3), global nearest neighbour by two-dimensional assignment on Mahalanobis distance 3.7, three points to begin,
35 s and 200 s without update to end.
"""

from __future__ import annotations

import datetime
import json
import sys
import time

import numpy as np
from stonesoup.dataassociator.neighbour import GNNWith2DAssignment
from stonesoup.deleter.time import UpdateTimeDeleter
from stonesoup.hypothesiser.distance import DistanceHypothesiser
from stonesoup.initiator.simple import MultiMeasurementInitiator
from stonesoup.measures import Mahalanobis
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.tracker.simple import MultiTargetTracker
from stonesoup.types.detection import Detection
from stonesoup.types.state import GaussianState
from stonesoup.updater.kalman import KalmanUpdater

EPOCH = datetime.datetime(2023, 1, 1)  # noqa: DTZ001 - the peer's own clock has no zone


def frames(data):
    start = 0
    for t, size in zip(data["t"], data["size"], strict=True):
        when = EPOCH + datetime.timedelta(seconds=float(t))
        detections = set()
        for k in range(start, start + int(size)):
            ee, en, nn = data["cov"][k]
            model = LinearGaussian(4, (0, 2), np.array([[ee, en], [en, nn]]))
            detections.add(Detection(data["xy"][k].reshape(2, 1), timestamp=when, measurement_model=model))
        start += int(size)
        yield when, detections


def main(path, budget_s, wall_s):
    started = time.monotonic()
    data = np.load(path)
    transition = CombinedLinearGaussianTransitionModel([ConstantVelocity(0.01), ConstantVelocity(0.01)])
    predictor, updater = KalmanPredictor(transition), KalmanUpdater(LinearGaussian(4, (0, 2), np.eye(2) * 2500))

    def associator():
        return GNNWith2DAssignment(DistanceHypothesiser(predictor, updater, Mahalanobis(), missed_distance=3.7))

    prior = GaussianState(np.zeros((4, 1)), np.diag([0, 100.0, 0, 100.0]))
    initiator = MultiMeasurementInitiator(
        prior, UpdateTimeDeleter(datetime.timedelta(seconds=35)), associator(), updater, min_points=3
    )
    steps = list(frames(data))
    tracker = MultiTargetTracker(
        initiator, UpdateTimeDeleter(datetime.timedelta(seconds=200)), steps, associator(), updater
    )
    snapshots, next_s, begun, used, n = {}, 10.0, time.process_time(), 0.0, 0
    sizes = data["size"].cumsum()
    reached = 0.0
    for k, (when, tracks) in enumerate(tracker):
        t = (when - EPOCH).total_seconds()
        used = time.process_time() - begun
        n, reached = int(sizes[k]), t
        following = float(data["t"][k + 1]) if k + 1 < len(steps) else next_s
        if following > next_s - 1e-9 or following > next_s:
            out = []
            for track in tracks:
                x = predictor.predict(track.state, timestamp=EPOCH + datetime.timedelta(seconds=next_s)).state_vector
                out.append([float(x[0, 0]), float(x[2, 0])])
            snapshots[str(next_s)] = out
            next_s += 10.0
        if used > budget_s or time.monotonic() - started > wall_s:
            break
    print(json.dumps({"cpu_s": used, "reports": n, "reached_s": reached, "snapshots": snapshots}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
