"""Tables of a radar itself: what its display and own ship's sensors say, and the heads of its video messages.

None of it is a measurement of a target: a cursor or a range ring is an operator's mark. Sources: IEC 61162-1,
sentences OSD and RSD; EUROCONTROL-SPEC-0149-240 ed. 1.3.
"""

from __future__ import annotations

from kuroshio.schema.core import F64, I64, LABEL, U8, UTC_US, Column, Table

_ENVELOPE = (
    Column("observed_at", UTC_US, "Time at the sensor, from the best clock; null when no clock was heard.", "us"),
    Column("time_source", LABEL, "Which clock gave observed_at: tag_block, asterix, arrival."),
    Column("received_at", UTC_US, "Time the bytes arrived here; null for files.", "us"),
    Column("source", LABEL, "Name of the source.", required=True),
    Column("station", LABEL, "Radar as its tag block or its SAC/SIC names it."),
    Column("line", I64, "1-based line or record number in its source."),
)

_MARKS = tuple(
    column
    for n in (1, 2)
    for column in (
        Column(f"origin{n}_range_m", F64, f"Where marker set {n} begins: range from own ship.", "m", source="RSD"),
        Column(f"origin{n}_bearing_deg", F64, f"Where marker set {n} begins: bearing.", "deg", source="RSD"),
        Column(f"vrm{n}_m", F64, f"Variable range marker {n}, from its origin.", "m", source="RSD"),
        Column(f"ebl{n}_deg", F64, f"Electronic bearing line {n}, clockwise from 0.", "deg", source="RSD"),
    )
)

RADAR_STATUS = Table(
    "radar_status",
    "What a radar says of own ship and of its display: sentences OSD and RSD; marks are an operator's, not targets.",
    (
        *_ENVELOPE,
        Column("sentence", LABEL, "OSD or RSD.", required=True),
        Column("own_lat_deg", F64, "Own ship's or antenna's latitude as known then.", "deg"),
        Column("own_lon_deg", F64, "Own ship's or antenna's longitude as known then.", "deg"),
        Column("heading_deg", F64, "Own heading, true; null where it is marked invalid.", "deg", source="OSD 1, 2"),
        Column("course_deg", F64, "Own course, true.", "deg", source="OSD 3"),
        Column("course_reference", LABEL, "B bottom log, M manual, W water, R radar, P position.", source="OSD 4"),
        Column("speed_mps", F64, "Own speed.", "m/s", source="OSD 5, 9"),
        Column("speed_reference", LABEL, "As course_reference.", source="OSD 6"),
        Column("set_deg", F64, "Set entered, true.", "deg", source="OSD 7"),
        Column("drift_mps", F64, "Drift entered.", "m/s", source="OSD 8, 9"),
        *_MARKS,
        Column("cursor_range_m", F64, "Cursor from own ship.", "m", source="RSD 9"),
        Column("cursor_bearing_deg", F64, "Cursor, clockwise from 0 of the display as sent.", "deg", source="RSD 10"),
        Column("range_scale_m", F64, "Range scale in use.", "m", source="RSD 11"),
        Column("rotation", LABEL, "C course up, H head up, N north up.", source="RSD 13"),
    ),
)

RADAR_VIDEO = Table(
    "radar_video",
    "Heads of radar video messages (ASTERIX 240), a row a sector of video; the video itself is not kept.",
    (
        *_ENVELOPE,
        Column("message_type", U8, "1 video summary, 2 video.", required=True, source="I240/000"),
        Column("sequence", I64, "Index of the video record.", source="I240/020"),
        Column("summary", LABEL, "Text of a summary message.", source="I240/030"),
        Column("start_azimuth_deg", F64, "Where the sector begins.", "deg", source="I240/040, 041 START_AZ"),
        Column("end_azimuth_deg", F64, "Where the sector ends.", "deg", source="I240/040, 041 END_AZ"),
        Column("start_range_m", F64, "Range of the first cell.", "m", source="I240/040, 041 START_RG"),
        Column(
            "cell_m", F64, "Length of a range cell: c / 2 times its duration.", "m", source="I240/040, 041 CELL_DUR"
        ),
        Column("cells", I64, "Valid cells.", source="I240/049 NB_CELLS"),
        Column("cell_bits", U8, "Bits a cell: 1, 2, 4, 8, 16 or 32.", "bit", source="I240/048 RES"),
        Column("compressed", U8, "1 when the video is compressed.", source="I240/048 C"),
        Column("octets", I64, "Valid octets of video.", "byte", source="I240/049 NB_VB"),
    ),
)
