"""Conditions that the picture's own flags and sensor times tell: dark vessel, uncorroborated claim, conflict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.behaviour.detector import RunDetector, register
from kuroshio.behaviour.fixes import NEVER, NO_FLAGS
from kuroshio.behaviour.motion import Codes
from kuroshio.behaviour.norms import HOUR_US
from kuroshio.behaviour.state import Batch
from kuroshio.schema import FLAG_DARK
from kuroshio.units import FloatArray


@njit(cache=True, nogil=True)
def _dark_codes(
    t: Any, radar_at: Any, image_at: Any, ais_at: Any, flags: Any, held_us: int, silent_us: int
) -> tuple[Any, Any]:
    code, value = np.empty(t.size, np.int8), np.empty(t.size)
    for i in range(t.size):
        seen, ais = max(radar_at[i], image_at[i]), ais_at[i]
        held = seen != NEVER and t[i] - seen <= held_us
        silent = ais == NEVER or t[i] - ais > silent_us
        # a picture that flags its tracks knows where AIS is heard: outside it silence means nothing
        untold = (flags[i] & NO_FLAGS) != 0
        dark = (held and silent and untold) or ((flags[i] & FLAG_DARK) != 0 and (held or seen == NEVER))
        code[i] = 1 if dark else (0 if silent else -1)
        value[i] = -1.0 if ais == NEVER else (t[i] - ais) / 1e6
    return code, value


@register("dark")
class DarkDetector(RunDetector):
    """Held by radar or image, silent on AIS: the picture says so, or its sensor times do."""

    def codes(self, batch: Batch) -> Codes:
        """Raise while radar or image hold it and no AIS does; lower on an AIS report."""
        f, d = batch.fixes, self.definition
        held_us, silent_us = d.us("held_s"), d.us("ais_silence_s")
        code, silence_s = _dark_codes(f.t, f.radar_at, f.image_at, f.ais_at, f.flags, held_us, silent_us)
        norms, doubtful = self.around.norms, np.flatnonzero((code == 1) & ((f.flags & FLAG_DARK) == 0))
        if norms is not None and len(doubtful):  # where no AIS is heard, silence tells of the receiver
            p = norms.p_heard_hourly(f.lat[doubtful], f.lon[doubtful], f.t[doubtful] // HOUR_US, 0)
            code[doubtful[~(p >= float(d["min_p_heard"]))]] = 0
        return code, None, silence_s

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """How long AIS had been silent: null when it never spoke."""
        longest = float(num[7])
        return {"ais_silence_s": longest if longest >= 0 else None, "ever_on_ais": "yes" if longest >= 0 else "no"}
