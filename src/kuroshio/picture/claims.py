"""What ships say they are: static reports as claims with their versions.

What enters: tables of the STATICS schema. What leaves: for each MMSI the newest claim, its number among all versions
ever heard (so that a track's line keeps the claim of its time), and the antenna's place on the ship.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.picture.identity import Statics
from kuroshio.schema import STATICS

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


def imo_valid(imo: int) -> bool:
    """True when the check digit of an IMO number holds (IMO resolution A.1117(30))."""
    digits = f"{imo:07d}"
    return len(digits) == 7 and sum(int(d) * w for d, w in zip(digits, range(7, 1, -1), strict=False)) % 10 == imo % 10


class ClaimBook:
    """Versions of claims, and the newest by MMSI. Version 0 says nothing."""

    def __init__(self) -> None:
        self.versions: list[Claim] = [Claim()]
        self.newest: dict[int, int] = {}
        self._statics: Statics | None = None
        self.refused = 0

    def hear(self, table: pa.Table) -> None:
        """Take static reports in order; a report that says nothing new makes no version."""
        table = STATICS.conform(table)
        columns = ("mmsi", "name", "call_sign", "imo", "ship_type", "to_bow_m", "to_stern_m", "to_port_m")
        data = [table.column(c).to_pylist() for c in (*columns, "to_starboard_m")]
        # a Python loop: static reports come every 6 minutes a ship
        for mmsi, name, call, imo, kind, bow, stern, port, starboard in zip(*data, strict=True):
            if not mmsi:
                continue
            old = self.versions[self.newest.get(mmsi, 0)]
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
            if new != old:
                if len(self.versions) >= CLAIMS_MAX:
                    self.refused += 1
                    continue
                self.newest[int(mmsi)] = len(self.versions)
                self.versions.append(new)
                self._statics = None

    def override(self, version: int, **values: Any) -> int:
        """Number of a new version with values an operator gave."""
        fields = asdict(self.versions[version])
        fields.update(values)
        self.versions.append(Claim(**fields))
        return len(self.versions) - 1

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
                    fit[k] = (c.ahead_m or 0.0, c.right_m or 0.0, c.length_m)
            self._statics = Statics(mmsi, claim, fit)
        return self._statics

    def columns(self, versions: Any) -> dict[str, Any]:
        """Arrow columns name, call_sign, imo, ship_type, length_m of the versions, null where not said."""
        used, index = np.unique(np.asarray(versions, np.int64), return_inverse=True)
        said = [self.versions[int(v)] for v in used]
        take = pa.array(index.ravel())
        types = {"name": pa.string(), "call_sign": pa.string(), "imo": pa.int64(), "ship_type": pa.int16()}
        types["length_m"] = pa.float64()
        return {name: pa.array([getattr(c, name) for c in said], kind).take(take) for name, kind in types.items()}


def _fit(bow: Any, stern: Any, port: Any, starboard: Any) -> tuple[float | None, float | None, float | None]:
    """(length, metres from the antenna ahead to the centre, metres to the right of it)."""
    if bow is None or stern is None or not 0 < bow + stern <= LENGTH_MAX_M:
        return None, None, None
    if bow == 0 or stern == 0:  # one end only: the reference point was not given (M.1371-5, message 5, dimension)
        return float(bow + stern), 0.0, 0.0
    right = 0.0 if port is None or starboard is None else (starboard - port) / 2.0
    return float(bow + stern), (bow - stern) / 2.0, float(right)
