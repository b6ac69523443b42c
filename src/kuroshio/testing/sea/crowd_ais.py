"""AIS of a crowd as rows: intervals, noise, antenna, loss, silence, borrowed identities and lies.

What enters: a crowd at a step. What leaves: observations with the ships they are of, and for the truth what each ship
claims and hides. `radio` says the same as sentences, for a few ships.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kuroshio.geo import offset_position
from kuroshio.schema import OBSERVATIONS, STATICS
from kuroshio.sensing.radar_plots import constant, content_ids
from kuroshio.testing.sea.conditions import Conditions
from kuroshio.testing.sea.crowd import Crowd
from kuroshio.testing.sea.radio import interval_s
from kuroshio.units import MPS_PER_KN, BoolArray, FloatArray, IntArray

FIRST_MMSI = 400_000_001
CLASS_B_COMPASS_SHARE = 0.1  # of class B sets, how many are wired to a compass and send a heading
WANDER_S = 600.0
WANDER_SHARE, WHITE_SHARE = 0.35, 0.2  # of the sigma a report claims
SPOOFS = ("none", "jump", "drag", "duplicate")


@dataclass
class _Lies:
    """Displacement of what each ship reports: metres of a jump, metres a second of a drag, from a moment on."""

    kind: IntArray
    from_s: FloatArray
    east: FloatArray
    north: FloatArray

    def at(self, ship: IntArray, now_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(east, north) metres by which those ships lie at those times."""
        since = now_s - self.from_s[ship]
        factor = np.where(self.kind[ship] == 2, since, 1.0) * (since >= 0.0) * np.isin(self.kind[ship], (1, 2))
        return self.east[ship] * factor, self.north[ship] * factor


