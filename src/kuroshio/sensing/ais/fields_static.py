"""Layouts of static and voyage related data: types 5 and 24.

Source: ITU-R M.1371-5, annex 8, messages 5 and 24; the field's name there stands in ``clause``.
"""

from __future__ import annotations

from kuroshio.sensing.ais.fields import Field, Layout, dimensions, fix_type, head, spare

VOYAGE = Layout(
    (5,), "", "statics",
    (
        *head(),
        Field("ais_version", 2, clause="AIS version indicator", doc="0 M.1371-1, 1 M.1371-3, 2 M.1371-5, 3 later."),
        Field("imo", 30, absent=0, clause="IMO number", doc="0 not available; 1-999999 not used."),
        Field("call_sign", 42, "t", clause="call sign"),
        Field("name", 120, "t", clause="name"),
        Field("ship_type", 8, clause="type of ship and cargo type"),
        *dimensions(), fix_type(),
        Field("eta_month", 4, absent=0, clause="ETA month", doc="0 not available."),
        Field("eta_day", 5, absent=0, clause="ETA day", doc="0 not available."),
        Field("eta_hour", 5, absent=24, clause="ETA hour", doc="24 not available."),
        Field("eta_minute", 6, absent=60, clause="ETA minute", doc="60 not available."),
        Field("draught", 8, si="draught_m", den=10, absent=0, clause="maximum present static draught",
              doc="255 is 25.5 m or more; 0 not available."),
        Field("destination", 120, "t", clause="destination"),
        Field("dte", 1, "u", initial=1, clause="DTE", doc="0 available, 1 not."), spare(0, 1),
    ),
    min_bits=420, title="Ship static and voyage related data",
)  # fmt: skip

STATIC_A = Layout(
    (24,), "A", "statics",
    (
        *head(), Field("part", 2, clause="part number", doc="0 for part A."),
        Field("name", 120, "t", clause="name"),
    ),
    min_bits=154, when=((38, 2, 0),), title="Static data report, part A",
)  # fmt: skip

_VENDOR = (
    Field("part", 2, clause="part number", doc="1 for part B."),
    Field("ship_type", 8, clause="type of ship and cargo type"),
    Field("vendor_id", 18, "t", clause="vendor ID: manufacturer's ID"),
    Field("vendor_model", 4, clause="vendor ID: unit model code"),
    Field("vendor_serial", 20, clause="vendor ID: unit serial number"),
    Field("call_sign", 42, "t", clause="call sign"),
)

STATIC_B = Layout(
    (24,), "B", "statics", (*head(), *_VENDOR, *dimensions(), fix_type(), spare(0, 2)),
    min_bits=162, when=((38, 2, 1),), title="Static data report, part B",
)  # fmt: skip

STATIC_B_AUXILIARY = Layout(
    (24,), "B-auxiliary", "statics",
    (
        *head(), *_VENDOR,
        Field("mothership_mmsi", 30, clause="MMSI of the mother ship", doc="Where the own MMSI is 98xxxxxxx."),
        fix_type(), spare(0, 2),
    ),
    min_bits=162, when=((38, 2, 1),), title="Static data report, part B of an auxiliary craft",
)  # fmt: skip

AUXILIARY_FIRST, AUXILIARY_LAST = 980_000_000, 989_999_999  # ITU-R M.585: craft associated with a parent ship

LAYOUTS = (VOYAGE, STATIC_A, STATIC_B, STATIC_B_AUXILIARY)
