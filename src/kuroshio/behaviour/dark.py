"""Conditions that the picture's own flags and sensor times tell: dark vessel, uncorroborated claim, conflict."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.detector import RunDetector, register
from kuroshio.behaviour.fixes import NEVER, NO_FLAGS
from kuroshio.behaviour.state import Batch
from kuroshio.schema import FLAG_DARK
from kuroshio.units import FloatArray, IntArray


@register("dark")
class DarkDetector(RunDetector):
    """Held by radar or image, silent on AIS: the picture says so, or its sensor times do."""

    def codes(self, batch: Batch) -> tuple[IntArray, IntArray | None, FloatArray]:
        """Raise while radar or image hold it and no AIS does; lower on an AIS report."""
        f, d = batch.fixes, self.definition
        held_us, silent_us = d.us("held_s"), d.us("ais_silence_s")
        seen = np.maximum(f.radar_at, f.image_at)
        if not (seen != NEVER).any() and not (f.flags & FLAG_DARK).any():
            return np.where(f.ais_at == f.t, -1, 0), None, np.zeros(len(f))
        held = (seen != NEVER) & (f.t - seen <= held_us)
        silent = (f.ais_at == NEVER) | (f.t - f.ais_at > silent_us)
        flagged = (f.flags & FLAG_DARK) != 0
        # a picture that flags its tracks knows where AIS is heard: outside it silence means nothing
        untold = (f.flags & NO_FLAGS) != 0
        dark = (held & silent & untold) | (flagged & (held | (seen == NEVER)))
        code = np.where(dark, 1, np.where(silent, 0, -1))
        known = np.where(f.ais_at == NEVER, np.nan, (f.t - f.ais_at) / 1e6)
        return code.astype(np.int64), None, np.nan_to_num(known, nan=-1.0)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """How long AIS had been silent: null when it never spoke."""
        longest = float(num[7])
        return {"ais_silence_s": longest if longest >= 0 else None, "ever_on_ais": "yes" if longest >= 0 else "no"}
