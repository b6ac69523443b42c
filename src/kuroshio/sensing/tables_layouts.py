"""Layouts of position tables: which column holds what, in which unit, with which sentinels.

What leaves: `Layout` values for the published tables we know, and one made of a declared column map. Data only.
Sources: MarineCadastre.gov AIS vessel traffic data dictionary (2015-2023, and the 2024 names); Danish Maritime
Authority, historical AIS data, file description.
"""

from __future__ import annotations

import math
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
        "cargo", "eta", "fix_type", "error_major_m", "error_minor_m", "error_orientation_deg",
    }
)  # fmt: skip
REQUIRED = ("time", "lat_deg", "lon_deg")


@dataclass(frozen=True)
class Layout:
    """How one sort of table is read.

    ``columns`` gives for each target the names it may have in the header, in any case; ``sensor`` ais makes positions
    and statics, any other kind makes observations with ``sigma_m``. ``named`` are targets that a person has mapped:
    their columns must be there, not only those a row cannot do without. ``error_scale`` divides stated errors to make
    them one sigma.
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
    cargoes: Mapping[str, int] = field(default_factory=dict)
    fix_types: Mapping[str, int] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    error_scale: float = 1.0


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
# ITU-R M.1371-5, table 53: the second digit of a type of ship that may carry goods
_DMA_CARGOES = {
    "category x": 1, "category y": 2, "category z": 3, "category os": 4, "no additional information": 9,
}  # fmt: skip
# ITU-R M.1371-5, message 5, type of electronic position fixing device
_DMA_FIXES = {
    "undefined": 0, "gps": 1, "glonass": 2, "combined gps/glonass": 3, "loran-c": 4, "chayka": 5,
    "integrated navigation system": 6, "surveyed": 7, "galileo": 8, "internal": 15,
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
        "cargo": ("Cargo type",),
        "fix_type": ("Type of position fixing device",),
        "eta": ("ETA",),
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
    cargoes=_DMA_CARGOES,
    fix_types=_DMA_FIXES,
)

# what `kuroshio decode` writes as positions
_POSITIONS = Layout(
    "positions",
    {
        "mmsi": ("mmsi",),
        "msg_type": ("msg_type",),
        "time": ("observed_at",),
        "station": ("station",),
        "lat_deg": ("lat_deg",),
        "lon_deg": ("lon_deg",),
        "sog": ("sog_mps",),
        "cog_deg": ("cog_deg",),
        "heading_deg": ("heading_deg",),
        "rot_degpmin": ("rot_degpmin",),
        "nav_status": ("nav_status",),
    },
    speed_unit="mps",
)

LAYOUTS: dict[str, Layout] = {"marinecadastre": _MARINECADASTRE, "dma_csv": _DMA, "positions": _POSITIONS}


def missing_columns(layout: Layout, names: list[str]) -> list[str]:
    """What a table with these columns lacks, each as it is to be said: target and the name it was looked for under."""
    lower = {n.lower() for n in names}
    needed = (*REQUIRED, *(("mmsi",) if layout.sensor == "ais" else ()))
    targets = [*needed, *(t for t in layout.named if t not in needed)]
    lacking = [t for t in targets if not any(n.lower() in lower for n in layout.columns[t])]
    return [f"{t} ({' or '.join(repr(n) for n in layout.columns[t])})" for t in lacking]


def fitting_layout(names: list[str]) -> Layout | None:
    """The built-in layout whose needed columns a table has, None where none fits."""
    return next((found for found in LAYOUTS.values() if not missing_columns(found, names)), None)


def declared(
    columns: Mapping[str, Any],
    *,
    time_format: str = "iso",
    speed_unit: str = "kn",
    sensor: str = "ais",
    sigma_m: float = 100.0,
    confidence: float | None = None,
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
                  classes={"a": 1, "b": 18, "class a": 1, "class b": 18}, named=tuple(columns),
                  error_scale=error_scale(confidence))  # fmt: skip


def error_scale(confidence: float | None) -> float:
    """What to divide a stated error by to get one sigma of each axis.

    Parameters
    ----------
    confidence
        Probability that the stated circle or ellipse holds the truth; None where one sigma is stated.

    Raises
    ------
    ConfigError
        Where it is not between 0 and 1.

    Notes
    -----
    Rayleigh: a two-dimensional normal error is within ``k`` sigma with probability ``1 - exp(-k**2 / 2)``, so that 95 %
    is 2.448 sigma (test_a_stated_confidence_becomes_one_sigma).
    """
    if confidence is None:
        return 1.0
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence {confidence} is not between 0 and 1", code="tables.confidence")
    return math.sqrt(-2.0 * math.log(1.0 - confidence))
