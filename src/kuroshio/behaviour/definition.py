"""Definitions of behaviour: data with prose, thresholds and their sources, never code.

What enters: TOML (or YAML) files, those of this folder first, then a user's. What leaves: `Definitions`. A user's file
may change thresholds, severity or `enabled` of a definition by its ``id``, or make a new one with ``extends``; an
override changes the version (``1.0.0+`` and a digest), so that alerts of both are never taken for one another.
Unknown keys are refused with file and key.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from kuroshio.errors import ConfigError
from kuroshio.geo.zones import KINDS

FOLDER = Path(__file__).parent / "definitions"
SEVERITIES = ("info", "caution", "warning", "alarm")
EVENTS = ("entry", "exit")
_COUNTS = ("_n", "_fixes", "_days", "_reports", "_others", "_vessels", "_bit", "_observations", "_confidence")
SENSES = ("at least", "at most", "exactly", "parameter")
MAX_FILES = 1000
MAX_FILE_BYTES = 1 << 20
_NAME = re.compile(r"[a-z][a-z0-9_]{1,63}")
_KEYS = {
    "id",
    "version",
    "kernel",
    "title",
    "definition",
    "summary",
    "inputs",
    "severity",
    "known_false_positives",
    "cancelled_by",
    "limits",
    "enabled",
    "extends",
    "thresholds",
}
_THRESHOLD_KEYS = {"value", "unit", "meaning", "source", "measured", "sense", "min", "max"}

Value = float | int | bool | str | tuple[Any, ...]


@dataclass(frozen=True)
class Threshold:
    """One number (or list) of a definition.

    ``measured`` names the value of a fact it is held against and ``sense`` how; both make the margin in the evidence.
    """

    name: str
    value: Value
    unit: str = ""
    meaning: str = ""
    source: str = ""
    measured: str | None = None
    sense: str = "parameter"
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Definition:
    """One behaviour: what is looked for, on what, with which thresholds, and when it is wrong."""

    id: str
    version: str
    kernel: str
    title: str
    definition: str
    summary: str
    inputs: tuple[str, ...]
    severity: str
    known_false_positives: tuple[str, ...]
    cancelled_by: str
    limits: str = ""
    enabled: bool = True
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """Value of a threshold."""
        return self.thresholds[name].value

    def us(self, name: str) -> int:
        """Threshold in seconds as integer microseconds."""
        return round(float(self[name]) * 1e6)

    def prose(self) -> str:
        """The definition with its thresholds put in."""
        return fill(self.definition, {name: t.value for name, t in self.thresholds.items()})


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Text with ``{name}`` or ``{name:.1f}`` replaced from values; a name that is not there stays as it is."""
    parts = _parted(text)
    filled = list(parts[::4])  # between them a place that is filled: as it stands, its name, its form
    for k, (place, name, form) in enumerate(zip(parts[1::4], parts[2::4], parts[3::4], strict=True)):  # a few
        value = values.get(name)
        if value is None:
            told = "unknown" if name in values else place
        elif isinstance(value, int | float) and not isinstance(value, bool):
            told = format(value, form or "g")
        else:
            told = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
        filled[k] += told
    return "".join(filled)


@lru_cache(1024)
def _parted(text: str) -> tuple[str, ...]:
    return tuple(part or "" for part in re.split(r"(\{([a-z_0-9]+)(?::([-+ ,.0-9]*[defg%]?))?\})", text))