class CrowdAis:
    """AIS of all ships that have it, at the ITU intervals, each with its own phase and accuracy."""

    def __init__(
        self,
        rng: np.random.Generator,
        extra: np.random.Generator,
        crowd: Crowd,
        mmsi: IntArray,
        class_b: BoolArray,
        compass: BoolArray,
        loss: float,
        duration_s: float,
        conditions: Conditions,
    ) -> None:
        self.rng, self.extra, self.class_b, self.loss, self.conditions = rng, extra, class_b, loss, conditions
        self.compass = compass
        ships = len(mmsi)
        self.next_s = np.where(mmsi > 0, rng.uniform(0.0, 10.0, ships), np.inf) + crowd.begins_s
        self.sigma_m = np.where(rng.random(ships) < 0.7, 10.0, 30.0)  # M.1371-5: accuracy flag, 10 m
        talkers = extra.permutation(np.flatnonzero(mmsi > 0))
        self.mmsi, self.lies, talkers = _lies(extra, mmsi, talkers, duration_s, conditions)
        off = talkers[: round(conditions.silent_share * ships)]
        self.off_s = np.full((ships, 2), np.inf)
        self.off_s[off, 0] = extra.uniform(0.2, 0.6, len(off)) * duration_s
        self.off_s[off, 1] = self.off_s[off, 0] + conditions.silent_s
        self.wander, self.wandered_s = extra.normal(size=(2, ships)), np.zeros(ships)
        self.bursts = _bursts(extra, duration_s, conditions)
        self.boat = crowd.boat
        self._sizes(extra, crowd)

    def _sizes(self, extra: np.random.Generator, crowd: Crowd) -> None:
        """Whole metres from the antenna to bow, stern, port and starboard, as a static report has them."""
        ships = len(crowd.length_m)
        slender = np.where(crowd.boat, 3.0, 6.5)  # length by beam
        length = np.maximum(np.rint(crowd.length_m), np.where(crowd.boat, 4, 8))
        beam = np.maximum(np.rint(crowd.length_m / slender), np.where(crowd.boat, 2, 4))
        bow = np.clip(np.rint(length * extra.uniform(0.5, 0.95, ships)), 1, np.minimum(length - 1, 511))
        port = np.clip(np.rint(beam * extra.uniform(0.3, 0.7, ships)), 1, np.minimum(beam - 1, 63))
        self.sizes = np.stack([bow, length - bow, port, beam - port]).astype(np.int64)
        offsets = float(self.conditions.antenna_offsets)
        self.ahead_m = offsets * (self.sizes[1] - self.sizes[0]) / 2.0
        self.right_m = offsets * (self.sizes[2] - self.sizes[3]) / 2.0

    def hidden(self, now_s: float) -> BoolArray:
        """Ships without AIS at a time."""
        return np.asarray((self.mmsi == 0) | (self.off_s[:, 0] <= now_s) & (now_s < self.off_s[:, 1]))

    def spoofing(self, now_s: float) -> tuple[list[str], FloatArray]:
        """(what each ship does, metres by which its claimed place is wrong)."""
        every = np.arange(len(self.mmsi))
        size = np.hypot(*self.lies.at(every, np.full(len(every), now_s)))
        acting = np.where(self.lies.from_s <= now_s, self.lies.kind, 0)
        words: list[str] = np.array(SPOOFS)[acting].tolist()
        return words, size

    def between(self, crowd: Crowd, from_s: float, to_s: float, start_us: int) -> tuple[pa.Table, IntArray]:
        """Reports sent in [from_s, to_s) and the ships they are of."""
        due = np.flatnonzero(self.next_s < to_s)
        at_s = np.maximum(self.next_s[due], from_s)
        at_rest = (crowd.speed[due] < 0.2 * MPS_PER_KN) | ~crowd.moving[due]
        wait = interval_s(crowd.speed[due], crowd.turn_left_s[due] > 0.0, self.class_b[due], at_rest)
        self.next_s[due] = at_s + wait
        heard = self.rng.random(len(due)) >= self.loss
        due, at_s = due[heard], at_s[heard]
        noise = self.rng.normal(size=(4, len(due)))
        sent = ~((self.off_s[due, 0] <= at_s) & (at_s < self.off_s[due, 1]))
        if len(self.bursts):
            burst = np.searchsorted(self.bursts[:, 0], at_s, "right") - 1
            sent &= (burst < 0) | (at_s >= self.bursts[burst, 1])
        due, at_s = due[sent], at_s[sent]
        return self._rows(crowd, due, at_s, noise[:, sent], from_s, start_us), due.astype(np.int64)

    def _rows(
        self, crowd: Crowd, due: IntArray, at_s: FloatArray, noise: FloatArray, from_s: float, start_us: int
    ) -> pa.Table:
        rows, sigma = len(due), self.sigma_m[due]
        ve, vn = (v[due] for v in crowd.velocity)
        error = noise[:2] * sigma
        if self.conditions.gnss_wander:
            error = self._wandering(due, at_s) * sigma + WHITE_SHARE * error
        heading = np.radians(crowd.course[due])
        s, c = np.sin(heading), np.cos(heading)
        lie_e, lie_n = self.lies.at(due, at_s)
        dt = at_s - from_s
        east = ve * dt + error[0] + self.ahead_m[due] * s + self.right_m[due] * c + lie_e
        north = vn * dt + error[1] + self.ahead_m[due] * c - self.right_m[due] * s + lie_n
        lat, lon = offset_position(crowd.lat[due], crowd.lon[due], east, north)
        drags = (self.lies.kind[due] == 2) & (at_s >= self.lies.from_s[due])
        se = ve + noise[2] * 0.15 + np.where(drags, self.lies.east[due], 0.0)
        sn = vn + noise[3] * 0.15 + np.where(drags, self.lies.north[due], 0.0)
        times = start_us + np.rint(at_s * 1e6).astype(np.int64)
        var = sigma * sigma
        columns = {
            "obs_id": content_ids("ais", times, self.mmsi[due], np.rint(lat * 1e7).astype(np.int64)),
            "observed_at": times,
            "time_source": constant("tag_block", rows),
            "source": constant("ais", rows),
            "station": constant("ais0", rows),
            "sensor": constant("ais", rows),
            "lat_deg": lat,
            "lon_deg": lon,
            "cov_ee_m2": var,
            "cov_en_m2": np.zeros(rows),
            "cov_nn_m2": var,
            "sog_mps": np.hypot(se, sn),
            "cog_deg": np.degrees(np.arctan2(se, sn)) % 360.0,
            "vel_sigma_mps": np.full(rows, 0.15),
            "mmsi": self.mmsi[due],
            "msg_type": np.where(self.class_b[due], 18, 1).astype(np.uint8),
        }
        if self.conditions.antenna_offsets:
            yaw = self.extra.normal(0.0, 1.0, rows)
            columns["heading_deg"] = np.where(self.compass[due], (crowd.course[due] + yaw) % 360.0, np.nan)
        return OBSERVATIONS.build(columns, rows)

    def _wandering(self, due: IntArray, at_s: FloatArray) -> FloatArray:
        """(2, rows) slow part of the GNSS error, in claimed sigmas: a first-order Gauss-Markov process a ship."""
        keep = np.exp(-(at_s - self.wandered_s[due]) / WANDER_S)
        fresh = np.sqrt(1.0 - keep * keep) * self.extra.normal(size=(2, len(due)))
        self.wander[:, due] = keep * self.wander[:, due] + fresh
        self.wandered_s[due] = at_s
        return WANDER_SHARE * self.wander[:, due]

    def statics(self, start_us: int) -> pa.Table:
        """Static reports of all ships that have AIS, as table rows."""
        who = np.flatnonzero(self.mmsi > 0)
        rows = len(who)
        names = [f"CROWD {n}" for n in who.tolist()]
        return STATICS.build(
            {
                "mmsi": self.mmsi[who],
                "msg_type": np.where(self.class_b[who], 24, 5),
                "observed_at": np.full(rows, start_us),
                "source": constant("ais", rows),
                "name": names,
                "ship_type": np.where(self.boat[who], 37, 70),  # ITU-R M.1371-5, table 53: pleasure craft, cargo
                **{f"to_{side}_m": self.sizes[k, who] for k, side in enumerate(("bow", "stern", "port", "starboard"))},
            },
            rows,
        )


