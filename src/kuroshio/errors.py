"""One error tree for the whole node.

What enters: nothing. What leaves: exception classes, each with a stable code, a process exit code, an HTTP
status and one line of advice. Adapters translate the exceptions of third-party engines into these with ``from``.
Bad data is never an exception (it is a reject row), and refusing to share is a Decision, not an error.
"""

from __future__ import annotations

from typing import ClassVar


class KuroshioError(Exception):
    """Failure of an operation, with what a person or a program can do about it.

    Parameters
    ----------
    message
        What failed, with the place and the offending value (unless the value itself is withheld).
    code
        Stable dotted identifier, such as ``record.checkpoint_mismatch``; a class has a default.
    advice
        One line: what to do next.
    """

    code: ClassVar[str] = "kuroshio.error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    advice: ClassVar[str] = "See the log for the cause."

    def __init__(self, message: str, *, code: str | None = None, advice: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or self.code
        self.error_advice = advice or self.advice

    def __str__(self) -> str:
        return f"{self.message} [{self.error_code}]"


class ConfigError(KuroshioError):
    """A node file, source declaration or command line that cannot be used."""

    code = "config.invalid"
    exit_code = 2
    http_status = 400
    advice = "Correct the named setting and start again."


class InputError(KuroshioError):
    """A file or request that is not of the promised form as a whole (single bad rows are rejects)."""

    code = "input.invalid"
    exit_code = 2
    http_status = 422
    advice = "Check the path and the format; `kuroshio schema` prints the columns expected."


class LinkError(KuroshioError):
    """A network, serial or file link that could not be opened or was lost."""

    code = "link.failed"
    exit_code = 3
    http_status = 502
    advice = "Check address, port and cable; the node retries with back-off."


class StoreError(KuroshioError):
    """A store that refused, lost its file or is of a newer version."""

    code = "store.failed"
    exit_code = 4
    http_status = 503
    advice = "Check free space and permissions of the data folder."


class AccordError(KuroshioError):
    """An agreement file that is malformed, contradictory or not signed."""

    code = "accord.invalid"
    exit_code = 5
    http_status = 422
    advice = "Correct the named line; `kuroshio accord check` shows every fault."


class ReleaseRefused(KuroshioError):
    """An attempt to make a release that the decision does not allow."""

    code = "exchange.refused"
    exit_code = 6
    http_status = 403
    advice = "Ask `kuroshio accord why` which clause withholds it and who may consent."


class VerificationError(KuroshioError):
    """A signature, digest, proof or receipt that does not hold."""

    code = "record.verification_failed"
    exit_code = 7
    http_status = 409
    advice = "Do not act on this data; keep it and tell the other party."


class PeerError(KuroshioError):
    """A partner's session that broke the protocol or a limit."""

    code = "peer.protocol"
    exit_code = 8
    http_status = 502
    advice = "Compare versions and keys with the partner."


class AuthError(KuroshioError):
    """A caller that is not signed in, or whose role does not allow the request."""

    code = "auth.denied"
    exit_code = 9
    http_status = 403
    advice = "Sign in with a role that allows it."


class NotFound(KuroshioError):
    """A thing asked for by name that does not exist, or may not be known to exist."""

    code = "not_found"
    exit_code = 10
    http_status = 404
    advice = "Check the identifier."


class BusyError(KuroshioError):
    """A request above a rate or a number this node takes; the same request is welcome later.

    Parameters
    ----------
    retry_after_s
        Seconds after which it is.
    """

    code = "node.busy"
    exit_code = 11
    http_status = 429
    advice = "Send less, or wait as long as Retry-After says."

    def __init__(self, message: str, *, code: str | None = None, advice: str | None = None, retry_after_s: int) -> None:
        super().__init__(message, code=code, advice=advice)
        self.retry_after_s = retry_after_s
