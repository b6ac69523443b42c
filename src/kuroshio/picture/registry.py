"""Registers of ships: what somebody who is not the ship says of it, with the source and the time it is valid for.

What enters: CSV or Parquet files of the REGISTRY schema. What leaves: entries by MMSI or IMO number, and where they
contradict what the ship claims. It looks nothing up anywhere else and changes no track.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from kuroshio.errors import ConfigError, InputError
from kuroshio.picture.mid import flag_of
from kuroshio.schema import REGISTRY, concat

ROWS_MAX = 5_000_000
TOLD = ("name", "call_sign", "imo", "ship_type", "length_m")  # attributes that a claim has too
IMO_MIN, IMO_MAX = 1_000_000, 9_999_999  # M.1371-5, message 5: below not used, above a flag state's own number
LENGTH_TOLERANCE = 0.2  # a length overall and one between perpendiculars differ by less


def load_registries(paths: Iterable[Path]) -> Registry:
    """Registry of files, in the order of the list.

    Raises
    ------
    ConfigError
        When a file cannot be read, lacks ``source``, or has a row without it or with neither MMSI nor IMO number.
    """
    return Registry(concat(REGISTRY, [_read(Path(path)) for path in paths]))


def _read(path: Path) -> pa.Table:
    types = {c.name: pa.string() if pa.types.is_dictionary(c.type) else c.type for c in REGISTRY.columns}
    try:
        if path.suffix.lower() == ".parquet":
            table = pq.read_table(path)
        else:
            options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
            table = pa.csv.read_csv(path, convert_options=options)
        table = REGISTRY.conform(table)
    except (OSError, pa.ArrowException, InputError) as err:
        raise ConfigError(f"registry {path}: {err}", code="config.registry") from err
    if table.num_rows > ROWS_MAX:
        raise ConfigError(f"registry {path}: {table.num_rows} rows, the limit is {ROWS_MAX}", code="config.registry")
    if table["source"].null_count:
        row = pc.index(pc.is_null(table["source"]), True).as_py() + 1
        raise ConfigError(f"registry {path}: row {row} has no source", code="config.registry")
    at = REGISTRY.names.index("length_m")
    real = pc.and_(pc.is_finite(table["length_m"]), pc.greater(table["length_m"], 0.0))
    table = table.set_column(at, table.schema.field(at), pc.if_else(real, table["length_m"], None))
    nameless = pc.and_(pc.is_null(table["mmsi"]), pc.is_null(table["imo"]))
    if pc.any(nameless).as_py():
        row = pc.index(nameless, True).as_py() + 1
        raise ConfigError(f"registry {path}: row {row} has neither mmsi nor imo", code="config.registry")
    return table


class Registry:
    """Entries by MMSI and by IMO number.

    Parameters
    ----------
    table
        REGISTRY rows; None for none.
    """

    def __init__(self, table: pa.Table | None = None) -> None:
        self.table = REGISTRY.empty() if table is None else REGISTRY.conform(table)
        self._at: dict[str, dict[int, list[int]]] = {"mmsi": defaultdict(list), "imo": defaultdict(list)}
        for name, index in self._at.items():
            for row, number in enumerate(self.table[name].to_pylist()):
                if number:
                    index[number].append(row)
        begins, ends = (self.table[name].cast(pa.int64()) for name in ("valid_from", "valid_to"))
        times = [np.asarray(c.drop_null(), np.int64) for c in (begins, ends)]
        self._changes_us = np.unique(np.concatenate(times))
        dated = pc.or_(pc.is_valid(begins), pc.is_valid(ends))
        self._dated = np.flatnonzero(np.asarray(dated, np.bool_))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def mmsis(self) -> list[int]:
        """MMSIs with entries, ascending."""
        return sorted(self._at["mmsi"])

    def dated(self) -> tuple[set[int], set[int]]:
        """(MMSIs, IMO numbers) of entries that are valid for a time only."""
        some = self.table.select(["mmsi", "imo"]).take(pa.array(self._dated))
        mmsi, imo = (set(some[name].drop_null().to_pylist()) for name in ("mmsi", "imo"))
        return mmsi, imo

    def until_us(self, at_us: int) -> int:
        """First time after another at which an entry begins or ends to be valid."""
        after = self._changes_us[self._changes_us > at_us]
        return int(after[0]) if len(after) else (1 << 62)

    def has(self, mmsi: int, imo: int | None) -> bool:
        """True when there are entries of a ship."""
        return mmsi in self._at["mmsi"] or (imo or 0) in self._at["imo"]

    def entries(self, mmsi: int | None, imo: int | None, at_us: int | None = None) -> list[dict[str, Any]]:
        """Rows of a ship's MMSI or IMO number that are valid at a time (None: any), in the order of the files."""
        rows = {*self._at["mmsi"].get(mmsi or 0, ()), *self._at["imo"].get(imo or 0, ())}
        found = [self.table.slice(row, 1).to_pylist()[0] for row in sorted(rows)]
        return [entry for entry in found if at_us is None or _valid(entry, at_us)]

    def told(self, mmsi: int, imo: int | None = None, at_us: int | None = None) -> dict[str, Any]:
        """Attributes of the first entry of an MMSI that has them: what is claimed of a ship that said nothing yet.

        Of entries that are valid at a time; None for any.
        """
        told: dict[str, Any] = {}
        for entry in self.entries(mmsi, imo, at_us):
            for name in TOLD:
                if entry[name] is not None:
                    told.setdefault(name, entry[name])
        return told


