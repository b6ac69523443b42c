"""A node's keys and certificates: one small certificate authority a party, mutual TLS 1.3, trust by exchanged bundle.

What enters: a folder. What leaves: the signing key, the ring of keys trusted now, TLS contexts, and the party behind a
peer's certificate. Private keys are written once with mode 0600 and never shown. A partner's authority can vouch for
that partner only: a certificate counts for a party when that party's own authority issued it.

Folder: ``party.json``, ``signing.key``, ``secret.bin``, ``ca.key``, ``ca.crt``, ``node.key``, ``node.crt`` and
``trusted/PARTY.json``.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from kuroshio.errors import ConfigError, InputError, PeerError, VerificationError
from kuroshio.links.certificates import issue, make_authority, pem
from kuroshio.schema.signing import (
    Ed25519Signer,
    KeyRing,
    PublicKey,
    b64,
    canonical,
    digest_hex,
    public_key,
    unb64,
)

BUNDLE_TYPE = "kuroshio/trust/1"
MAX_BUNDLE_BYTES = 64 << 10
_PARTY = re.compile(r"[A-Z][A-Z0-9-]{1,15}")


def check_party(party: str) -> str:
    """The party code, when it is one.

    Raises
    ------
    ConfigError
        When it is not 2 to 16 capital letters, digits and dashes.
    """
    if not _PARTY.fullmatch(party):
        raise ConfigError(f"not a party code: {party!r}", code="keys.party", advice="Use a code such as PHL.")
    return party


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read; never over an old one.

    Raises
    ------
    ConfigError
        When the file exists or the folder refuses.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as err:
        raise ConfigError(f"{path} exists: keys are never overwritten", code="keys.exists",
                          advice="Name another folder, or remove the old keys yourself.") from err  # fmt: skip
    except OSError as err:
        raise ConfigError(f"{path}: {err.strerror}", code="keys.write") from err


def _replace(path: Path, text: str) -> None:
    """Put a new text in a file's place: a node that reads it meanwhile sees the old or the new one."""
    draft = path.with_suffix(".tmp")
    draft.write_text(text)
    draft.replace(path)


