"""Bugs to plant in earlier ends and in files of bundles: part of the list in `mutants`.

What enters: a node that starts. What leaves: the same node with a mistake in it that a maintainer could make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kuroshio.exchange.ends import Ends
from kuroshio.schema.release import Release
from kuroshio.testing.network.node import SimNode

Hook = Callable[[SimNode], None]


def _end_forgotten(node: SimNode) -> None:
    """An end asked for by a partner does not outlive a restart: the release is kept as first granted."""
    node.ledger._run("DELETE FROM ends_here")
    for release_id in sorted(node.held):
        bundle = node.ledger.bundle(release_id)
        if bundle is not None:
            granted_us = Release.from_bytes(bundle).fields["retain_until_us"]
            node.ledger._run("UPDATE held SET retain_until_us=? WHERE release_id=?", (granted_us, release_id))


def _end_not_said_again(node: SimNode) -> None:
    """An earlier end is said once: what a crash, an old copy or a revoked key keeps from the partner never comes."""
    node.ledger.unconfirmed_ends = lambda *, before_us: []  # type: ignore[method-assign]


def _end_as_it_comes(node: SimNode) -> None:
    """The last end that comes counts, also one that is later than what is known."""

    def shorten(release_ids: Iterable[str], partner: str, retain_until_us: int, *, now_us: int) -> None:
        for release_id in release_ids:
            node.ledger._run(
                "UPDATE held SET retain_until_us=? WHERE release_id=? AND from_party=?",
                (retain_until_us, release_id, partner),
            )
        Ends.shorten_here(node.ledger, release_ids, partner, 1 << 60, now_us=now_us)

    node.ledger.shorten_here = shorten  # type: ignore[method-assign]


def _end_overtaken(node: SimNode) -> None:
    """An end that comes before its release is not kept for it."""
    node.ledger.kept_until = lambda release_id, partner, retain_until_us: retain_until_us  # type: ignore[method-assign]


def _carried_unproven(node: SimNode) -> None:
    """The record's receipt is asked of what a link brings only."""
    honest = node._accept_carried

    def accept(partner: str, data: bytes, now_us: int) -> Any:
        kept, node.desk._verify = node.desk._verify, lambda release, now_us: None
        try:
            release = Release.from_bytes(data)
            return honest(
                partner, release.with_receipt({"leaf": "{}"}).to_bytes() if not release.receipt else data, now_us
            )
        finally:
            node.desk._verify = kept

    node.carrier._accept = accept


def _carrier_blamed_on_sender(node: SimNode) -> None:
    """A bundle damaged in a file is refused for good, as if its sender had made it so."""
    honest = type(node)._accept
    node._accept = lambda partner, data, *, carried=False: honest(node, partner, data)  # type: ignore[method-assign]


def _file_asks_no_policy(node: SimNode) -> None:
    """What waits is written to a file whatever is in force now."""
    for session in node.sessions.values():
        out, honest = session.out, session.out._may_send

        def to_carry(now_us: int, out: Any = out, honest: Any = honest) -> Any:
            out._may_send = lambda item, now_us: True
            try:
                return type(out).to_carry(out, now_us)
            finally:
                out._may_send = honest

        out.to_carry = to_carry  # type: ignore[method-assign]


def _arrived_too_much(node: SimNode) -> None:
    """One file that arrived takes all off the queue, also what was queued after it was written."""

    def gone(partner: str, release_id: str) -> None:
        del release_id
        for _, _, queued in node.boxes[partner].queued():
            node._gone(partner, queued)

    node.carrier._gone = gone


def _taken_off_when_written(node: SimNode) -> None:
    """What a file holds is taken off the queue when the file is written."""
    honest = type(node).export

    def export(partner: str) -> bytes:
        data = honest(node, partner)
        for _, _, queued in node.boxes[partner].queued():
            node._gone(partner, queued)
        return data

    node.export = export  # type: ignore[method-assign]


CARRIED: dict[str, Hook] = {
    "earlier end forgotten in a restart": _end_forgotten,
    "earlier end not said again": _end_not_said_again,
    "earlier end made later by an old statement": _end_as_it_comes,
    "earlier end that overtakes its release lost": _end_overtaken,
    "record receipt of a carried release not checked": _carried_unproven,
    "damage on the way of a file blamed on its sender": _carrier_blamed_on_sender,
    "file written without asking the policy": _file_asks_no_policy,
    "arrived takes more off the queue than the file holds": _arrived_too_much,
    "taken off the queue when a file is written": _taken_off_when_written,
}
