"""Files of the picture as it is filtered on the screen."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from kuroshio.api import wire
from kuroshio.api.access import AsPicture
from kuroshio.api.auth import address_of
from kuroshio.api.export import FORMATS, About
from kuroshio.api.filters import Filters, filters
from kuroshio.api.reply import BASE, PROBLEMS, KnownAt, Name, Viewpoint, check_time, gate_of, node_of, party
from kuroshio.clock import rfc3339

router = APIRouter(prefix=BASE, responses=PROBLEMS)

PACK = "application/zip"
CONTENT = {kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for kind, _ in FORMATS.values()}


@router.get(
    "/export/tracks.{format}",
    tags=["picture"],
    response_class=Response,
    responses={200: {"description": "One file.", "content": CONTENT}},
    summary="Picture as a file",
)
async def export(
    request: Request,
    format: Annotated[Literal["csv", "geojson", "kml", "cot", "parquet"], Path()],
    chosen: Annotated[Filters, Depends(filters)],
    viewpoint: Viewpoint = None,
    *,
    caller: AsPicture,
) -> Response:
    """The filtered picture as CSV, GeoJSON, KML, Cursor on Target or Parquet, for own people; noted in the log."""
    node, view = node_of(request), party(viewpoint)
    seq, tracks = await asyncio.to_thread(node.snapshot, view)
    table = chosen.apply(await asyncio.to_thread(wire.wire_table, tracks))
    info = node.info()
    about = About(str(info.get("party", "")), view, seq, node.now_us(), str(info.get("notice") or ""))
    media_type, write = FORMATS[format]
    data = await asyncio.to_thread(write, table, about)
    detail = {"format": format, "viewpoint": view, "rows": table.num_rows, "query": str(request.url.query)[:500]}
    await gate_of(request).note(caller.name, "export", "ok", address_of(request), detail)
    stamp = re.sub(r"[-:]|\.\d+", "", rfc3339(about.now_us))
    name = re.sub(r"[^A-Za-z0-9_-]", "_", f"tracks-{about.party}{'-as-' + view if view else ''}-{stamp}")
    headers = {"Content-Disposition": f'attachment; filename="{name}.{format}"', "X-Sequence": str(seq)}
    return Response(data, headers=headers, media_type=media_type)


@router.get(
    "/alerts/{alert_id}/pack",
    tags=["alerts"],
    response_class=Response,
    responses={200: {"description": "A pack.", "content": {PACK: {"schema": {"type": "string", "format": "binary"}}}}},
    summary="Evidence pack of an alert",
)
async def pack(request: Request, alert_id: Name, known_at: KnownAt = None, *, caller: AsPicture) -> Response:
    """One file that shows an own alert and gives it again offline; refused where the stored rows do not make it."""
    known = check_time(known_at, "known_at")
    detail = {"alert": alert_id, "known_at": known}
    async with gate_of(request).audited(request, caller, "pack", detail):
        data = await asyncio.to_thread(node_of(request).alert_pack, alert_id, known_at=known)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", alert_id)
    headers = {"Content-Disposition": f'attachment; filename="{name}.evidence"'}
    return Response(data, headers=headers, media_type=PACK)
