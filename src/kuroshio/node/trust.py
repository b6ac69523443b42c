"""Keys of a running node as its folder has them now: new trust and revocation count at the next use.

What enters: the key folder, which `kuroshio keys` changes beside the running node. What leaves: the ring, the TLS
contexts and the signing key of now. A folder that cannot be read for a moment (a command writes in it) leaves what was
known, except that a revocation already read is never forgotten.
"""

from __future__ import annotations

import logging
import ssl
import threading

from kuroshio.errors import KuroshioError, PeerError
from kuroshio.links.tls import KeyFolder
from kuroshio.schema.signing import KeyRing, Signer

log = logging.getLogger(__name__)

WATCHED = ("signing.key", "retired.json", "revoked.json", "node.crt", "node.key")


class Trust:
    """Keys trusted now.

    Parameters
    ----------
    keys
        The folder as the node opened it.

    Attributes
    ----------
    generation
        Grows with every change seen.
    """

    def __init__(self, keys: KeyFolder) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._signing: Signer = keys.signer
        self._ring = keys.ring()
        self._server = keys.context(server=True)
        self._client = keys.context(server=False)
        self.generation = 0

    def _stamp(self) -> tuple[tuple[str, int, int, int], ...]:
        """Names, times, sizes and inodes of the files that matter."""
        paths = [self._keys.folder / name for name in WATCHED]
        paths += sorted((self._keys.folder / "trusted").glob("*.json"))
        found = []
        for path in paths:
            try:
                about = path.stat()
            except FileNotFoundError:
                continue
            found.append((path.name, about.st_mtime_ns, about.st_size, about.st_ino))
        return tuple(found)

    def _look(self) -> None:
        """Read the folder again when it changed."""
        with self._lock:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            try:
                keys = KeyFolder(self._keys.folder)
                ring, client = keys.ring(), keys.context(server=False)
            except (KuroshioError, ssl.SSLError, OSError, ValueError) as err:
                log.warning("keys in %s cannot be read now: %s", self._keys.folder, err)
                return  # tried again at the next use
            if keys.party != self._keys.party:
                log.error("keys in %s are %s's now: kept as they were", self._keys.folder, keys.party)
                return
            self._seen, self._keys, self._ring = stamp, keys, ring
            self._client = client
            keys.refresh(self._server)
            self.generation += 1

    def ring(self) -> KeyRing:
        """Keys trusted now."""
        self._look()
        return self._ring

    def adopt(self) -> bool:
        """Sign with the key of now; True when it is another than before. For the thread that seals."""
        self._look()
        if self._keys.signer.key_id == self._signing.key_id:
            return False
        self._signing = self._keys.signer
        log.info("signing with %s", self._signing.key_id)
        return True

    # -- a Signer, whose key is the one adopted

    @property
    def party(self) -> str:
        """Own party."""
        return self._signing.party

    @property
    def key_id(self) -> str:
        """Name of the key."""
        return self._signing.key_id

    @property
    def public(self) -> bytes:
        """Public half."""
        return self._signing.public

    def sign(self, message: bytes) -> bytes:
        """Signature of the key adopted."""
        return self._signing.sign(message)

    # -- TLS

    def client(self) -> ssl.SSLContext:
        """TLS context to dial with."""
        self._look()
        return self._client

    @property
    def server(self) -> ssl.SSLContext:
        """TLS context to listen with: the same object always, with new authorities added as they come."""
        return self._server

    def party_of(self, certificate_der: bytes | None) -> str:
        """Party behind a certificate, by the authorities and keys trusted now; raises PeerError."""
        self._look()
        party = self._keys.party_of(certificate_der)
        if not self.trusts(party):
            raise PeerError(f"no key of {party} is trusted any more", code="peer.revoked")
        return party

    def trusts(self, party: str) -> bool:
        """True when a key of the party counts now."""
        return party in self.ring().parties
