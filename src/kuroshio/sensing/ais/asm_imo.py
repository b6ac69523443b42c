"""International application messages, DAC 1.

Sources: IMO SN.1/Circ.289 (2010), the older SN/Circ.236 (2004) where it is named, and ITU-R M.1371-5 annex 5 for the
system messages FI 0-5. A value "not available" is null.
"""

from __future__ import annotations

from kuroshio.sensing.ais.applications import (
    ADDRESSED,
    BOTH,
    BROADCAST,
    DURATION,
    LINKAGE,
    NM,
    Application,
    air_temperature,
    coordinate,
    date_time,
    day_time,
    degrees,
    dew_point,
    fine_place,
    length,
    place,
    scale,
    skip,
    speed_kn,
    tenths,
    text,
    value,
    water_temperature,
)
from kuroshio.sensing.ais.fields import Field

M1371, CIRC236, CIRC289 = "ITU-R M.1371-5 annex 5", "IMO SN/Circ.236", "IMO SN.1/Circ.289"


def _wind(high: int) -> tuple[Field, ...]:
    """Average and gust; above ``high`` knots it is not available."""
    return (
        speed_kn("wind_speed_mps", 7, high=high), speed_kn("wind_gust_mps", 7, high=high),
        degrees("wind_dir_deg"), degrees("wind_gust_dir_deg"),
    )  # fmt: skip


def _currents() -> tuple[Field, ...]:
    return (
        speed_kn("current_speed_mps", 8, den=10, high=251), degrees("current_dir_deg"),
        speed_kn("current2_speed_mps", 8, den=10, high=251), degrees("current2_dir_deg"),
        value("current2_depth_m", 5, absent=31),
        speed_kn("current3_speed_mps", 8, den=10, high=251), degrees("current3_dir_deg"),
        value("current3_depth_m", 5, absent=31),
    )  # fmt: skip


def _waves() -> tuple[Field, ...]:
    return (
        tenths("wave_height_m", 8, high=251), value("wave_period_s", 6, high=60), degrees("wave_dir_deg"),
        tenths("swell_height_m", 8, high=251), value("swell_period_s", 6, high=60), degrees("swell_dir_deg"),
        value("sea_state", 4, high=12),
    )  # fmt: skip


METEO_236 = (
    coordinate("lat", 24, 1000), coordinate("lon", 25, 1000), *day_time(), *_wind(120),
    tenths("air_temperature_c", 11, offset=-60.0, high=1200), value("humidity_percent", 7, high=100),
    tenths("dew_point_c", 10, offset=-20.0, high=700), value("pressure_hpa", 9, offset=800, high=400),
    value("pressure_trend", 2, absent=3),
    value("visibility_m", 8, num=NM, den=10, decimals=1, high=250),
    tenths("water_level_m", 9, offset=-10.0, high=400), value("water_level_trend", 2, absent=3), *_currents(),
    *_waves(), tenths("water_temperature_c", 10, offset=-10.0, high=600), value("precipitation", 3, absent=7),
    tenths("salinity_permille", 9, high=500), value("ice", 2, high=1),
)  # fmt: skip

METEO_289 = (
    *place(), Field("position_accurate", 1, "b"), *day_time(), *_wind(126),
    air_temperature(), value("humidity_percent", 7, high=100),
    dew_point(), value("pressure_hpa", 9, offset=799, absent=511, high=402),
    value("pressure_trend", 2, absent=3), Field("visibility_beyond", 1, "b"),
    value("visibility_m", 7, num=NM, den=10, decimals=1, absent=127),
    value("water_level_m", 12, den=100, decimals=2, offset=-10.0, high=4000),
    value("water_level_trend", 2, absent=3), *_currents(), *_waves(),
    water_temperature(), value("precipitation", 3, absent=7),
    tenths("salinity_permille", 9, high=500), value("ice", 2, absent=3), skip(10),
)  # fmt: skip

_SCALED = (scale(),)
_SHAPE_AT = (*_SCALED, *place(), value("precision", 3))
AREA_SHAPES = {
    0: (value("shape", 3), *_SHAPE_AT, length("radius_m", 12)),
    1: (value("shape", 3), *_SHAPE_AT, length("east_m", 8), length("north_m", 8), degrees("orientation_deg")),
    2: (value("shape", 3), *_SHAPE_AT, length("radius_m", 12), degrees("left_deg"), degrees("right_deg")),
    5: (value("shape", 3), text("text", 14)),
}
for _shape in (3, 4):  # polyline and polygon: up to four further points by angle in half degrees and distance
    AREA_SHAPES[_shape] = (
        value("shape", 3), *_SCALED,
        *(f for n in (1, 2, 3, 4)
          for f in (value(f"angle{n}_deg", 10, den=2, decimals=1, high=719), length(f"distance{n}_m", 10))),
    )  # fmt: skip