class KeyFolder:
    """Keys of one node and of the partners it trusts.

    Parameters
    ----------
    folder
        A folder made by `KeyFolder.make`.

    Raises
    ------
    ConfigError
        When it holds no keys, or its private files are open to others.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        try:
            self.about: dict[str, Any] = json.loads((self.folder / "party.json").read_text())
            self.party = check_party(str(self.about["party"]))
            self._private_files()
            self.signer = Ed25519Signer(self.party, (self.folder / "signing.key").read_bytes())
            self.secret = (self.folder / "secret.bin").read_bytes()
        except (OSError, ValueError, KeyError) as err:
            raise ConfigError(
                f"no usable keys in {self.folder}: {err}", code="keys.missing", advice="Make them: kuroshio keys init."
            ) from err

    def _private_files(self) -> None:
        for name in ("signing.key", "secret.bin", "node.key"):
            if (self.folder / name).stat().st_mode & 0o077:
                raise ConfigError(f"{self.folder / name} is open to others", code="keys.mode", advice="chmod 600 it.")

    @classmethod
    def make(
        cls, folder: Path | str, party: str, *, now_us: int, node: str = "node-1", hosts: Sequence[str] = ("localhost",)
    ) -> KeyFolder:
        """New keys, authority and node certificate.

        Raises
        ------
        ConfigError
            When the folder already holds keys, or the party code is not one.
        """
        check_party(party)
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = make_authority(party, now_us=now_us)
        node_key, node_crt = issue(party, node, [*hosts, "127.0.0.1"], authority, now_us=now_us)
        write_private(path / "signing.key", secrets.token_bytes(32))
        write_private(path / "secret.bin", secrets.token_bytes(32))
        write_private(path / "ca.key", pem(authority[0]))
        write_private(path / "node.key", pem(node_key))
        for name, certificate in (("ca.crt", authority[1]), ("node.crt", node_crt)):
            (path / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        about = {"party": party, "node": node, "hosts": list(hosts), "made_us": now_us}
        (path / "party.json").write_text(json.dumps(about, indent=1) + "\n")
        (path / "trusted").mkdir(exist_ok=True)
        return cls(path)

    # -- what partners are given, and what they gave

    def export(self) -> bytes:
        """Public bundle for partners: authority and signing keys, signed with the signing key."""
        body = {
            "type": BUNDLE_TYPE,
            "party": self.party,
            "ca_pem": (self.folder / "ca.crt").read_text(),
            "signing": [
                public_key(self.signer).as_dict(),
                *(key.as_dict() for key in self._own_retired() if key.revoked_us is None),
            ],
            "revoked": [key.as_dict() for key in self._own_retired() if key.revoked_us is not None],
        }
        signature = b64(self.signer.sign(canonical(body)))
        return canonical({**body, "key_id": self.signer.key_id, "signature": signature})

    def _own_retired(self) -> list[PublicKey]:
        path = self.folder / "retired.json"
        return [PublicKey.from_dict(v) for v in json.loads(path.read_text())] if path.exists() else []

    def _keep_retired(self, keys: Sequence[PublicKey]) -> None:
        _replace(self.folder / "retired.json", json.dumps([key.as_dict() for key in keys], indent=1) + "\n")

    def rotate(self, *, now_us: int, revoke: bool = False) -> str:
        """Make a new signing key; returns its name. Partners need the new export.

        Parameters
        ----------
        revoke
            The old key was lost or stolen: it counts no more, and what it signed and nobody has taken yet is refused.
            Without it the old key signs nothing more, and what it has signed may still arrive.
        """
        old = self.signer
        retired = PublicKey(old.key_id, self.party, old.public, 0, now_us if revoke else None)
        self._keep_retired([*self._own_retired(), retired])
        draft = self.folder / "signing.new"
        draft.unlink(missing_ok=True)
        write_private(draft, secrets.token_bytes(32))
        draft.replace(self.folder / "signing.key")
        self.signer = Ed25519Signer(self.party, (self.folder / "signing.key").read_bytes())
        return self.signer.key_id

    def trust(self, bundle: bytes) -> str:
        """Trust a partner's bundle (compare its digest with the partner by another way first); returns the party.

        Raises
        ------
        VerificationError
            When it is malformed or not signed by the key it carries.
        ConfigError
            When it is our own.
        """
        value = read_bundle(bundle)
        if value["party"] == self.party:
            raise ConfigError("that is this node's own bundle", code="keys.own_bundle")
        (self.folder / "trusted").mkdir(exist_ok=True)
        path = self.folder / "trusted" / f"{value['party']}.json"
        draft = path.with_suffix(".tmp")
        draft.write_bytes(bundle)
        draft.replace(path)
        return str(value["party"])

    def revoke(self, key_id: str, *, now_us: int) -> None:
        """Trust a partner's signing key, or an own one that was retired, no more, from now.

        Raises
        ------
        ConfigError
            When no such key is trusted, or it is the one this node signs with.
        """
        if self.ring().get(key_id) is None:
            raise ConfigError(f"no key {key_id}", code="keys.unknown")
        if key_id == self.signer.key_id:
            raise ConfigError(f"{key_id} signs for this node", code="keys.in_use",
                              advice="Use kuroshio keys rotate --revoke: it makes a new one first.")  # fmt: skip
        self._keep_retired(
            [replace(k, revoked_us=now_us) if k.key_id == key_id and k.revoked_us is None else k
             for k in self._own_retired()]
        )  # fmt: skip
        path = self.folder / "revoked.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        known.setdefault(key_id, now_us)
        _replace(path, json.dumps(known, indent=1) + "\n")

    def partners(self) -> dict[str, dict[str, Any]]:
        """Trusted bundles by party."""
        found = {}
        for path in sorted((self.folder / "trusted").glob("*.json")):
            value = read_bundle(path.read_bytes())
            found[str(value["party"])] = value
        return found

    def ring(self) -> KeyRing:
        """Keys trusted now: own and partners', revoked ones known as such."""
        ring = KeyRing([public_key(self.signer), *self._own_retired()])
        for value in self.partners().values():
            for entry in (*value["revoked"], *value["signing"]):
                ring.add(PublicKey.from_dict(entry))
        path = self.folder / "revoked.json"
        for key_id, at_us in (json.loads(path.read_text()) if path.exists() else {}).items():
            ring.revoke(key_id, int(at_us))
        return ring

    # -- TLS

    def authorities(self) -> dict[str, x509.Certificate]:
        """Authority of each trusted partner."""
        return {p: x509.load_pem_x509_certificate(v["ca_pem"].encode()) for p, v in self.partners().items()}

    def context(self, *, server: bool) -> ssl.SSLContext:
        """TLS 1.3 context that demands a certificate issued by a trusted partner's authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # the party in the certificate is checked instead: nodes move between addresses
        context.verify_mode = ssl.CERT_REQUIRED
        self.refresh(context)
        return context

    def refresh(self, context: ssl.SSLContext) -> None:
        """Give a server's context in use the certificate and the authorities of now.

        An authority that is trusted no more stays in it; `party_of` turns its certificates away.
        """
        context.load_cert_chain(self.folder / "node.crt", self.folder / "node.key")
        partners = self.partners()
        if partners:
            context.load_verify_locations(cadata="\n".join(v["ca_pem"] for v in partners.values()))

    def party_of(self, certificate_der: bytes | None) -> str:
        """Party that a peer's certificate speaks for.

        Raises
        ------
        PeerError
            When no trusted party's own authority issued it.
        """
        if not certificate_der:
            raise PeerError("the peer showed no certificate", code="peer.no_certificate")
        certificate = x509.load_der_x509_certificate(certificate_der)
        claimed = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        authority = self.authorities().get(claimed[0]) if len(claimed) == 1 else None
        if authority is None:
            raise PeerError(f"certificate of {claimed!r}: no such partner", code="peer.unknown_party")
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature) as err:
            raise PeerError(
                f"certificate of {claimed[0]} was not issued by {claimed[0]}'s authority", code="peer.wrong_authority"
            ) from err
        return claimed[0]


def read_bundle(data: bytes) -> dict[str, Any]:
    """Public bundle of a party, checked against itself.

    Raises
    ------
    VerificationError
        When it is malformed, or not signed by a key it carries.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise VerificationError(f"a trust bundle of {len(data)} bytes", code="keys.bundle")
    try:
        value = json.loads(data)
        body = {k: value[k] for k in ("type", "party", "ca_pem", "signing", "revoked")}
        keys = [PublicKey.from_dict(v) for v in value["signing"]]
        all_keys = [*keys, *map(PublicKey.from_dict, value["revoked"])]
        party = check_party(str(value["party"]))
        certificate = x509.load_pem_x509_certificate(str(value["ca_pem"]).encode())
        organisation = [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        signed, by, signature = canonical(body), str(value["key_id"]), unb64(value["signature"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError, InputError) as err:
        raise VerificationError(f"not a trust bundle: {err}", code="keys.bundle") from err
    if value["type"] != BUNDLE_TYPE or organisation != [party] or any(k.party != party for k in all_keys):
        raise VerificationError("a trust bundle that names several parties", code="keys.bundle")
    KeyRing(keys).verify(party, by, signed, signature, now_us=0)
    return dict(value)


def bundle_digest(data: bytes) -> str:
    """Digest to compare by telephone or in person: eight groups of four hex digits."""
    text = digest_hex(data)[:32]
    return " ".join(text[i : i + 4] for i in range(0, 32, 4))
