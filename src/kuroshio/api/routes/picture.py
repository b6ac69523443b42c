"""The picture: tracks, target cards, alerts, feeds, zones, and what an operator does to them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from kuroshio.api import wire
from kuroshio.api.access import AsAnyone, AsDrafter, AsFeed, AsHealth, AsPicture, AsWatch
from kuroshio.api.filters import Filters, filters
from kuroshio.api.intake import intake_of
from kuroshio.api.models import (
    Alert,
    Card,
    Done,
    Features,
    Feed,
    Info,
    Judgement,
    Pushed,
    RecordStatus,
    TrackList,
)
from kuroshio.api.models_alerts import AlertRule, AlertStory
from kuroshio.api.models_record import Knew
from kuroshio.api.reply import BASE, PROBLEMS, KnownAt, Name, Viewpoint, check_time, gate_of, node_of, party, reply
from kuroshio.api.track_models import Operation, OperationRow, Story
from kuroshio.clock import rfc3339
from kuroshio.errors import InputError
from kuroshio.record import knew_page

router = APIRouter(prefix=BASE, responses=PROBLEMS)

ARROW = "application/vnd.apache.arrow.stream"
GEOJSON = "application/geo+json"
TRACK_CONTENT: dict[str, Any] = {
    ARROW: {"schema": {"type": "string", "format": "binary"}},
    GEOJSON: {"schema": {"type": "object"}},
}


@router.get("/info", tags=["node"], response_model=Info, summary="Identity and state of the node")
async def info(request: Request, *, caller: AsAnyone) -> Response:
    """Party, mode, version, time, viewpoints and where the map starts."""
    return reply(node_of(request).info())


@router.get(
    "/tracks",
    tags=["picture"],
    response_model=TrackList,
    responses={200: {"description": "Live tracks; header X-Sequence.", "content": TRACK_CONTENT}},
    summary="Live tracks",
)
async def tracks(
    request: Request,
    chosen: Annotated[Filters, Depends(filters)],
    viewpoint: Viewpoint = None,
    format: Annotated[Literal["arrow", "json", "geojson"], Query()] = "arrow",
    *,
    caller: AsPicture,
) -> Response:
    """All live tracks as an Arrow IPC stream, JSON or GeoJSON."""
    node = node_of(request)

    def answer() -> Response:
        seq, table = node.snapshot(party(viewpoint))
        columns = chosen.apply(wire.wire_table(table))
        headers = {"X-Sequence": str(seq)}
        if format == "arrow":
            meta = {"seq": str(seq), "kind": "snapshot", "removed": "", "now_us": str(node.now_us())}
            return Response(wire.ipc_bytes(columns, meta), headers=headers, media_type=ARROW)
        if format == "json":
            listed = {"seq": seq, "now": rfc3339(node.now_us()), "tracks": wire.json_rows(columns)}
            return reply(listed, headers=headers)
        response = reply(wire.geojson(columns, now_us=node.now_us(), seq=seq), headers=headers)
        response.headers["content-type"] = GEOJSON
        return response

    return await asyncio.to_thread(answer)  # a large picture as text takes a second


@router.get("/tracks/{track_id}", tags=["picture"], response_model=Card, summary="Target card")
async def target(
    request: Request,
    track_id: Annotated[int, Path(ge=-(2**63), lt=2**63)],
    viewpoint: Viewpoint = None,
    *,
    caller: AsPicture,
) -> Response:
    """Everything known of one track, each value with its source and time; 404 also when it is withheld."""
    return reply(await asyncio.to_thread(node_of(request).target, track_id, party(viewpoint)))


@router.get("/tracks/{track_id}/story", tags=["picture"], response_model=Story, summary="Why a track is what it is")
async def story(
    request: Request, track_id: Annotated[int, Path(ge=-(2**63), lt=2**63)], *, caller: AsPicture
) -> Response:
    """Reports that fed a track, gates, events, identity from when to when, and what operators did."""
    return reply(await asyncio.to_thread(node_of(request).story, track_id))


@router.get("/alerts", tags=["alerts"], response_model=list[Alert], summary="Alert queue")
async def alerts(
    request: Request,
    viewpoint: Viewpoint = None,
    open: Annotated[bool, Query(description="Only alerts that go on.")] = False,
    known_at: KnownAt = None,
    *,
    caller: AsPicture,
) -> Response:
    """Alerts newest first, with evidence and verdicts; with ``known_at`` as the watch saw them then."""
    known = check_time(known_at, "known_at")
    return reply(await asyncio.to_thread(node_of(request).alerts, party(viewpoint), open_only=open, known_at=known))


@router.get("/alerts/rules", tags=["alerts"], response_model=list[AlertRule], summary="How often each rule was right")
async def alert_rules(request: Request, known_at: KnownAt = None, *, caller: AsPicture) -> Response:
    """Alerts and verdicts of each definition, and its precision: the share of those judged that was true."""
    known = check_time(known_at, "known_at")
    return reply(await asyncio.to_thread(node_of(request).alert_rules, known_at=known))


@router.get("/alerts/{alert_id}", tags=["alerts"], response_model=AlertStory, summary="One alert and its changes")
async def alert(request: Request, alert_id: Name, known_at: KnownAt = None, *, caller: AsPicture) -> Response:
    """Its evidence, every change of it with the time the node knew, and the verdicts; 404 before it was known."""
    known = check_time(known_at, "known_at")
    return reply(await asyncio.to_thread(node_of(request).alert, alert_id, known_at=known))


@router.post("/alerts/{alert_id}/verdict", tags=["alerts"], response_model=Done, summary="Judge an alert")
async def judge(
    request: Request,
    alert_id: Name,
    body: Judgement,
    *,
    caller: AsWatch,
) -> Response:
    """Record a person's verdict; ``silenced`` needs ``until``."""
    until = check_time(body.until, "until")
    if body.verdict == "silenced" and until is None:
        raise InputError("until: a silenced alert needs a time", code="input.time", advice="Give until in RFC 3339.")
    detail = {"alert": alert_id, "verdict": body.verdict, "until": until}
    async with gate_of(request).audited(request, caller, "verdict", detail):
        judge_alert = node_of(request).judge_alert
        await asyncio.to_thread(judge_alert, alert_id, body.verdict, by=caller.name, note=body.note, until=until)
    return reply({"alert_id": alert_id, "verdict": body.verdict, "by": caller.name})


