"""Shapes of a person's sighting on the wire, with the bounds of each field."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kuroshio.api.models import Answer, Request, Time


class Sighting(Request):
    """What a person saw: a place, or a bearing and a distance from where the person stood."""

    time: Annotated[str, Field(max_length=40)] | None = None
    position: Annotated[str, Field(max_length=80, description="20-30.5N 121-45.2E, or 20.508, 121.753")] | None = None
    lat_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    bearing_deg: Annotated[float, Field(ge=0, le=360)] | None = None
    distance_m: Annotated[float, Field(ge=0, le=100_000)] | None = None
    error_m: Annotated[float, Field(ge=1, le=200_000, description="one sigma")] | None = None
    course_deg: Annotated[float, Field(ge=0, le=360)] | None = None
    speed_mps: Annotated[float, Field(ge=0, le=60)] | None = None
    length_m: Annotated[float, Field(ge=1, le=600)] | None = None
    mmsi: Annotated[int, Field(ge=1, le=999_999_999)] | None = None
    observer: Annotated[str, Field(max_length=64)] | None = None
    name: Annotated[str, Field(max_length=80)] | None = None
    remarks: Annotated[str, Field(max_length=2000)] | None = None


class Sighted(Answer):
    """The observation that a sighting became, with the 95 % ellipse of its error."""

    source: str
    observed_at: Time
    lat_deg: float
    lon_deg: float
    ellipse_major_m: float
    ellipse_minor_m: float
    ellipse_angle_deg: float
