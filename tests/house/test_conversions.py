"""What every conversion of a Python value to an Arrow one costs: no search for packages that are not there."""

from __future__ import annotations

import sys
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pytest


class Searches:
    """A finder that finds nothing, and counts what was looked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.asked[name] += 1


def test_no_conversion_searches_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    pa.array([1, 2])  # the first one may import what it needs
    searches = Searches()
    monkeypatch.setattr(sys, "meta_path", [searches, *sys.meta_path])
    pa.array(["a", None])
    pa.Table.from_pylist([{"a": 1}])
    pc.binary_join_element_wise("[", pa.array(["x"]), "]", "")
    assert not searches.asked
