"""Layouts of messages that carry a position of the sender: types 1-4, 9, 11, 18, 19, 21, 27.

Source: ITU-R M.1371-5, annex 8, the clause of each message; the field's name there stands in ``clause``.
"""

from __future__ import annotations

from kuroshio.sensing.ais.fields import (
    Field,
    Layout,
    accuracy,
    coarse_position,
    course,
    dimensions,
    fix_type,
    head,
    heading,
    position,
    radio,
    radio_selector,
    raim,
    second,
    spare,
    speed,
)
from kuroshio.units import MPS_PER_KN


def _nav_status() -> Field:
    return Field(
        "nav_status", 4, initial=15, clause="navigational status",
        doc="0 under way using engine, 1 at anchor, 2 not under command, 3 restricted, 4 constrained by draught, "
        "5 moored, 6 aground, 7 fishing, 8 sailing, 11 towing astern, 12 pushing or alongside, "
        "14 AIS-SART active, 15 undefined.",
    )  # fmt: skip


CLASS_A = Layout(
    (1, 2, 3), "", "positions",
    (
        *head(), _nav_status(),
        Field("rot", 8, "i", si="rot_degpmin", absent=-128, low=-126, high=126, clause="rate of turn",
              doc="4.733 sqrt(deg/min); +-127 faster than 5 deg/30 s, no indicator; -128 not available."),
        speed(), accuracy(), *position(), course(), heading(), second(),
        Field("manoeuvre", 2, clause="special manoeuvre indicator", doc="0 not available, 1 not engaged, 2 engaged."),
        spare(0, 3), raim(), radio(),
    ),
    min_bits=149, title="Position report",
)  # fmt: skip
# 149 bits: everything but the communication state. Receivers that cut the tail still give a good position.

BASE_STATION = Layout(
    (4, 11), "", "base_stations",
    (
        *head(),
        Field("utc_year", 14, absent=0, clause="UTC year", doc="0 not available."),
        Field("utc_month", 4, absent=0, clause="UTC month", doc="0 not available."),
        Field("utc_day", 5, absent=0, clause="UTC day", doc="0 not available."),
        Field("utc_hour", 5, absent=24, clause="UTC hour", doc="24 not available."),
        Field("utc_minute", 6, absent=60, clause="UTC minute", doc="60 not available."),
        second(), accuracy(), *position(), fix_type(),
        Field("long_range_off", 1, "b", clause="transmission control for long-range broadcast message",
              doc="0 class A stops type 27 within coverage; 1 requested to transmit it."),
        spare(0, 9), raim(), radio(),
    ),
    min_bits=149, title="Base station report; UTC and date response",
)  # fmt: skip

SAR_AIRCRAFT = Layout(
    (9,), "", "positions",
    (
        *head(),
        Field("altitude", 12, si="altitude_m", absent=4095, high=4094, clause="altitude (GNSS)",
              doc="4094 is 4094 m or higher; 4095 not available."),
        Field("sog", 10, si="sog_mps", num=MPS_PER_KN, absent=1023, high=1022, clause="SOG",
              doc="Whole knots, not tenths; 1022 is 1022 kn or more; 1023 not available."),
        accuracy(), *position(), course(), second(),
        Field("altitude_barometric", 1, "b", clause="altitude sensor", doc="0 GNSS, 1 barometric."),
        spare(0, 7), Field("dte", 1, "u", initial=1, clause="DTE"), spare(2, 3),
        Field("assigned", 1, "b", clause="assigned mode flag"), raim(), radio_selector(), radio(),
    ),
    min_bits=134, title="Standard search and rescue aircraft position report",
)  # fmt: skip

CLASS_B = Layout(
    (18,), "", "positions",
    (
        *head(), spare(0, 8), speed(), accuracy(), *position(), course(), heading(), second(), spare(2, 2),
        Field("carrier_sense", 1, "b", clause="class B unit flag", doc="0 SOTDMA, 1 carrier sense."),
        Field("display", 1, "b", clause="class B display flag"),
        Field("dsc", 1, "b", clause="class B DSC flag"),
        Field("whole_band", 1, "b", clause="class B band flag"),
        Field("accepts_22", 1, "b", clause="class B message 22 flag"),
        Field("assigned", 1, "b", clause="mode flag"), raim(), radio_selector(), radio(),
    ),
    min_bits=139, title="Standard class B equipment position report",
)  # fmt: skip

CLASS_B_EXTENDED = Layout(
    (19,), "", "positions",
    (
        *head(), spare(0, 8), speed(), accuracy(), *position(), course(), heading(), second(), spare(2, 4),
        Field("name", 120, "t", clause="name"),
        Field("ship_type", 8, clause="type of ship and cargo type"),
        *dimensions(), fix_type(), raim(), Field("dte", 1, "u", initial=1, clause="DTE"),
        Field("assigned", 1, "b", clause="assigned mode flag"), spare(3, 4),
    ),
    min_bits=301, title="Extended class B equipment position report",
)  # fmt: skip

AID = Layout(
    (21,), "", "aids",
    (
        *head(),
        Field("aid_type", 5, clause="type of aids-to-navigation"),
        Field("name", 120, "t", clause="name of aids-to-navigation"),
        accuracy(), *position(), *dimensions(), fix_type(), second(),
        Field("off_position", 1, "b", clause="off-position indicator", doc="Only meaningful where utc_second <= 59."),
        Field("aid_status", 8, clause="AtoN status"), raim(),
        Field("virtual_aid", 1, "b", clause="virtual AtoN flag"),
        Field("assigned", 1, "b", clause="assigned mode flag"), spare(0, 1),
        Field("name_extension", 0, "t", clause="name of aid-to-navigation extension",
              doc="0-14 characters, then zero bits to a byte border."),
    ),
    min_bits=270, title="Aids-to-navigation report",
)  # fmt: skip

LONG_RANGE = Layout(
    (27,), "", "positions",
    (
        *head(), accuracy(), raim(), _nav_status(), *coarse_position(),
        Field("sog", 6, si="sog_mps", num=MPS_PER_KN, absent=63, high=62, clause="SOG",
              doc="Whole knots; 63 not available."),
        Field("cog", 9, si="cog_deg", absent=511, high=359, clause="COG", doc="Whole degrees; 511 not available."),
        Field("not_current_gnss", 1, "b", clause="position latency", doc="0 latency below 5 s, 1 above."),
        spare(0, 1),
    ),
    min_bits=94, title="Position report for long-range applications",
)  # fmt: skip

LAYOUTS = (CLASS_A, BASE_STATION, SAR_AIRCRAFT, CLASS_B, CLASS_B_EXTENDED, AID, LONG_RANGE)
