"""Every published layout of application data: bits put together here come back field by field, sentinels as null."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio.sensing import ais
from kuroshio.sensing.ais.applications import Application
from kuroshio.sensing.ais.contents import APPLICATIONS
from kuroshio.sensing.ais.fields import TEXT_ALPHABET, Field

WANTED = {  # DAC, FI: what issue and design ask for by name
    (1, 0), (1, 11), (1, 16), (1, 19), (1, 21), (1, 22), (1, 23), (1, 24), (1, 25), (1, 26), (1, 27), (1, 29), (1, 31),
    (200, 10), (200, 21), (200, 22), (200, 23), (200, 24), (200, 40), (200, 55), (235, 10), (366, 22), (367, 22),
    (367, 23), (367, 24), (367, 25), (367, 33),
}  # fmt: skip
CASES = [(app, k) for app in APPLICATIONS if app.dac for k in (sorted(app.variants) or [-1])]


def raw_of(item: Field) -> st.SearchStrategy[int]:
    low, high = (0, (1 << item.bits) - 1) if item.kind in "bxt" else (item.raw_min, item.raw_max)
    edges = [v for v in (low, high, item.absent, item.low, item.high) if v is not None and low <= v <= high]
    return st.integers(low, high) | st.sampled_from(edges)


def expected(item: Field, raw: int) -> Any:
    if item.kind == "b":
        return bool(raw)
    if item.kind == "t":
        chars = [TEXT_ALPHABET[raw >> shift & 63] for shift in range(item.bits - 6, -1, -6)]
        return "".join(chars).split("@")[0].rstrip(" ")
    return item.to_si(raw) if item.si else None if raw == item.absent else raw


def put_together(
    draw: st.DrawFn, fields: tuple[Field, ...], bits: int, chosen: dict[int, int]
) -> tuple[int, dict[str, Any]]:
    """Bits of fields, zero up to a length, and what each should come back as; ``chosen`` fixes fields by first bit."""
    value, at, wanted, powers = 0, 0, {}, {}
    for item in fields:
        if not item.bits:
            continue  # a text to the end: left empty
        raw = chosen[at] if at in chosen and item.kind != "x" else draw(raw_of(item))
        value, at = (value << item.bits) | (raw & ((1 << item.bits) - 1)), at + item.bits
        powers[item.name] = 10**raw if item.name == "scale_power" else 1
        if item.kind != "x":
            told = expected(item, raw)
            wanted[item.si or item.name] = (
                told if told is None or not item.power else told * powers[item.power],
                item.decimals,
            )
    return value << (bits - at), wanted


@st.composite
def data(draw: st.DrawFn, app: Application, variant: int) -> tuple[int, int, dict[str, Any], list[dict[str, Any]]]:
    fixed = {} if app.first_bit < 0 else {0: app.first_bit}
    value, wanted = put_together(draw, app.fields, app.fixed_bits, fixed)
    bits, elements = app.fixed_bits, []
    if app.group:
        for _ in range(draw(st.integers(1 if app.exact_elements or not app.fields else 0, 3))):
            body = app.variants.get(variant, ())
            own = body if body and body[0].kind != "x" else (*app.element, *body[1:])  # a report has its head in common
            more, told = put_together(draw, own, app.element_bits, {} if variant < 0 else {0: variant})
            value, bits = (value << app.element_bits) | more, bits + app.element_bits
            elements.append(told)
    longest = min(app.most, 920)
    bits, value = (max(bits, app.least), value << max(0, app.least - bits))
    return value, min(bits, longest), wanted, elements


def same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, (value, decimals) in wanted.items():
        if isinstance(value, float | int) and not isinstance(value, bool):
            assert found[name] == pytest.approx(value, abs=0.5 * 10**-decimals + 1e-9), (name, found)
        else:
            assert found[name] == value, (name, found)


@pytest.mark.parametrize(
    ("app", "variant"), CASES, ids=lambda x: f"{x.types}-{x.dac}-{x.fi}" if hasattr(x, "dac") else str(x)
)
def test_every_layout_gives_back_what_was_put_in(app: Application, variant: int) -> None:
    @given(data(app, variant))
    @settings(max_examples=12)
    def holds(made: tuple[int, int, dict[str, Any], list[dict[str, Any]]]) -> None:
        value, bits, wanted, elements = made
        size = -(-bits // 8)
        message = {"msg_type": app.types[0], "mmsi": 1, "dac": app.dac, "fi": app.fi,
                   "data": (value << (size * 8 - bits)).to_bytes(size, "big"), "data_bits": bits}  # fmt: skip
        (row,) = ais.decode(b"\n".join(ais.encode(message))).table("binary").to_pylist()
        content = json.loads(row["content"])
        same(content, wanted)
        for found, told in zip(content.get(app.group, []), elements, strict=False):
            same(found, told)
        assert len(content.get(app.group, [])) >= len(elements)

    holds()


def test_every_identifier_asked_for_has_a_layout_with_a_source() -> None:
    assert not WANTED - {(app.dac, app.fi) for app in APPLICATIONS}
    assert all(app.source for app in APPLICATIONS)


def test_a_report_in_wmo_code_is_not_read_by_the_other_layout() -> None:
    message = {"msg_type": 8, "mmsi": 1, "dac": 1, "fi": 21, "data": b"\xff" * 38}
    (row,) = ais.decode(b"\n".join(ais.encode(message))).table("binary").to_pylist()
    assert json.loads(row["content"]) == {"report": 1}
    assert row["payload"] == b"\xff" * 38
