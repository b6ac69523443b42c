"""Rules of the watch: proposed, dry-run on what the node knew, switched on, into shadow or off, silenced."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import Response

from kuroshio import clock
from kuroshio.api.access import AsPicture, AsWatch
from kuroshio.api.models_rules import (
    Rehearsal,
    RuleDryRun,
    RuleHit,
    RuleProposal,
    RuleSilence,
    RuleSwitch,
    WatchRule,
)
from kuroshio.api.reply import BASE, PROBLEMS, Name, check_time, gate_of, node_of, reply

router = APIRouter(prefix=BASE, responses=PROBLEMS, tags=["alerts"])


@router.get("/rules", response_model=list[WatchRule], summary="Rules of the watch")
async def rules(request: Request, *, caller: AsPicture) -> Response:
    """Every rule: what it asks, how it stands, its last dry run, and what it met."""
    return reply(await asyncio.to_thread(node_of(request).rules().all))


@router.post("/rules", response_model=WatchRule, status_code=201, summary="Propose a rule")
async def propose(request: Request, body: RuleProposal, *, caller: AsWatch) -> Response:
    """Take in a rule, or another version of one; it raises nothing before its dry run and its activation."""
    async with gate_of(request).audited(request, caller, "rule", {"rule": str(body.rule.get("id"))[:64]}):
        done = await asyncio.to_thread(node_of(request).rules().propose, body.rule, by=caller.name)
    return reply(done, 201)


@router.get("/rules/{rule_id}", response_model=WatchRule, summary="One rule")
async def rule(request: Request, rule_id: Name, *, caller: AsPicture) -> Response:
    """What it asks, how it stands, its last dry run, and what it met."""
    return reply(await asyncio.to_thread(node_of(request).rules().one, rule_id))


@router.get("/rules/{rule_id}/hits", response_model=list[RuleHit], summary="Alerts a rule met")
async def hits(request: Request, rule_id: Name, *, caller: AsPicture) -> Response:
    """The newest first: what became of each, in shadow too."""
    return reply(await asyncio.to_thread(node_of(request).rules().hits, rule_id))


@router.post("/rules/{rule_id}/dry-run", response_model=RuleDryRun, summary="Dry-run a rule")
async def rehearse(request: Request, rule_id: Name, body: Rehearsal, *, caller: AsWatch) -> Response:
    """What it would have raised of the alerts this node knew in the last days; activation needs one of its version."""
    async with gate_of(request).audited(request, caller, "rule_dry_run", {"rule": rule_id, "days": body.days}):
        done = await asyncio.to_thread(node_of(request).rules().rehearse, rule_id, days=body.days, by=caller.name)
    return reply(done)


@router.post("/rules/{rule_id}/state", response_model=WatchRule, summary="Switch a rule")
async def switch(request: Request, rule_id: Name, body: RuleSwitch, *, caller: AsWatch) -> Response:
    """On (refused before its dry run), into shadow, or off; alerts it raised are followed to their end."""
    async with gate_of(request).audited(request, caller, "rule_state", {"rule": rule_id, "state": body.state}):
        done = await asyncio.to_thread(node_of(request).rules().switch, rule_id, body.state, by=caller.name)
    return reply(done)


@router.post("/rules/{rule_id}/silence", response_model=WatchRule, summary="Silence a rule")
async def silence(request: Request, rule_id: Name, body: RuleSilence, *, caller: AsWatch) -> Response:
    """Behaviour that begins before ``until`` raises nothing by it, whenever it becomes known."""
    until_us = clock.parse_rfc3339(check_time(body.until or "-", "until") or "")
    async with gate_of(request).audited(request, caller, "rule_silence", {"rule": rule_id, "until": body.until}):
        done = await asyncio.to_thread(node_of(request).rules().silence, rule_id, until_us, by=caller.name)
    return reply(done)
