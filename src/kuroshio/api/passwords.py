"""Passwords and other secrets: Argon2id hashes, session secrets, their digests.

Source: RFC 9106, section 4, second recommended option (t = 3, 4 lanes, 64 MiB). Hashes are in PHC form, so that
stronger parameters later leave old users able to sign in.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kuroshio.errors import InputError

MIN_LENGTH = 12  # NIST SP 800-63B 5.1.1.2 asks for 8; a watch room's accounts are worth more
MAX_LENGTH = 1024
SALT_BYTES = 16
HASH_BYTES = 32
SECRET_BYTES = 32
CONCURRENT = 2  # hashes at once: each takes memory_kib


@dataclass(frozen=True)
class Passwords:
    """Makes and checks password hashes.

    Parameters
    ----------
    iterations, lanes, memory_kib
        Cost of Argon2id; lower only in tests.
    """

    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 65_536

    def hash(self, password: str) -> str:
        """PHC text of a password; InputError when it is too short or too long."""
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            raise InputError(
                f"password has {len(password)} characters, not {MIN_LENGTH} to {MAX_LENGTH}",
                code="user.password",
                advice="Use a sentence.",
            )
        kdf = Argon2id(
            salt=secrets.token_bytes(SALT_BYTES),
            length=HASH_BYTES,
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory_kib,
        )
        with _GATE:
            return kdf.derive_phc_encoded(password.encode())

    def matches(self, password: str, encoded: str | None) -> bool:
        """Whether a password is that of a hash; takes as long when there is no such user (``encoded`` None)."""
        subject = encoded if encoded is not None else self._nobody()
        try:
            with _GATE:
                Argon2id.verify_phc_encoded(password.encode(), subject)
        except InvalidKey:
            return False
        return encoded is not None

    def _nobody(self) -> str:
        key = (self.iterations, self.lanes, self.memory_kib)
        if key not in _NOBODY:
            _NOBODY[key] = self.hash(secrets.token_urlsafe(SECRET_BYTES))
        return _NOBODY[key]


_GATE = threading.BoundedSemaphore(CONCURRENT)
_NOBODY: dict[tuple[int, int, int], str] = {}


def new_secret(prefix: str = "") -> str:
    """Secret of a session or token: 256 random bits from the operating system."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> str:
    """SHA-256 of a secret, which is all that is stored; a secret of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
