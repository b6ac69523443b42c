"""How a route says who may use it, and the check that each one does."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, WebSocket
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute

from kuroshio.api.auth import (
    ANYONE,
    HEALTH,
    PICTURE,
    SAFE_METHODS,
    Caller,
    Gate,
    address_of,
    check_origin,
    check_request_header,
    check_roles,
)
from kuroshio.errors import AuthError

# paths that anyone may ask for: sign-in, liveness, and the description of the API
PUBLIC = frozenset({("POST", "/api/v1/session"), ("GET", "/api/v1/health"), ("GET", "/api/openapi.json")})


class Allow:
    """Dependency that yields the caller, who must hold one of the roles."""

    def __init__(self, roles: tuple[str, ...]) -> None:
        self.roles = roles

    async def __call__(self, request: Request) -> Caller:
        """Caller of a request, or AuthError."""
        gate: Gate = request.app.state.gate
        caller = await gate.caller(request)
        if caller.kind != "token":
            check_origin(request)
            check_request_header(request, request.method)
        try:
            check_roles(caller, self.roles)
        except AuthError:
            if request.method not in SAFE_METHODS:
                await gate.note(
                    caller.name, f"{request.method} {request.url.path}"[:200], "denied", address_of(request)
                )
            raise
        return caller


async def socket_caller(websocket: WebSocket, roles: tuple[str, ...]) -> Caller:
    """Caller of a WebSocket, who must hold one of the roles; the same rules as `Allow`."""
    gate: Gate = websocket.app.state.gate
    check_origin(websocket)
    caller = await gate.caller(websocket)
    check_roles(caller, roles)
    return caller


# the callers that routes name in their signatures
AsAnyone = Annotated[Caller, Depends(Allow(ANYONE))]
AsPicture = Annotated[Caller, Depends(Allow(PICTURE))]
AsHealth = Annotated[Caller, Depends(Allow(HEALTH))]
AsWatch = Annotated[Caller, Depends(Allow(("watch",)))]
AsRelease = Annotated[Caller, Depends(Allow(("release",)))]
AsConsenter = Annotated[Caller, Depends(Allow(("release", "policy", "logistics")))]
AsAsker = Annotated[Caller, Depends(Allow(("watch", "release", "policy")))]
AsDrafter = Annotated[Caller, Depends(Allow(("release", "policy")))]
AsFeed = Annotated[Caller, Depends(Allow(("feed", "admin")))]
AsAdmin = Annotated[Caller, Depends(Allow(("admin",)))]


def roles_of(route: APIRoute | APIWebSocketRoute) -> tuple[str, ...] | None:
    """Roles that a route names in its signature (or, for a WebSocket, as attribute ``roles``), or None."""

    def search(dependant: Dependant) -> tuple[str, ...] | None:
        if isinstance(dependant.call, Allow):
            return dependant.call.roles
        for below in dependant.dependencies:
            found = search(below)
            if found is not None:
                return found
        return None

    return search(route.dependant) or getattr(route.endpoint, "roles", None)


def check_every_route(routes: list[Any]) -> None:
    """Stop when a route under /api neither names roles nor is public: default deny, by construction."""
    for route in routes:
        path = getattr(route, "path", "")
        if not path.startswith("/api"):
            continue
        methods = set(getattr(route, "methods", None) or {"WEBSOCKET"}) - {"HEAD"}
        public = all((method, path) in PUBLIC for method in methods)
        named = roles_of(route) if isinstance(route, APIRoute | APIWebSocketRoute) else None
        assert public or named, f"route {sorted(methods)} {path} names no roles"
        if isinstance(route, APIRoute) and named:
            route.openapi_extra = {**(route.openapi_extra or {}), "x-kuroshio-roles": list(named)}
