"""What stands before every request: size of the body, security headers, caching.

A pure ASGI layer, so that it holds for the page, the API and for failures alike.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kuroshio.api.problems import problem

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HSTS = "max-age=31536000"


class _TooLarge(Exception):
    pass


class Shield:
    """ASGI layer: bounds bodies and sets security headers.

    Parameters
    ----------
    app
        Application within.
    body_limit
        Bytes of a request's body.
    push_limit
        The same for ``/api/v1/push/``.
    secure
        True when the node speaks TLS: adds Strict-Transport-Security.
    counts
        Where refused bodies are counted, as ``bodies_refused``.
    """

    def __init__(self, app: ASGIApp, *, body_limit: int, push_limit: int, secure: bool, counts: dict[str, int]) -> None:
        self.app = app
        self.body_limit = body_limit
        self.push_limit = push_limit
        self.secure = secure
        self.counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        limit = self.push_limit if path.startswith("/api/v1/push/") else self.body_limit
        started = False
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    raise _TooLarge
            return message

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self.secure:
                    headers.setdefault("strict-transport-security", HSTS)
                if path.startswith("/api/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        claimed = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if claimed.isdigit() and len(claimed) < 20 and int(claimed) <= limit:
            try:
                await self.app(scope, bounded, guarded)
                return
            except _TooLarge:
                if started:
                    raise
        self.counts["bodies_refused"] = self.counts.get("bodies_refused", 0) + 1
        advice = "Send less at once."
        refusal = problem(413, "api.body_size", f"body is larger than {limit} bytes", advice, instance=path)
        await refusal(scope, receive, guarded)
