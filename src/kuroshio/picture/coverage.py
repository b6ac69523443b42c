"""Where each source looks and whether it is alive: the difference between "no ship" and "no sensor".

What enters: sensor models and the times and places of reports. What leaves: coverage by source, the state of each
scan, and whether a place is inside the coverage of a live AIS source. Where no AIS antenna is declared, coverage is
learned: a cell counts while it or a neighbour heard AIS in the last ten minutes. Times in which no AIS at all was
heard are kept: a ship is not silent while nobody listens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kuroshio.geo import distance_m
from kuroshio.geo.coastline import Coastline
from kuroshio.geo.zones import Zones
from kuroshio.picture.compiled import bare, kernel
from kuroshio.picture.identity import Obs
from kuroshio.picture.ingest import SOURCES_MAX, Sources
from kuroshio.picture.model import AIS, RADAR, SENSOR_KINDS, SensorModel
from kuroshio.picture.pdmap import PdMap
from kuroshio.picture.seen import NEVER
from kuroshio.units import BoolArray, FloatArray, IntArray

CELL_DEG = 0.25
LEARNED_ALIVE_S = 600.0
PAUSE_MIN_S, PAUSE_GAPS = 10.0, 20.0  # no AIS from anybody for that long, and so many times the usual: nobody listens
PAUSES, PAUSES_KEPT_US = 32, 3_600_000_000
PULSE_REPORTS = 64.0  # from which the usual time between two reports of anybody is learned
NEWEST, GAP_US, COUNT = range(3)  # of ``pulse``


@dataclass
class SourceState:
    """A source as the tracker knows it: model, liveness, and the scan under way."""

    model: SensorModel
    declared: bool
    last_us: int = -(1 << 62)
    scan: int | None = None
    scan_us: int = 0
    hit: list[IntArray] = field(default_factory=list)
    pd_map: PdMap = field(default_factory=PdMap)

    @cached_property
    def kernel(self) -> FloatArray:
        """lat, lon, coverage (m, -1 unknown), log clutter (1/m2), pd, coverage of low craft: as `gate` takes it."""
        m = self.model
        lat, lon = (m.lat_deg or 0.0, m.lon_deg or 0.0) if m.lat_deg is not None else (0.0, 0.0)
        return np.array([lat, lon, m.coverage_m, m.log_clutter, m.pd, m.sure_m])

    @property
    def places_plots(self) -> bool:
        """True for a radar whose place is known."""
        return self.model.kind_code == RADAR and self.model.coverage_m > 0

    @cached_property
    def miss_llr(self) -> float:
        """Log likelihood ratio of a miss."""
        return math.log(1.0 - self.model.pd)


@bare
def _limit_us(gap_us):  # type: ignore[no-untyped-def]
    """How long no AIS at all has to be heard before that is nobody's silence."""
    return max(PAUSE_MIN_S * 1e6, PAUSE_GAPS * gap_us)


@kernel
def _hear(obs, heard_us, last_us, pulse, pauses):  # type: ignore[no-untyped-def]
    """Newest AIS report by cell and by source, and the times in which there was none."""
    rows, cols = heard_us.shape
    newest, gap_us, count = pulse[NEWEST], pulse[GAP_US], pulse[COUNT]
    for j in range(len(obs)):
        o = obs[j]
        if o.mmsi <= 0 or o.kind != AIS:
            continue
        if count == 0.0:
            newest = float(o.t_us)
        wait = o.t_us - newest
        if wait >= 0.0:
            most = _limit_us(gap_us)
            if wait > most and count >= PULSE_REPORTS:
                for k in range(PAUSES - 1, 0, -1):
                    pauses[k, 0], pauses[k, 1] = pauses[k - 1, 0], pauses[k - 1, 1]
                pauses[0, 0], pauses[0, 1] = int(newest), o.t_us
            count = min(count + 1.0, PULSE_REPORTS)
            gap_us += (min(wait, most) - gap_us) / count
            newest = float(o.t_us)
        r = min(max(int((o.z[0] + 90.0) / CELL_DEG), 0), rows - 1)
        c = int((o.z[1] + 180.0) / CELL_DEG) % cols
        heard_us[r, c] = max(heard_us[r, c], o.t_us)
        last_us[o.source] = max(last_us[o.source], o.t_us)
    pulse[NEWEST], pulse[GAP_US], pulse[COUNT] = newest, gap_us, count