@router.get("/feeds", tags=["node"], response_model=list[Feed], summary="Health of the sources")
async def feeds(request: Request, *, caller: AsHealth) -> Response:
    """Last message, rate against norm, rejects and silence of each source."""
    return reply(node_of(request).feeds())


@router.get("/zones", tags=["picture"], response_model=Features, summary="Zones and sensors")
async def zones(request: Request, *, caller: AsPicture) -> Response:
    """Zones, sensors and their coverage as GeoJSON."""
    response = reply(node_of(request).zones())
    response.headers["content-type"] = GEOJSON
    return response


@router.get("/coverage", tags=["picture"], response_model=Features, summary="Where sensors look")
async def coverage(request: Request, *, caller: AsPicture) -> Response:
    """Cells as GeoJSON with the probability that each sensor sees a ship there; elsewhere there is no sensor."""
    response = reply(await asyncio.to_thread(node_of(request).coverage))
    response.headers["content-type"] = GEOJSON
    return response


@router.get("/record", tags=["node"], response_model=RecordStatus, summary="State of the release record")
async def record(request: Request, *, caller: AsHealth) -> Response:
    """Size, root, last checkpoint and cosignatures."""
    return reply(node_of(request).record_status())


@router.get("/record/knew", tags=["node"], response_model=Knew, summary="What a party knew at a time, and why")
async def knew(
    request: Request,
    party: Annotated[str, Query(pattern=r"^[A-Za-z0-9_.-]{1,32}$")],
    at: Annotated[str, Query(description="RFC 3339")],
    format: Annotated[Literal["json", "html"], Query(description="html: a page that holds the same JSON")] = "json",
    *,
    caller: AsDrafter,
) -> Response:
    """From the record alone: each release to the party by then, its state, clause and proof, signed by this node."""
    when = check_time(at, "at")
    signed = await asyncio.to_thread(node_of(request).record_knew, party, at=str(when))
    if format == "html":
        return HTMLResponse(knew_page(signed), headers={"content-disposition": f'inline; filename="knew-{party}.html"'})
    return reply(signed)


@router.post(
    "/push/{source}",
    tags=["node"],
    response_model=Pushed,
    status_code=202,
    summary="Send bytes of a push source",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def push(
    request: Request,
    source: Name,
    *,
    caller: AsFeed,
) -> Response:
    """Take bytes as a source declared in the node's file; the answer comes when they are durable.

    A body may be gzip (Content-Encoding). It must come within a minute, and inflate to no more than the limit of a
    body; beyond what the node takes at once, or the source's rate, the answer is 429 with Retry-After.
    """
    async with intake_of(request).body(request) as data:
        return reply(await _push(request, source, data), 202)


async def _push(request: Request, source: str, data: bytes) -> dict[str, Any]:
    if not data:
        raise InputError("the body is empty", code="input.empty", advice="Send the sentences as the body.")
    return await asyncio.to_thread(node_of(request).push, source, data)


@router.post("/operate", tags=["picture"], response_model=Done, summary="Act on tracks")
async def operate(request: Request, body: Operation, *, caller: AsWatch) -> Response:
    """Merge, split, correlate, decorrelate, name, classify, drop or undo; automatic code does not undo it."""
    async with gate_of(request).audited(request, caller, f"operate {body.action}", body.arguments):
        result = await asyncio.to_thread(node_of(request).operate, body.action, body.arguments, by=caller.name)
    return reply(result)


@router.get("/operations", tags=["picture"], response_model=list[OperationRow], summary="What operators did to tracks")
async def operations(request: Request, *, caller: AsPicture) -> Response:
    """Actions newest first, each with who, when, its tracks, and what undid it."""
    return reply(await asyncio.to_thread(node_of(request).operations))
