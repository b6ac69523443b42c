"""Tables that leave decoding: one per family of AIS messages, and the rejects.

Raw integers stay beside the SI columns, sentinels are null in the SI columns only. Source of every AIS meaning:
ITU-R M.1371-5, annex 8, unless a column says otherwise.
"""

from __future__ import annotations

from kuroshio.schema.core import (
    BOOL,
    BYTES,
    F64,
    I8,
    I32,
    I64,
    LABEL,
    TEXT,
    U8,
    U16,
    U32,
    UTC_US,
    Column,
    Table,
)

ENVELOPE = (
    Column(
        "mmsi",
        U32,
        "Identity claimed by the sender; 0 is data.",
        required=True,
        source="M.1371-5 field user ID",
    ),
    Column("msg_type", U8, "Message type 1-27.", required=True),
    Column("repeat", U8, "Repeat indicator 0-3."),
    Column("observed_at", UTC_US, "Time at the sensor, from the best clock; null when no clock was heard.", "us"),
    Column(
        "time_source",
        LABEL,
        "Which clock gave observed_at: tag_block, tag_block_unverified (its checksum is wrong), receiver_suffix, "
        "pghp, iso_prefix, line_epoch, file, arrival.",
    ),
    Column("received_at", UTC_US, "Time the bytes arrived here; null for files.", "us"),
    Column("source", LABEL, "Name of the configured source or file."),
    Column("station", LABEL, "Receiving station as the tag block names it."),
    Column("channel", LABEL, "Radio channel as written in the sentence."),
    Column("line", I64, "1-based line number of the first part in its source."),
    Column("checksum_ok", BOOL, "Checksum present and right in all parts."),
    Column("bits", U16, "Payload length in bits, fill bits taken off."),
)

POSITIONS = Table(
    "positions",
    "Reports of position: types 1, 2, 3, 4, 9, 11, 18, 19, 21, 27.",
    (
        *ENVELOPE,
        Column("lon_deg", F64, "Longitude WGS 84, null if not available.", "deg"),
        Column("lat_deg", F64, "Latitude WGS 84, null if not available.", "deg"),
        Column("lon_raw", I32, "Longitude as sent: 1/10000 min, type 27 1/10 min.", "1/10000 min"),
        Column("lat_raw", I32, "Latitude as sent: 1/10000 min, type 27 1/10 min.", "1/10000 min"),
        Column("position_accurate", BOOL, "Position accuracy flag: better than 10 m."),
        Column("sog_mps", F64, "Speed over ground; null at 1023 (63 in type 27).", "m/s"),
        Column("sog_raw", U16, "Speed over ground as sent."),
        Column("cog_deg", F64, "Course over ground, true; null at 3600 and above.", "deg"),
        Column("cog_raw", U16, "Course over ground as sent."),
        Column("heading_deg", F64, "True heading; null at 511.", "deg"),
        Column("rot_raw", I8, "Rate of turn as sent, -128..127."),
        Column("rot_degpmin", F64, "Rate of turn; null at -128 and +-127 (only a direction).", "deg/min"),
        Column("nav_status", U8, "Navigational status 0-15."),
        Column("manoeuvre", U8, "Special manoeuvre indicator 0-3."),
        Column("utc_second", U8, "Second of the fix 0-59; 60-63 are states of the position system."),
        Column("raim", BOOL, "RAIM in use."),
        Column("altitude_m", F64, "Altitude of a search and rescue aircraft, type 9.", "m"),
        Column("radio_raw", U32, "Communication state as sent."),
    ),
)

STATICS = Table(
    "statics",
    "Static and voyage data: types 5, 19, 24 A and B.",
    (
        *ENVELOPE,
        Column(
            "part",
            TEXT,
            "A or B for type 24, AB for a part B whose name is that of the MMSI's last part A of the same source, "
            "heard within 12 minutes (without a clock: 5,000 lines); null else.",
        ),
        Column("imo", U32, "IMO number claimed; null at 0."),
        Column("call_sign", TEXT, "Call sign claimed, trailing @ and spaces removed; null when empty."),
        Column("name", TEXT, "Name claimed, trailing @ and spaces removed; null when empty; see part."),
        Column("ship_type", U8, "Type of ship and cargo 0-255."),
        Column("to_bow_m", U16, "Reference point to bow; null when all four are 0.", "m"),
        Column("to_stern_m", U16, "Reference point to stern.", "m"),
        Column("to_port_m", U16, "Reference point to port side.", "m"),
        Column("to_starboard_m", U16, "Reference point to starboard side.", "m"),
        Column("fix_type", U8, "Electronic position fixing device 0-15."),
        Column("eta_month", U8, "ETA month 1-12, null at 0."),
        Column("eta_day", U8, "ETA day 1-31, null at 0."),
        Column("eta_hour", U8, "ETA hour 0-23, null at 24."),
        Column("eta_minute", U8, "ETA minute 0-59, null at 60."),
        Column("draught_m", F64, "Maximum present static draught; null at 0.", "m"),
        Column("destination", TEXT, "Destination claimed; null when empty."),
        Column("dte", U8, "Data terminal equipment: 0 available, 1 not."),
        Column("ais_version", U8, "AIS version indicator."),
        Column("vendor_id", TEXT, "Vendor identification, type 24 B: three characters of the manufacturer."),
        Column("vendor_model", U8, "Unit model code, type 24 B."),
        Column("vendor_serial", U32, "Unit serial number, type 24 B."),
        Column("mothership_mmsi", U32, "Mother ship of an auxiliary craft, type 24 B."),
    ),
)

