"""Stone Soup's own components on the same frames, in a process of its own.

Called as ``python peer_stonesoup.py frames.npz cpu_budget_s wall_budget_s``; prints one JSON object: CPU seconds,
reports, the time reached and the confirmed tracks' positions at each ten seconds. Pipeline: constant velocity (q 0.01
m2/s3), global nearest neighbour by two-dimensional assignment on Mahalanobis distance 3.7, three points to begin,
35 s and 200 s without update to end. Detections are looked for in a k-d tree, as its users do with many tracks: with
its plain associator, which asks every track about every detection, it is ten times slower at 300 ships.
"""

from __future__ import annotations

import datetime
import json
import sys
import time

import numpy as np
from scipy.spatial import KDTree
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

GATE = 3.7  # Mahalanobis distance
EPOCH = datetime.datetime(2023, 1, 1)  # noqa: DTZ001 - the peer's own clock has no zone


class NearDetections(GNNWith2DAssignment):
    """Its assignment, where a track is asked only about detections its gate may hold.

    Stone Soup's own mixin for this (`DetectionKDTreeMixIn`) wants one measurement model for all detections, and plots
    of a radar have one each. The radius holds the whole gate, so the result is that of its plain associator.
    """

    def generate_hypotheses(self, tracks, detections, timestamp, **kwargs):
        if not tracks or not detections:
            return super().generate_hypotheses(tracks, detections, timestamp, **kwargs)
        listed = list(detections)
        tree = KDTree(np.array([d.state_vector[:, 0] for d in listed], dtype=float))
        widest = max(np.linalg.eigvalsh(d.measurement_model.covar())[-1] for d in listed)
        out = {}
        for track in tracks:
            state = self.hypothesiser.predictor.predict(track, timestamp=timestamp, **kwargs)
            x, p = np.asarray(state.state_vector)[[0, 2], 0], np.asarray(state.covar)[np.ix_([0, 2], [0, 2])]
            doubt = (p[0, 0] + p[1, 1]) / 2 + np.hypot((p[0, 0] - p[1, 1]) / 2, p[0, 1])  # its larger eigenvalue
            near = tree.query_ball_point(x.astype(float), GATE * float(np.sqrt(doubt + widest)))
            out[track] = self.hypothesiser.hypothesise(track, {listed[k] for k in near}, timestamp, **kwargs)
        return out


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
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}  # an archive reads a whole array each time it is asked
    transition = CombinedLinearGaussianTransitionModel([ConstantVelocity(0.01), ConstantVelocity(0.01)])
    predictor, updater = KalmanPredictor(transition), KalmanUpdater(LinearGaussian(4, (0, 2), np.eye(2) * 2500))

    def associator():
        return NearDetections(DistanceHypothesiser(predictor, updater, Mahalanobis(), missed_distance=GATE))

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
