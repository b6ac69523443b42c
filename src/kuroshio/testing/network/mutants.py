"""Bugs to plant: each is a mistake that a maintainer could make, and the simulation must find it.

What enters: the name of a bug. What leaves: a hook that plants it in a node when it starts. `hunt` tells at which seed
the checkers found it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from kuroshio.exchange import Accepted
from kuroshio.exchange.rules import still_allowed
from kuroshio.peers import Lane
from kuroshio.schema import Citation, Decision, Effect, Obligations
from kuroshio.schema.release import Release
from kuroshio.testing.network.mutants_carried import CARRIED
from kuroshio.testing.network.node import SimNode
from kuroshio.testing.network.world import World

Hook = Callable[[SimNode], None]


def _no_reevaluation(node: SimNode) -> None:
    for session in node.sessions.values():
        session.out._may_send = lambda item, now_us: True


def _no_commit(node: SimNode) -> None:
    node.commits_skipped = True


def _log_not_synced(node: SimNode) -> None:
    node.files.honest_sync = False


def _weaker(change: Callable[[Obligations], Obligations]) -> Hook:
    """Seal under weaker terms than decided."""

    def plant(node: SimNode) -> None:
        honest = type(node.desk).seal

        def seal(rows: pa.Table, decision: Any, **more: Any) -> Any:
            return honest(node.desk, rows, replace(decision, obligations=change(decision.obligations)), **more)

        node.desk.seal = seal  # type: ignore[method-assign, assignment]

    return plant


def _outlets(act: Callable[[Any], None]) -> Hook:
    def plant(node: SimNode) -> None:
        honest = type(node.desk).outlet

        def outlet(partner: str) -> Any:
            found = honest(node.desk, partner)
            act(found)
            return found

        node.desk.outlet = outlet  # type: ignore[method-assign]

    return plant


def _forget_bucket(outlet: Any) -> None:
    outlet._sent_us.clear()
    outlet._floor_us = -(2**62)


def _forget_delay(outlet: Any) -> None:
    outlet._aged = lambda tracks, obligations, now_us, *, keep: tracks


def _no_receipt_check(node: SimNode) -> None:
    node.desk._verify = lambda release, now_us: None


def _no_signature_check(node: SimNode) -> None:
    node.ring.verify = lambda *a, **k: None  # type: ignore[method-assign]


def _recall_ignored(node: SimNode) -> None:
    node.ledger.withdraw = lambda release_ids, partner, *, now_us: []  # type: ignore[method-assign]


def _recall_not_told(node: SimNode) -> None:
    honest = type(node.ledger).unanswered
    node.ledger.unanswered = lambda limit: {  # type: ignore[method-assign]
        p: [a for a in v if a[1] != "withdrawn"] for p, v in honest(node.ledger, limit).items()
    }


def _recalled_kept(node: SimNode) -> None:
    node._forget = lambda: None  # type: ignore[method-assign]


def _taken_twice(node: SimNode) -> None:
    node.ledger.hold = lambda received, **k: type(node.ledger).hold(node.ledger, received) or True  # type: ignore[method-assign]
    for box in node.boxes.values():
        box.has = lambda item_id: False  # type: ignore[method-assign]
    for session in node.sessions.values():
        session.inn._expected = dict.fromkeys(Lane, 0)
        session.outbox.taken = lambda lane, below, item_id=None: None  # type: ignore[method-assign]


def _epoch_kept(node: SimNode) -> None:
    for box in node.boxes.values():
        box.new_epoch = lambda epoch: None  # type: ignore[method-assign]


def _acknowledged_unseen(node: SimNode) -> None:
    """A failed store is acknowledged all the same."""
    honest = type(node)._accept

    def accept(partner: str, data: bytes, *, carried: bool = False) -> Accepted:
        try:
            return honest(node, partner, data, carried=carried)
        except Exception:
            return Accepted("", None)

    node._accept = accept  # type: ignore[method-assign]


def _skip_ignored(node: SimNode) -> None:
    for session in node.sessions.values():
        session.inn._skip = lambda frame: []  # type: ignore[method-assign]


def _ack_too_far(node: SimNode) -> None:
    for partner, session in node.sessions.items():
        honest = type(session.out)._acked

        def acked(
            lane: Lane, below: int, now_us: int, *, resumed: bool = False, s: Any = session, h: Any = honest
        ) -> Any:
            return h(s.out, lane, min(below + 1, s.out.cursor[lane]), now_us, resumed=resumed)

        session.out._acked = acked  # type: ignore[method-assign]
        del partner


def _refusal_said_once(node: SimNode) -> None:
    """Only the wire's own word of a refusal is left, which may be lost."""
    node.ledger.refuse = lambda release_id, partner, **k: None  # type: ignore[method-assign]


def _retention_ignored(node: SimNode) -> None:
    node.desk.expire = lambda now_us: {}  # type: ignore[method-assign]


def _tie_forgotten(node: SimNode) -> None:
    honest = type(node.ledger).hold
    node.ledger.hold = lambda received, **k: honest(node.ledger, replace(received, held_under=("NONE",)))  # type: ignore[method-assign]


def _no_leaf(node: SimNode) -> None:
    """A release leaves although the record could not take it: its leaf is of another one."""
    honest = type(node.log).append

    def append(leaves: Any) -> list[int]:
        return honest(node.log, [{**leaf, "release_id": "00" * 32} if leaf.get("to") else leaf for leaf in leaves])

    node.log.append = append  # type: ignore[method-assign]


def _sparse_numbers(node: SimNode) -> None:
    honest = type(node.log).append

    def append(leaves: Any) -> list[int]:
        for leaf in leaves:
            to = leaf.get("to")
            if to and node.log.size % 7 == 6:
                node.log._counts[to] = node.log._counts.get(to, 0) + 1
        return honest(node.log, leaves)

    node.log.append = append  # type: ignore[method-assign]


