"""Partners as witnesses of one another's records: checkpoints out with a proof, cosignatures back.

What enters: our log, statements of partners. What leaves: bodies of checkpoint and cosignature statements, and
VerificationError where a partner's record forgot, forked or changed. A witness signs only what extends all it saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kuroshio.errors import VerificationError
from kuroshio.record import notes
from kuroshio.record.log import Log
from kuroshio.record.verify import Witness
from kuroshio.schema.signing import KeyRing, Signer, b64, unb64

UNPROVEN_MAX = 3  # proofs from too early in a row: the partner gets our cosignature again with each, then is refused


class WitnessDesk:
    """Both roles with all partners.

    Parameters
    ----------
    log
        Own record.
    signer
        Own key.
    keys
        Gives the keys trusted now.
    witnesses
        What was seen of each partner's record; shared with `verify.ReceiptVerifier` and kept by the node.
    shown
        Per partner the size of ours it last cosigned; kept by the node.
    """

    def __init__(
        self,
        log: Log,
        signer: Signer,
        keys: Callable[[], KeyRing],
        *,
        witnesses: dict[str, Witness],
        shown: dict[str, int] | None = None,
    ) -> None:
        self._log, self._signer, self._keys, self.witnesses = log, signer, keys, witnesses
        self.shown: dict[str, int] = shown if shown is not None else {}

    def statement(self, partner: str) -> dict[str, Any] | None:
        """Body of a checkpoint statement for a partner; None when it has seen the last one."""
        checkpoint = self._log.publish()
        old = self.shown.get(partner, 0)
        if checkpoint.size <= old:
            return None
        proof = [b64(h) for h in self._log.consistency(old, checkpoint.size)]
        own = notes.Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root, checkpoint.signatures[:1])
        return {"note": own.note().decode(), "old_size": old, "proof": proof}

    def on_checkpoint(
        self, partner: str, body: Mapping[str, Any], now_us: int, *, stated_us: int
    ) -> dict[str, Any] | None:
        """Body of a cosignature for a partner's checkpoint, after it was proven to extend all we saw.

        A statement may be overtaken, by a file or by our own answer: one that was made before the newest we took says
        less than we know (None), and one that is proven from before it is answered with our cosignature of that.

        Parameters
        ----------
        stated_us
            When the partner made the statement, by its signed header.

        Raises
        ------
        VerificationError
            ``record.consistency`` or ``record.fork``: keep both checkpoints, they are the proof.
        """
        checkpoint = notes.parse_checkpoint(str(body["note"]).encode())
        notes.verify_checkpoint(checkpoint, partner, self._keys(), now_us=now_us)
        witness = self.witnesses.setdefault(partner, Witness(partner))
        proof, old = [unb64(h) for h in body["proof"]], int(body["old_size"])
        if checkpoint.size == witness.size:
            if checkpoint.root != witness.root:
                raise VerificationError(f"two roots for size {checkpoint.size} of {partner}", code="record.fork")
        elif checkpoint.size < witness.size:
            if stated_us > witness.stated_us:
                raise VerificationError(f"record of {partner} shrank to {checkpoint.size}", code="record.consistency")
            return None
        elif witness.size and old != witness.size:  # with nothing seen there is nothing to prove
            if old > witness.size or witness.unproven >= UNPROVEN_MAX:
                raise VerificationError(
                    f"proof starts at {old}, {witness.size} was seen", code="record.consistency_start"
                )
            witness.unproven += 1
            checkpoint = notes.Checkpoint(checkpoint.origin, witness.size, witness.root)
        else:
            witness.extend(checkpoint, proof)
            witness.stated_us, witness.unproven = max(witness.stated_us, stated_us), 0
        signature = notes.cosign(checkpoint, self._signer, at_us=now_us)
        return {"origin": checkpoint.origin, "size": checkpoint.size, "line": signature.line().rstrip("\n")}

    def on_cosignature(self, partner: str, body: Mapping[str, Any], now_us: int) -> None:
        """Keep a partner's cosignature of ours.

        Raises
        ------
        VerificationError
            When it is not of a checkpoint of ours, or not signed by the partner.
        """
        size = int(body["size"])
        if body["origin"] != self._log.origin or not 0 < size <= self._log.size:
            raise VerificationError("a cosignature of another log", code="record.cosignature")
        _, _, rest = str(body["line"]).partition(" ")
        name, _, text = rest.partition(" ")
        blob = unb64(text)
        signature = notes.Signature(name, blob[:4], blob[4:])
        plain = notes.Checkpoint(self._log.origin, size, self._log.root(size))
        notes.verify_cosignature(plain, signature, partner, self._keys(), now_us=now_us)
        self._log.add_cosignature(signature, size=size)
        self.shown[partner] = max(size, self.shown.get(partner, 0))