def _valid(entry: Mapping[str, Any], at_us: int) -> bool:
    begins, ends = entry["valid_from"], entry["valid_to"]
    at_s = at_us / 1e6
    return (begins is None or begins.timestamp() <= at_s) and (ends is None or at_s < ends.timestamp())


def contradictions(claim: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where a claim is at odds with itself or with a register.

    Parameters
    ----------
    claim
        ``mmsi``, ``imo``, ``name``, ``call_sign``, ``length_m`` as the track carries them.
    entries
        Register rows of the ship, as `Registry.entries` gives them.

    Returns
    -------
    list
        ``claim`` (which attribute), ``value``, ``other``, ``source`` and ``text``.
    """
    found: list[dict[str, Any]] = []
    mmsi, imo = claim.get("mmsi"), claim.get("imo")
    if imo is not None and int(imo) <= IMO_MAX and not imo_valid(int(imo)):
        found.append(_odd("imo", imo, None, "check digit", f"IMO {imo} fails its check digit"))
    if mmsi is not None and flag_of(mmsi) is None:
        found.append(_odd("mmsi", mmsi, None, "ITU", f"MMSI {mmsi} has digits of no administration"))
    for entry in entries:
        source = str(entry["source"])
        pairs = [(name, claim.get(name), entry.get(name)) for name in ("mmsi", "imo", "name", "call_sign")]
        pairs.append(("flag", flag_of(mmsi), entry.get("flag")))
        for name, said, written in pairs:
            if said is not None and written is not None and _plain(said) != _plain(written):
                found.append(_odd(name, said, written, source, f"claims {name} {said}, {source} has {written}"))
        said, written = claim.get("length_m"), entry.get("length_m")
        if said and written and abs(said - written) > LENGTH_TOLERANCE * max(said, written):
            found.append(_odd("length_m", said, written, source, f"claims {said:.0f} m, {source} has {written:.0f} m"))
    return found


def imo_valid(imo: int) -> bool:
    """True for an IMO number whose check digit holds (IMO resolution A.1117(30))."""
    if not IMO_MIN <= imo <= IMO_MAX:
        return False
    return sum(int(d) * w for d, w in zip(str(imo), range(7, 1, -1), strict=False)) % 10 == imo % 10


def _odd(claim: str, value: Any, other: Any, source: str, text: str) -> dict[str, Any]:
    return {"claim": claim, "value": value, "other": other, "source": source, "text": text}


def _plain(value: Any) -> str:
    return "".join(c for c in str(value).upper() if c.isalnum())
