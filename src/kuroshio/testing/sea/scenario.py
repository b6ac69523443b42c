"""What a sea holds: how many ships, which sensors of which party, and how fast the planted story goes.

What leaves: values only. `PHILIPPINE_SEA` is the demo, its story packed into the first hour;
`PHILIPPINE_SEA_DAY` tells the same story at the pace of real thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuroshio.errors import ConfigError
from kuroshio.geo import radio_horizon_m
from kuroshio.testing.sea.geography import PORTS, Point


@dataclass(frozen=True)
class Radar:
    """A coastal radar. Bearings carry `bearing_bias_deg`, ranges `range_bias_m`: a radar that is badly registered."""

    party: str
    name: str
    at: Point
    height_m: float
    range_m: float = 96_000.0
    scan_s: float = 6.0
    range_sigma_m: float = 50.0
    bearing_sigma_deg: float = 0.3
    p_detection: float = 0.9
    clutter_per_scan: float = 3.0
    range_bias_m: float = 0.0
    bearing_bias_deg: float = 0.0
    sac: int = 0
    sic: int = 0
    format: str = "asterix"
    resolution_m: float = 0.0  # plots closer than both resolutions are one; 0 never merges
    resolution_deg: float = 0.0


@dataclass(frozen=True)
class Station:
    """A shore AIS station: it hears ships within its VHF horizon, and loses some of what they send."""

    party: str
    name: str
    at: Point
    height_m: float
    loss: float = 0.03
    burst_per_hour: float = 0.5
    burst_s: float = 25.0


@dataclass(frozen=True)
class SatelliteAis:
    """AIS from orbit: wide, rare and late."""

    party: str
    name: str
    p_heard: float = 0.05
    pass_every_s: float = 1500.0
    pass_s: float = 600.0
    delay_s: float = 120.0
    box: tuple[float, float, float, float] = (15.0, 117.0, 28.5, 129.0)  # south, west, north, east


@dataclass(frozen=True)
class SatelliteRadar:
    """Ship detections in radar images from orbit, as CSV."""

    party: str
    name: str
    first_s: float = 420.0
    every_s: float = 2700.0
    delay_s: float = 180.0
    sigma_m: float = 80.0
    false_per_image: float = 3.0
    box: tuple[float, float, float, float] = (19.4, 120.6, 21.6, 123.4)


@dataclass(frozen=True)
class SourceSpec:
    """One stream of bytes and how to read it: what a node's configuration needs to know.

    ``format`` and ``options`` go to `kuroshio.sensing.formats.open_decoder`; ``transport`` is ``tcp`` (the sea is the
    server) or ``udp`` (the sea sends datagrams); ``preamble`` is sent first on each connection. ``sensor`` says what
    the sensor can see, by the keys of a node file's sensor table.
    """

    party: str
    name: str
    format: str
    options: Mapping[str, Any]
    transport: str
    sensor: Mapping[str, Any]
    preamble: bytes = b""


@dataclass(frozen=True)
class Pace:
    """When the planted things happen, in seconds from the start."""

    meet_s: float = 300.0
    meet_for_s: float = 2700.0
    gap_from_s: float = 420.0
    gap_for_s: float = 2400.0
    spoof_from_s: float = 480.0
    intrusion_s: float = 540.0
    loiter_for_s: float = 14_400.0


@dataclass(frozen=True)
class Scenario:
    """A sea: traffic by sort, sensors by party, and the story's pace."""

    name: str
    lane_ships: int = 44
    fishing_boats: int = 34
    moored: int = 14
    harbour: int = 0
    radars: tuple[Radar, ...] = ()
    stations: tuple[Station, ...] = ()
    satellite_ais: tuple[SatelliteAis, ...] = ()
    satellite_radar: tuple[SatelliteRadar, ...] = ()
    pace: Pace = field(default_factory=Pace)
    cast: bool = True
    land_shadow: bool = True
    step_s: float = 2.0
    history_s: float = 86_400.0

    def __post_init__(self) -> None:
        names = [s.name for group in self._sensors() for s in group]
        if len(set(names)) != len(names):
            raise ConfigError(f"scenario {self.name}: two sources have one name: {sorted(names)}", code="sea.source")
        for radar in self.radars:
            if radar.scan_s < self.step_s:
                raise ConfigError(f"radar {radar.name}: scan_s {radar.scan_s} is below the step {self.step_s}")
            if radar.format not in ("asterix", "ttm"):
                raise ConfigError(f"radar {radar.name}: format {radar.format!r} is neither asterix nor ttm")

    def _sensors(self) -> tuple[tuple[Any, ...], ...]:
        return (self.stations, self.radars, self.satellite_ais, self.satellite_radar)

    @property
    def sources(self) -> tuple[SourceSpec, ...]:
        """All streams in a fixed order: stations, radars, satellite AIS, satellite radar."""
        specs = [SourceSpec(s.party, s.name, "aivdm", {}, "tcp", _station_sensor(s)) for s in self.stations]
        specs += [_radar_source(r) for r in self.radars]
        specs += [SourceSpec(s.party, s.name, "aivdm", {}, "tcp", {"kind": "ais"}) for s in self.satellite_ais]
        specs += [
            SourceSpec(s.party, s.name, "detections_csv", {}, "tcp", {"kind": "image"}, DETECTION_HEADER)
            for s in self.satellite_radar
        ]
        return tuple(specs)


