"""Who may do what: sessions, tokens, roles per route, and the rate of sign-in.

Enters: a request's cookie or bearer token. Leaves: a `Caller` whose roles allow the route, or an `AuthError`. Every
route names its roles with `allow`, or is listed in `PUBLIC`; `create_app` refuses to start with one that does neither.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection

from kuroshio.api.passwords import Passwords, digest_of, new_secret
from kuroshio.api.settings import ApiSettings
from kuroshio.errors import AuthError, KuroshioError
from kuroshio.store import Operations, Session
from kuroshio.units import US_PER_S, UtcMicros

COOKIE = "kuroshio_session"
SECURE_COOKIE = "__Host-kuroshio_session"  # RFC 6265bis 4.1.3.2: only this host, only TLS, path /
REQUEST_HEADER = "x-kuroshio-request"
PUSH_PATH = "/api/v1/push/"
TOKEN_PREFIX = "kur_"  # noqa: S105  (a mark that lets a leak be found, not a secret)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

PICTURE = ("watch", "release", "policy", "logistics")
HEALTH = (*PICTURE, "admin")
ANYONE = (*HEALTH, "feed")

CACHE_S = 2.0  # a removed user is out after this time at the latest
CACHE_LIMIT = 4096
TOUCH_S = 60.0  # how often the use of a session is written down


@dataclass(frozen=True)
class Caller:
    """Who asks: name, roles now, and the digest of the session or token."""

    name: str
    roles: tuple[str, ...]
    digest: str
    kind: str
    expires_us: UtcMicros | None


class RateError(AuthError):
    """Too many sign-ins."""

    code = "auth.rate"
    http_status = 429
    advice = "Wait as long as Retry-After says."

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass
class Window:
    """Count of events by key in a sliding time, with a bound on the keys kept."""

    limit: int
    span_s: float
    key_limit: int = 10_000
    hits: int = 0
    _events: OrderedDict[str, deque[int]] = field(default_factory=OrderedDict)

    def retry_after_s(self, key: str, now_us: UtcMicros) -> int:
        """Seconds until the key may go on; 0 when it may now."""
        events = self._events.get(key)
        if events is None:
            return 0
        span_us = int(self.span_s * US_PER_S)
        while events and events[0] <= now_us - span_us:
            events.popleft()
        if len(events) < self.limit:
            return 0
        self.hits += 1
        return max(1, -((now_us - span_us - events[0]) // US_PER_S))

    def add(self, key: str, now_us: UtcMicros) -> None:
        """Note one event of a key."""
        events = self._events.setdefault(key, deque(maxlen=self.limit))
        self._events.move_to_end(key)
        events.append(now_us)
        while len(self._events) > self.key_limit:
            self._events.popitem(last=False)

    def clear(self, key: str) -> None:
        """Forget a key."""
        self._events.pop(key, None)


class Gate:
    """Opens, finds and ends sessions; one an application."""

    def __init__(self, operations: Operations, settings: ApiSettings, passwords: Passwords) -> None:
        self.operations = operations
        self.settings = settings
        self.passwords = passwords
        self.by_address = Window(settings.sign_in_per_min, 60.0)
        self.by_user = Window(settings.failures_per_15_min, 900.0)
        self._cache: OrderedDict[str, tuple[UtcMicros, Session]] = OrderedDict()
        self.refused = 0

    @property
    def cookie(self) -> str:
        """Name of the session cookie."""
        return SECURE_COOKIE if self.settings.secure else COOKIE

    async def sign_in(self, user: str, password: str, *, address: str) -> tuple[str, Caller]:
        """Session secret and caller for a name and password.

        Raises
        ------
        AuthError
            ``auth.password`` when they do not belong together (which of the two is not told), ``auth.rate`` when
            this address, or this name from this address, has tried too often.
        """
        now_us = self.settings.wall_us()
        pair = f"{address}\0{user}"
        wait_s = max(self.by_address.retry_after_s(address, now_us), self.by_user.retry_after_s(pair, now_us))
        if wait_s:
            self.refused += 1
            raise RateError(f"too many sign-ins; wait {wait_s} s", retry_after_s=wait_s)
        self.by_address.add(address, now_us)
        known = await asyncio.to_thread(self.operations.user, user)
        encoded = known.password_hash if known else None
        if not await asyncio.to_thread(self.passwords.matches, password, encoded) or known is None:
            self.by_user.add(pair, now_us)
            await self.note(user, "sign-in", "refused", address)
            raise AuthError("name and password do not belong together", code="auth.password", advice="Try again.")
        self.by_user.clear(pair)
        secret = new_secret()
        expires_us = now_us + int(self.settings.session_s * US_PER_S)
        digest = digest_of(secret)
        await asyncio.to_thread(self.operations.open_session, digest, user, now_us=now_us, expires_us=expires_us)
        await asyncio.to_thread(self.operations.expire_sessions, now_us=now_us)
        await self.note(user, "sign-in", "ok", address)
        return secret, Caller(user, known.roles, digest, "cookie", expires_us)

    async def sign_out(self, caller: Caller) -> None:
        """End the caller's session."""
        self._cache.pop(caller.digest, None)
        await asyncio.to_thread(self.operations.close_session, caller.digest)

    def forget(self) -> None:
        """Look every session up anew: roles or users changed."""
        self._cache.clear()

    async def caller(self, connection: HTTPConnection) -> Caller:
        """Who makes a request.

        Raises
        ------
        AuthError
            ``auth.required`` without cookie or token, ``auth.session`` when it has ended.
        """
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return await self._session(token.strip(), "token")
        if scheme.lower() == "basic" and connection.url.path.startswith(PUSH_PATH):
            return await self._session(_basic_password(token), "token")
        secret = connection.cookies.get(self.cookie)
        if not secret and self.settings.open_roles:
            check_loopback(connection)
            return Caller("anyone", self.settings.open_roles, "", "open", None)
        if not secret:
            raise AuthError("not signed in", code="auth.required", advice="POST /api/v1/session, or send a token.")
        return await self._session(secret, "cookie")

    async def _session(self, secret: str, kind: str) -> Caller:
        now_us = self.settings.wall_us()
        digest = digest_of(secret)
        cached = self._cache.get(digest)
        if cached is not None and 0 <= now_us - cached[0] < CACHE_S * US_PER_S:
            session: Session | None = cached[1]
        else:
            session = await asyncio.to_thread(self.operations.session, digest, now_us=now_us)
            self._cache.pop(digest, None)
        if session is not None and session.kind == "cookie":
            idle_us = now_us - session.seen_us
            if idle_us > self.settings.idle_s * US_PER_S:
                await asyncio.to_thread(self.operations.close_session, digest)
                session = None
            elif idle_us > TOUCH_S * US_PER_S:
                await asyncio.to_thread(self.operations.touch_session, digest, now_us=now_us)
                session = await asyncio.to_thread(self.operations.session, digest, now_us=now_us)
        ended = session is None or session.kind != kind
        if session is None or ended or (session.expires_us is not None and session.expires_us <= now_us):
            self._cache.pop(digest, None)
            raise AuthError("session has ended", code="auth.session", advice="Sign in again.")
        if digest not in self._cache:
            self._cache[digest] = (now_us, session)
            while len(self._cache) > CACHE_LIMIT:
                self._cache.popitem(last=False)
        return Caller(session.name, session.roles, digest, kind, session.expires_us)

    @asynccontextmanager
    async def audited(
        self, connection: HTTPConnection, caller: Caller, what: str, detail: dict[str, Any]
    ) -> AsyncIterator[None]:
        """Write what a caller does to the audit log, with its outcome: ok, or the code of the error it met."""
        peer = address_of(connection)
        try:
            yield
        except KuroshioError as err:
            await self.note(caller.name, what, err.error_code, peer, detail)
            raise
        except Exception:
            await self.note(caller.name, what, "failed", peer, detail)
            raise
        await self.note(caller.name, what, "ok", peer, detail)

    async def note(self, who: str, what: str, outcome: str, peer: str, detail: dict[str, Any] | None = None) -> None:
        """Write a line of the audit log."""
        at_us = self.settings.wall_us()
        await asyncio.to_thread(
            self.operations.append_audit, who[:64], what, outcome=outcome, at_us=at_us, peer=peer, detail=detail
        )


