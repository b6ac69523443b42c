"""Conditions that the picture's own flags and sensor times tell: dark vessel, uncorroborated claim, conflict."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.columns import is_shared
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.detector import Codes, RunDetector, register
from kuroshio.behaviour.fixes import HOUR_US, NEVER, NO_FLAGS
from kuroshio.behaviour.state import Batch
from kuroshio.schema import FLAG_DARK
from kuroshio.units import FloatArray


@kernel
def _dark_codes(
    t: Any,
    radar_at: Any,
    image_at: Any,
    ais_at: Any,
    flags: Any,
    held_us: int,
    marked_us: int,
    untold_us: int,
    code: Any,
    value: Any,
) -> bool:
    raises = False
    for i in range(t.size):
        seen, ais = max(radar_at[i], image_at[i]), ais_at[i]
        # a picture that flags its tracks knows where AIS is heard, and how often: outside it silence means nothing
        untold, marked = (flags[i] & NO_FLAGS) != 0, (flags[i] & FLAG_DARK) != 0
        held = t[i] - seen <= held_us if seen != NEVER else marked
        silent = ais == NEVER or t[i] - ais >= (untold_us if untold else marked_us)
        dark = held and silent and (untold or marked)
        code[i] = 1 if dark else (-1 if ais == t[i] else 0)
        if dark:
            value[i] = -1.0 if ais == NEVER else (t[i] - ais) / 1e6
            raises = True
    return raises


@register("dark")
class DarkDetector(RunDetector):
    """Held by radar or image and silent on AIS, where the picture says dark or says nothing."""

    def codes(self, batch: Batch) -> Codes | None:
        """Raise while radar or image hold it and no AIS does; lower on an AIS report."""
        f, d = batch.fixes, self.definition
        never = all(is_shared(c) and c[0] == NEVER for c in (f.radar_at, f.image_at))
        if never and not (self.under_way[0] or batch.flags() & FLAG_DARK):
            return None
        limits_us = d.us("held_s"), d.us("ais_silence_s"), d.us("untold_silence_s")
        code, silence_s = batch.room()
        raises = _dark_codes(f.t, f.radar_at, f.image_at, f.ais_at, f.flags, *limits_us, code, silence_s)
        norms = self.around.norms
        if norms is not None and raises:  # where no AIS is heard, silence tells of the receiver
            doubtful = np.flatnonzero((code == 1) & ((f.flags & FLAG_DARK) == 0))
            p = norms.p_heard_hourly(f.lat[doubtful], f.lon[doubtful], f.t[doubtful] // HOUR_US, 0)
            code[doubtful[~(p >= float(d["min_p_heard"]))]] = 0
        return Codes(code, None, silence_s, raises)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """How long AIS had been silent: null when it never spoke."""
        longest = float(num[7])
        return {"ais_silence_s": longest if longest >= 0 else None, "ever_on_ais": "yes" if longest >= 0 else "no"}