class Definitions(Mapping[str, Definition]):
    """Definitions by id, in the order of their ids; `digest` is the version of the whole set."""

    def __init__(self, items: Sequence[Definition]) -> None:
        self._items = {d.id: d for d in sorted(items, key=lambda d: d.id)}

    def __getitem__(self, key: str) -> Definition:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def enabled(self) -> list[Definition]:
        """Those that run."""
        return [d for d in self._items.values() if d.enabled]

    def only(self, *ids: str) -> Definitions:
        """The named ones alone, switched on.

        Raises
        ------
        ConfigError
            When one is not there.
        """
        missing = [i for i in ids if i not in self._items]
        if missing:
            raise ConfigError(
                f"no definition {', '.join(missing)}; there are {', '.join(self._items)}", code="behaviour.unknown"
            )
        return Definitions([replace(self._items[i], enabled=True) for i in ids])

    @property
    def digest(self) -> str:
        """SHA-256 over ids, versions and thresholds."""
        plain = [[d.id, d.version, d.enabled, _plain(d.thresholds)] for d in self._items.values()]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def load_definitions(paths: str | Path | Sequence[str | Path] | None = None) -> Definitions:
    """The definitions shipped here, changed and added to by the user's files or folders.

    Raises
    ------
    ConfigError
        Naming file, key and value: unknown key, missing key, value of the wrong type or out of its range.
    """
    found: dict[str, Definition] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        for raw in _read(file):
            definition = _shipped(raw, file.name)
            found[definition.id] = definition
    if isinstance(paths, str | Path):
        paths = [paths]
    for path in paths or ():
        for file in _files(Path(path)):
            for raw in _read(file):
                definition = _user(raw, str(file), found)
                found[definition.id] = definition
    return Definitions(list(found.values()))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".toml", ".yaml", ".yml"))
        if len(files) > MAX_FILES:
            raise ConfigError(f"{path}: {len(files)} files, limit {MAX_FILES}", code="behaviour.limit")
        return files
    if not path.is_file():
        raise ConfigError(f"{path}: no such definition file or folder", code="behaviour.file")
    return [path]


