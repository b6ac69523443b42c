"""What ships say they are: static reports as claims with their versions.

What enters: tables of the STATICS schema. What leaves: for each MMSI the newest claim, its number among all versions
ever heard (so that a track's line keeps the claim of its time), and the antenna's place on the ship.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.picture.identity import Statics
from kuroshio.picture.mid import flag_of
from kuroshio.picture.registry import TOLD, Registry
from kuroshio.schema import STATICS
from kuroshio.units import IntArray

LENGTH_MAX_M = 460.0  # the longest ship built is 458 m
CLAIMS_MAX = 4_000_000


@dataclass(frozen=True)
class Claim:
    """One version of what an MMSI says of itself; None where it did not say."""

    mmsi: int = 0
    name: str | None = None
    call_sign: str | None = None
    imo: int | None = None
    ship_type: int | None = None
    length_m: float | None = None
    ahead_m: float | None = None
    right_m: float | None = None


class ClaimBook:
    """Versions of claims, and the newest by MMSI. Version 0 says nothing.

    A claim is what an operator said of an MMSI, then what the ship says, then what a register has.

    Parameters
    ----------
    registry
        Register entries, for ships that have said nothing themselves.
    """

    def __init__(self, registry: Registry | None = None) -> None:
        self.versions: list[Claim] = [Claim()]
        self.newest: dict[int, int] = {}
        self.registry = registry or Registry()
        self.fixed: dict[int, dict[str, Any]] = {}  # by MMSI, what an operator said
        self.heard: dict[int, tuple[Claim, str, int, int]] = {}  # by MMSI: claim, source, first and last heard in us
        self._statics: Statics | None = None
        self.refused = 0
        self._at_us: int | None = None  # time for which registers are read
        self._until_us = -(1 << 62)
        for mmsi in self.registry.mmsis:
            self._compose(mmsi)

    def date(self, at_us: int) -> bool:
        """Read registers for another time; True when a claim changed."""
        if at_us < self._until_us and self._at_us is not None and at_us >= self._at_us:
            return False
        self._at_us, self._until_us = at_us, self.registry.until_us(at_us)
        before = len(self.versions)
        mmsis, imos = self.registry.dated()
        mmsis |= {mmsi for mmsi, (claim, *_) in self.heard.items() if claim.imo in imos} if imos else set()
        for mmsi in sorted(mmsis):
            self._compose(mmsi)
        return len(self.versions) > before

    def hear(self, table: pa.Table) -> None:
        """Take static reports in order; a report that says nothing new makes no version."""
        table = STATICS.conform(table)
        columns = ("mmsi", "name", "call_sign", "imo", "ship_type", "to_bow_m", "to_stern_m", "to_port_m")
        data = [table.column(c).to_pylist() for c in (*columns, "to_starboard_m", "source")]
        data.append(table.column("observed_at").cast(pa.int64()).fill_null(0).to_pylist())
        # a Python loop: static reports come every 6 minutes a ship
        for mmsi, name, call, imo, kind, bow, stern, port, starboard, source, at_us in zip(*data, strict=True):
            if not mmsi:
                continue
            old, _, first_us, _ = self.heard.get(mmsi, (Claim(), "", at_us, at_us))
            length, ahead, right = _fit(bow, stern, port, starboard)
            new = Claim(
                int(mmsi),
                name or old.name,
                call or old.call_sign,
                int(imo) if imo else old.imo,
                int(kind) if kind else old.ship_type,
                length if length is not None else old.length_m,
                ahead if length is not None else old.ahead_m,
                right if length is not None else old.right_m,
            )
            self.heard[int(mmsi)] = (new, str(source or ""), first_us, at_us)
            if new != old:
                self._compose(int(mmsi))

    def fix(self, mmsi: int, values: dict[str, Any]) -> None:
        """What an operator says of an MMSI from now on; empty for nothing."""
        self.fixed[mmsi] = values
        if not values:
            del self.fixed[mmsi]
        self._compose(mmsi)

    def _compose(self, mmsi: int) -> None:
        """Make a new version of an MMSI's claim where it says something new."""
        said = asdict(self.heard[mmsi][0]) if mmsi in self.heard else {}
        told = self.registry.told(mmsi, said.get("imo"), self._at_us)
        values = {"mmsi": mmsi, **told, **{k: v for k, v in said.items() if v is not None}, **self.fixed.get(mmsi, {})}
        new = Claim(**values)
        if new == self.versions[self.newest.get(mmsi, 0)]:
            return
        if len(self.versions) >= CLAIMS_MAX:
            self.refused += 1
            return
        self.newest[mmsi] = len(self.versions)
        self.versions.append(new)
        self._statics = None

    def override(self, base: int, current: int, **values: Any) -> int:
        """Number of the version that is ``base`` with other values: ``current`` where that is it already."""
        new = Claim(**{**asdict(self.versions[base]), **values})
        if new == self.versions[current]:
            return current
        self.versions.append(new)
        return len(self.versions) - 1

    def sources(self, mmsi: int | None, at_us: int) -> list[dict[str, Any]]:
        """What each source says of an MMSI: operator, its own static reports, and registers valid at a time.

        Returns
        -------
        list
            ``claim``, ``value``, ``source``, ``first_us``, ``last_us`` (null where it is always so).
        """
        rows: list[dict[str, Any]] = []

        def add(source: str, values: Mapping[str, Any], first_us: int | None, last_us: int | None) -> None:
            said = {name: values.get(name) for name in (*TOLD, "flag")}
            times = {"first_us": first_us, "last_us": last_us}
            rows.extend({"claim": k, "value": v, "source": source, **times} for k, v in said.items() if v is not None)

        if mmsi is None:
            return rows
        add("operator", self.fixed.get(mmsi, {}), None, None)
        claim, source, first_us, last_us = self.heard.get(mmsi, (Claim(), "", 0, 0))
        add(source or "AIS", asdict(claim), first_us, last_us)
        for entry in self.registry.entries(mmsi, claim.imo, at_us):
            ends = [None if t is None else round(t.timestamp() * 1e6) for t in (entry["valid_from"], entry["valid_to"])]
            add(str(entry["source"]), entry, *ends)
        return rows

    def meta(self) -> dict[str, Any]:
        """All but the registry, for a checkpoint."""
        return {
            "at_us": self._at_us,
            "versions": [list(asdict(c).values()) for c in self.versions],
            "newest": list(self.newest.items()),
            "fixed": list(self.fixed.items()),
            "heard": [[mmsi, list(asdict(claim).values()), *rest] for mmsi, (claim, *rest) in self.heard.items()],
        }

    def restore(self, meta: dict[str, Any]) -> bool:
        """Take the state back, under the registry of now; True when that says otherwise than the one of then."""
        self.versions = [Claim(*c) for c in meta["versions"]]
        self.newest = {int(k): int(v) for k, v in meta["newest"]}
        self.fixed = {int(k): v for k, v in meta["fixed"]}
        self.heard = {mmsi: (Claim(*c), source, first, last) for mmsi, c, source, first, last in meta["heard"]}
        self._statics = None
        self._at_us = meta.get("at_us")
        self._until_us = -(1 << 62) if self._at_us is None else self.registry.until_us(self._at_us)
        before = len(self.versions)
        for mmsi in sorted({*self.newest, *self.registry.mmsis}):
            claim, *_ = self.heard.get(mmsi, (Claim(mmsi),))
            told = mmsi in self.fixed or self.registry.has(mmsi, claim.imo)
            if told or self.versions[self.newest.get(mmsi, 0)] != claim:
                self._compose(mmsi)
        return len(self.versions) > before

    @property
    def statics(self) -> Statics:
        """The newest claims as sorted arrays for kernels."""
        if self._statics is None:
            mmsi = np.array(sorted(self.newest), np.int64)
            claim = np.array([self.newest[int(m)] for m in mmsi], np.int32)
            fit = np.full((len(mmsi), 3), np.nan)
            for k, version in enumerate(claim):
                c = self.versions[version]
                if c.length_m is not None:
                    fit[k] = (np.nan if c.ahead_m is None else c.ahead_m, c.right_m or 0.0, c.length_m)
            self._statics = Statics(mmsi, claim, fit)
        return self._statics

    def columns(self, versions: Any) -> dict[str, Any]:
        """Arrow columns name, call_sign, imo, ship_type, ship_class, length_m of the versions, null where not said."""
        used, index = np.unique(np.asarray(versions, np.int64), return_inverse=True)
        said = [self.versions[int(v)] for v in used]
        take = pa.array(index.ravel())
        types = {"name": pa.string(), "call_sign": pa.string(), "imo": pa.int64(), "ship_type": pa.int16()}
        types["length_m"] = pa.float64()
        columns = {name: pa.array([getattr(c, name) for c in said], kind).take(take) for name, kind in types.items()}
        columns["ship_class"] = pa.array([class_of(c.ship_type) for c in said], pa.string()).take(take)
        return columns


