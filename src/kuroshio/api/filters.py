"""Filters of the picture, shared by `/tracks` and the export: which rows of a wire table are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Query

from kuroshio.api.wire import SENSOR_BITS, STATUS_CODES
from kuroshio.errors import InputError
from kuroshio.schema import FLAG_CONFLICT, FLAG_DARK, FLAG_DRAG, FLAG_UNCORROBORATED
from kuroshio.units import BoolArray

FLAG_BITS = {
    "dark": FLAG_DARK,
    "uncorroborated": FLAG_UNCORROBORATED,
    "conflict": FLAG_CONFLICT,
    "drag": FLAG_DRAG,
}
Status = Literal["tentative", "confirmed", "coasted", "ended"]
Sensor = Literal["ais", "radar", "image", "vms", "human", "partner"]
Flag = Literal["dark", "uncorroborated", "conflict", "drag"]


@dataclass(frozen=True)
class Filters:
    """Conditions that all must hold; within one that may be given again, any of its values."""

    box: tuple[float, float, float, float] | None = None
    status: tuple[str, ...] = ()
    sensor: tuple[str, ...] = ()
    flag: tuple[str, ...] = ()
    mmsi: tuple[int, ...] = ()
    partner: str | None = None
    name: str | None = None
    exercise: bool | None = None

    def apply(self, table: pa.Table) -> pa.Table:
        """Rows of a wire table that are asked for, in their order."""
        keep: BoolArray = np.ones(table.num_rows, dtype=np.bool_)
        if self.box is not None:
            west, south, east, north = self.box
            lat, lon = table.column("lat_deg").to_numpy(), table.column("lon_deg").to_numpy()
            across = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
            keep &= (lat >= south) & (lat <= north) & across
        if self.status:
            keep &= np.isin(table.column("status").to_numpy(), [STATUS_CODES[word] for word in self.status])
        if self.sensor:
            keep &= (table.column("sensors").to_numpy() & sum(SENSOR_BITS[word] for word in self.sensor)) != 0
        if self.flag:
            keep &= (table.column("flags").to_numpy() & sum(FLAG_BITS[word] for word in self.flag)) != 0
        if self.mmsi:
            keep &= np.isin(table.column("mmsi").to_numpy(), self.mmsi)
        if self.partner is not None:
            keep &= _true(pc.equal(table.column("partner"), self.partner))
        if self.name:
            keep &= _true(pc.match_substring(table.column("name"), self.name, ignore_case=True))
        if self.exercise is not None:
            keep &= _true(pc.equal(table.column("exercise"), self.exercise))
        return table if keep.all() else table.filter(pa.array(keep))


def parse_box(text: str) -> tuple[float, float, float, float]:
    """(west, south, east, north) of ``"119,15,124,22.5"``; west greater than east crosses the antimeridian."""
    advice = "Write west,south,east,north in degrees, such as box=119,15,124,22.5."
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as err:
        raise InputError(f"box: not four numbers: {text[:80]!r}", code="input.box", advice=advice) from err
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise InputError(f"box: not west,south,east,north in degrees: {text[:80]!r}", code="input.box", advice=advice)
    return west, south, east, north


def filters(
    box: Annotated[
        str | None, Query(max_length=120, description="west,south,east,north in degrees; may cross the antimeridian")
    ] = None,
    status: Annotated[list[Status] | None, Query()] = None,
    sensor: Annotated[list[Sensor] | None, Query(description="held by any of these")] = None,
    flag: Annotated[list[Flag] | None, Query(description="with any of these")] = None,
    mmsi: Annotated[list[int] | None, Query(max_length=1000)] = None,
    partner: Annotated[str | None, Query(max_length=32, description="tracks received from this party")] = None,
    name: Annotated[str | None, Query(max_length=64, description="part of the name claimed")] = None,
    exercise: Annotated[bool | None, Query(description="exercise data only, or none of it")] = None,
) -> Filters:
    """Filters of a request's query."""
    return Filters(
        parse_box(box) if box else None,
        tuple(status or ()),
        tuple(sensor or ()),
        tuple(flag or ()),
        tuple(n for n in mmsi or () if -(2**63) <= n < 2**63),
        partner,
        name,
        exercise,
    )


def _true(values: pa.ChunkedArray) -> BoolArray:
    return np.asarray(values.fill_null(False).to_numpy(), dtype=np.bool_)
