"""Every decision and release: append-only, provable.

Enters: leaves (`schema.release.Release.leaf()`, consents, receipts, recalls). Leaves: dense numbers, receipts for
partners, signed checkpoints, proofs, a report of faults. It cannot see use after release, nor prove a release made
outside the node: the page says so.

``Log(files, signer, *, secret)`` with ``append(leaves) -> list[int]`` (durable), ``publish() -> Checkpoint``,
``receipt(seq) -> dict``, ``inclusion``, ``consistency``, ``root``, ``entry``, ``entries``, ``add_cosignature``;
``open_log(folder, signer, *, secret)``; ``ReceiptVerifier(keys).verify(release)`` for ``exchange.receive``;
``fsck(files, party, keys, *, now_us) -> Report``; ``verify_*`` return None or a proven value, or raise
VerificationError.
"""

from __future__ import annotations

from pathlib import Path

from kuroshio.record.files import Disk, Files
from kuroshio.record.journal import Entry
from kuroshio.record.knew import knew, sign_report, verify_knew
from kuroshio.record.knew import page as knew_page
from kuroshio.record.log import Log
from kuroshio.record.notes import (
    Checkpoint,
    Signature,
    cosign,
    origin_of,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignature,
)
from kuroshio.record.verify import (
    Proven,
    ReceiptVerifier,
    Report,
    Witness,
    fsck,
    raise_faults,
    verify_receipt,
    verify_release,
)
from kuroshio.record.witness import WitnessDesk
from kuroshio.schema.signing import Signer


def open_log(folder: Path | str, signer: Signer, *, secret: bytes) -> Log:
    """Record in a folder, made when there is none."""
    return Log(Disk(folder), signer, secret=secret)


__all__ = [
    "Checkpoint",
    "Disk",
    "Entry",
    "Files",
    "Log",
    "Proven",
    "ReceiptVerifier",
    "Report",
    "Signature",
    "Witness",
    "WitnessDesk",
    "cosign",
    "fsck",
    "knew",
    "knew_page",
    "open_log",
    "origin_of",
    "parse_checkpoint",
    "raise_faults",
    "sign_checkpoint",
    "sign_report",
    "verify_checkpoint",
    "verify_cosignature",
    "verify_knew",
    "verify_receipt",
    "verify_release",
]
