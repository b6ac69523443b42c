"""What several kinds of fault do: choose whom it meets, cut two parties off, let everything flow.

What enters: the world. What leaves: names drawn from its seed, links that are blocked for a while, an agreement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kuroshio.peers import Direction
from kuroshio.schema import Citation, Decision, Effect, Obligations

if TYPE_CHECKING:
    from kuroshio.testing.network.world import World


def a_pair(world: World) -> tuple[str, str]:
    """A sender and a recipient."""
    pairs = sorted(world.links)
    return pairs[int(world.rng.integers(0, len(pairs)))]


def one_of(world: World) -> str:
    """A party."""
    return world.parties[int(world.rng.integers(0, len(world.parties)))]


def outage(world: World, pair: tuple[str, str], seconds: float) -> None:
    """Nothing goes between two parties for a while."""
    for a, b in (pair, pair[::-1]):
        link = world.links[a, b]
        link["blocked"] = {Direction.OUT: True, Direction.IN: True}
        world.cut(a, b)
        world.after(seconds, lambda link=link: link.update(blocked={Direction.OUT: False, Direction.IN: False}))  # type: ignore[misc]


def permit() -> Decision:
    """An agreement under which all goes as it is."""
    return Decision(Effect.PERMIT, (Citation("SIM", "Art.4"),), Obligations(), basis="SIM", rules_digest="00" * 32)


def warning(world: World, sender: str, to: str) -> str | None:
    """A safety message to a partner, under an agreement that lets it flow; its id."""
    if not world.decision(sender, to).flows:
        world.rule(sender, to, permit())
    return world.warn(sender, to)


def warned(world: World, sender: str, to: str) -> None:
    """The same, whatever its id."""
    warning(world, sender, to)


def backup(world: World, party: str) -> Callable[[], None]:
    """Copy the sessions of a node; what is given back puts the copies in their place, with a restart."""
    node = world.nodes[party]
    copies = {partner: box.copy() for partner, box in node.boxes.items()}

    def restore() -> None:
        if node.alive:
            world.fault("restored_backup")
            world.crash(party, 1.0)
            node.boxes = copies
            # what was sealed since the copy was in the session alone: it is lost, and the partner sees the gap
            world.restored_us[party] = world.now_us

    return restore
