"""The reference pages are what the tables say, and the tables have the lengths their standards publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from kuroshio.sensing.ais.contents import APPLICATIONS
from kuroshio.sensing.ais.layouts import LAYOUTS
from kuroshio.sensing.ais.reference import PAGES, main

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
# ITU-R M.1371-5, annex 8: number of bits of each message of fixed length
PUBLISHED = {
    1: 168,
    4: 168,
    5: 424,
    9: 168,
    18: 168,
    19: 312,
    22: 168,
    23: 160,
    27: 96,
    10: 72,
    16: 144,
    20: 160,
    15: 160,
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_made_from_the_tables(name: str, tmp_path: Path) -> None:
    main(str(tmp_path))
    assert (FOLDER / name).read_text() == (tmp_path / name).read_text(), "run python -m kuroshio.sensing.ais.reference"


def test_layouts_have_their_published_lengths() -> None:
    for layout in LAYOUTS:
        wanted = PUBLISHED.get(layout.types[0])
        if wanted is not None:
            assert layout.bits == wanted, layout.title


def test_every_type_has_a_layout() -> None:
    assert {n for layout in LAYOUTS for n in layout.types} == set(range(1, 28))


def test_elements_and_variants_fit_their_bits() -> None:
    for app in APPLICATIONS:
        for fields in (app.element, *app.variants.values()):
            assert sum(item.bits for item in fields) <= app.element_bits
        assert app.least <= max(app.fixed_bits, app.least)
        if app.select:
            assert all(number < 1 << app.select for number in app.variants)
