"""A group in the simulated network: an agreement of all, one member taken out, and files that reach the others late.

What enters: the world. What leaves: who is a member by which version, and what each node can know of it. The judgement
here uses what the world saw arrive, not what a node made of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kuroshio.schema import Citation, Decision, Effect, Obligations

if TYPE_CHECKING:
    from kuroshio.testing.network.node import SimNode
    from kuroshio.testing.network.world import World

GROUP = "SIM-GROUP"
OUT = Decision(Effect.DENY, ())


@dataclass(frozen=True)
class Edition:
    """The group as a node's file has it."""

    version: int
    parties: tuple[str, ...]


def permit() -> Decision:
    """What the group lets its members have."""
    cites = (Citation(GROUP, "Art.1"),)
    return Decision(Effect.PERMIT, cites, Obligations(), basis=GROUP, rules_digest="00" * 32)


def by_group(node: SimNode, to: str, decision: Decision) -> Decision:
    """A node's decision under the group, by its file and the versions it heard of: the shipped `Versions` judge."""
    if decision.basis != GROUP or not decision.flows:
        return decision
    edition = node.files_of_groups.get(GROUP)
    if edition is None or to not in edition.parties or node.party not in edition.parties:
        return OUT
    return replace(decision, effect=Effect.DECIDE) if node.versions_of_groups.later(node.files_of_groups) else decision


@dataclass
class Membership:
    """The group of one world: at most one removal.

    Attributes
    ----------
    removed
        The member taken out; empty before that.
    secretary
        Who took it out, and tells the others.
    knows
        Nodes that have the later file, or have durably taken a member's statement of it.
    """

    world: World
    removed: str = ""
    secretary: str = ""
    removed_us: int = 0
    knows: set[str] = field(default_factory=set)

    def begin(self, removed: str, secretary: str) -> None:
        """The first edition is in everybody's files; what goes to and from one of them goes under the group."""
        world, all_of_them = self.world, tuple(self.world.parties)
        self.removed, self.secretary = removed, secretary
        for party in all_of_them:
            world.nodes[party].adopt(GROUP, Edition(1, all_of_them))
            if party != removed:
                world.rule(party, removed, permit())
                world.rule(removed, party, permit())

    def remove(self, late_s: dict[str, float]) -> None:
        """The second edition, without one: at the secretary now, at others after a while, at some never."""
        self.removed_us = self.world.now_us
        left = Edition(2, tuple(p for p in self.world.parties if p != self.removed))

        def adopt(party: str) -> None:
            self.world.nodes[party].adopt(GROUP, left)
            self.knows.add(party)
            self.world.seen(f"{party} has the group without {self.removed}")

        adopt(self.secretary)
        for party, seconds in late_s.items():
            self.world.after(seconds, lambda p=party: adopt(p))  # type: ignore[misc]

    def arrived(self, party: str, sender: str, versions: dict[str, int]) -> None:
        """A statement of versions was durably taken by a node: from then on it knows, whatever it makes of it."""
        if versions.get(GROUP, 0) >= 2 and sender != self.removed:
            self.knows.add(party)

    def judged(self, sender: str, decision: Decision) -> Decision:
        """What a sender may do by what it can know."""
        return OUT if decision.basis == GROUP and self.removed_us and sender in self.knows else decision

    def unaware(self) -> list[str]:
        """Members that should have heard by now, with a link to the secretary on which nobody lies."""
        if not self.removed_us:
            return []
        world, secretary = self.world, self.secretary
        honest = [
            p
            for p in world.parties
            if p not in (self.removed, secretary) and not {(secretary, p), (p, secretary)} & world.liars
        ]
        return [p for p in honest if p not in self.knows]