def _read(file: Path) -> list[Mapping[str, Any]]:
    """Tables of one file: a single definition, or a list under ``definition`` of several."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{file}: larger than {MAX_FILE_BYTES} bytes", code="behaviour.limit")
        text = file.read_text("utf-8")
        raw = tomllib.loads(text) if file.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as err:
        raise ConfigError(f"{file}: cannot be read: {err}", code="behaviour.file") from err
    items = raw["definitions"] if isinstance(raw, dict) and set(raw) == {"definitions"} else [raw]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ConfigError(f"{file}: a definition is a table of keys", code="behaviour.file")
    return items


def _check_keys(raw: Mapping[str, Any], allowed: set[str], place: str) -> None:
    unknown = sorted(set(raw) - allowed)
    if unknown:
        raise ConfigError(
            f"{place}: unknown key {unknown[0]!r}; known are {', '.join(sorted(allowed))}", code="behaviour.key"
        )


def _shipped(raw: Mapping[str, Any], place: str) -> Definition:
    _check_keys(raw, _KEYS - {"extends"}, place)
    missing = sorted(_KEYS - {"extends", "enabled", "limits"} - set(raw))
    if missing:
        raise ConfigError(f"{place}: key {missing[0]!r} is missing", code="behaviour.key")
    thresholds = {name: _threshold(name, value, None, place) for name, value in raw["thresholds"].items()}
    return _checked(
        Definition(
            id=raw["id"],
            version=raw["version"],
            kernel=raw["kernel"],
            title=raw["title"],
            definition=" ".join(raw["definition"].split()),
            summary=raw["summary"],
            inputs=tuple(raw["inputs"]),
            severity=raw["severity"],
            known_false_positives=tuple(raw["known_false_positives"]),
            cancelled_by=raw["cancelled_by"],
            limits=" ".join(raw.get("limits", "").split()),
            enabled=raw.get("enabled", True),
            thresholds=thresholds,
        ),
        place,
    )


def _user(raw: Mapping[str, Any], place: str, found: Mapping[str, Definition]) -> Definition:
    _check_keys(raw, _KEYS, place)
    name = raw.get("id")
    if not isinstance(name, str):
        raise ConfigError(f"{place}: key 'id' is missing", code="behaviour.key")
    base_id = raw.get("extends", name)
    base = found.get(base_id) if isinstance(base_id, str) else None
    if base is None:
        raise ConfigError(
            f"{place}: no definition {base_id!r} to change; there are {', '.join(sorted(found))}",
            code="behaviour.unknown",
            advice="Give the id of a definition, or `extends` with one.",
        )
    given = raw.get("thresholds", {})
    if not isinstance(given, Mapping):
        raise ConfigError(f"{place}: thresholds is not a table", code="behaviour.value")
    _check_keys(given, set(base.thresholds), f"{place}: {name}.thresholds")
    thresholds = dict(base.thresholds)
    for key, value in given.items():
        thresholds[key] = _threshold(key, value, base.thresholds[key], f"{place}: {name}")
    changed = replace(
        base,
        id=name,
        kernel=raw.get("kernel", base.kernel),
        title=raw.get("title", base.title),
        definition=" ".join(str(raw.get("definition", base.definition)).split()),
        summary=raw.get("summary", base.summary),
        severity=raw.get("severity", base.severity),
        known_false_positives=tuple(raw.get("known_false_positives", base.known_false_positives)),
        cancelled_by=raw.get("cancelled_by", base.cancelled_by),
        limits=raw.get("limits", base.limits),
        enabled=raw.get("enabled", True if "extends" in raw else base.enabled),
        thresholds=thresholds,
    )
    if changed.kernel != base.kernel:
        raise ConfigError(f"{place}: kernel {changed.kernel!r} is not that of {base.id}", code="behaviour.value")
    if "version" in raw:
        changed = replace(changed, version=str(raw["version"]))
    elif _plain(thresholds) != _plain(base.thresholds) or name != base.id:
        sha = hashlib.sha256(json.dumps([name, _plain(thresholds)], sort_keys=True).encode()).hexdigest()
        changed = replace(changed, version=f"{base.version.split('+')[0]}+{sha[:8]}")
    return _checked(changed, place)


def _plain(thresholds: Mapping[str, Threshold]) -> dict[str, Any]:
    return {n: list(t.value) if isinstance(t.value, tuple) else t.value for n, t in sorted(thresholds.items())}


def _threshold(name: str, raw: Any, base: Threshold | None, place: str) -> Threshold:
    if isinstance(raw, Mapping):
        _check_keys(raw, _THRESHOLD_KEYS, f"{place}: thresholds.{name}")
        if "value" not in raw:
            raise ConfigError(f"{place}: thresholds.{name}: key 'value' is missing", code="behaviour.key")
        value = raw["value"]
        given = {k: v for k, v in raw.items() if k != "value"}
    else:
        value, given = raw, {"source": "the user's file"} if base else {}
    value = tuple(value) if isinstance(value, list) else value
    if base is None:
        result = Threshold(name=name, value=value, **given)
    else:
        number = isinstance(base.value, int | float) and not isinstance(base.value, bool)
        right = isinstance(value, int | float) and not isinstance(value, bool) if number else None
        if right is False or (right is None and not isinstance(value, type(base.value))):
            kind = "number" if number else {bool: "true or false", str: "text"}.get(type(base.value), "list")
            raise ConfigError(f"{place}: thresholds.{name} = {value!r} is not a {kind}", code="behaviour.value")
        result = replace(base, value=value, **given)
    if result.sense not in SENSES:
        raise ConfigError(
            f"{place}: thresholds.{name}.sense {result.sense!r} is none of {SENSES}", code="behaviour.value"
        )
    if isinstance(value, int | float):
        low, high = result.min, result.max
        if not (value == value) or (low is not None and value < low) or (high is not None and value > high):
            raise ConfigError(
                f"{place}: thresholds.{name} = {value:g} is outside [{low}, {high}] {result.unit}",
                code="behaviour.range",
            )
    wrong = _what_is_wrong(name, value)
    if wrong is not None:
        raise ConfigError(f"{place}: thresholds.{name} = {value!r}: {wrong}", code="behaviour.value")
    return result


def _what_is_wrong(name: str, value: Any) -> str | None:
    """What a threshold of this name cannot be and would be passed over: a kind of zone misspelt matches none."""
    if name.endswith("zone_kinds"):
        unknown = [v for v in value if v not in KINDS]
        return f"{unknown[0]!r} is none of {', '.join(KINDS)}" if unknown else None
    if name.endswith("mmsi_prefixes"):
        digits = range(3, 4) if name == "mmsi_prefixes" else range(1, 10)
        good = all(str(v).isdecimal() and len(str(v)) in digits for v in value)
        return None if good else f"each must be {digits[0]} to {digits[-1]} digits"
    if name == "event":
        return None if value in EVENTS else f"none of {', '.join(EVENTS)}"
    return "not a whole number" if name.endswith(_COUNTS) and value != int(value) else None


def _checked(definition: Definition, place: str) -> Definition:
    if not isinstance(definition.id, str) or not _NAME.fullmatch(definition.id):
        raise ConfigError(f"{place}: id {definition.id!r} is not a lower-case name", code="behaviour.value")
    if definition.severity not in SEVERITIES:
        raise ConfigError(
            f"{place}: severity {definition.severity!r} is none of {', '.join(SEVERITIES)}", code="behaviour.value"
        )
    if not isinstance(definition.enabled, bool):
        raise ConfigError(f"{place}: enabled {definition.enabled!r} is not true or false", code="behaviour.value")
    return definition