def _basic_password(credentials: str) -> str:
    """Password of HTTP Basic credentials: where a receiver's software knows no bearer token, it stands there."""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except (ValueError, UnicodeDecodeError):
        raise AuthError(
            "malformed credentials", code="auth.session", advice="Send the token as the password."
        ) from None


def check_roles(caller: Caller, roles: tuple[str, ...]) -> None:
    """AuthError ``auth.role`` when the caller has none of the roles."""
    if not set(caller.roles) & set(roles):
        raise AuthError(
            f"{caller.name} has role {', '.join(caller.roles) or 'none'}; this needs {' or '.join(roles)}",
            code="auth.role",
            advice="Ask the administrator for the role, or ask someone who has it.",
        )


def check_origin(connection: HTTPConnection) -> None:
    """AuthError ``auth.origin`` when a browser sends it from another site's page."""
    origin = connection.headers.get("origin")
    if origin is None:
        return
    host = connection.headers.get("host", "")
    if origin.partition("://")[2].lower() != host.lower():
        raise AuthError(f"request from the page of {origin}", code="auth.origin", advice="Use the node's own page.")


def check_request_header(connection: HTTPConnection, method: str) -> None:
    """AuthError ``auth.csrf`` when a request that changes something lacks the header only our page can send."""
    if method not in SAFE_METHODS and not connection.headers.get(REQUEST_HEADER):
        raise AuthError("header X-Kuroshio-Request is missing", code="auth.csrf", advice="Send X-Kuroshio-Request: 1.")


LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def check_loopback(connection: HTTPConnection) -> None:
    """AuthError ``auth.loopback`` unless a caller who is not signed in comes from this machine, by its own name.

    The name matters as well as the address: a page elsewhere whose name is made to resolve to 127.0.0.1 (DNS
    rebinding) would otherwise be the node's own page to the browser.
    """
    name = connection.headers.get("host", "").lower()
    name = name if name.endswith("]") else name.rpartition(":")[0] or name
    address = connection.client.host if connection.client else ""
    if name not in LOOPBACK or address not in ("127.0.0.1", "::1"):
        raise AuthError(
            "a node without sign-in answers only to its own machine, as localhost",
            code="auth.loopback",
            advice="Open http://127.0.0.1 on the node itself, or turn sign-in on.",
        )


def address_of(connection: HTTPConnection) -> str:
    """Network address of the caller."""
    return connection.client.host if connection.client else "local"
