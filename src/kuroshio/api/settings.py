"""Limits of the API, all in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kuroshio import clock
from kuroshio.units import UtcMicros


@dataclass(frozen=True)
class ApiSettings:
    """Limits of the API.

    Parameters
    ----------
    secure
        True when the node speaks TLS: Secure cookie and HSTS.
    open_roles
        Roles of a caller who is not signed in; empty is nobody. Only for a node that serves loopback alone.
    session_s, idle_s
        Life of a session, and how long it lives unused; a watch of twelve hours fits.
    sign_in_per_min
        Sign-ins from one address in a minute.
    failures_per_15_min
        Failed sign-ins of one name from one address in 15 minutes.
    body_limit, push_limit
        Bytes of a body, and of a pushed one.
    push_body_s
        Seconds within which a pushed body must come.
    pushes_max, pushes_bytes_max
        Pushes, and their bytes, taken at once; more are told to come later.
    queue_limit
        Changes that may wait for one client of the live stream.
    heartbeat_s
        A frame of the live stream at least this often.
    wall_us
        Wall clock for sessions; the picture has the node's own time.
    """

    secure: bool = False
    open_roles: tuple[str, ...] = ()
    session_s: float = 16 * 3600.0
    idle_s: float = 13 * 3600.0
    sign_in_per_min: int = 30
    failures_per_15_min: int = 10
    body_limit: int = 2_097_152
    push_limit: int = 16_777_216
    push_body_s: float = 60.0
    pushes_max: int = 64
    pushes_bytes_max: int = 67_108_864
    queue_limit: int = 32
    heartbeat_s: float = 5.0
    wall_us: Callable[[], UtcMicros] = clock.now_us
