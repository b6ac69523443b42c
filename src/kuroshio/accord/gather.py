"""Entries of many documents by section and id, each with the place it came from.

What enters: documents that passed the schema. What leaves: `Gathered`, and a fault for each id that stands twice. What
the entries mean is `build`'s matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuroshio.accord.faults import Fault
from kuroshio.accord.source import Document, Path
from kuroshio.accord.validate import definition_of

SECTIONS = ("accords", "parties", "caveats", "consents", "activities", "release_orders", "commitments")


class Gathered:
    """Entries of all documents by section and id, with the place each came from."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.entries: dict[str, dict[str, tuple[Mapping[str, Any], Document, Path]]] = {s: {} for s in SECTIONS}
        self.areas: dict[str, tuple[Mapping[str, Any], Document, Path]] = {}
        self.levels: tuple[tuple[str, ...], Document, Path] | None = None
        self.vocabulary: dict[str, set[str]] = {}

    def take(self, document: Document, *, replace: bool = False) -> list[str]:
        """Add one document; with ``replace`` an accord of the same id takes the place of the older."""
        data = document.data
        taken: list[str] = []
        if definition_of(data) == "accord":
            self._entry("accords", data, document, (), replace=replace)
            return [data["id"]]
        for section in SECTIONS:
            for i, entry in enumerate(data.get(section, ())):
                self._entry(section, entry, document, (section, i), replace=replace)
                if section == "accords":
                    taken.append(entry["id"])
        for name, area in data.get("areas", {}).items():
            if name in self.areas and self.areas[name][0] != area and not replace:
                self._fault(document, ("areas", name), "accord.duplicate", f"area {name!r} is declared twice")
            self.areas[name] = (area, document, ("areas", name))
        if "levels" in data:
            order = tuple(data["levels"]["order"])
            if self.levels is not None and self.levels[0] != order:
                self._fault(
                    document, ("levels",), "accord.levels", f"level order {order} differs from {self.levels[0]}"
                )
            self.levels = (order, document, ("levels", "order"))
        for name, words in data.get("vocabulary", {}).items():
            self.vocabulary.setdefault(name, set()).update(words)
        return taken

    def _entry(self, section: str, entry: Mapping[str, Any], document: Document, path: Path, *, replace: bool) -> None:
        key = str(entry["code"] if section == "parties" else entry["id"])
        known = self.entries[section]
        if key in known and not replace:
            other = known[key][1].file
            self._fault(document, (*path, "id"), "accord.duplicate", f"{section[:-1]} {key!r} is also in {other}")
        known[key] = (entry, document, path)

    def _fault(self, document: Document, path: Path, code: str, message: str) -> None:
        self.faults.append(document.fault(path, code, message))