class Coverage:
    """All sources by their number, and the learned AIS map."""

    def __init__(
        self, sensors: tuple[SensorModel, ...], sources: Sources, land: Zones | Coastline | None = None
    ) -> None:
        self.sources = sources
        self.land = land
        self.state: dict[int, SourceState] = {sources.code(m.source): SourceState(m, True) for m in sensors}
        self.heard_us = np.full((int(180 / CELL_DEG), int(360 / CELL_DEG)), -(1 << 62), np.int64)
        self.pulse = np.zeros(3)  # time of the newest AIS report, usual time between two, reports it is learned from
        self.pauses = np.full((PAUSES, 2), -(1 << 62), np.int64)

    def mask_land(self) -> None:
        """Take land out of the maps of all placed radars; to be called when sensors or land have changed."""
        for state in self.radars():
            if isinstance(self.land, Coastline):
                state.pd_map.mask_coarse(state.model, self.land)
            elif self.land is not None:
                state.pd_map.mask(state.model, self.land)

    def radars(self) -> list[SourceState]:
        """Radars with a place, by number."""
        return [s for _, s in sorted(self.state.items()) if s.places_plots]

    def cells(self, now_us: int, alive_s: float) -> list[dict[str, Any]]:
        """Where sensors look, cell by cell, and whether each of them is alive.

        Radar cells as `PdMap.rows` gives them; AIS cells where no antenna is declared: those where it was heard.
        """
        rows: list[dict[str, Any]] = []
        for state in self.radars():
            alive = now_us - state.last_us <= alive_s * 1e6
            rows.extend({**row, "alive": alive} for row in state.pd_map.rows(state.model))
        heard = np.argwhere(self.heard_us > -(1 << 62))
        for r, c in heard.tolist():
            south, west = r * CELL_DEG - 90.0, c * CELL_DEG - 180.0
            north, east = south + CELL_DEG, west + CELL_DEG
            last_us = int(self.heard_us[r, c])
            rows.append(
                {
                    "source": None,
                    "sensor": "ais",
                    "last_us": last_us,
                    "alive": now_us - last_us <= LEARNED_ALIVE_S * 1e6,
                    "ring": [[west, south], [east, south], [east, north], [west, north], [west, south]],
                }
            )
        return rows

    def of(self, source: int, kind: int) -> SourceState:
        """State of a source, made on first sight with a model that claims no coverage."""
        if source not in self.state:
            name = self.sources.names[source] if source < len(self.sources.names) else "others"
            model = SensorModel(name, SENSOR_KINDS[kind], pd=0.9 if kind == RADAR else 0.7)
            self.state[source] = SourceState(model, False)
        return self.state[source]

    def hear_ais(self, obs: Obs) -> None:
        """Note places and times of the AIS reports among observations that name themselves."""
        last_us = np.full(SOURCES_MAX + 1, NEVER)
        _hear(obs, self.heard_us, last_us, self.pulse, self.pauses)
        for code in np.flatnonzero(last_us > NEVER).tolist():
            state = self.of(code, 0)
            state.last_us = max(state.last_us, int(last_us[code]))

    def _paused(self, t_us: int) -> bool:
        return bool(self.pulse[COUNT] >= PULSE_REPORTS and t_us - self.pulse[NEWEST] > _limit_us(self.pulse[GAP_US]))

    def pauses_until(self, t_us: int) -> IntArray:
        """(pauses, 2) times between which no AIS was heard from anybody, the one under way at a time among them."""
        pauses = self.pauses[self.pauses[:, 1] > t_us - PAUSES_KEPT_US]
        if self._paused(t_us):
            pauses = np.concatenate([pauses, np.array([[int(self.pulse[NEWEST]), t_us]])])
        return np.ascontiguousarray(pauses)

    def listened_us(self, t_us: int) -> int:
        """When AIS was last listened to: the time itself, or the begin of a pause under way, up to ten minutes back."""
        begun_us = int(self.pulse[NEWEST])
        return begun_us if self._paused(t_us) and t_us - begun_us < LEARNED_ALIVE_S * 1e6 else t_us

    def inside_ais(self, lat: FloatArray, lon: FloatArray, t_us: int, alive_s: float) -> BoolArray:
        """True where a live AIS source would hear a ship."""
        inside = np.zeros(len(lat), np.bool_)
        placed = [s for s in self.state.values() if s.model.kind == "ais" and s.model.lat_deg is not None]
        for state in placed:
            if t_us - state.last_us <= alive_s * 1e6:
                m = state.model
                inside |= distance_m(lat, lon, m.lat_deg, m.lon_deg) <= m.coverage_m
        if placed or not len(lat) or self.pulse[COUNT] == 0.0:
            return inside
        rows, cols = self.heard_us.shape
        r = np.clip(((lat + 90.0) / CELL_DEG).astype(np.int64), 0, rows - 1)
        c = ((lon + 180.0) / CELL_DEG).astype(np.int64) % cols
        newest = np.full(len(lat), -(1 << 62), np.int64)
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                newest = np.maximum(newest, self.heard_us[np.clip(r + dr, 0, rows - 1), (c + dc) % cols])
        return np.asarray(t_us - newest <= LEARNED_ALIVE_S * 1e6)