def _queue_lost_in_crash(node: SimNode) -> None:
    """What a crash kept from the session is not offered again, and offers are marked too early."""
    honest = type(node).offer

    def offer(parcel: Any) -> None:
        if parcel is not None:
            node.ledger.offered(parcel.release_id)
            if node.log.size % 5 == 0:
                return
        honest(node, parcel)

    node.offer = offer  # type: ignore[method-assign]


def _decision_ignored(node: SimNode) -> None:
    honest, rules = type(node.desk).seal, node.rules

    def always(a: str, b: str) -> Any:
        found = rules(a, b)
        return found if found.flows else SimpleNamespace(**{**found.__dict__, "flows": True, "basis": "SIM"})

    node.rules = always
    node.desk.seal = lambda rows, decision, **more: honest(  # type: ignore[method-assign]
        node.desk, rows, replace(_permit(), obligations=decision.obligations), **more
    )
    for session in node.sessions.values():
        session.out._may_send = lambda item, now_us: True


def _later_version_ignored(node: SimNode) -> None:
    """A member that has not the new file goes on sending to the one who is out, though it was told."""
    node.versions_of_groups.heed = lambda party, body, ours: 0  # type: ignore[method-assign]


def _later_version_forgotten(node: SimNode) -> None:
    """What was heard of later versions does not outlive a restart."""
    node.versions_of_groups.heard.clear()


def _group_asked_at_sealing_only(node: SimNode) -> None:
    """What waits in a queue goes on to a member that was taken out meanwhile."""
    for session in node.sessions.values():
        session.out._may_send = lambda item, now_us: still_going(node, item)


def still_going(node: SimNode, item: Any) -> bool:
    """The rule at sending without the group."""
    row = node.ledger.release(item.release_id)
    decision = node.rules(node.party, row["to_party"])
    return row["state"] == "sent" and still_allowed(Release.from_bytes(item.body).fields, decision)


def _versions_not_told(node: SimNode) -> None:
    node.versions_of_groups.owed = lambda party, ours, now_us: None  # type: ignore[method-assign]


def _form_not_asked(node: SimNode) -> None:
    """Rows go in the newest form, whatever the partner reads."""
    node._form = lambda partner: 2 if partner in node.tells_whole else 1  # type: ignore[method-assign]
    node.desk._form = node._form


def _form_asked_at_sealing_only(node: SimNode) -> None:
    """What waits in a queue goes to a partner that came back with older software."""

    def may_send(item: Any, now_us: int) -> bool:
        del now_us
        row, header = node.ledger.release(item.release_id), Release.from_bytes(item.body).fields
        return row["state"] == "sent" and still_allowed(header, node.decision(row["to_party"]))

    for session in node.sessions.values():
        session.out._may_send = may_send


def _tracklets_to_all(node: SimNode) -> None:
    """The node file is not asked who may have tracklets."""
    node.desk._form = lambda partner: node.sessions[partner].track_form
    node._form = node.desk._form  # type: ignore[method-assign]


def _permit() -> Any:
    return Decision(Effect.PERMIT, (Citation("SIM", "Art.4"),), basis="SIM")


MUTANTS: dict[str, Hook] = {
    "policy is not asked again at replay": _no_reevaluation,
    "instructions before the commit": _no_commit,
    "the log acknowledges before fsync": _log_not_synced,
    "grid forgotten": _weaker(lambda o: replace(o, grid_deg=0.0)),
    "grid made finer": _weaker(lambda o: replace(o, grid_deg=o.grid_deg / 10)),
    "redaction forgotten": _weaker(lambda o: replace(o, redact=frozenset())),
    "retention not stated": _weaker(lambda o: replace(o, retention_s=None)),
    "delay forgotten": _outlets(_forget_delay),
    "two rows in one bucket": _outlets(_forget_bucket),
    "no decision asked": _decision_ignored,
    "release without a leaf": _no_leaf,
    "record receipt not checked": _no_receipt_check,
    "signature not checked": _no_signature_check,
    "recall ignored": _recall_ignored,
    "recall not receipted": _recall_not_told,
    "recalled rows kept": _recalled_kept,
    "taken twice": _taken_twice,
    "epoch kept after a restored backup": _epoch_kept,
    "acknowledged although it failed": _acknowledged_unseen,
    "skip not understood": _skip_ignored,
    "acknowledgement read too far": _ack_too_far,
    "refusal not kept": _refusal_said_once,
    "retention ignored": _retention_ignored,
    "tie forgotten": _tie_forgotten,
    "partner numbers with holes": _sparse_numbers,
    "queue lost in a crash": _queue_lost_in_crash,
    "later version of a group ignored": _later_version_ignored,
    "later version of a group forgotten": _later_version_forgotten,
    "group not asked again at replay": _group_asked_at_sealing_only,
    "versions of groups not told": _versions_not_told,
    "form the partner reads not asked": _form_not_asked,
    "form asked at sealing only": _form_asked_at_sealing_only,
    "tracklets to everybody": _tracklets_to_all,
    **CARRIED,
}


def hunt(name: str, seeds: Iterable[int]) -> tuple[int, str] | None:
    """(number of seeds needed, first violation) until the checkers find a planted bug; None when they do not."""
    for count, number in enumerate(seeds, 1):
        try:
            violations = World(number, mutate=MUTANTS[name]).run()["violations"]
        except Exception as err:  # a crash of the program is a find too
            return count, f"{type(err).__name__}: {err}"
        if violations:
            return count, str(violations[0]["what"])
    return None
