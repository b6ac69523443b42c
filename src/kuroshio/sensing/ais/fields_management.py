"""Layouts of acknowledgements, inquiries and channel management: types 7, 10, 13, 15, 16, 20, 22, 23.

Source: ITU-R M.1371-5, annex 8, the clause of each message; the field's name there stands in ``clause``.
"""

from __future__ import annotations

from itertools import chain

from kuroshio.sensing.ais.fields import Field, Layout, coarse_position, head, spare

ACKNOWLEDGE = Layout(
    (7, 13), "", "management",
    (
        *head(), spare(0, 2),
        *chain.from_iterable(
            (
                Field(f"dest_mmsi{n}", 30, clause=f"destination ID{n}"),
                Field(f"sequence{n}", 2, clause=f"sequence number for ID{n}"),
            )
            for n in (1, 2, 3, 4)
        ),
    ),
    min_bits=72, cuts=(72, 104, 136, 168), title="Binary and safety related acknowledge",
)  # fmt: skip

INQUIRY = Layout(
    (10,), "", "management",
    (*head(), spare(0, 2), Field("dest_mmsi1", 30, clause="destination ID"), spare(2, 2)),
    min_bits=70, title="UTC and date inquiry",
)  # fmt: skip

INTERROGATION = Layout(
    (15,), "", "management",
    (
        *head(), spare(0, 2),
        Field("dest_mmsi1", 30, clause="destination ID1"),
        Field("asked_type1_1", 6, clause="message ID1.1"),
        Field("slot_offset1_1", 12, clause="slot offset 1.1"), spare(2, 2),
        Field("asked_type1_2", 6, clause="message ID1.2"),
        Field("slot_offset1_2", 12, clause="slot offset 1.2"), spare(3, 2),
        Field("dest_mmsi2", 30, clause="destination ID2"),
        Field("asked_type2_1", 6, clause="message ID2.1"),
        Field("slot_offset2_1", 12, clause="slot offset 2.1"), spare(4, 2),
    ),
    min_bits=88, cuts=(88, 110, 160), title="Interrogation",
)  # fmt: skip

ASSIGNMENT = Layout(
    (16,), "", "management",
    (
        *head(), spare(0, 2),
        Field("dest_mmsi1", 30, clause="destination ID A"),
        Field("slot_offset1", 12, clause="offset A"),
        Field("increment1", 10, clause="increment A"),
        Field("dest_mmsi2", 30, clause="destination ID B"),
        Field("slot_offset2", 12, clause="offset B"),
        Field("increment2", 10, clause="increment B"),
    ),
    min_bits=92, cuts=(92, 144), title="Assigned mode command",
)  # fmt: skip

DATA_LINK = Layout(
    (20,), "", "management",
    (
        *head(), spare(0, 2),
        *chain.from_iterable(
            (
                Field(f"slot_offset{n}", 12, clause=f"offset number {n}"),
                Field(f"slots{n}", 4, clause=f"number of slots {n}"),
                Field(f"timeout_min{n}", 3, clause=f"time-out {n}"),
                Field(f"increment{n}", 11, clause=f"increment {n}"),
            )
            for n in (1, 2, 3, 4)
        ),
    ),
    min_bits=70, cuts=(70, 100, 130, 160), title="Data link management message",
)  # fmt: skip

_CHANNELS = (
    *head(), spare(0, 2),
    Field("channel_a", 12, clause="channel A", doc="Number of ITU-R M.1084."),
    Field("channel_b", 12, clause="channel B", doc="Number of ITU-R M.1084."),
    Field("tx_rx_mode", 4, clause="Tx/Rx mode"),
    Field("low_power", 1, "b", clause="power"),
)  # fmt: skip
_ZONE = (
    Field("addressed", 1, "b", clause="addressed or broadcast message indicator"),
    Field("narrow_band_a", 1, "b", clause="channel A bandwidth"),
    Field("narrow_band_b", 1, "b", clause="channel B bandwidth"),
    Field("zone_size", 3, clause="transitional zone size", doc="Nautical miles less one."),
    spare(2, 23),
)
CHANNELS_AREA = Layout(
    (22,), "area", "management",
    (*_CHANNELS, *coarse_position("1"), *coarse_position("2"), *_ZONE),
    min_bits=145, when=((139, 1, 0),), title="Channel management for an area",
)  # fmt: skip
CHANNELS_ADDRESSED = Layout(
    (22,), "addressed", "management",
    (
        *_CHANNELS,
        Field("dest_mmsi1", 30, clause="address of selected station 1"), spare(3, 5),
        Field("dest_mmsi2", 30, clause="address of selected station 2"), spare(4, 5),
        *_ZONE,
    ),
    min_bits=145, when=((139, 1, 1),), title="Channel management for two stations",
)  # fmt: skip

GROUP_ASSIGNMENT = Layout(
    (23,), "", "management",
    (
        *head(), spare(0, 2), *coarse_position("1"), *coarse_position("2"),
        Field("station_type", 4, clause="station type"),
        Field("ship_type", 8, clause="type of ship and cargo type"),
        spare(2, 22),
        Field("tx_rx_mode", 2, clause="Tx/Rx mode"),
        Field("interval", 4, clause="reporting interval"),
        Field("quiet_min", 4, clause="quiet time"), spare(3, 6),
    ),
    min_bits=154, title="Group assignment command",
)  # fmt: skip

LAYOUTS = (
    ACKNOWLEDGE, INQUIRY, INTERROGATION, ASSIGNMENT, DATA_LINK, CHANNELS_AREA, CHANNELS_ADDRESSED, GROUP_ASSIGNMENT,
)  # fmt: skip