def _lies(
    extra: np.random.Generator, mmsi: IntArray, talkers: IntArray, duration_s: float, conditions: Conditions
) -> tuple[IntArray, _Lies, IntArray]:
    """(claimed MMSIs, lies, talkers that are honest), from talkers in random order."""
    ships = len(mmsi)
    jumps, drags = round(conditions.jump_share * ships), round(conditions.drag_share * ships)
    begin = extra.uniform(*conditions.spoof_from, ships) * duration_s
    angle = extra.uniform(0.0, 2 * np.pi, ships)
    lies = _Lies(np.zeros(ships, np.int64), np.full(ships, np.inf), np.zeros(ships), np.zeros(ships))
    jump, drag = talkers[:jumps], talkers[jumps : jumps + drags]
    size = np.zeros(ships)
    size[jump] = np.exp(extra.uniform(math.log(conditions.jump_m[0]), math.log(conditions.jump_m[1]), len(jump)))
    size[drag] = extra.uniform(*conditions.drag_mps, len(drag))
    lies.kind[jump], lies.kind[drag] = 1, 2
    liars = np.concatenate([jump, drag])
    lies.from_s[liars] = begin[liars]
    lies.east, lies.north = size * np.sin(angle), size * np.cos(angle)
    rest = talkers[jumps + drags :]
    pairs = rest[: 2 * min(conditions.duplicates, len(rest) // 2)].reshape(-1, 2)
    claimed = mmsi.copy()
    claimed[pairs[:, 1]] = mmsi[pairs[:, 0]]
    lies.kind[pairs], lies.from_s[pairs] = 3, 0.0
    return claimed, lies, rest[pairs.size :]


def _bursts(extra: np.random.Generator, duration_s: float, conditions: Conditions) -> FloatArray:
    """(bursts, 2) seconds between which no AIS is heard."""
    count = extra.poisson(conditions.ais_bursts_per_h * duration_s / 3600.0)
    begin = np.sort(extra.uniform(0.0, duration_s, count))
    end = np.maximum.accumulate(begin + extra.exponential(conditions.ais_burst_s, count)) if count else begin
    return np.column_stack([begin, end])
