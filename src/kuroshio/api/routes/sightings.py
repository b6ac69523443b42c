"""What people saw: the form of the page, and any program that speaks for a person."""

from __future__ import annotations

import asyncio

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from kuroshio.api.access import AsWatch
from kuroshio.api.models_sightings import Sighted, Sighting
from kuroshio.api.reply import BASE, PROBLEMS, check_time, gate_of, node_of, reply
from kuroshio.api.wire import ellipse_95
from kuroshio.clock import rfc3339
from kuroshio.units import US_PER_S

router = APIRouter(prefix=BASE, responses=PROBLEMS)


@router.post("/sightings", tags=["picture"], response_model=Sighted, status_code=201, summary="Report a sighting")
async def sight(request: Request, body: Sighting, *, caller: AsWatch) -> Response:
    """Put what a person saw into the picture, with its own error; the answer comes when it is durable."""
    fields = body.model_dump(exclude_none=True)
    check_time(body.time, "time")
    async with gate_of(request).audited(request, caller, "sighting", fields):
        row = await asyncio.to_thread(node_of(request).sight, fields, by=caller.name)
    cov = (np.array([row[name]]) for name in ("cov_ee_m2", "cov_en_m2", "cov_nn_m2"))
    major, minor, angle = (float(part[0]) for part in ellipse_95(*cov))
    told = {
        "source": row["source"],
        "observed_at": rfc3339(round(row["observed_at"].timestamp() * US_PER_S)),
        "lat_deg": row["lat_deg"],
        "lon_deg": row["lon_deg"],
        "ellipse_major_m": major,
        "ellipse_minor_m": minor,
        "ellipse_angle_deg": angle,
    }
    return reply(told, 201)
