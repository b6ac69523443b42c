"""Where each source looks and whether it is alive: the difference between "no ship" and "no sensor".

What enters: sensor models and the times and places of reports. What leaves: coverage by source, the state of each
scan, and whether a place is inside the coverage of a live AIS source. Where no AIS antenna is declared, coverage is
learned: a cell counts while it or a neighbour heard AIS in the last ten minutes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from kuroshio.geo import distance_m
from kuroshio.picture.ingest import Sources
from kuroshio.picture.model import RADAR, SENSOR_KINDS, SensorModel
from kuroshio.units import BoolArray, FloatArray, IntArray

CELL_DEG = 0.25
LEARNED_ALIVE_S = 600.0


@dataclass
class SourceState:
    """A source as the tracker knows it: model, liveness, and the scan under way."""

    model: SensorModel
    declared: bool
    last_us: int = -(1 << 62)
    scan: int | None = None
    scan_us: int = 0
    hit: list[IntArray] = field(default_factory=list)
    seen: list[IntArray] = field(default_factory=list)

    @property
    def kernel(self) -> FloatArray:
        """lat, lon, coverage (m, -1 unknown), log clutter (1/m2), pd: as `gate` takes it."""
        m = self.model
        lat, lon = (m.lat_deg or 0.0, m.lon_deg or 0.0) if m.lat_deg is not None else (0.0, 0.0)
        return np.array([lat, lon, m.coverage_m, m.log_clutter, m.pd])

    @property
    def miss_llr(self) -> float:
        """Log likelihood ratio of a miss."""
        return math.log(1.0 - self.model.pd)


class Coverage:
    """All sources by their number, and the learned AIS map."""

    def __init__(self, sensors: tuple[SensorModel, ...], sources: Sources) -> None:
        self.sources = sources
        self.state: dict[int, SourceState] = {sources.code(m.source): SourceState(m, True) for m in sensors}
        self.heard_us = np.full((int(180 / CELL_DEG), int(360 / CELL_DEG)), -(1 << 62), np.int64)

    def of(self, source: int, kind: int) -> SourceState:
        """State of a source, made on first sight with a model that claims no coverage."""
        if source not in self.state:
            name = self.sources.names[source] if source < len(self.sources.names) else "others"
            model = SensorModel(name, SENSOR_KINDS[kind], pd=0.9 if kind == RADAR else 0.7)
            self.state[source] = SourceState(model, False)
        return self.state[source]

    def hear_ais(self, lat: FloatArray, lon: FloatArray, source: IntArray, t_us: IntArray) -> None:
        """Note places and times of AIS reports."""
        if not len(t_us):
            return
        for code in np.unique(source):
            state = self.of(int(code), 0)
            state.last_us = max(state.last_us, int(t_us[source == code].max()))
        r = np.clip(((lat + 90.0) / CELL_DEG).astype(np.int64), 0, self.heard_us.shape[0] - 1)
        c = ((lon + 180.0) / CELL_DEG).astype(np.int64) % self.heard_us.shape[1]
        np.maximum.at(self.heard_us, (r, c), t_us)

    def inside_ais(self, lat: FloatArray, lon: FloatArray, t_us: int, alive_s: float) -> BoolArray:
        """True where a live AIS source would hear a ship."""
        inside = np.zeros(len(lat), np.bool_)
        placed = [s for s in self.state.values() if s.model.kind == "ais" and s.model.lat_deg is not None]
        for state in placed:
            if t_us - state.last_us <= alive_s * 1e6:
                m = state.model
                inside |= distance_m(lat, lon, m.lat_deg, m.lon_deg) <= m.coverage_m
        if placed or not len(lat):
            return inside
        rows, cols = self.heard_us.shape
        r = np.clip(((lat + 90.0) / CELL_DEG).astype(np.int64), 0, rows - 1)
        c = ((lon + 180.0) / CELL_DEG).astype(np.int64) % cols
        newest = np.full(len(lat), -(1 << 62), np.int64)
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                newest = np.maximum(newest, self.heard_us[np.clip(r + dr, 0, rows - 1), (c + dc) % cols])
        return np.asarray(t_us - newest <= LEARNED_ALIVE_S * 1e6)