BASE_STATIONS = Table(
    "base_stations",
    "Base station reports and UTC responses: types 4 and 11.",
    (
        *ENVELOPE,
        Column("utc_at", UTC_US, "UTC time as sent; null when any part is not available.", "us"),
        Column("lon_deg", F64, "Longitude WGS 84, null if not available.", "deg"),
        Column("lat_deg", F64, "Latitude WGS 84, null if not available.", "deg"),
        Column("position_accurate", BOOL, "Position accuracy flag."),
        Column("fix_type", U8, "Electronic position fixing device."),
        Column("raim", BOOL, "RAIM in use."),
        Column("radio_raw", U32, "Communication state as sent."),
    ),
)

AIDS = Table(
    "aids",
    "Aids to navigation: type 21 with its name extension.",
    (
        *ENVELOPE,
        Column("aid_type", U8, "Type of aid 0-31."),
        Column("name", TEXT, "Name with its extension; null when empty."),
        Column("lon_deg", F64, "Longitude WGS 84, null if not available.", "deg"),
        Column("lat_deg", F64, "Latitude WGS 84, null if not available.", "deg"),
        Column("position_accurate", BOOL, "Position accuracy flag."),
        Column("to_bow_m", U16, "Reference point to bow.", "m"),
        Column("to_stern_m", U16, "Reference point to stern.", "m"),
        Column("to_port_m", U16, "Reference point to port side.", "m"),
        Column("to_starboard_m", U16, "Reference point to starboard side.", "m"),
        Column("fix_type", U8, "Electronic position fixing device."),
        Column("utc_second", U8, "Second of the fix."),
        Column("off_position", BOOL, "Off position; meaningful for floating aids."),
        Column("aid_status", U8, "Regional status byte."),
        Column("raim", BOOL, "RAIM in use."),
        Column("virtual_aid", BOOL, "Virtual aid: nothing is there physically."),
        Column("assigned", BOOL, "Assigned mode."),
    ),
)

SAFETY = Table(
    "safety",
    "Safety related text: types 12 and 14.",
    (
        *ENVELOPE,
        Column("dest_mmsi", U32, "Addressee of type 12; null for a broadcast."),
        Column("sequence", U8, "Sequence number of type 12."),
        Column("retransmit", BOOL, "Retransmit flag of type 12."),
        Column("text", TEXT, "The text, trailing @ and spaces removed."),
    ),
)

BINARY = Table(
    "binary",
    "Binary messages with their payload: types 6, 8, 17, 25, 26.",
    (
        *ENVELOPE,
        Column("dest_mmsi", U32, "Addressee; null for a broadcast."),
        Column("sequence", U8, "Sequence number of an addressed message."),
        Column("retransmit", BOOL, "Retransmit flag."),
        Column("dac", U16, "Designated area code; null where the message has no application id."),
        Column("fi", U8, "Function identifier."),
        Column("payload", BYTES, "Application data, bits left aligned in bytes."),
        Column("payload_bits", U16, "Length of the application data in bits."),
        Column("content", TEXT, "Decoded application fields as JSON; null when the layout is not known."),
    ),
)

MANAGEMENT = Table(
    "management",
    "Acknowledgement, inquiry and channel management: 7, 10, 13, 15, 16, 20, 22, 23.",
    (
        *ENVELOPE,
        Column("dest_mmsi", U32, "First addressee where there is one."),
        Column("content", TEXT, "All fields as JSON, raw integers.", required=True),
    ),
)

REJECTS = Table(
    "rejects",
    "Lines that gave no message: nothing is lost silently.",
    (
        Column("source", LABEL, "Name of the configured source or file."),
        Column("line", I64, "1-based line number."),
        Column("received_at", UTC_US, "Time the bytes arrived here; null for files.", "us"),
        Column(
            "reason",
            LABEL,
            "Stable reason, such as checksum, too_short, orphan_part, not_nmea.",
            required=True,
        ),
        Column("detail", TEXT, "What was expected and found."),
        Column("raw", BYTES, "The bytes as they came, cut at 4096."),
    ),
)

RECEPTIONS = Table(
    "receptions",
    "Further receptions of transmissions that are a row elsewhere: what deduplication took out of the other tables.",
    (
        Column("table", LABEL, "Table that the row was taken out of.", required=True),
        *(c for c in ENVELOPE if c.name not in ("repeat", "checksum_ok", "bits")),
        Column("first_source", LABEL, "Source of the reception that was kept."),
        Column("first_line", I64, "Line of the reception that was kept, in its source."),
    ),
)

REPORT_TABLES = (POSITIONS, STATICS, BASE_STATIONS, AIDS, SAFETY, BINARY, MANAGEMENT, REJECTS, RECEPTIONS)
