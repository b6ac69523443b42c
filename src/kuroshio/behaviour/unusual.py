"""A ship that goes as ships of its kind do not go here: speed or course rare in the learned histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.detector import Codes, RunDetector, register
from kuroshio.behaviour.motion import three_way
from kuroshio.behaviour.state import Batch
from kuroshio.units import FloatArray


@register("norm")
class NormDetector(RunDetector):
    """See `definitions/speed_course_anomaly.toml`; without norms it is silent."""

    def codes(self, batch: Batch) -> Codes | None:
        """Rare raises, usual lowers, unknown is neutral."""
        norms, d = self.around.norms, self.definition
        if norms is None:
            return None
        p = norms.rarity(batch.fixes, int(d["min_observations"]))
        rare = p < float(d["max_p"])
        return Codes(three_way(rare, np.isfinite(p)), None, p, bool(rare.any()))

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Rarest of it, and the version of the norms."""
        return {"p": float(num[6]), "norms_digest": self.around.norms.digest if self.around.norms is not None else None}
