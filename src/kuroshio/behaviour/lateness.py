"""How long each source may still speak of the past, and so when what its tracks show is confirmed.

What enters: the lateness of every source (its watermark is that far behind the present) and the tracks with the
sources that fed them. What leaves: by how much a fact waits beyond the watermark of the quickest source: as long as the
slowest source of its tracks; for a silence, as long as any source at all, since each may yet break it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.state import Fact
from kuroshio.units import IntArray

_SILENCE = ("gap", "dark")  # kernels that judge what was not heard
MAX_TRACKS = 1_000_000


class Lateness:
    """Waits of tracks, learned from their rows.

    Parameters
    ----------
    definitions
        Which judge silence.
    quickest_us
        Lateness of the quickest source: that of the engine's watermark.
    sources_s
        Lateness of each source in seconds; one that is not named is as quick as the quickest.
    """

    def __init__(self, definitions: Definitions, quickest_us: int, sources_s: Mapping[str, float]) -> None:
        self.sources_us = {name: round(s * 1e6) for name, s in sources_s.items()}
        self.quickest_us = quickest_us
        self.slow = {n: us - quickest_us for n, us in self.sources_us.items() if us > quickest_us}
        self.most_us = max(self.slow.values(), default=0)
        self.silence = {d.id for d in definitions.values() if d.kernel in _SILENCE}
        self.waits: dict[int, int] = {}

    def hear(self, tracks: pa.Table) -> None:
        """Take in which tracks a slow source feeds."""
        if not self.slow or "sources" not in tracks.column_names or not tracks.num_rows:
            return
        sources = tracks["sources"].combine_chunks()
        parent = np.asarray(pc.list_parent_indices(sources))
        flat = pc.list_flatten(sources).cast(pa.string())
        ids: IntArray = np.asarray(tracks["track_id"].combine_chunks(), np.int64)
        for name, wait in self.slow.items():  # one turn a slow source
            mine = np.asarray(pc.fill_null(pc.equal(flat, name), False))
            for track in np.unique(ids[parent[mine]]).tolist() if mine.any() else ():
                if self.waits.get(track, 0) < wait and (len(self.waits) < MAX_TRACKS or track in self.waits):
                    self.waits[track] = wait

    def of(self, fact: Fact) -> int:
        """Microseconds that a fact waits beyond the watermark of the quickest source."""
        if not self.slow:
            return 0
        if fact.definition in self.silence:
            return self.most_us
        return max((self.waits.get(track, 0) for track in fact.tracks), default=0)

    def sure_us(self, fact: Fact, newest_us: int) -> int:
        """Watermark of the quickest source at which nothing can change the fact any more, given the newest row."""
        wait_us = self.of(fact)
        return wait_us + max(newest_us, fact.met_us, fact.end_us or 0) if wait_us else newest_us

    def watermarks_us(self, now_us: int) -> dict[str, int]:
        """Time up to which each source is taken to have told everything."""
        return {name: now_us - us for name, us in self.sources_us.items()}

    def arrays(self) -> dict[str, Any]:
        """State for a checkpoint."""
        pairs = np.asarray(list(self.waits.items()), np.int64).reshape(-1, 2)
        return {"waits": pairs}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Take state back, as far as the sources are still that slow."""
        self.waits = {int(t): min(int(w), self.most_us) for t, w in arrays["waits"].tolist() if self.most_us}
