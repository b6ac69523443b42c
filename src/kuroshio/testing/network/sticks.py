"""Files of bundles in the simulated network: written, carried, and given to nodes late, twice, damaged or astray.

What enters: the world. What leaves: files from one node to another besides the links, and violations where a file does
what a link must not. Who carries files is nobody's partner: he may lose, keep, copy and damage them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kuroshio.exchange.carry import HEAD, Taken, read_bundles, write_bundles
from kuroshio.schema.release import Release
from kuroshio.testing.network.groups import OUT
from kuroshio.testing.network.moves import a_pair, outage, warned, warning

if TYPE_CHECKING:
    from kuroshio.testing.network.node import SimNode
    from kuroshio.testing.network.world import World

TRIES = 10
AGAIN_S = 3.0
Then = Callable[[Taken], None]


@dataclass
class Sticks:
    """Files of one world."""

    world: World

    def export(self, sender: str, to: str) -> bytes | None:
        """File of what waits at a node for a partner; None where the node is down or nothing waits."""
        files: list[bytes] = []
        self.world.doing(sender, lambda n: files.append(n.export(to)))
        bundles = bundles_of(files[0]) if files else []
        for bundle in bundles:
            self.world.checker.left(sender, to, bundle, carried=True)
        if bundles:
            self.world.seen(f"{sender} writes {len(bundles)} for {to}")
        return files[0] if bundles else None

    def give(
        self, party: str, data: bytes, then: Then | None = None, *, arrived: bool = False, tries: int = TRIES
    ) -> None:
        """Put a file into the inbox of a node: it is taken when the node is up and can keep it."""
        done: list[Taken] = []

        def take(node: SimNode) -> None:
            done.append(node.take_file(data, arrived=arrived))

        self.world.doing(party, take)
        if done:
            what, taken = ("what arrived" if arrived else "a file"), done[0]
            self.world.seen(f"{party} takes {what} {sorted(taken.taken.items())} {taken.held_before} {taken.refused}")
            if then is not None:
                then(taken)
        elif tries > 1:
            self.world.after(AGAIN_S, lambda: self.give(party, data, then, arrived=arrived, tries=tries - 1))

    def carry(self, sender: str, to: str, *, say: bool) -> None:
        """Carry what waits at once, and say at the sender that it arrived when all of it was taken."""
        data = self.export(sender, to)
        if data is None:
            return

        def arrived(taken: Taken) -> None:
            if say and taken.whole:
                self.world.fault("file_arrived")
                self.give(sender, data, arrived=True)

        self.world.after(1.0, lambda: self.give(to, data, arrived))


def bundles_of(data: bytes) -> list[bytes]:
    """Bundles of a file."""
    return list(read_bundles(io.BytesIO(data)))


def _file(bundles: list[bytes]) -> bytes:
    out = io.BytesIO()
    write_bundles(out, bundles)
    return out.getvalue()


def file_late(world: World) -> None:
    """A file is written now and taken much later: what is in it came by the link meanwhile, ended or was recalled."""
    sender, to = a_pair(world)
    late_s, ends = float(world.rng.uniform(2.0, 40.0)), world.rng.random() < 0.3

    def write() -> None:
        data = world.sticks.export(sender, to)
        if data is not None:
            world.after(late_s, lambda: _late(world, to, data))

    outage(world, (sender, to), 8.0)
    world.after(1.0, lambda: warned(world, sender, to))
    if ends:  # what waits must not go into the file either
        world.after(5.0, lambda: world.rule(sender, to, OUT))
    world.after(6.0, write)


def _late(world: World, to: str, data: bytes) -> None:
    world.fault("file_late")
    world.sticks.give(to, data)


def file_twice(world: World) -> None:
    """Two files are taken in the wrong order, and the older one twice."""
    sender, to = a_pair(world)
    files: list[bytes] = []

    def write() -> None:
        warning(world, sender, to)
        data = world.sticks.export(sender, to)
        files.extend([] if data is None else [data])

    def give() -> None:
        for data in [*reversed(files), *files[:1]]:
            world.fault("file_twice")
            world.sticks.give(to, data)

    outage(world, (sender, to), float(world.rng.uniform(5.0, 20.0)))
    for at_s in (2.0, 7.0):
        world.after(at_s, write)
    world.after(9.0, give)


def file_lost(world: World) -> None:
    """A file that never arrives: what is in it goes on waiting."""
    sender, to = a_pair(world)

    def write() -> None:
        if world.sticks.export(sender, to) is not None:
            world.fault("file_lost")

    outage(world, (sender, to), 8.0)
    for at_s in (2.0, 5.0):
        world.after(at_s, lambda: warned(world, sender, to))
    world.after(4.0, write)


def file_astray(world: World) -> None:
    """A file is given to one it is not for, and then to the right one."""
    sender, to = a_pair(world)
    strangers = [p for p in world.parties if p != to]
    stranger = strangers[int(world.rng.integers(0, len(strangers)))]  # the sender itself among them

    def took(taken: Taken) -> None:
        if taken.taken or taken.held_before:
            world.checker.fail("took a file for another", party=stranger, sender=sender)

    def give() -> None:
        warning(world, sender, to)
        data = world.sticks.export(sender, to)
        if data is not None:
            world.fault("file_astray")
            world.sticks.give(stranger, data, took)
            world.after(2.0, lambda: world.sticks.give(to, data))

    outage(world, (sender, to), 8.0)
    world.after(3.0, give)


def file_damaged(world: World) -> None:
    """A file whose bundles were changed on the way: each changed one is refused, and a whole copy comes after it."""
    sender, to = a_pair(world)
    how = int(world.rng.integers(0, 4))

    def give() -> None:
        warning(world, sender, to)
        data = world.sticks.export(sender, to)
        if data is not None:
            world.fault("file_damaged")
            world.sticks.give(to, _damaged(world, data, how))

    outage(world, (sender, to), 10.0)
    world.after(3.0, give)


def _damaged(world: World, data: bytes, how: int) -> bytes:
    if how == 0:
        return data[: int(world.rng.integers(len(HEAD), len(data)))]
    releases = [Release.from_bytes(bundle) for bundle in bundles_of(data)]
    if how == 1:
        return _file([Release(r.header, r.signature, r.payload).to_bytes() for r in releases])
    if how == 2:  # the proof of the last one for all
        return _file([Release(r.header, r.signature, r.payload, releases[-1].receipt).to_bytes() for r in releases])
    changed = []
    for bundle in bundles_of(data):
        bad = bytearray(bundle)
        bad[int(world.rng.integers(20, len(bad)))] ^= 1 << int(world.rng.integers(0, 8))
        changed.append(bytes(bad))
    return _file(changed)


def file_arrived(world: World) -> None:
    """Nothing but files joins two parties for a while: data, receipts, recalls and earlier ends go so, both ways."""
    a, b = a_pair(world)
    outage(world, (a, b), 25.0)

    def round_of(number: int) -> None:
        release_id = warning(world, a, b)
        say = world.rng.random() < 0.7
        for sender, to in ((a, b), (b, a)):
            world.sticks.carry(sender, to, say=say)
        if number == 1 and release_id is not None:
            world.doing(a, lambda n: n.recall(release_id))
        if number == 2 and release_id is not None:
            world.ends.ask(a, release_id, 8.0)

    for number in range(5):
        world.after(2.0 + 4.0 * number, lambda number=number: round_of(number))  # type: ignore[misc]