AREA_NOTICE = (LINKAGE, value("notice", 7), *date_time(), DURATION)

_REPORT = (
    value("sensor", 4), value("day", 5, absent=0), value("hour", 5, high=23), value("minute", 6, high=59),
    value("site", 7),
)  # fmt: skip
_FORECAST = (
    value("forecast_day", 5, absent=0), value("forecast_hour", 5, high=23), value("forecast_minute", 6, high=59),
)  # fmt: skip
_HEAD = (skip(27),)
WIND_REPORT = (
    *_HEAD, *_wind(121), value("data_descriptor", 3), speed_kn("forecast_speed_mps", 7, high=121),
    speed_kn("forecast_gust_mps", 7, high=121), degrees("forecast_dir_deg"), *_FORECAST, value("duration_min", 8),
)  # fmt: skip
LEVEL_REPORT = (
    *_HEAD, value("level_type", 1), value("level_m", 16, "i", den=100, decimals=2, absent=-32768),
    value("trend", 2, absent=3), value("datum", 5), value("data_descriptor", 3), value("forecast_type", 1),
    value("forecast_level_m", 16, "i", den=100, decimals=2, absent=-32768), *_FORECAST, value("duration_min", 8),
)  # fmt: skip
CURRENT_REPORT = (
    *_HEAD,
    *(f for n in (1, 2, 3)
      for f in (speed_kn(f"speed{n}_mps", 8, den=10, high=251), degrees(f"dir{n}_deg"),
                value(f"depth{n}_m", 9, high=361))),
    value("data_descriptor", 3),
)  # fmt: skip
SEA_REPORT = (
    *_HEAD, tenths("swell_height_m", 8, high=251), value("swell_period_s", 6, high=60), degrees("swell_dir_deg"),
    value("sea_state", 4, high=12), value("swell_descriptor", 3),
    water_temperature(), tenths("water_temperature_depth_m", 7, high=121),
    value("water_descriptor", 3), tenths("wave_height_m", 8, high=251), value("wave_period_s", 6, high=60),
    degrees("wave_dir_deg"), value("wave_descriptor", 3), tenths("salinity_permille", 9, high=500),
)  # fmt: skip
SALINITY_REPORT = (
    *_HEAD, tenths("water_temperature_c", 10, offset=-10.0, high=600),
    value("conductivity_spm", 10, den=100, decimals=2, high=701), tenths("water_pressure_dbar", 16, high=60001),
    tenths("salinity_permille", 9, high=500), value("salinity_type", 2), value("data_descriptor", 3),
)  # fmt: skip
SENSORS = {
    0: (*_HEAD, *fine_place(), tenths("altitude_m", 11, high=2001), value("owner", 4), value("timeout", 3)),
    1: (*_HEAD, text("name", 14)),
    2: WIND_REPORT,
    3: LEVEL_REPORT,
    4: CURRENT_REPORT,
    5: (
        *_HEAD,
        *(f for n in (1, 2)
          for f in (speed_kn(f"north{n}_mps", 8, den=10, high=251), speed_kn(f"east{n}_mps", 8, den=10, high=251),
                    speed_kn(f"up{n}_mps", 8, den=10, high=251), value(f"depth{n}_m", 9, high=361))),
        value("data_descriptor", 3),
    ),
    6: (
        *_HEAD,
        *(f for n in (1, 2)
          for f in (degrees(f"bearing{n}_deg"), value(f"distance{n}_m", 7, high=121),
                    speed_kn(f"speed{n}_mps", 8, den=10, high=251), degrees(f"dir{n}_deg"),
                    value(f"level{n}_m", 9, high=361))),
    ),
    7: SEA_REPORT,
    8: SALINITY_REPORT,
    9: (
        *_HEAD, air_temperature(), value("air_descriptor", 3),
        value("precipitation", 2, absent=3), value("visibility_m", 8, num=NM, den=10, decimals=1, high=241),
        dew_point(), value("dew_point_descriptor", 3),
        value("pressure_hpa", 9, offset=799, high=402), value("pressure_trend", 2, absent=3),
        value("pressure_descriptor", 3), tenths("salinity_permille", 9, high=500),
    ),
    10: (
        *_HEAD, value("air_draught_m", 13, den=100, decimals=2, absent=0, high=8191),
        value("air_gap_m", 13, den=100, decimals=2, absent=0, high=8191), value("trend", 2, absent=3),
        value("forecast_gap_m", 13, den=100, decimals=2, absent=0, high=8191), *_FORECAST,
    ),
}  # fmt: skip

