"""Regional application messages: inland navigation (DAC 200), aids to navigation (235, 250), United States (366, 367).

Sources: CCNR/UNECE Vessel Tracking and Tracing Standard for Inland Navigation; GLA and IALA A-126 for monitoring of
aids; USCG Environmental Message version 3 (2015), Geographic Notice 1b and Satellite Ship Weather. Encrypted
identifiers (366/56, 366/57) have no published layout.
"""

from __future__ import annotations

from kuroshio.sensing.ais.applications import (
    ADDRESSED,
    BOTH,
    BROADCAST,
    DURATION,
    LINKAGE,
    Application,
    air_temperature,
    date_time,
    degrees,
    fine_place,
    length,
    place,
    scale,
    skip,
    speed_kn,
    tenths,
    text,
    value,
)
from kuroshio.sensing.ais.asm_imo import (
    CURRENT_REPORT,
    LEVEL_REPORT,
    SALINITY_REPORT,
    SEA_REPORT,
    SENSORS,
    WIND_REPORT,
)
from kuroshio.sensing.ais.fields import Field

INLAND, GLA, USCG = "CCNR/UNECE VTT standard", "IALA A-126 annex", "USCG"

_LOCK = (
    text("country", 2),
    text("location", 3),
    text("fairway_section", 5),
    text("terminal", 5),
    text("hectometre", 5),
)


def _signed(name: str, bits: int) -> tuple[Field, ...]:
    """Sign and magnitude: the standard's sign bit is 1 for positive; senders differ, so both are given as sent."""
    return Field(f"{name}_positive", 1, "b"), value(f"{name}_magnitude", bits)


INLAND_APPLICATIONS = (
    Application(BROADCAST, 200, 10, "Inland ship static and voyage data", INLAND,
                (text("eni", 8), tenths("length_m", 13, absent=0), tenths("beam_m", 10, absent=0),
                 value("inland_type", 14, absent=0), value("hazard", 3, absent=5),
                 value("draught_m", 11, den=100, decimals=2, absent=0), value("loaded", 2, absent=0),
                 Field("speed_quality", 1, "b"), Field("course_quality", 1, "b"),
                 Field("heading_quality", 1, "b")), 104),
    Application(ADDRESSED, 200, 21, "ETA at lock, bridge or terminal", INLAND,
                (*_LOCK, *date_time("eta_"), value("tugs", 3, absent=7),
                 value("air_draught_m", 12, den=100, decimals=2, absent=0)), 155),
    Application(ADDRESSED, 200, 22, "RTA at lock, bridge or terminal", INLAND,
                (*_LOCK, *date_time("rta_"), value("status", 2, absent=3)), 142),
    Application(BROADCAST, 200, 23, "EMMA warning", INLAND,
                (value("start_year", 8, absent=0, offset=2000), value("start_month", 4, absent=0),
                 value("start_day", 5, absent=0), value("end_year", 8, absent=0, offset=2000),
                 value("end_month", 4, absent=0), value("end_day", 5, absent=0), value("start_hour", 5, high=23),
                 value("start_minute", 6, high=59), value("end_hour", 5, high=23), value("end_minute", 6, high=59),
                 *fine_place("_start"), *fine_place("_end"), value("weather", 4, absent=0),
                 value("least", 9, "i", absent=255), value("greatest", 9, "i", absent=255),
                 value("intensity", 2, absent=0), value("wind", 4, absent=0)), 194),
    Application(BROADCAST, 200, 24, "Water levels", INLAND, (text("country", 2),), 37, group="gauges", element_bits=25,
                element=(value("gauge", 11, absent=0), Field("level_positive", 1, "b"),
                         value("level_magnitude_m", 13, den=100, decimals=2, absent=0))),
    Application(BROADCAST, 200, 40, "Signal status", INLAND,
                (*fine_place(), value("form", 4, absent=0), degrees("facing_deg"), value("direction", 3, absent=0),
                 value("lights", 30)), 101),
    Application(BOTH, 200, 55, "Number of persons on board", INLAND,
                (value("crew", 8, absent=255), value("passengers", 13, absent=8191),
                 value("personnel", 8, absent=255)), 29),
)  # fmt: skip

_MONITORING = (
    *(value(name, 10, num=5, den=100, decimals=2, absent=0) for name in ("supply_v", "external1_v", "external2_v")),
    value("racon", 2), value("light", 2),
    Field("alarm", 1, "b"), value("digital", 8), Field("off_position", 1, "b"),
)  # fmt: skip
AID_APPLICATIONS = tuple(
    Application(ADDRESSED, dac, 10, "Aid to navigation monitoring", GLA, _MONITORING, 44) for dac in (235, 250)
)