def flags_of(mmsi: IntArray) -> pa.Array:
    """Flag that each MMSI claims, null for none."""
    used, index = np.unique(mmsi, return_inverse=True)
    return pa.array([flag_of(int(m)) for m in used], pa.string()).take(pa.array(index.ravel()))


# M.1371-5, annex 8, table 53: type of ship and cargo
_CLASSES = {30: "fishing", 31: "towing", 32: "towing", 33: "dredger", 34: "diving", 35: "military", 36: "sailing"}
_CLASSES |= {37: "pleasure", 50: "pilot", 51: "rescue", 52: "tug", 53: "tender", 54: "anti_pollution"}
_CLASSES |= {55: "law_enforcement", 58: "medical"}
_TENS = {2: "wing_in_ground", 4: "high_speed", 6: "passenger", 7: "cargo", 8: "tanker", 9: "other"}


def class_of(ship_type: int | None) -> str | None:
    """Class of a type of ship, None where it says none."""
    if ship_type is None:
        return None
    return _CLASSES.get(ship_type) or _TENS.get(ship_type // 10)


def _fit(bow: Any, stern: Any, port: Any, starboard: Any) -> tuple[float | None, float | None, float | None]:
    """(length, metres from the antenna ahead to the centre, metres to the right of it)."""
    if bow is None or stern is None or not 0 < bow + stern <= LENGTH_MAX_M:
        return None, None, None
    if bow == 0 or stern == 0:  # one end only: the reference point was not given (M.1371-5, message 5, dimension)
        return float(bow + stern), None, None
    right = 0.0 if port is None or starboard is None else (starboard - port) / 2.0
    return float(bow + stern), (bow - stern) / 2.0, float(right)