_SERVICES = (
    "agent", "fuel", "chandler", "stevedore", "electrical", "water", "customs", "cartage", "crane", "lift", "medical",
    "navigation_repair", "provisions", "ship_repair", "surveyor", "steam", "tugs", "solid_waste", "liquid_waste",
    "hazardous_waste", "ballast", "additional", "regional1", "regional2", "future1", "future2",
)  # fmt: skip
_EQUIPMENT = (
    "ais_a", "arpa", "backup", "vdr", "echo_sounder", "ecdis", "emergency_steering", "gnss", "gyro", "lrit",
    "magnetic_compass", "navtex", "radar_arpa", "radar_s", "radar_x", "radio_hf", "radio_inmarsat", "radio_mf",
    "radio_vhf", "ground_log", "water_log", "thd", "track_control", "vdr2", "other1", "other2",
)  # fmt: skip
_TARGET = (
    value("id_type", 2), Field("id", 42, "t"), skip(4), coordinate("lat", 24, 1000), coordinate("lon", 25, 1000),
    degrees("cog_deg"), value("utc_second", 6, high=59), speed_kn("sog_mps", 8, absent=255),
)  # fmt: skip
_TIDAL_HOURS = (
    value("from_hour", 5, high=23), value("from_minute", 6, high=59), value("to_hour", 5, high=23),
    value("to_minute", 6, high=59), degrees("current_dir_deg"),
)  # fmt: skip
_WAYPOINTS = (
    LINKAGE, value("sender", 3), value("route_type", 5), *date_time("start_"), DURATION, value("waypoints_sent", 5),
)  # fmt: skip

