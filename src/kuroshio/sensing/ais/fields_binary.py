"""Layouts of messages that carry text or application data: types 6, 8, 12, 14, 17, 25, 26.

Source: ITU-R M.1371-5, annex 8, the clause of each message; the field's name there stands in ``clause``.
"""

from __future__ import annotations

from kuroshio.sensing.ais.fields import Field, Layout, coarse_position, head, radio, radio_selector, spare

_DATA = Field("data", 0, "d", clause="application data")
_APPLICATION = (
    Field("dac", 10, clause="application identifier: DAC"),
    Field("fi", 6, clause="application identifier: FI"),
)
_ADDRESSED = (
    Field("sequence", 2, clause="sequence number"),
    Field("dest_mmsi", 30, clause="destination ID"),
    Field("retransmit", 1, "b", clause="retransmit flag"),
    spare(0, 1),
)

ADDRESSED_BINARY = Layout(
    (6,), "", "binary", (*head(), *_ADDRESSED, *_APPLICATION, _DATA), min_bits=88, title="Addressed binary message"
)
BROADCAST_BINARY = Layout(
    (8,), "", "binary", (*head(), spare(0, 2), *_APPLICATION, _DATA), min_bits=56, title="Binary broadcast message"
)
ADDRESSED_TEXT = Layout(
    (12,), "", "safety", (*head(), *_ADDRESSED, Field("text", 0, "t", clause="safety related text")),
    min_bits=72, title="Addressed safety related message",
)  # fmt: skip
BROADCAST_TEXT = Layout(
    (14,), "", "safety", (*head(), spare(0, 2), Field("text", 0, "t", clause="safety related text")),
    min_bits=40, title="Safety related broadcast message",
)  # fmt: skip
DGNSS = Layout(
    (17,), "", "binary",
    (*head(), spare(0, 2), *coarse_position(), spare(2, 5), Field("data", 0, "d", clause="DGNSS correction data")),
    min_bits=80, title="GNSS broadcast binary message",
)  # fmt: skip


def _flags(addressed: int, structured: int) -> tuple[Field, ...]:
    return (
        Field("addressed", 1, "b", clause="destination indicator"),
        Field("structured", 1, "b", clause="binary data flag"),
        *((Field("dest_mmsi", 30, clause="destination ID"),) if addressed else ()),
        *(_APPLICATION if structured else ()),
        _DATA,
    )


def _slotted() -> tuple[Layout, ...]:
    layouts = []
    for addressed in (0, 1):
        for structured in (0, 1):
            variant = f"{'addressed' if addressed else 'broadcast'}-{'structured' if structured else 'free'}"
            when = ((38, 1, addressed), (39, 1, structured))
            fixed = 40 + 30 * addressed + 16 * structured
            fields = (*head(), *_flags(addressed, structured))
            layouts.append(Layout((25,), variant, "binary", fields, fixed, "Single slot binary message", when))
            layouts.append(
                Layout(
                    (26,),
                    variant,
                    "binary",
                    fields,
                    fixed + 20,
                    "Multiple slot binary message",
                    when,
                    tail=(radio_selector(), radio()),
                )
            )
    return tuple(layouts)


LAYOUTS = (ADDRESSED_BINARY, BROADCAST_BINARY, ADDRESSED_TEXT, BROADCAST_TEXT, DGNSS, *_slotted())