_US_AT = (scale(), *fine_place(), value("precision", 3))
_US_SHAPES = {
    0: (value("shape", 3), *_US_AT, length("radius_m", 12)),
    1: (value("shape", 3), *_US_AT, length("east_m", 8), length("north_m", 8), degrees("orientation_deg")),
    2: (value("shape", 3), *_US_AT, length("radius_m", 12), degrees("left_deg"), degrees("right_deg")),
    5: (value("shape", 3), text("text", 15)),
}
for _shape in (3, 4):
    _US_SHAPES[_shape] = (
        value("shape", 3), scale(),
        *(f for n in (1, 2, 3, 4)
          for f in (value(f"angle{n}_deg", 10, den=2, decimals=1, high=719), length(f"distance{n}_m", 11))),
    )  # fmt: skip
# the trial of 2007-2010: no precision, 90 bits an area
_NAV55_AT = (value("shape", 3), scale(), *fine_place())
_NAV55_SHAPES = {
    0: (*_NAV55_AT, length("radius_m", 12)),
    1: (*_NAV55_AT, length("east_m", 8), length("north_m", 8), degrees("orientation_deg")),
    2: (*_NAV55_AT, length("radius_m", 12), degrees("left_deg"), degrees("right_deg")),
    3: _US_SHAPES[3],
    4: _US_SHAPES[4],
    5: (value("shape", 3), text("text", 14)),
}
_US_SENSORS = {
    **SENSORS,
    0: (skip(27), value("version", 6), *fine_place(), value("precision", 3), tenths("altitude_m", 12, high=4001),
        value("owner", 4), value("timeout", 3)),
    2: WIND_REPORT,
    3: LEVEL_REPORT,
    4: CURRENT_REPORT,
    5: (skip(27),
        *(f for n in (1, 2)
          for f in (speed_kn(f"north{n}_mps", 9, den=10, high=251), speed_kn(f"east{n}_mps", 9, den=10, high=251),
                    speed_kn(f"up{n}_mps", 9, den=10, high=251), value(f"depth{n}_m", 9, high=361))),
        value("data_descriptor", 3)),
    6: (skip(27), degrees("bearing_deg"),
        *(f for n in (1, 2)
          for f in (value(f"distance{n}_m", 9, high=361), speed_kn(f"speed{n}_mps", 8, den=10, high=251),
                    degrees(f"dir{n}_deg"), value(f"level{n}_m", 9, high=361))),
        value("data_descriptor", 3)),
    7: SEA_REPORT,
    8: SALINITY_REPORT,
    9: (*SENSORS[9][:5], tenths("dew_point_c", 10, offset=-20.0, high=700), *SENSORS[9][6:]),
    10: (*SENSORS[10], value("data_descriptor", 3)),
    11: (skip(27), speed_kn("wind_speed_mps", 7, high=121), speed_kn("wind_gust_mps", 7, high=121),
         degrees("wind_dir_deg"), value("averaging_min", 6), value("data_descriptor", 3),
         speed_kn("forecast_speed_mps", 7, high=121), speed_kn("forecast_gust_mps", 7, high=121),
         degrees("forecast_dir_deg"), value("forecast_hour", 5, high=23), value("forecast_minute", 6, high=59),
         value("duration_min", 8)),
}  # fmt: skip
_REPORT = (
    value("sensor", 4), value("day", 5, absent=0), value("hour", 5, high=23), value("minute", 6, high=59),
    value("site", 7),
)  # fmt: skip
_TIME = (value("hour", 5, high=23), value("minute", 6, high=59))
_PRESSURE = value("pressure_hpa", 9, offset=799, high=402)
_WEATHER_WIND = (speed_kn("wind_speed_mps", 7, high=121),)

US_APPLICATIONS = (
    Application(BROADCAST, 366, 22, "Area notice of the trial", "USCG, RTCM SC121 (2010), as libais reads it",
                (LINKAGE, value("notice", 7), *date_time(), DURATION), 55, group="areas", element_bits=90, select=3,
                variants=_NAV55_SHAPES),
    Application(BROADCAST, 367, 22, "Geographic notice", USCG,
                (value("version", 6), LINKAGE, value("notice", 7), *date_time(), DURATION, skip(3)),
                64, group="areas", element_bits=96, select=3, variants=_US_SHAPES),
    Application(BROADCAST, 367, 23, "Satellite ship weather", USCG,
                (value("version", 3), value("day", 5, absent=0), *_TIME, *place(), _PRESSURE,
                 air_temperature(), *_WEATHER_WIND,
                 speed_kn("wind_gust_mps", 7, high=121), degrees("wind_dir_deg")), 111, 112),
    Application(BROADCAST, 367, 24, "Satellite ship weather, small", USCG,
                (value("version", 3), *_TIME, *place(), _PRESSURE), 72, 72),
    Application(BROADCAST, 367, 25, "Satellite ship weather, tiny", USCG,
                (value("version", 3), *_TIME, _PRESSURE, *_WEATHER_WIND, degrees("wind_dir_deg")), 39, 40),
    Application(BROADCAST, 367, 33, "Environmental", USCG, (), 112, group="reports", element_bits=112, element=_REPORT,
                select=4, variants=_US_SENSORS),
)  # fmt: skip

APPLICATIONS = (*INLAND_APPLICATIONS, *AID_APPLICATIONS, *US_APPLICATIONS)
