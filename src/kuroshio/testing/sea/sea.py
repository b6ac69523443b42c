"""The simulated sea: one seed in, the bytes of every sensor out in time order, with the truth beside them.

What enters: a seed, a start time, a scenario. What leaves: emissions, true states, the planted story. It opens no
socket (`serve` does) and reads no clock. Each sort of chance has its own stream, so that another radar does not
change how ships sail.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import InputError
from kuroshio.geo import offset_position
from kuroshio.testing.sea import radio
from kuroshio.testing.sea.cast import add_cast
from kuroshio.testing.sea.fleet import Fleet
from kuroshio.testing.sea.radars import CoastalRadar
from kuroshio.testing.sea.radio import Emission
from kuroshio.testing.sea.satellite import Imager
from kuroshio.testing.sea.scenario import PHILIPPINE_SEA, Scenario
from kuroshio.testing.sea.ships import Register, Ship, add_traffic
from kuroshio.units import US_PER_S, FloatArray

HISTORY_STEP_S = 10.0
TRUTH_SCHEMA = pa.schema(
    [
        pa.field("ship_id", pa.int64()),
        pa.field("observed_at", pa.timestamp("us", tz="UTC")),
        pa.field("lat_deg", pa.float64()),
        pa.field("lon_deg", pa.float64()),
        pa.field("ve_mps", pa.float64()),
        pa.field("vn_mps", pa.float64()),
        pa.field("heading_deg", pa.float64()),
        pa.field("mmsi", pa.int64()),
        pa.field("kind", pa.string()),
        pa.field("role", pa.string()),
        pa.field("dark", pa.bool_()),
        pa.field("length_m", pa.float64()),
    ]
)


class Sea:
    """A sea that sails from its start time on; the same arguments give the same bytes.

    Parameters
    ----------
    seed
        Seed of everything.
    start_us
        UTC microseconds of its first moment.
    scenario
        What it holds.
    """

    def __init__(self, seed: int, *, start_us: int, scenario: Scenario = PHILIPPINE_SEA) -> None:
        self.seed, self.start_us, self.scenario = seed, start_us, scenario
        register = Register(self._stream(0))
        self._story: dict[str, Any] = {"scenario": scenario.name, "start": clock.rfc3339(start_us)}
        if scenario.cast:
            self._story = add_cast(register, scenario, start_us)
        add_traffic(register, scenario.lane_ships, scenario.fishing_boats, scenario.moored, scenario.harbour)
        self.ships: tuple[Ship, ...] = tuple(register.ships)
        self._story |= {"seed": seed, "ships": len(self.ships)}
        self._fleet = Fleet(self._stream(1), [s.plan for s in self.ships], [s.kind for s in self.ships], start_us)
        self._transmitter = radio.Transmitter(self._stream(2), self.ships, start_us)
        self._receivers = [radio.Receiver(self._stream(100 + n), s) for n, s in enumerate(scenario.stations)]
        self._radars = [
            CoastalRadar(self._stream(200 + n), r, self.ships, start_us, land_shadow=scenario.land_shadow)
            for n, r in enumerate(scenario.radars)
        ]
        self._satellites = [(self._stream(300 + n), s) for n, s in enumerate(scenario.satellite_ais)]
        self._imagers = [
            Imager(self._stream(400 + n), s, self.ships, start_us) for n, s in enumerate(scenario.satellite_radar)
        ]
        self._pending: list[tuple[int, int, Emission]] = []
        self._count = 0
        self._history: deque[tuple[int, FloatArray]] = deque(maxlen=int(scenario.history_s / HISTORY_STEP_S) + 2)
        self._remember()

    def _stream(self, number: int) -> np.random.Generator:
        return clock.generator(self.seed * 1000 + number)

    @property
    def at_us(self) -> int:
        """Time up to which the sea has sailed."""
        return self._fleet.at_us

    def emissions(self, until_us: int) -> Iterator[Emission]:
        """Emissions before `until_us` that were not given yet, in time order.

        Notes
        -----
        How the time is cut into calls does not change the bytes: the sea sails in whole steps, and holds back what
        is later.
        """
        while self._fleet.at_us < until_us:
            self._step()
            yield from self._released(min(self._fleet.at_us, until_us))
        yield from self._released(until_us)

    def _released(self, before_us: int) -> Iterator[Emission]:
        while self._pending and self._pending[0][0] < before_us:
            yield heapq.heappop(self._pending)[2]

    def _hold(self, emissions: list[Emission]) -> None:
        for emission in emissions:
            self._count += 1
            heapq.heappush(self._pending, (emission.at_us, self._count, emission))

    def _step(self) -> None:
        fleet, dt_s = self._fleet, self.scenario.step_s
        from_us, to_us = fleet.at_us, fleet.at_us + round(dt_s * US_PER_S)
        ship, time = self._transmitter.due(fleet, from_us, to_us)
        claims = self._transmitter.claims(fleet, ship, time)
        for receiver in self._receivers:
            receiver.weather(from_us, dt_s)
            heard = receiver.hears(self._transmitter, fleet, ship, time)
            name = receiver.station.name
            self._hold(radio.position_emissions(name, self._transmitter, claims, ship, time, heard))
        for rng, satellite in self._satellites:
            heard = radio.satellite_heard(rng, satellite, fleet, ship, from_us, self.start_us)
            delay_us = round(satellite.delay_s * US_PER_S)
            name = satellite.name
            self._hold(radio.position_emissions(name, self._transmitter, claims, ship, time, heard, delay_us))
        static = self._transmitter.due_static(from_us, to_us)
        if len(static):
            for receiver in self._receivers:
                self._hold(radio.static_emissions(receiver, self._transmitter, fleet, static, from_us))
        for radar in self._radars:
            self._hold(radar.sweep(fleet, dt_s))
        for imager in self._imagers:
            self._hold(imager.between(fleet, to_us))
        fleet.step(dt_s)
        if (fleet.at_us - self.start_us) % round(HISTORY_STEP_S * US_PER_S) < round(dt_s * US_PER_S):
            self._remember()

    def _remember(self) -> None:
        fleet = self._fleet
        ve, vn = fleet.velocity
        self._history.append((fleet.at_us, np.stack([fleet.lat, fleet.lon, ve, vn, fleet.course])))

    def truth(self, at_us: int) -> pa.Table:
        """True states of all ships at a time the sea has already sailed through.

        Returns
        -------
        pyarrow.Table
            `TRUTH_SCHEMA`: ``ship_id``, position, velocity, heading, ``mmsi`` (null where the ship never transmits),
            ``kind``, ``role``, ``dark`` (no AIS at that moment), ``length_m``. Between kept states (10 s) the motion
            is carried on from the nearest.

        Raises
        ------
        InputError
            Before the kept history or after the present.
        """
        times = [at for at, _ in self._history]
        if not times[0] <= at_us <= self._fleet.at_us:
            raise InputError(
                f"no truth at {clock.rfc3339(at_us)}: kept from {clock.rfc3339(times[0])} "
                f"to {clock.rfc3339(self._fleet.at_us)}",
                code="sea.truth",
            )
        kept_us, state = self._history[int(np.argmin(np.abs(np.array(times) - at_us)))]
        dt = (at_us - kept_us) / 1e6
        lat, lon = offset_position(state[0], state[1], state[2] * dt, state[3] * dt)
        count = len(self.ships)
        talks = np.array([s.has_ais for s in self.ships])
        columns = [
            pa.array(np.arange(count, dtype=np.int64)),
            pa.array(np.full(count, at_us), pa.timestamp("us", tz="UTC")),
            pa.array(lat),
            pa.array(lon),
            pa.array(state[2]),
            pa.array(state[3]),
            pa.array(state[4]),
            pa.array([s.mmsi for s in self.ships], pa.int64(), mask=~talks),
            pa.array([s.kind for s in self.ships]),
            pa.array([s.role for s in self.ships]),
            pa.array(~self._transmitter.talking(at_us)),
            pa.array([float(s.length_m) for s in self.ships]),
        ]
        return pa.Table.from_arrays(columns, schema=TRUTH_SCHEMA)

    def story(self) -> dict[str, Any]:
        """The planted facts, as plain values: what a node is expected to find, with ids, times and places."""
        return dict(self._story)
