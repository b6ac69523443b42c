"""Agreements asked: status at two times, words, routes, faults, what a text would change, other systems' languages."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from kuroshio.api.access import AsAsker, AsDrafter, AsPicture
from kuroshio.api.models_accord import (
    Activity,
    Agreement,
    Evaluated,
    Evaluation,
    LabelAsked,
    LabelGiven,
    RouteAsked,
    WhatIf,
)
from kuroshio.api.reply import BASE, PROBLEMS, Name, check_time, node_of, reply
from kuroshio.node.asking import AccordDesk

router = APIRouter(prefix=BASE, responses=PROBLEMS, tags=["agreements"])

At = Annotated[str | None, Query(max_length=64, description="legal date or time (RFC 3339); default now")]
Known = Annotated[str | None, Query(max_length=64, description="as known at this date or time; default the legal one")]


def _desk(request: Request) -> AccordDesk:
    return node_of(request).agreements()


@router.get("/accords/as-of", response_model=dict[str, Any], summary="Status at two times")
async def as_of(request: Request, at: At = None, known: Known = None, *, caller: AsPicture) -> Response:
    """Status of every agreement at a legal date as known at another, with what disagrees."""
    return reply(_desk(request).as_of(check_time(at, "at"), check_time(known, "known")))


@router.get("/accords/print", response_model=dict[str, Any], summary="Agreements in plain language")
async def printed(
    request: Request,
    accord: Annotated[str | None, Query(max_length=80)] = None,
    language: Annotated[str, Query(pattern="^(en|ja|fil)$")] = "en",
    *,
    caller: AsPicture,
) -> Response:
    """Text of one agreement or all, generated from the files."""
    return reply(await asyncio.to_thread(_desk(request).printed, accord, language=language))


@router.get("/accords/graph", response_model=dict[str, Any], summary="Network of agreements")
async def graph(request: Request, at: At = None, known: Known = None, *, caller: AsPicture) -> Response:
    """Parties and links in force or not, and what one fall costs as it is, as a hub and as a lattice."""
    return reply(await asyncio.to_thread(_desk(request).graph, check_time(at, "at"), check_time(known, "known")))


@router.get("/accords/lint", response_model=list[dict[str, Any]], summary="What is odd in the agreements")
async def lint(request: Request, *, caller: AsDrafter) -> Response:
    """Findings with file, line and column."""
    return reply(await asyncio.to_thread(_desk(request).lint))


@router.get("/accords/coverage", response_model=list[dict[str, Any]], summary="How each article is treated")
async def coverage(request: Request, *, caller: AsPicture) -> Response:
    """Coded, a human's, a duty, not coded, or not mentioned."""
    return reply(_desk(request).coverage())


@router.get("/accords/{accord}/odrl", response_model=dict[str, Any], summary="Agreement as ODRL")
async def odrl(request: Request, accord: Name, *, caller: AsPicture) -> Response:
    """ODRL 2.2 in JSON-LD; for reading, not for deciding."""
    return reply(_desk(request).odrl(accord))


@router.post("/accords/check", response_model=dict[str, Any], summary="Check an agreement text")
async def check(request: Request, body: Agreement, *, caller: AsDrafter) -> Response:
    """Faults with line and column, and what is odd in it; nothing is kept."""
    return reply(await asyncio.to_thread(_desk(request).check, body.accord))


@router.post("/accords/what-if", response_model=dict[str, Any], summary="A decision under other circumstances")
async def what_if(request: Request, body: WhatIf, *, caller: AsAsker) -> Response:
    """One decision as it is, and under assumed states, consents or a draft."""
    times = {"at": check_time(body.at, "at"), "known": check_time(body.known, "known")}
    given: dict[str, Any] = {"assume": body.assume, "consents": body.consents, "draft": body.draft, **times}
    return reply(await asyncio.to_thread(_desk(request).what_if, body.thing, body.to, **given))


@router.post("/accords/route", response_model=dict[str, Any], summary="Lawful paths of a thing")
async def route(request: Request, body: RouteAsked, *, caller: AsAsker) -> Response:
    """Paths with clause, terms and who must sign; to one party or to all; and what is lost when something falls."""
    times = {"at": check_time(body.at, "at"), "known": check_time(body.known, "known")}
    desk = _desk(request)
    found = await asyncio.to_thread(desk.route, body.thing, body.to, hops=body.hops, breaks=body.breaks, **times)
    return reply(found)


@router.post("/accords/diff", response_model=dict[str, Any], summary="What an agreement text would change")
async def diff(request: Request, body: Agreement, *, caller: AsDrafter) -> Response:
    """Clauses in words, and the effect on the present picture."""
    return reply(await asyncio.to_thread(_desk(request).diff, body.accord, at=check_time(body.at, "at")))


@router.get("/activities", response_model=list[Activity], summary="Activities and their scopes")
async def activities(request: Request, *, caller: AsPicture) -> Response:
    """Exercises, patrols, relief operations and meetings; what holds within each, and whether it runs now."""
    return reply(_desk(request).activities())


@router.post("/labels", response_model=dict[str, Any], summary="Labels of a thing")
async def label(request: Request, body: LabelAsked, *, caller: AsAsker) -> Response:
    """STANAG 4774 confidentiality label in XML, bound to an address by STANAG 4778 where one is given, and REL TO."""
    return reply(_desk(request).label(body.thing, bind=body.bind))


@router.post("/labels/read", response_model=dict[str, Any], summary="What a label says")
async def read_label(request: Request, body: LabelGiven, *, caller: AsAsker) -> Response:
    """Attributes and terms of a STANAG 4774 label, a REL TO or a TLP string."""
    return reply(_desk(request).read_label(body.text))


@router.post("/access/v1/evaluation", response_model=Evaluated, summary="AuthZEN evaluation")
async def evaluation(request: Request, body: Evaluation, *, caller: AsAsker) -> Response:
    """Decision in the shape of the OpenID AuthZEN Authorization API 1.0."""
    plain = body.model_dump(exclude_none=True)
    return reply(await asyncio.to_thread(_desk(request).authzen, plain))


@router.post("/access/v1/evaluations", response_model=dict[str, Any], summary="AuthZEN evaluations")
async def evaluations(request: Request, body: Evaluation, *, caller: AsAsker) -> Response:
    """Decisions for at most 1,000 evaluations at once."""
    plain = body.model_dump(exclude_none=True)
    return reply(await asyncio.to_thread(_desk(request).authzen_batch, plain))
