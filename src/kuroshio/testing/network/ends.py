"""Second thoughts of officers in the simulated network: releases taken back, and releases that end earlier.

What enters: the world. What leaves: recalls and earlier ends asked of nodes, and violations where one is not kept. What
a node should know is what the world saw it take durably, not what the node made of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kuroshio.errors import InputError
from kuroshio.schema.release import Release
from kuroshio.testing.network.moves import a_pair, backup, one_of, outage, warning

if TYPE_CHECKING:
    from kuroshio.testing.network.node import SimNode
    from kuroshio.testing.network.world import World

DATA = ("tracks", "safety")
S = 1_000_000


@dataclass
class Earlier:
    """Earlier ends of one world.

    Attributes
    ----------
    asked
        By release: who made it, for whom, and the end asked for last, by the maker's clock.
    told
        By node and release: the earliest end of which it has durably taken a statement.
    """

    world: World
    asked: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    told: dict[str, dict[str, int]] = field(default_factory=dict)

    def ask(self, sender: str, release_id: str, seconds: float) -> None:
        """An officer lets a release end after so many seconds; nothing where it ends before, or was taken back."""
        node, end_us = self.world.nodes[sender], 0

        def tighten(n: SimNode) -> None:
            nonlocal end_us
            end_us = n.now_us() + int(seconds * S)
            try:
                n.tighten(release_id, end_us)
            except InputError:
                return
            self.world.seen(f"{sender} ends one earlier")

        self.world.doing(sender, tighten)
        end = node.ledger.end(release_id)
        if end_us and end is not None and end["retain_until_us"] == end_us:  # also where power went before it was said
            self.asked[release_id] = (sender, end["to_party"], end_us)

    def one_of(self, node: SimNode, newest: int) -> tuple[str, str] | None:
        """(release, recipient) of one of the newest releases of a node."""
        sent = [(i, to) for i, to, kind in node.ledger.made_ids()[-newest:] if kind in DATA]
        return sent[int(self.world.rng.integers(0, len(sent)))] if sent else None

    def second_thought(self, node: SimNode, *, calm: bool) -> None:
        """Now and then an officer recalls a release, or ends one earlier."""
        rng = self.world.rng
        if rng.random() < (0.05 if calm else 0.15) and (one := self.one_of(node, 50)):
            self.world.seen(f"{node.party} recalls one of {one[1]}")
            node.recall(one[0])
        if rng.random() < (0.05 if calm else 0.1) and (one := self.one_of(node, 20)):
            self.world.after(0.0, lambda: self.ask(node.party, one[0], float(rng.uniform(1.0, 20.0))))

    def arrived(self, party: str, body: dict[str, Any]) -> None:
        """A statement of an earlier end was durably taken by a node."""
        known = self.told.setdefault(party, {})
        for release_id in body["release_ids"]:
            if self.asked.get(release_id, ("",))[0] == body["partner"]:  # only the releaser ends
                known[release_id] = min(known.get(release_id, 1 << 62), int(body["retain_until_us"]))

    # -- what must hold

    def past(self, node: SimNode, release_id: str) -> bool:
        """True when a release of a node is past the end that was asked for."""
        return release_id in self.asked and self.asked[release_id][2] <= node.now_us()

    def taken(self, node: SimNode, release_id: str) -> None:
        """A release was taken just now."""
        end_us = self.told.get(node.party, {}).get(release_id)
        if end_us is not None and end_us <= node.now_us():
            self.world.checker.fail("took a release after its earlier end", party=node.party)

    def kept(self, node: SimNode) -> None:
        """A node has just carried out retention: nothing is shown past an end it was told, or will be."""
        for release_id, end_us in sorted(self.told.get(node.party, {}).items()):
            if release_id in node.held and end_us <= node.now_us():
                self.world.checker.fail("shown after its earlier end", party=node.party)
            bundle, held = node.ledger.bundle(release_id), node.ledger.holding(release_id)
            if bundle is None or held is None:
                continue
            granted_us = Release.from_bytes(bundle).fields["retain_until_us"]
            until_us = held["retain_until_us"]
            if until_us is None or until_us > min(end_us, end_us if granted_us is None else granted_us):
                self.world.checker.fail("held longer than its releaser said", party=node.party)

    def end(self) -> None:
        """After healing: each earlier end was confirmed, and by one who knew of it."""
        for release_id, (sender, to, end_us) in sorted(self.asked.items()):
            node, other = self.world.nodes[sender], self.world.nodes[to]
            if {(sender, to), (to, sender)} & self.world.liars:
                continue
            end, state = node.ledger.end(release_id), node.ledger.release(release_id)["state"]
            if end is None or end["retain_until_us"] != end_us:
                self.world.checker.fail("an earlier end was forgotten", sender=sender, to=to)
            elif end["confirmed_us"] is None and not state.startswith("withdraw"):
                self.world.checker.fail("an earlier end was not confirmed", sender=sender, to=to, state=state)
            elif end["confirmed_us"] is not None and self.told.get(to, {}).get(release_id, 1 << 62) > end_us:
                self.world.checker.fail("an earlier end was confirmed and not known", sender=sender, to=to)
            if release_id in other.held and end_us < min(node.now_us(), other.now_us()) - 10 * S:
                self.world.checker.fail("held beyond its earlier end", sender=sender, to=to)


def ends_earlier(world: World) -> bool:
    """An officer ends a release earlier, and often a second time earlier still."""
    node = world.nodes[one_of(world)]
    one = world.ends.one_of(node, 10) if node.alive else None
    if one is None:
        return False
    again, restarts = world.rng.random() < 0.5, world.rng.random() < 0.4
    world.ends.ask(node.party, one[0], float(world.rng.uniform(6.0, 20.0)))
    if restarts:
        world.after(3.0, lambda: world.crash(one[1], 1.0))
    if again:
        world.after(2.0, lambda: world.ends.ask(node.party, one[0], 2.0))
    return True


def ends_in_outage(world: World) -> bool:
    """Releases that wait are ended earlier: one before the partner is back and must not go, one after it."""
    pair = a_pair(world)
    outage(world, pair, 15.0)
    forgets = world.rng.random() < 0.4

    def ask(seconds: float) -> None:
        release_id = warning(world, *pair)
        if release_id is not None:
            world.fault("ends_in_outage")
            world.ends.ask(pair[0], release_id, seconds)

    def forgetting() -> None:
        back = backup(world, pair[0])
        ask(3.0)
        world.after(1.0, back)

    world.after(5.0, lambda: ask(4.0))
    world.after(6.0, lambda: ask(25.0))
    if forgets:  # the statement waits in a log of which an older copy comes back
        world.after(7.0, forgetting)
    return True
