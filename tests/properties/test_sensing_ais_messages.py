"""Every field of every type: encoding and decoding are inverses, and the byte engine says what the plain form says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio.sensing import ais
from kuroshio.sensing.ais.fields import TEXT_ALPHABET, Field, Layout
from kuroshio.sensing.ais.fields_static import AUXILIARY_FIRST, AUXILIARY_LAST
from kuroshio.sensing.ais.layouts import LAYOUTS, choose
from kuroshio.sensing.ais.program import FAMILIES, families_of


def field_values(item: Field) -> st.SearchStrategy[Any]:
    if item.kind == "t":
        size = item.bits // 6
        return st.text(TEXT_ALPHABET, min_size=size or 0, max_size=size or 14)
    if item.kind == "d":
        return st.binary(max_size=60)
    if item.kind == "b":
        return st.booleans()
    low, high = (0, item.raw_max) if item.kind == "x" else (item.raw_min, item.raw_max)
    return st.integers(low, high) | st.sampled_from([low, high, item.default])


@st.composite
def messages(draw: st.DrawFn, layout: Layout) -> dict[str, Any]:
    message = {item.name: draw(field_values(item)) for item in (*layout.fields, *layout.tail)}
    message["type"] = draw(st.sampled_from(layout.types))
    for start, _, wanted in layout.when:
        name = next(n for n, at in layout.starts.items() if at == start)
        message[name] = bool(wanted) if layout.find(name).kind == "b" else wanted
    auxiliary = st.integers(AUXILIARY_FIRST, AUXILIARY_LAST)
    if layout.variant == "B-auxiliary":
        message["mmsi"] = draw(auxiliary)
    elif AUXILIARY_FIRST <= message["mmsi"] <= AUXILIARY_LAST:
        message["mmsi"] = 1
    if "data" in message:
        message["data_bits"] = len(message["data"]) * 8
    if layout.variant:
        message["variant"] = layout.variant
    return message


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda x: f"{x.types}{x.variant}")
def test_decoding_gives_back_every_field_encoded(layout: Layout) -> None:
    @given(messages(layout))
    @settings(max_examples=25)
    def holds(message: dict[str, Any]) -> None:
        value, bits = ais.pack(message)
        told = ais.unpack(value, bits)
        assert told is not None
        assert ais.pack(told) == (value, bits)
        assert told.pop("bits") == bits
        told.pop("rest", None)
        if "name_extension" in told:  # up to 6 spare bits to the byte border read as one more @
            assert len(told["name_extension"]) - len(message["name_extension"]) in (0, 1)
            told["name_extension"] = told["name_extension"][: len(message["name_extension"])]
        assert told == message

    holds()


def expected_column(item: Field, how: str, raw: Any) -> Any:
    if how in ("si", "rot"):
        return item.to_si(raw)
    if how == "flag":
        return bool(raw)
    if how == "text":
        return raw.split("@")[0].rstrip(" ") or None
    return None if how == "raw" and raw == item.absent else raw


@pytest.mark.parametrize("at", range(len(LAYOUTS)), ids=lambda k: f"{LAYOUTS[k].types}{LAYOUTS[k].variant}")
def test_the_byte_engine_says_what_the_plain_form_says(at: int) -> None:
    layout = LAYOUTS[at]

    @given(st.lists(messages(layout), min_size=1, max_size=5))
    @settings(max_examples=10)
    def holds(batch: list[dict[str, Any]]) -> None:
        lines = [line for k, m in enumerate(batch) for line in ais.encode(m, sequence=k)]
        decoded = ais.decode(b"\n".join(lines))
        assert not decoded.ledger.rejected
        for name in families_of(at):
            rows = decoded.table(name).to_pylist()
            assert len(rows) == len(batch)
            for row, message in zip(rows, batch, strict=True):
                compare(layout, name, row, message)

    holds()


def compare(layout: Layout, name: str, row: dict[str, Any], message: dict[str, Any]) -> None:
    assert (row["mmsi"], row["msg_type"], row["repeat"]) == (message["mmsi"], message["type"], message["repeat"])
    family = FAMILIES[name]
    for output in (*family.numbers, *family.texts):
        found = next((f for f in layout.fields if output.name in (f.si, f.name, f.name + "_raw")), None)
        if output.name == "dest_mmsi" and found is None:
            found = next((f for f in layout.fields if f.name == "dest_mmsi1"), None)
        if found is None:
            assert row[output.name] is None, output.name
            continue
        wanted = expected_column(found, output.how, message[found.name])
        if output.name == "name" and layout.has("name_extension") and "@" not in message["name"]:
            wanted = (message["name"] + message["name_extension"]).split("@")[0].rstrip(" ") or None
        if output.name.endswith(("bow_m", "stern_m", "port_m", "starboard_m")):
            four = [message[n] for n in ("to_bow", "to_stern", "to_port", "to_starboard")]
            wanted = wanted if any(four) else None
        if output.how == "rot" and wanted is not None:
            assert row[output.name] == pytest.approx(wanted, rel=1e-12)
        else:
            assert row[output.name] == wanted, output.name
    if name == "binary":
        assert row["payload"] == message["data"]
        assert row["payload_bits"] == message["data_bits"]
    if name == "statics":
        assert row["part"] == {"A": "A", "B": "B", "B-auxiliary": "B"}.get(layout.variant)


CUT = [at for at, layout in enumerate(LAYOUTS) if layout.cuts]


@pytest.mark.parametrize("at", CUT, ids=lambda k: f"{LAYOUTS[k].types}{LAYOUTS[k].variant}")
def test_a_message_of_some_of_its_blocks_comes_back_with_those(at: int) -> None:
    """Acknowledgements of 1-4, interrogations of 1-3, assignments of 1 or 2, reservations of 1-4."""
    layout = LAYOUTS[at]

    @given(messages(layout), st.sampled_from(layout.cuts))
    @settings(max_examples=30)
    def holds(message: dict[str, Any], cut: int) -> None:
        kept = {n: v for n, v in message.items() if n not in layout.starts or layout.starts[n] < cut}
        value, bits = ais.pack(kept)
        assert bits == -(-cut // 8) * 8
        told = ais.unpack(value, bits)
        assert told is not None
        assert {n: v for n, v in told.items() if n not in ("bits", "rest")} == kept
        assert ais.pack(told) == (value, bits)
        (row,) = ais.decode(b"\n".join(ais.encode(kept))).table("management").to_pylist()
        said = json.loads(row["content"])
        assert said == {n: v for n, v in kept.items() if n in said}
        assert {n for n in kept if layout.find(n).kind in "uib"} - {"type", "repeat", "mmsi"} == set(said)

    holds()


@st.composite
def payloads(draw: st.DrawFn) -> tuple[int, int]:
    """Any bits of any type and any length."""
    bits = draw(
        st.integers(38, 60) | st.integers(38, 460) | st.sampled_from([n for x in LAYOUTS for n in (x.bits, x.min_bits)])
    )
    kind = draw(st.integers(1, 27))
    return kind << (bits - 6) | draw(st.integers(0, (1 << (bits - 6)) - 1)), bits


@settings(max_examples=400)
@given(payloads())
def test_any_payload_comes_back_bit_for_bit_spare_bits_included(payload: tuple[int, int]) -> None:
    told = ais.unpack(*payload)
    if told is not None:
        assert ais.pack(told) == payload


@settings(max_examples=300)
@given(st.lists(payloads(), min_size=1, max_size=4))
def test_the_byte_engine_and_the_plain_form_agree_on_any_payload(many: list[tuple[int, int]]) -> None:
    log = [line for value, bits in many for line in ais.sentences(*ais.armour(value, bits), sequence=1)]
    decoded = ais.decode(b"\n".join(log))
    rows = {table: decoded.table(table).to_pylist() for table in FAMILIES}
    good = 0
    for value, bits in many:
        told = ais.unpack(value, bits)
        layout = choose(value >> (bits - 6), value, bits)
        if told is None or layout is None or bits < layout.min_bits:
            continue
        good += 1
        for table in families_of(LAYOUTS.index(layout)):
            row = rows[table].pop(0)
            assert row["bits"] == bits
            compare_held(layout, table, row, told)
    assert decoded.ledger.messages == good
    assert not any(rows.values())


def compare_held(layout: Layout, table: str, row: dict[str, Any], told: dict[str, Any]) -> None:
    """Numbers and flags of a row against the plain form; a field that is not held whole is null."""
    for output in FAMILIES[table].numbers:
        found = next((f for f in layout.fields if output.name in (f.si, f.name, f.name + "_raw")), None)
        if found is None or output.name.endswith(("bow_m", "stern_m", "port_m", "starboard_m")):
            continue
        wanted = expected_column(found, output.how, told[found.name]) if found.name in told else None
        if isinstance(wanted, float):
            assert row[output.name] == pytest.approx(wanted, rel=1e-12), output.name
        else:
            assert row[output.name] == wanted, output.name


@given(st.integers(0, (1 << 30) - 1), st.floats(-90, 90), st.floats(-180, 180), st.floats(0, 52), st.floats(0, 360))
def test_a_position_in_si_comes_back_within_half_a_step(
    mmsi: int, lat: float, lon: float, sog: float, cog: float
) -> None:
    line = ais.encode_position(mmsi=mmsi, lat_deg=lat, lon_deg=lon, sog_mps=sog, cog_deg=cog)
    row = ais.decode(line).table("positions").to_pylist()[0]
    assert row["mmsi"] == mmsi
    assert abs(row["lat_deg"] - lat) <= 0.5 / 600_000 + 1e-12
    assert abs(row["lon_deg"] - lon) <= 0.5 / 600_000 + 1e-12
    assert abs(row["sog_mps"] - sog) <= 0.05 * 1852 / 3600 + 1e-9
    assert min(abs(row["cog_deg"] - cog), 360 - abs(row["cog_deg"] - cog)) <= 0.05 + 1e-9
    assert np.isfinite(row["lat_deg"])
