"""Layouts of position tables: which column holds what, in which unit, with which sentinels.

What leaves: `Layout` values for the published tables we know, and one made of a declared column map. Data only.
Sources: MarineCadastre.gov AIS vessel traffic data dictionary (2015-2023, and the 2024 names); Danish Maritime
Authority, historical AIS data, file description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuroshio.errors import ConfigError
from kuroshio.units import MPS_PER_KN

SPEED_UNITS = {"kn": MPS_PER_KN, "mps": 1.0, "kmh": 1.0 / 3.6}
TIME_FORMATS = ("iso", "epoch_s", "epoch_ms", "epoch_us")
# what a column map may name; the columns of positions and statics that tables commonly carry
TARGETS = frozenset(
    {
        "time", "mmsi", "lat_deg", "lon_deg", "sog", "cog_deg", "heading_deg", "rot_degpmin", "nav_status",
        "class", "name", "call_sign", "imo", "ship_type", "length_m", "beam_m", "draught_m", "destination",
        "to_bow_m", "to_stern_m", "to_port_m", "to_starboard_m", "station", "msg_type", "local_id", "sigma_m",
    }
)  # fmt: skip
REQUIRED = ("time", "lat_deg", "lon_deg")


@dataclass(frozen=True)
class Layout:
    """How one sort of table is read.

    ``columns`` gives for each target the names it may have in the header, in any case; ``sensor`` ais makes
    positions and statics, any other kind makes observations with ``sigma_m``.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    time_format: str = "iso"
    speed_unit: str = "kn"
    sensor: str = "ais"
    sigma_m: float = 100.0
    wraps_signed: bool = False
    classes: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    ship_types: Mapping[str, int] = field(default_factory=dict)


# ITU-R M.1371-5, message 1, navigational status, as tables spell it out
STATUS_TEXT: dict[str, int] = {
    "under way using engine": 0, "at anchor": 1, "not under command": 2, "restricted maneuverability": 3,
    "restricted manoeuvrability": 3, "constrained by her draught": 4, "moored": 5, "aground": 6,
    "engaged in fishing": 7, "under way sailing": 8,
    "reserved for future amendment [hsc]": 9, "reserved for future amendment [wig]": 10,
    "power-driven vessel towing astern": 11, "power-driven vessel pushing ahead or towing alongside": 12,
    "reserved for future use [13]": 13, "ais-sart (active)": 14, "unknown value": 15, "not defined": 15,
}  # fmt: skip

_MARINECADASTRE = Layout(
    "marinecadastre",
    {
        "mmsi": ("MMSI",),
        "time": ("BaseDateTime", "base_date_time"),
        "lat_deg": ("LAT", "latitude"),
        "lon_deg": ("LON", "longitude"),
        "sog": ("SOG",),
        "cog_deg": ("COG",),
        "heading_deg": ("Heading",),
        "name": ("VesselName", "vessel_name"),
        "imo": ("IMO",),
        "call_sign": ("CallSign", "call_sign"),
        "ship_type": ("VesselType", "vessel_type"),
        "nav_status": ("Status",),
        "length_m": ("Length",),
        "beam_m": ("Width",),
        "draught_m": ("Draft",),
        "class": ("TransceiverClass", "TranscieverClass", "transceiver", "transceiver_class"),
    },
    wraps_signed=True,
    classes={"a": 1, "b": 18},
    statuses=STATUS_TEXT,
)

# Danish table: kinds of mobile to the message type such a station sends (ITU-R M.1371-5, annex 8)
_MOBILES = {
    "class a": 1, "class b": 18, "base station": 4, "aton": 21, "sar airborne": 9,
    "search and rescue transponder": 1, "man overboard device": 1,
}  # fmt: skip
# ITU-R M.1371-5, table 53, as the Danish table spells it out
_DMA_TYPES = {
    "wig": 20, "fishing": 30, "towing": 31, "towing long/wide": 32, "dredging": 33, "diving": 34, "military": 35,
    "sailing": 36, "pleasure": 37, "hsc": 40, "pilot": 50, "sar": 51, "tug": 52, "port tender": 53,
    "anti-pollution": 54, "law enforcement": 55, "medical": 58, "passenger": 60, "cargo": 70, "tanker": 80,
    "other": 90,
}  # fmt: skip
_DMA = Layout(
    "dma_csv",
    {
        "time": ("# Timestamp", "Timestamp"),
        "class": ("Type of mobile",),
        "mmsi": ("MMSI",),
        "lat_deg": ("Latitude",),
        "lon_deg": ("Longitude",),
        "nav_status": ("Navigational status",),
        "rot_degpmin": ("ROT",),
        "sog": ("SOG",),
        "cog_deg": ("COG",),
        "heading_deg": ("Heading",),
        "imo": ("IMO",),
        "call_sign": ("Callsign",),
        "name": ("Name",),
        "ship_type": ("Ship type",),
        "beam_m": ("Width",),
        "length_m": ("Length",),
        "draught_m": ("Draught",),
        "destination": ("Destination",),
        "to_bow_m": ("A",),
        "to_stern_m": ("B",),
        "to_port_m": ("C",),
        "to_starboard_m": ("D",),
    },
    time_format="%d/%m/%Y %H:%M:%S",
    classes=_MOBILES,
    statuses=STATUS_TEXT,
    ship_types=_DMA_TYPES,
)

LAYOUTS: dict[str, Layout] = {"marinecadastre": _MARINECADASTRE, "dma_csv": _DMA}


def declared(
    columns: Mapping[str, Any],
    *,
    time_format: str = "iso",
    speed_unit: str = "kn",
    sensor: str = "ais",
    sigma_m: float = 100.0,
) -> Layout:
    """Layout of a declared column map: target name to the header's name.

    Raises
    ------
    ConfigError
        On an unknown target, unit or format, or where time, position or (for AIS) mmsi is not mapped.
    """
    unknown = sorted(set(columns) - TARGETS)
    if unknown:
        raise ConfigError(
            f"columns: no target {unknown[0]!r}; known are {', '.join(sorted(TARGETS))}", code="tables.column"
        )
    needed = (*REQUIRED, "mmsi") if sensor == "ais" else REQUIRED
    missing = [name for name in needed if name not in columns]
    if missing:
        raise ConfigError(f"columns: {missing[0]!r} is not mapped", code="tables.column")
    if speed_unit not in SPEED_UNITS:
        raise ConfigError(f"speed_unit {speed_unit!r} is not one of {', '.join(SPEED_UNITS)}", code="tables.unit")
    if time_format not in TIME_FORMATS and "%" not in time_format:
        raise ConfigError(
            f"time_format {time_format!r} is not one of {', '.join(TIME_FORMATS)} nor a strptime format",
            code="tables.time",
        )
    if sensor not in ("ais", "vms", "radar", "image", "human", "partner"):
        raise ConfigError(f"sensor {sensor!r} is not one of ais, vms, radar, image, human, partner")
    if not 0.0 < sigma_m < 1e6:
        raise ConfigError(f"sigma_m {sigma_m} is not a length", code="tables.sigma")
    mapped = {name: (str(header),) for name, header in columns.items()}
    return Layout("csv", mapped, time_format, speed_unit, sensor, float(sigma_m), statuses=STATUS_TEXT,
                  classes={"a": 1, "b": 18, "class a": 1, "class b": 18})  # fmt: skip
