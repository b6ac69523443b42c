"""Detached signatures of agreement files: each party's authority signs the canonical content of one accord version.

What enters: a book, an accord, Ed25519 keys. What leaves: signature lines, and whether they hold. What is signed is
the digest of the canonical content under a fixed context string, so that white space and the order of keys do not
matter and a signature over one accord is none over another. Versions only append: a later version must keep every
status entry of the earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kuroshio.accord.book import Book
from kuroshio.accord.canonical import digest
from kuroshio.errors import AccordError, VerificationError

CONTEXT = b"kuroshio.accord.signature/1\n"


def accord_digest(book: Book, accord_id: str) -> str:
    """SHA-256 of the canonical content of one accord, hexadecimal."""
    book.accord(accord_id)
    return digest(book.entries["accords"][accord_id])


def _message(accord_id: str, version: int, content_digest: str) -> bytes:
    return CONTEXT + f"{accord_id}\n{version}\n{content_digest}\n".encode()


def sign(book: Book, accord_id: str, *, party: str, office: str, key: Ed25519PrivateKey) -> dict[str, Any]:
    """Signature line of one party's authority over one version of one accord.

    Raises
    ------
    AccordError
        When the party is not a party of the accord.
    """
    accord = book.accord(accord_id)
    if party not in accord.parties:
        raise AccordError(f"{party} is not a party of {accord_id}", code="accord.signature")
    content = accord_digest(book, accord_id)
    signature = key.sign(_message(accord_id, accord.version, content))
    return {
        "accord": accord_id,
        "version": accord.version,
        "digest": f"sha256:{content}",
        "party": party,
        "office": office,
        "ed25519": key.public_key().public_bytes_raw().hex(),
        "signature": signature.hex(),
    }


def verify_signature(book: Book, line: Mapping[str, Any]) -> None:
    """Nothing when a signature holds over the content of the book by a key the party declares.

    Raises
    ------
    VerificationError
        When the content differs, the key is not declared for that office, or the signature is wrong.
    """
    accord = book.accord(str(line.get("accord")))
    party = book.content.parties.get(str(line.get("party")))
    if party is None or party.code not in accord.parties:
        raise VerificationError(f"{line.get('party')} is no party of {accord.id}", code="accord.signature")
    if (str(line.get("office")), str(line.get("ed25519"))) not in party.keys:
        raise VerificationError(f"{party.code} declares no such key of {line.get('office')}", code="accord.signature")
    content = accord_digest(book, accord.id)
    if line.get("digest") != f"sha256:{content}" or line.get("version") != accord.version:
        raise VerificationError(f"{accord.id} is not the content that was signed", code="accord.signature")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(line["ed25519"])))
        public.verify(bytes.fromhex(str(line.get("signature"))), _message(accord.id, accord.version, content))
    except (InvalidSignature, ValueError) as err:
        raise VerificationError(
            f"signature of {party.code} over {accord.id} is wrong", code="accord.signature"
        ) from err


def signed_by(book: Book, accord_id: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """For each party of the accord, whether a signature of its authority holds."""
    out = dict.fromkeys(book.accord(accord_id).parties, False)
    for line in lines:
        if line.get("accord") != accord_id:
            continue
        try:
            verify_signature(book, line)
        except VerificationError:
            continue
        out[str(line["party"])] = True
    return out


def verify_append(earlier: Book, later: Book, accord_id: str) -> None:
    """Nothing when the later version only appends to the earlier: higher version for other clauses or parties, all old
    status entries kept.

    Raises
    ------
    VerificationError
        When the version did not rise though the content changed, or history was rewritten.
    """
    old, new = earlier.accord(accord_id), later.accord(accord_id)
    if accord_digest(earlier, accord_id) == accord_digest(later, accord_id):
        return
    lost = [s for s in old.status if s not in new.status]
    if lost:
        message = f"{accord_id}: history was rewritten: {lost[0].state} is gone or changed"
        raise VerificationError(message, code="accord.history_rewritten")
    what = "clauses" if old.clauses != new.clauses else "parties" if set(old.parties) != set(new.parties) else None
    if what is not None and new.version <= old.version:
        message = f"{accord_id}: {what} changed and the version is still {new.version}"
        raise VerificationError(message, code="accord.version")
