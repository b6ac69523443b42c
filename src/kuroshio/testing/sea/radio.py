"""AIS on the air: when each ship transmits, what it says, and which station hears it.

What enters: the fleet at a step. What leaves: emissions of each station, sentences with tag blocks. Intervals are
those of ITU-R M.1371-5 (annex 1, tables 1 and 2); statics go every 6 minutes. Loss is random and in bursts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kuroshio.geo import distance_m, offset_position, radio_horizon_m
from kuroshio.sensing.ais.encode import sentences
from kuroshio.sensing.ais.encode_batch import encode_positions
from kuroshio.sensing.ais.pack import armour, pack
from kuroshio.testing.sea.fleet import KINDS, Fleet
from kuroshio.testing.sea.scenario import SatelliteAis, Station
from kuroshio.testing.sea.ships import SPOOF_DRAG, SPOOF_JUMP, Ship
from kuroshio.units import MPS_PER_KN, US_PER_S, BoolArray, FloatArray, IntArray

STATIC_INTERVAL_S = 360.0
LOSS_AT_HORIZON = 0.6
ANTENNA_M = 1.15  # a ship's antenna stands above its superstructure by this share of its height


@dataclass(frozen=True, order=True)
class Emission:
    """Bytes that a source sends at a moment."""

    at_us: int
    source: str
    data: bytes


def interval_s(speed_mps: FloatArray, turning: BoolArray, class_b: BoolArray, at_rest: BoolArray) -> FloatArray:
    """Reporting interval in seconds by class, speed and turn (ITU-R M.1371-5, annex 1, tables 1 and 2)."""
    knots = speed_mps / MPS_PER_KN
    class_a = np.where(knots > 23.0, 2.0, np.where(knots > 14.0, np.where(turning, 2.0, 6.0), 10.0))
    class_a = np.where((knots <= 14.0) & turning, 10.0 / 3.0, class_a)
    class_a = np.where(at_rest & (knots <= 3.0), 180.0, class_a)
    return np.where(class_b, np.where(knots > 2.0, 30.0, 180.0), class_a)


class Transmitter:
    """The AIS of all ships: true positions go in, what the ships claim comes out."""

    def __init__(self, rng: np.random.Generator, ships: Sequence[Ship], start_us: int) -> None:
        self.rng, self.ships = rng, ships
        count = len(ships)
        self.mmsi = np.array([s.mmsi for s in ships], np.int64)
        self.class_b = np.array([s.class_b for s in ships])
        self.height_m = np.array([KINDS[s.kind].height_m for s in ships]) * ANTENNA_M
        self.off = np.array([s.off_us for s in ships], np.int64).reshape(count, 2)
        self.on = np.array([s.has_ais for s in ships])
        self.spoof = np.array([s.spoof for s in ships])
        self.spoof_from = np.array([s.spoof_from_us for s in ships], np.int64)
        self.spoof_e = np.array([s.spoof_east for s in ships])
        self.spoof_n = np.array([s.spoof_north for s in ships])
        self.accurate = rng.random(count) < 0.75
        self.bias = rng.normal(0.0, 3.0, (2, count))
        self.yaw = rng.normal(0.0, 2.0, count)
        self.moored = np.array([s.role == "moored" for s in ships])
        self.status = np.array([_status(s) for s in ships], np.int64)
        self.next_us = start_us + (rng.random(count) * 10e6).astype(np.int64)
        self.next_static_us = start_us + (rng.random(count) * 60e6).astype(np.int64)
        self.payloads = [_static_payloads(s) for s in ships]

    def talking(self, at_us: int) -> BoolArray:
        """Ships whose AIS is on."""
        return self.on & ~((self.off[:, 0] <= at_us) & (at_us < self.off[:, 1]))

    def due(self, fleet: Fleet, from_us: int, to_us: int) -> tuple[IntArray, IntArray]:
        """(ships, times) of the position reports sent in [from, to), in time order."""
        ships, times = [], []
        turning = np.abs(fleet.turn) > 0.15
        at_rest = self.moored | (fleet.speed < 0.1)
        wait = interval_s(fleet.speed, turning, self.class_b, at_rest)
        latest = (from_us + wait * US_PER_S).astype(np.int64)
        self.next_us = np.minimum(self.next_us, latest)  # a ship that speeds up does not wait out its old interval
        talking = self.talking(from_us)
        while True:
            due = np.flatnonzero(self.next_us < to_us)
            if not len(due):
                break
            at = np.maximum(self.next_us[due], from_us)
            jitter = self.rng.uniform(0.9, 1.1, len(due))  # slots are chosen within a window (SOTDMA)
            self.next_us[due] = at + (wait[due] * jitter * US_PER_S).astype(np.int64)
            ships.append(due[talking[due]])
            times.append(at[talking[due]])
        if not ships:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        ship, time = np.concatenate(ships), np.concatenate(times)
        order = np.lexsort((ship, time))
        return ship[order], time[order]

    def due_static(self, from_us: int, to_us: int) -> IntArray:
        """Ships whose static report goes out in [from, to)."""
        due = np.flatnonzero(self.next_static_us < to_us)
        self.next_static_us[due] += round(STATIC_INTERVAL_S * US_PER_S)
        return due[self.talking(from_us)[due]]

    def claims(self, fleet: Fleet, ship: IntArray, time: IntArray) -> dict[str, np.ndarray]:
        """What the ships report at those times: position with GNSS error, or with a lie."""
        dt = (time - fleet.at_us) / 1e6
        ve, vn = (v[ship] for v in fleet.velocity)
        noise = self.rng.normal(0.0, np.where(self.accurate[ship], 4.0, 12.0), (2, len(ship)))
        east, north = ve * dt + self.bias[0][ship] + noise[0], vn * dt + self.bias[1][ship] + noise[1]
        lying_s = np.maximum(time - self.spoof_from[ship], 0) / 1e6 * (time >= self.spoof_from[ship])
        factor = np.where(
            self.spoof[ship] == SPOOF_DRAG, lying_s, (self.spoof[ship] == SPOOF_JUMP) & (time >= self.spoof_from[ship])
        )
        east, north = east + self.spoof_e[ship] * factor, north + self.spoof_n[ship] * factor
        lat, lon = offset_position(fleet.lat[ship], fleet.lon[ship], east, north)
        sog = np.hypot(ve, vn)
        wobble = self.rng.normal(0.0, 0.05, (2, len(ship)))
        ce, cn = ve + wobble[0], vn + wobble[1]
        heading = (fleet.course[ship] + self.yaw[ship]) % 360.0
        return {
            "lat": lat,
            "lon": lon,
            "sog": np.hypot(ce, cn) * (sog > 0.05),
            "cog": np.where(sog > 0.3, np.degrees(np.arctan2(ce, cn)) % 360.0, np.nan),
            "heading": np.where(self.class_b[ship], np.nan, heading),
            "rot": fleet.turn[ship] * 60.0,
            "second": time // US_PER_S % 60,
        }


def _status(ship: Ship) -> int:
    # ITU-R M.1371-5, navigational status: 0 under way using engine, 5 moored, 7 engaged in fishing
    return {"moored": 5, "fishing": 7}.get(ship.role, 0)


def _static_payloads(ship: Ship) -> list[tuple[bytes, int]]:
    half, bow = ship.beam_m // 2, round(ship.length_m * (0.2 if ship.kind != "fishing" else 0.5))
    sizes = {"to_bow": ship.length_m - bow, "to_stern": bow, "to_port": half, "to_starboard": ship.beam_m - half}
    kind = KINDS[ship.kind].ais_type
    if ship.class_b:
        part_a = {"msg_type": 24, "mmsi": ship.mmsi, "part": 0, "name": ship.name}
        part_b = {"msg_type": 24, "mmsi": ship.mmsi, "part": 1, "ship_type": kind, "call_sign": ship.call_sign, **sizes}
        return [armour(*pack(part_a)), armour(*pack(part_b))]
    voyage = {
        "msg_type": 5,
        "mmsi": ship.mmsi,
        "imo": ship.imo,
        "call_sign": ship.call_sign,
        "name": ship.name,
        "ship_type": kind,
        "fix_type": 1,
        "draught_m": round(ship.length_m / 25.0, 1),
        "destination": ship.destination,
        **sizes,
    }
    return [armour(*pack(voyage))]


class Receiver:
    """One shore station: what it hears of the transmissions, as sentences with its name and time."""

    def __init__(self, rng: np.random.Generator, station: Station) -> None:
        self.rng, self.station, self.sequence = rng, station, 0
        self.deaf_until_us = -1

    def hears(self, transmitter: Transmitter, fleet: Fleet, ship: IntArray, time: IntArray) -> BoolArray:
        """Which of the transmissions arrive: within the horizon, less and less towards it, and none in a burst."""
        station = self.station
        distance = distance_m(*station.at, fleet.lat[ship], fleet.lon[ship])
        reach = radio_horizon_m(station.height_m, transmitter.height_m[ship]) * 1.1  # VHF bends a little further
        share = distance / reach
        lost = station.loss + (LOSS_AT_HORIZON - station.loss) * np.clip((share - 0.7) / 0.3, 0.0, 1.0)
        heard = (share < 1.0) & (self.rng.random(len(ship)) >= lost)
        return heard & (time >= self.deaf_until_us)

    def weather(self, from_us: int, dt_s: float) -> None:
        """Begin a burst of loss now and then."""
        if self.rng.random() < self.station.burst_per_hour * dt_s / 3600.0:
            self.deaf_until_us = from_us + round(self.rng.exponential(self.station.burst_s) * US_PER_S)


def position_emissions(
    name: str,
    transmitter: Transmitter,
    claims: dict[str, np.ndarray],
    ship: IntArray,
    time: IntArray,
    heard: BoolArray,
    delay_us: int = 0,
    *,
    long_range: bool = False,
) -> list[Emission]:
    """Emissions of one receiver for the reports it heard, one a sentence."""
    emissions = []
    class_b = transmitter.class_b[ship]
    channel_b = (time // US_PER_S + ship) % 2 == 1
    for msg_type, of_class in ((1, ~class_b), (18, class_b)):
        for channel, on_channel in (("A", ~channel_b), ("B", channel_b)):
            rows = np.flatnonzero(heard & of_class & on_channel)
            if not len(rows):
                continue
            who = ship[rows]
            columns = {
                "mmsi": transmitter.mmsi[who],
                "lat_deg": claims["lat"][rows],
                "lon_deg": claims["lon"][rows],
                "sog_mps": claims["sog"][rows],
                "cog_deg": claims["cog"][rows],
                "heading_deg": claims["heading"][rows],
                "position_accurate": transmitter.accurate[who].astype(np.int64),
                "utc_second": claims["second"][rows],
            }
            if msg_type == 1:
                columns["nav_status"] = transmitter.status[who]
                columns["rot_degpmin"] = claims["rot"][rows]
            data = encode_positions(columns, msg_type=msg_type, channel=channel, station=name, time_us=time[rows])
            lines = data.splitlines(keepends=True)
            emissions += [Emission(int(at) + delay_us, name, line) for at, line in zip(time[rows], lines, strict=True)]
    return emissions


def static_emissions(
    receiver: Receiver, transmitter: Transmitter, fleet: Fleet, ships: IntArray, at_us: int
) -> list[Emission]:
    """Static reports one station hears; the parts of one message go together."""
    heard = receiver.hears(transmitter, fleet, ships, np.full(len(ships), at_us, np.int64))
    emissions = []
    for ship in ships[heard]:
        lines = []
        for payload, fill in transmitter.payloads[int(ship)]:
            receiver.sequence = (receiver.sequence + 1) % 10
            lines += sentences(
                payload,
                fill,
                channel="AB"[int(ship) % 2],
                sequence=receiver.sequence,
                tag_block={"s": receiver.station.name, "time_us": at_us},
            )
        emissions.append(Emission(at_us, receiver.station.name, b"".join(line + b"\r\n" for line in lines)))
    return emissions


def satellite_heard(
    rng: np.random.Generator, satellite: SatelliteAis, fleet: Fleet, ship: IntArray, at_us: int, start_us: int
) -> BoolArray:
    """Which transmissions a satellite decodes: those in its box during a pass, few of them for they collide."""
    into = ((at_us - start_us) / 1e6) % satellite.pass_every_s
    if into >= satellite.pass_s:
        return np.zeros(len(ship), bool)
    south, west, north, east = satellite.box
    lat, lon = fleet.lat[ship], fleet.lon[ship]
    inside = (lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)
    return inside & (rng.random(len(ship)) < satellite.p_heard)
