"""Sign-in, users, tokens and the audit log."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from kuroshio.api.access import AsAdmin, AsAnyone, AsHealth
from kuroshio.api.auth import (
    TOKEN_PREFIX,
    Caller,
    Gate,
    address_of,
    check_origin,
    check_request_header,
)
from kuroshio.api.models import AuditRow, Counters, Done, Health, NewUser, SignIn, UserChange, UserRow, Who
from kuroshio.api.passwords import digest_of, new_secret
from kuroshio.api.reply import BASE, PROBLEMS, Name, gate_of, reply
from kuroshio.clock import rfc3339
from kuroshio.errors import NotFound
from kuroshio.store import User
from kuroshio.units import US_PER_S

router = APIRouter(prefix=BASE, responses=PROBLEMS)


def _who(caller: Caller) -> dict[str, Any]:
    expires = None if caller.expires_us is None else rfc3339(caller.expires_us // US_PER_S * US_PER_S)
    return {"user": caller.name, "roles": list(caller.roles), "expires_at": expires}


@router.get("/health", tags=["node"], response_model=Health, summary="Whether the node serves")
async def health() -> Response:
    """Answer to a load balancer or a watchdog; tells nothing else."""
    return reply({"status": "ok"})


@router.get("/counters", tags=["node"], response_model=Counters, summary="Counts of every limit of the API")
async def counters(request: Request, *, caller: AsHealth) -> Response:
    """What the limits of the API, the live stream and the operations store have refused or dropped since the start."""
    gate, state = gate_of(request), request.app.state
    sign_in = {
        "refused": gate.refused,
        "held_addresses": gate.by_address.hits,
        "held_names": gate.by_user.hits,
    }
    operations = await asyncio.to_thread(gate.operations.counts)
    return reply({"api": state.counts, "sign_in": sign_in, "live": state.live.counts(), "operations": operations})


@router.post("/session", tags=["session"], response_model=Who, summary="Sign in")
async def sign_in(request: Request, body: SignIn) -> Response:
    """Set the session cookie (HttpOnly, SameSite=Strict; Secure under TLS)."""
    check_origin(request)
    check_request_header(request, "POST")
    gate = gate_of(request)
    secret, caller = await gate.sign_in(body.user, body.password, address=address_of(request))
    response = reply(_who(caller))
    response.set_cookie(
        gate.cookie,
        secret,
        max_age=int(gate.settings.session_s),
        path="/",
        secure=gate.settings.secure,
        httponly=True,
        samesite="strict",
    )
    return response


@router.get("/session", tags=["session"], response_model=Who, summary="Who is signed in")
async def session(*, caller: AsAnyone) -> Response:
    """Name and roles of the caller."""
    return reply(_who(caller))


@router.delete("/session", tags=["session"], response_model=Done, summary="Sign out")
async def sign_out(request: Request, *, caller: AsAnyone) -> Response:
    """End the session on the node and forget the cookie."""
    gate = gate_of(request)
    await gate.sign_out(caller)
    await gate.note(caller.name, "sign-out", "ok", address_of(request))
    response = reply({"signed_out": True})
    response.delete_cookie(gate.cookie, path="/", secure=gate.settings.secure, httponly=True, samesite="strict")
    return response


def _row(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "roles": list(user.roles),
        "has_password": user.password_hash is not None,
        "created_at": rfc3339(user.created_us),
    }


@router.get("/users", tags=["users"], response_model=list[UserRow], summary="Users")
async def users(request: Request, *, caller: AsAdmin) -> Response:
    """All users, without secrets."""
    gate = gate_of(request)
    return reply([_row(user) for user in await asyncio.to_thread(gate.operations.list_users)])


@router.post("/users", tags=["users"], response_model=UserRow, status_code=201, summary="Add a user")
async def add_user(request: Request, body: NewUser, *, caller: AsAdmin) -> Response:
    """Add a local user; without a password it can only hold tokens."""
    gate = gate_of(request)
    hashed = await asyncio.to_thread(gate.passwords.hash, body.password) if body.password is not None else None
    now_us = gate.settings.wall_us()
    async with gate.audited(request, caller, "user add", {"user": body.name, "roles": body.roles}):
        user = await asyncio.to_thread(
            gate.operations.add_user, body.name, roles=body.roles, password_hash=hashed, now_us=now_us
        )
    return reply(_row(user), 201)


@router.patch("/users/{name}", tags=["users"], response_model=Done, summary="Change a user")
async def change_user(request: Request, name: Name, body: UserChange, *, caller: AsAdmin) -> Response:
    """Change roles or password; a new password ends the user's sessions and tokens."""
    gate = gate_of(request)
    hashed = await asyncio.to_thread(gate.passwords.hash, body.password) if body.password is not None else None
    now_us = gate.settings.wall_us()
    detail = {"user": name, "roles": body.roles, "password": body.password is not None}
    async with gate.audited(request, caller, "user change", detail):
        await asyncio.to_thread(
            gate.operations.change_user, name, roles=body.roles, password_hash=hashed, now_us=now_us
        )
        gate.forget()
    return reply({"changed": name})


@router.delete("/users/{name}", tags=["users"], response_model=Done, summary="Remove a user")
async def remove_user(request: Request, name: Name, *, caller: AsAdmin) -> Response:
    """Remove a user with all sessions and tokens."""
    gate = gate_of(request)
    async with gate.audited(request, caller, "user remove", {"user": name}):
        await asyncio.to_thread(gate.operations.remove_user, name)
        gate.forget()
    return reply({"removed": name})


@router.post("/users/{name}/tokens", tags=["users"], response_model=Done, status_code=201, summary="Make a token")
async def add_token(
    request: Request,
    name: Name,
    label: Annotated[str, Query(max_length=128, pattern=r"^[^\x00-\x1f]*$")] = "",
    *,
    caller: AsAdmin,
) -> Response:
    """Bearer token of a program; shown once, kept only as a digest."""
    gate = gate_of(request)
    async with gate.audited(request, caller, "token add", {"user": name, "label": label}):
        secret = await make_token(gate, name, label)
    return reply({"user": name, "label": label, "token": secret}, 201)


async def make_token(gate: Gate, name: str, label: str) -> str:
    """New token of a user; NotFound when there is no such user."""
    if await asyncio.to_thread(gate.operations.user, name) is None:
        raise NotFound(f"no user {name!r}", code="user.unknown")
    secret = new_secret(TOKEN_PREFIX)
    now_us = gate.settings.wall_us()
    await asyncio.to_thread(
        gate.operations.open_session,
        digest_of(secret),
        name,
        now_us=now_us,
        expires_us=None,
        kind="token",
        label=label,
    )
    return secret


@router.get("/audit", tags=["users"], response_model=list[AuditRow], summary="Audit log")
async def audit(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    *,
    caller: AsAdmin,
) -> Response:
    """Who asked what and what came of it, newest first; ``before`` pages on."""
    gate = gate_of(request)
    rows = await asyncio.to_thread(gate.operations.audit, limit=limit, before=before)
    return reply([{**{k: v for k, v in row.items() if k != "at_us"}, "at": rfc3339(row["at_us"])} for row in rows])