APPLICATIONS = (
    Application(BOTH, 1, 0, "Text", M1371,
                (Field("acknowledge", 1, "b"), value("text_sequence", 11), text("text", 0)), 12),
    Application(ADDRESSED, 1, 1, "Application acknowledgement", M1371,
                (value("ack_dac", 10), value("text_sequence", 11)), 21),
    Application(ADDRESSED, 1, 2, "Interrogation for a function", M1371,
                (value("asked_dac", 10), value("asked_fi", 6)), 16),
    Application(ADDRESSED, 1, 3, "Capability interrogation", M1371, (value("asked_dac", 10),), 10),
    Application(ADDRESSED, 1, 4, "Capability reply", M1371,
                (value("reply_dac", 10), *(value(f"available{k}", 16) for k in range(8))), 138),
    Application(ADDRESSED, 1, 5, "Acknowledgement of a binary message", M1371,
                (value("ack_dac", 10), value("ack_fi", 6), value("text_sequence", 11), Field("available", 1, "b"),
                 value("response", 3)), 31),
    Application(BROADCAST, 1, 11, "Meteorological and hydrographic data", CIRC236, METEO_236, 290),
    Application(ADDRESSED, 1, 12, "Dangerous cargo", CIRC236,
                (text("last_port", 5), *date_time("departure_"), text("next_port", 5), *date_time("eta_"),
                 text("goods", 20), text("imd_code", 4), value("un_number", 13, absent=0),
                 value("amount", 10, absent=0), value("unit", 2, absent=0)), 269),
    Application(BROADCAST, 1, 13, "Fairway closed", CIRC236,
                (text("reason", 20), text("from_place", 20), text("to_place", 20), value("radius", 10, high=1000),
                 value("radius_unit", 2), value("from_day", 5, absent=0), value("from_month", 4, absent=0),
                 value("from_hour", 5, high=23), value("from_minute", 6, high=59), value("to_day", 5, absent=0),
                 value("to_month", 4, absent=0), value("to_hour", 5, high=23), value("to_minute", 6, high=59)), 412),
    Application(ADDRESSED, 1, 14, "Tidal window", CIRC236, (value("month", 4, absent=0), value("day", 5, absent=0)), 9,
                group="windows", element_bits=93,
                element=(coordinate("lat", 27, 10000), coordinate("lon", 28, 10000), *_TIDAL_HOURS,
                         speed_kn("current_speed_mps", 7, den=10, absent=127))),
    Application(BROADCAST, 1, 15, "Extended ship static data", CIRC236,
                (tenths("air_draught_m", 11, absent=0),), 11, 16),
    Application(BOTH, 1, 16, "Number of persons on board", CIRC236, (value("persons", 13, absent=0),), 13, 48),
    Application(BROADCAST, 1, 16, "VTS targets", "ITU-R M.1371-1 annex 5", (), 120, group="targets", element_bits=120,
                element=_TARGET, exact_elements=True),
    Application(BROADCAST, 1, 17, "VTS generated or synthetic targets", CIRC289, (), 120, group="targets",
                element_bits=120, element=_TARGET),
    Application(ADDRESSED, 1, 18, "Clearance time to enter port", CIRC289,
                (LINKAGE, *date_time(), text("port", 20), text("destination", 5), *place()), 229),
    Application(BROADCAST, 1, 19, "Marine traffic signal", CIRC289,
                (LINKAGE, text("name", 20), *place(), value("status", 2, absent=0), value("signal", 5, absent=0),
                 value("next_hour", 5, high=23), value("next_minute", 6, high=59),
                 value("next_signal", 5, absent=0)), 202),
    Application(ADDRESSED, 1, 20, "Berthing data", CIRC289,
                (LINKAGE, value("berth_length_m", 9, absent=0), tenths("berth_depth_m", 8, absent=0),
                 value("mooring", 3, absent=0), *date_time(), Field("services_known", 1, "b"),
                 *(value(name, 2) for name in _SERVICES), text("berth", 20), *place()), 223),
    Application(BROADCAST, 1, 21, "Weather observation from ship in WMO code", CIRC289, (value("report", 1),), 1,
                first_bit=1),
    Application(BROADCAST, 1, 21, "Weather observation from ship", CIRC289,
                (value("report", 1), text("place", 20), *place(), *day_time(), value("weather", 4, absent=15),
                 Field("visibility_beyond", 1, "b"), value("visibility_m", 7, num=NM, den=10, decimals=1, absent=127),
                 value("humidity_percent", 7, high=100), speed_kn("wind_speed_mps", 7, absent=127),
                 degrees("wind_dir_deg"), value("pressure_hpa", 9, offset=799, high=402), value("pressure_tendency", 4),
                 air_temperature(),
                 water_temperature(), value("wave_period_s", 6, high=60),
                 tenths("wave_height_m", 8, high=251), degrees("wave_dir_deg"), tenths("swell_height_m", 8, high=251),
                 degrees("swell_dir_deg"), value("swell_period_s", 6, high=60)), 301, first_bit=0),
    *(Application(types, 1, fi, "Area notice", CIRC289, AREA_NOTICE, 55, group="areas", element_bits=87, select=3,
                  variants=AREA_SHAPES) for types, fi in ((BROADCAST, 22), (ADDRESSED, 23))),
    Application(BROADCAST, 1, 24, "Extended ship static and voyage data", CIRC289,
                (LINKAGE, tenths("air_draught_m", 13, absent=0), text("last_port", 5), text("next_port", 5),
                 text("second_port", 5), *(value(name, 2) for name in _EQUIPMENT), value("ice_class", 4, absent=15),
                 value("shaft_power_hp", 18, absent=262143), value("vhf_channel", 12, absent=0),
                 text("lloyds_type", 7), value("gross_tonnage", 18, absent=262143), value("laden", 2, absent=0),
                 value("heavy_oil", 2, absent=0), value("light_oil", 2, absent=0), value("diesel_oil", 2, absent=0),
                 value("bunker_t", 14, absent=16383), value("persons", 13, absent=0)), 294),
    Application(ADDRESSED, 1, 25, "Dangerous cargo", CIRC289,
                (value("unit", 2, absent=0), value("amount", 10, absent=0)), 12, group="cargoes", element_bits=17,
                element=(value("code", 4, absent=0), value("subtype", 13))),
    Application(BROADCAST, 1, 26, "Environmental", CIRC289, (), 112, group="reports", element_bits=112,
                element=_REPORT, select=4, variants=SENSORS),
    *(Application(types, 1, fi, "Route information", CIRC289, _WAYPOINTS, 61, group="waypoints", element_bits=55,
                  element=fine_place()) for types, fi in ((BROADCAST, 27), (ADDRESSED, 28))),
    Application(BROADCAST, 1, 29, "Text description", CIRC289, (LINKAGE, text("text", 0)), 16),
    Application(ADDRESSED, 1, 30, "Text description", CIRC289, (LINKAGE, text("text", 0)), 16),
    Application(BROADCAST, 1, 31, "Meteorological and hydrographic data", CIRC289, METEO_289, 294),
    Application(ADDRESSED, 1, 32, "Tidal window", CIRC289, (value("month", 4, absent=0), value("day", 5, absent=0)), 9,
                group="windows", element_bits=88,
                element=(*place(), *_TIDAL_HOURS, speed_kn("current_speed_mps", 8, den=10, high=251))),
    Application(BOTH, 1, 40, "Number of persons on board", M1371, (value("persons", 13, absent=0),), 13, 48),
)  # fmt: skip
