"""OBSERVATIONS -> TRACKS: one track per ship from every sensor, with honest doubt.

What enters: tables of observations (and static reports). What leaves: tables of tracks, one row a change, with
position, velocity, covariances, existence, identity as a claim, flags and sources. It does not decode bytes, judge
behaviour, share anything, read a clock or write anything but its own checkpoints.

>>> from kuroshio.picture import SensorModel, Tracker
>>> tracker = Tracker(sensors=[SensorModel("radar0", "radar", 18.5, 120.6, 44_000.0, 80.0, 3.0)])
"""

from __future__ import annotations

from kuroshio.picture.archive import ArchiveResult, track_archive
from kuroshio.picture.mid import flag_of
from kuroshio.picture.model import SensorModel, TrackerConfig
from kuroshio.picture.pdmap import BLIND_PD
from kuroshio.picture.registry import Registry, contradictions, load_registries
from kuroshio.picture.tracker import Tracker
from kuroshio.picture.update import Update
from kuroshio.picture.warm import warm_up
from kuroshio.picture.why import identity_history, story_of

__all__ = [
    "BLIND_PD",
    "ArchiveResult",
    "Registry",
    "SensorModel",
    "Tracker",
    "TrackerConfig",
    "Update",
    "contradictions",
    "flag_of",
    "identity_history",
    "load_registries",
    "story_of",
    "track_archive",
    "warm_up",
]
