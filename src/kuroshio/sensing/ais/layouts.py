"""All message layouts, and the choice of one for a payload or for a mapping to encode.

What enters: a payload's first bits, or names of fields. What leaves: the `Layout`. ITU-R M.1371-5 defines types 1-27;
other types have no layout and are rejects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuroshio.errors import InputError
from kuroshio.sensing.ais import fields_binary, fields_management, fields_position, fields_static
from kuroshio.sensing.ais.fields import Layout

LAYOUTS: tuple[Layout, ...] = (
    *fields_position.LAYOUTS,
    *fields_static.LAYOUTS,
    *fields_binary.LAYOUTS,
    *fields_management.LAYOUTS,
)

BY_TYPE: dict[int, tuple[Layout, ...]] = {
    number: tuple(layout for layout in LAYOUTS if number in layout.types) for number in range(1, 28)
}

CONTROL = frozenset({"type", "msg_type", "variant", "bits", "data_bits", "rest"})


def is_auxiliary(mmsi: int) -> bool:
    """True for an MMSI of a craft associated with a parent ship, 98xxxxxxx (ITU-R M.585)."""
    return fields_static.AUXILIARY_FIRST <= mmsi <= fields_static.AUXILIARY_LAST


def choose(msg_type: int, value: int, bits: int) -> Layout | None:
    """Layout of a payload held as an integer of so many bits; None for a type or variant without one."""
    for layout in BY_TYPE.get(msg_type, ()):
        if all(_take(value, bits, start, width) == wanted for start, width, wanted in layout.when):
            if layout.variant.startswith("B"):
                auxiliary = is_auxiliary(_take(value, bits, 8, 30))
                if auxiliary != (layout.variant == "B-auxiliary"):
                    continue
            return layout
    return None


def choose_for(message: Mapping[str, Any]) -> Layout:
    """Layout for a mapping of field names, by its type, its explicit selectors and the names it uses.

    Raises
    ------
    InputError
        When the type is not 1-27, or no variant of it has all the fields named.
    """
    msg_type = message.get("msg_type", message.get("type"))
    candidates = BY_TYPE.get(msg_type) if isinstance(msg_type, int) else None
    if not candidates:
        raise InputError(f"message type {msg_type!r} is not 1..27", code="ais.type")
    named = {name for name, value in message.items() if name not in CONTROL and value is not None}
    unknown: set[str] = named
    for layout in candidates:
        missing = named - _names(layout)
        unknown = missing if len(missing) < len(unknown) or layout is candidates[0] else unknown
        if missing or not _selected(layout, message):
            continue
        return layout
    detail = f"has no field {', '.join(sorted(unknown))}" if unknown else "has no variant with these selectors"
    raise InputError(f"message type {msg_type} {detail}", code="ais.field")


def _names(layout: Layout) -> set[str]:
    items = (*layout.fields, *layout.tail)
    return {item.name for item in items} | {item.si for item in items if item.si}


def _selected(layout: Layout, message: Mapping[str, Any]) -> bool:
    if "variant" in message and message["variant"] != layout.variant:
        return False
    if layout.variant.startswith("B") and is_auxiliary(int(message.get("mmsi", 0))) != (
        layout.variant == "B-auxiliary"
    ):
        return False
    by_start = {start: name for name, start in layout.starts.items()}
    for start, _, wanted in layout.when:
        given = message.get(by_start[start])
        if given is not None and {"A": 0, "B": 1}.get(given, given) != wanted:
            return False
    return True


def _take(value: int, bits: int, start: int, width: int) -> int:
    end = start + width
    return (value >> (bits - end)) & ((1 << width) - 1) if end <= bits else -1
