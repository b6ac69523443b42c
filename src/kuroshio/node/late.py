"""Reports that come too late for the picture, but not for behaviour: satellites and stores that are read once a day.

What enters: observations of a step and what the tracker made of them. What leaves: rows of TRACKS for the reports that
the picture refused as too old, on the track that bears their MMSI, as far back as their source may be late. The engine
repairs the time they fall into; the picture, which shows the present, does not change by them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.picture import TrackerConfig, Update
from kuroshio.schema import TRACKS
from kuroshio.units import IntArray

TOO_OLD = "ancient"  # reason of the tracker
MMSI_MAX = 1_000_000
_SAME = ("observed_at", "lat_deg", "lon_deg", "sog_mps", "cog_deg", "heading_deg", "mmsi", "nav_status", "exercise")


class LateReports:
    """Which track bears which MMSI, and the rows of late reports on it.

    Parameters
    ----------
    lateness_s
        How late each source may be.
    """

    def __init__(self, lateness_s: Mapping[str, float]) -> None:
        self._lateness_us = {name: round(s * 1e6) for name, s in lateness_s.items()}
        self._needed = max(lateness_s.values(), default=0.0) > TrackerConfig().late_s
        self.bearer: dict[int, int] = {}
        self.counts: Counter[str] = Counter()

    def rows(self, observations: pa.Table, update: Update, now_us: int) -> pa.Table:
        """TRACKS rows of the late reports among the observations of a step."""
        if not self._needed:
            return TRACKS.empty()
        self._learn(update.tracks)
        if not observations.num_rows or not update.counters.get(TOO_OLD):
            return TRACKS.empty()
        refused = pc.equal(update.links["outcome"].cast(pa.string()), TOO_OLD)
        ids = update.links["obs_id"].filter(refused)
        late = observations.filter(pc.is_in(observations["obs_id"], value_set=ids.combine_chunks()))
        late = late.filter(pc.and_(pc.equal(late["sensor"].cast(pa.string()), "ais"), pc.is_valid(late["mmsi"])))
        age_us = now_us - np.asarray(late["observed_at"].cast(pa.int64()), np.int64)
        limit = np.asarray(
            [self._lateness_us.get(s, 0) for s in late["source"].to_pylist()], np.int64
        )  # late ones only
        track = np.asarray([self.bearer.get(m, -1) for m in late["mmsi"].to_pylist()], np.int64)
        good = (age_us <= limit) & (track >= 0)
        self.counts["late_reports"] += late.num_rows
        self.counts["late_reports_used"] += int(good.sum())
        return _as_tracks(late.filter(pa.array(good)), track[good])

    def _learn(self, tracks: pa.Table) -> None:
        if not tracks.num_rows:
            return
        sure = pc.and_(pc.is_valid(tracks["mmsi"]), pc.equal(tracks["status"].cast(pa.string()), "confirmed"))
        named = tracks.select(["mmsi", "track_id"]).filter(sure)
        mmsi, track = (np.asarray(named[n].combine_chunks(), np.int64) for n in ("mmsi", "track_id"))
        _, last = np.unique(mmsi[::-1], return_index=True)
        at = len(mmsi) - 1 - last
        self.bearer.update(zip(mmsi[at].tolist(), track[at].tolist(), strict=True))
        if len(self.bearer) > MMSI_MAX:
            for old in list(self.bearer)[: MMSI_MAX // 10]:
                del self.bearer[old]

    def as_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"bearer": list(self.bearer.items())}

    def load(self, plain: Mapping[str, Any]) -> None:
        """Take state back."""
        self.bearer = {int(m): int(t) for m, t in plain.get("bearer", [])}


def _as_tracks(late: pa.Table, track: IntArray) -> pa.Table:
    n = late.num_rows
    if not n:
        return TRACKS.empty()
    columns: dict[str, Any] = {name: late[name] for name in _SAME if name in late.column_names}
    columns |= {"track_id": track, "status": ["confirmed"] * n, "last_ais_at": late["observed_at"]}
    columns["sources"] = [[s] for s in late["source"].to_pylist()]
    columns["sources_last_at"] = [[at] for at in late["observed_at"].to_pylist()]
    columns["sensors"] = [["ais"]] * n
    return TRACKS.build(columns, n)