SHIP_ANTENNA_M = 15.0  # a middling ship, for a station's nominal reach
DETECTION_HEADER = b"detection_id,time,lat_deg,lon_deg,sigma_m,length_m,length_sigma_m,confidence,image_id\r\n"


def _station_sensor(station: Station) -> dict[str, Any]:
    return {
        "kind": "ais",
        "lat_deg": station.at[0],
        "lon_deg": station.at[1],
        "antenna_height_m": station.height_m,
        "max_range_m": float(radio_horizon_m(station.height_m, SHIP_ANTENNA_M)),
    }


def _radar_source(radar: Radar) -> SourceSpec:
    options: dict[str, Any] = {
        "lat_deg": radar.at[0],
        "lon_deg": radar.at[1],
        "antenna_height_m": radar.height_m,
        "range_sigma_m": radar.range_sigma_m,
        "bearing_sigma_deg": radar.bearing_sigma_deg,
    }
    sensor = {
        "kind": "radar",
        "lat_deg": radar.at[0],
        "lon_deg": radar.at[1],
        "max_range_m": radar.range_m,
        "antenna_height_m": radar.height_m,
        "scan_s": radar.scan_s,
        "pd": radar.p_detection,
        "range_sigma_m": radar.range_sigma_m,
        "bearing_sigma_deg": radar.bearing_sigma_deg,
        "false_plots_a_scan": radar.clutter_per_scan,
    }
    if radar.format == "asterix":
        options |= {"framing": "datagram", "scan_s": radar.scan_s}
        return SourceSpec(radar.party, radar.name, "asterix", options, "udp", sensor)
    return SourceSpec(radar.party, radar.name, "ttm", options, "tcp", sensor)


_STATIONS = (
    Station("PHL", "phl-ais-basco", (20.460, 121.985), 300.0),
    Station("PHL", "phl-ais-aparri", (18.365, 121.640), 60.0),
    Station("JPN", "jpn-ais-yonaguni", (24.455, 122.975), 230.0),
    Station("JPN", "jpn-ais-ishigaki", (24.427, 124.183), 500.0),
)
_RADARS = (
    Radar("PHL", "phl-radar-batanes", (20.475, 121.995), 400.0, sac=0x7C, sic=1),
    Radar("PHL", "phl-radar-luzon", (18.515, 122.150), 250.0, sac=0x7C, sic=2),
    Radar("JPN", "jpn-radar-yonaguni", (24.452, 123.010), 220.0, sac=0x7D, sic=1, format="ttm"),
)

PHILIPPINE_SEA = Scenario(
    "philippine-sea",
    radars=_RADARS,
    stations=_STATIONS,
    satellite_ais=(SatelliteAis("USA", "usa-sat-ais"),),
    satellite_radar=(SatelliteRadar("USA", "usa-sar"),),
)

PHILIPPINE_SEA_DAY = Scenario(
    "philippine-sea-day",
    radars=_RADARS,
    stations=_STATIONS,
    satellite_ais=(SatelliteAis("USA", "usa-sat-ais", pass_every_s=5700.0, p_heard=0.08, delay_s=900.0),),
    satellite_radar=(SatelliteRadar("USA", "usa-sar", first_s=5400.0, every_s=43_200.0, delay_s=1800.0),),
    pace=Pace(
        meet_s=3600.0,
        meet_for_s=9000.0,
        gap_from_s=7200.0,
        gap_for_s=50_400.0,
        spoof_from_s=5400.0,
        intrusion_s=4500.0,
        loiter_for_s=43_200.0,
    ),
)

# many craft close together, a radar that is badly registered and merges what is close, and bursts of loss
HARBOUR = Scenario(
    "harbour",
    lane_ships=20,
    fishing_boats=10,
    moored=40,
    harbour=200,
    cast=False,
    radars=(
        Radar(
            "JPN",
            "jpn-radar-ishigaki",
            (24.345, 124.150),
            90.0,
            range_m=45_000.0,
            scan_s=3.0,
            range_sigma_m=15.0,
            bearing_sigma_deg=0.2,
            clutter_per_scan=25.0,
            range_bias_m=60.0,
            bearing_bias_deg=0.6,
            sac=0x7D,
            sic=2,
            resolution_m=60.0,
            resolution_deg=0.9,
        ),
    ),
    stations=(
        Station("JPN", "jpn-ais-ishigaki", (24.427, 124.183), 500.0, loss=0.15, burst_per_hour=6.0, burst_s=90.0),
    ),
)

SCENARIOS: dict[str, Scenario] = {s.name: s for s in (PHILIPPINE_SEA, PHILIPPINE_SEA_DAY, HARBOUR)}
assert all(abs(lat) <= 90 and abs(lon) <= 180 for lat, lon in PORTS.values())
