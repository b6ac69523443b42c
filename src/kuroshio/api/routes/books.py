"""Support, equipment and access exchanges, with their balances, inventory, duties and commitments."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from kuroshio.api.access import AsConsenter, AsPicture
from kuroshio.api.models_accord import Books, Commitment, Duty, Exchange, Kind, Step
from kuroshio.api.reply import BASE, PROBLEMS, Name, check_time, gate_of, node_of, reply

router = APIRouter(prefix=BASE, responses=PROBLEMS, tags=["exchanges"])


@router.get("/exchanges", response_model=list[Exchange], summary="Exchanges")
async def exchanges(request: Request, kind: Kind | None = None, *, caller: AsPicture) -> Response:
    """Support, equipment and access exchanges, the latest first."""
    return reply(await asyncio.to_thread(node_of(request).ledger().exchanges, kind))


@router.get("/exchanges/{kind}/{exchange}", response_model=Exchange, summary="One exchange")
async def exchange(request: Request, kind: Kind, exchange: Name, *, caller: AsPicture) -> Response:
    """Its state, facts and every entry, with who recorded it."""
    return reply(await asyncio.to_thread(node_of(request).ledger().exchange, kind, exchange))


@router.post("/exchanges", response_model=Exchange, status_code=201, summary="Record a step")
async def record(request: Request, body: Step, *, caller: AsConsenter) -> Response:
    """Judge one step by the agreements, keep it, and tell the other party; refused with the reason and the clause."""
    node = node_of(request)
    at = check_time(body.at, "at")
    detail = {"kind": body.kind, "exchange": body.exchange, "step": body.step}
    async with gate_of(request).audited(request, caller, "exchange", detail):
        told = await asyncio.to_thread(
            node.record_step, body.kind, body.exchange, body.step, body.facts, by=caller.name, at=at
        )
    return reply(told, 201)


@router.get("/books", response_model=Books, summary="Balances, inventory and reports")
async def books(
    request: Request,
    year: Annotated[int | None, Query(ge=1950, le=2200, description="of the annual report; absent: all")] = None,
    *,
    caller: AsPicture,
) -> Response:
    """Who owes whom, who holds what, what converted to cash, what is uncertain, and what each step must bring."""
    return reply(await asyncio.to_thread(node_of(request).ledger().summary, year=year))


@router.get("/duties", response_model=list[Duty], summary="Duties")
async def duties(request: Request, *, caller: AsPicture) -> Response:
    """What is due, to whom, by when, under which clause; open, met, late or waived."""
    return reply(await asyncio.to_thread(node_of(request).ledger().duties))


@router.get("/commitments", response_model=list[Commitment], summary="Commitments")
async def commitments(request: Request, *, caller: AsPicture) -> Response:
    """Promises of meetings with owner, due date and evidence or its absence."""
    return reply(await asyncio.to_thread(node_of(request).ledger().commitments))
