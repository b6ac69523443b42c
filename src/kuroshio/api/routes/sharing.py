"""Sharing: partners, releases, recalls, consents, agreements, and why a thing is withheld."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from kuroshio.api.access import AsAsker, AsConsenter, AsDrafter, AsHealth, AsPicture, AsRelease
from kuroshio.api.auth import check_roles
from kuroshio.api.models import (
    Accord,
    Done,
    DryRun,
    Partner,
    Why,
    Withheld,
)
from kuroshio.api.models_accord import Agreement
from kuroshio.api.models_sharing import Consent, Pending, Recall, Release, Tighten
from kuroshio.api.reply import BASE, PROBLEMS, Name, check_time, gate_of, node_of, reply
from kuroshio.errors import NotFound
from kuroshio.store import ROLES

router = APIRouter(prefix=BASE, responses=PROBLEMS, tags=["sharing"])

PARTY = r"^[A-Za-z0-9_.-]{1,32}$"


@router.get("/partners", response_model=list[Partner], summary="Health of the partners")
async def partners(request: Request, *, caller: AsHealth) -> Response:
    """Last item, undelivered, withdrawn but unconfirmed, for each partner and direction."""
    return reply(node_of(request).partners())


@router.get("/releases", response_model=list[Release], summary="Releases")
async def releases(
    request: Request,
    to: Annotated[str | None, Query(pattern=PARTY)] = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 200,
    *,
    caller: AsPicture,
) -> Response:
    """Releases newest first with clause, obligations and state."""
    return reply(node_of(request).releases(to=to, limit=limit))


@router.post("/releases/{release_id}/recall", response_model=Done, summary="Recall a release")
async def recall(
    request: Request,
    release_id: Name,
    body: Recall,
    *,
    caller: AsRelease,
) -> Response:
    """Withdraw a release; the partner's receipt is awaited and shown."""
    detail = {"release": release_id, "reason": body.reason}
    async with gate_of(request).audited(request, caller, "recall", detail):
        result = await asyncio.to_thread(node_of(request).recall, release_id, by=caller.name, reason=body.reason)
    return reply(result)


@router.post("/releases/{release_id}/tighten", response_model=Done, summary="End the retention of a release earlier")
async def tighten(
    request: Request,
    release_id: Name,
    body: Tighten,
    *,
    caller: AsRelease,
) -> Response:
    """Let a release end earlier at its partner; the receipt is awaited and shown. An end cannot be made later."""
    check_time(body.retain_until, "retain_until")
    detail = {"release": release_id, "retain_until": body.retain_until, "reason": body.reason}
    named = {"by": caller.name, "reason": body.reason}
    async with gate_of(request).audited(request, caller, "tighten", detail):
        result = await asyncio.to_thread(node_of(request).tighten, release_id, body.retain_until, **named)
    return reply(result)


@router.get("/pending", response_model=list[Pending], summary="Decisions that wait")
async def pending(request: Request, *, caller: AsPicture) -> Response:
    """Items whose release waits for a person of a named role."""
    return reply(await asyncio.to_thread(node_of(request).pending))


@router.post("/pending/{item_id}/{party}", response_model=Done, summary="Answer a pending decision")
async def consent(
    request: Request,
    item_id: Name,
    party: Annotated[str, Path(pattern=PARTY)],
    body: Consent,
    *,
    caller: AsConsenter,
) -> Response:
    """Grant or refuse; only the role that the clause names may answer, and the answer is recorded either way."""
    node, gate = node_of(request), gate_of(request)
    waiting = [
        row for row in await asyncio.to_thread(node.pending) if row.get("item_id") == item_id and row.get("to") == party
    ]
    if not waiting:
        raise NotFound(f"nothing waits for {item_id!r} to {party}", code="pending.unknown")
    named = str(waiting[0].get("role") or "release")
    detail = {"item": item_id, "to": party, "grant": body.grant}
    async with gate.audited(request, caller, "consent", detail):
        check_roles(caller, (named if named in ROLES else "release",))
        result = await asyncio.to_thread(node.consent, item_id, party, by=caller.name, grant=body.grant, note=body.note)
    return reply(result)


@router.get("/accords", response_model=list[Accord], summary="Agreements")
async def accords(request: Request, *, caller: AsPicture) -> Response:
    """Agreements with status history, conflicts in what is reported, and clauses."""
    return reply(node_of(request).accords())


@router.get("/why", response_model=Why, summary="Why an item may or may not go")
async def why(
    request: Request,
    item: Annotated[str, Query(min_length=1, max_length=200)],
    to: Annotated[str, Query(pattern=PARTY)],
    *,
    caller: AsAsker,
) -> Response:
    """Trace of the decision on one item for one party."""
    return reply(await asyncio.to_thread(node_of(request).why, item, to))


@router.post("/dry-run", response_model=DryRun, summary="Try a draft agreement")
async def dry_run(request: Request, body: Agreement, *, caller: AsDrafter) -> Response:
    """What would flow from the present picture under a draft; nothing is sent or kept."""
    return reply(await asyncio.to_thread(node_of(request).dry_run, body.accord, at=check_time(body.at, "at")))


@router.get("/withheld", response_model=list[Withheld], summary="What a party does not see")
async def withheld(
    request: Request,
    viewpoint: Annotated[str, Query(pattern=PARTY)],
    *,
    caller: AsDrafter,
) -> Response:
    """Each item missing or blurred in a party's view, with the clause and the reason."""
    return reply(await asyncio.to_thread(node_of(request).withheld, viewpoint))
