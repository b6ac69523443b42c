"""A world of nodes on virtual time and one seed: links, ships, agreements that change, and faults.

What enters: a seed and a mutation, if any. What leaves: violations, fault kinds seen, counts and a digest that is the
same for the same seed. First a phase with faults, checked after every step; then everything is healed and the world
must come to rest in what is agreed.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import KuroshioError
from kuroshio.peers import Direction, Frame, Type
from kuroshio.schema import Decision
from kuroshio.testing.network.checks import Checker
from kuroshio.testing.network.disk import PowerCut
from kuroshio.testing.network.ends import Earlier
from kuroshio.testing.network.faults import FAULTS, inject
from kuroshio.testing.network.groups import Membership
from kuroshio.testing.network.keys import SHIPPED_EVERY
from kuroshio.testing.network.node import SimNode
from kuroshio.testing.network.sticks import Sticks
from kuroshio.testing.network.traffic import random_agreement, through, two_ships

S = 1_000_000
T0_US = 1_790_000_000 * S
REST_S = 30
PARTIES = ("PHL", "JPN", "USA", "KOR", "AUS", "VNM", "IDN", "IND", "MYS")


class World:
    """One run.

    Parameters
    ----------
    seed
        Everything follows from it.
    chaos_s, calm_s
        Length of the two phases in virtual seconds.
    mutate
        Called with each node when it starts: plants a bug.
    keep
        Numbers of the planned faults that take place; all of them when None (`shrink` leaves out what is not needed).
    """

    def __init__(
        self,
        seed: int,
        *,
        chaos_s: int = 60,
        calm_s: int = 90,
        mutate: Callable[[SimNode], None] | None = None,
        keep: frozenset[int] | None = None,
    ) -> None:
        self.seed, self.chaos_s, self.calm_s, self._keep = seed, chaos_s, calm_s, keep
        self.plan: list[tuple[int, float, str]] = []
        self.revoked: set[str] = set()
        self.rng = clock.generator(seed)
        self.now_us, self.start_s, self.healed_us = T0_US, T0_US / 1e6, T0_US + chaos_s * S
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._digest = hashlib.sha256()
        self.calm = self.resting = False
        self.fault_kinds: dict[str, int] = {}
        self.notes: dict[str, int] = {}
        self.story: list[str] = []
        self.made: dict[str, str] = {}
        self.told: dict[tuple[str, str], list[str]] = {}
        self.made_us: dict[str, int] = {}
        self.restored_us: dict[str, int] = {}
        self.crashed_us: dict[str, int] = {}
        self.withheld: set[str] = set()
        self.liars: set[tuple[str, str]] = set()
        self.links: dict[tuple[str, str], dict[str, Any]] = {}
        self.tamper: dict[str, Callable[[str, bytes], list[bytes]]] = {}
        many = int(self.rng.choice([3, 3, 3, 3, 3, 3, 3, 3, 3, 4]))
        if self.rng.random() < 0.02:
            many = int(self.rng.integers(5, 10))
        self.parties = PARTIES[:many]
        self._rules = {(a, b): random_agreement(self.rng) for a in self.parties for b in self.parties if a != b}
        self.mutation_hook = mutate
        self.checker = Checker(self)
        self.group, self.ends, self.sticks = Membership(self), Earlier(self), Sticks(self)
        self.nodes: dict[str, SimNode] = {}
        for party in self.parties:
            others = [p for p in self.parties if p != party]
            node = SimNode(
                party, others, self.decision, lambda: self.now_us, self._transmit, self._hang_up, self._note,
                shipped_keys=seed % SHIPPED_EVERY == 0,
            )  # fmt: skip
            self.nodes[party] = node
            if self.mutation_hook is not None:
                self.mutation_hook(node)
        for a in self.parties:
            for b in self.nodes[a].partners:
                latency = int(self.rng.integers(5_000, 600_000))
                self.links[a, b] = {
                    "up": False,
                    "generation": 0,
                    "latency": latency,
                    "blocked": {Direction.OUT: False, Direction.IN: False},
                    "rate": None,
                    "free": {Direction.OUT: 0, Direction.IN: 0},
                    "faults": {},
                }

    # -- agreements

    def decision(self, sender: str, to: str) -> Decision:
        """Decision in force now, whatever a node knows of it."""
        return self._rules[sender, to]

    def judged(self, sender: str, to: str) -> Decision:
        """The same by what the sender can know: a group's file comes late to some."""
        return self.group.judged(sender, self._rules[sender, to])

    def rule(self, sender: str, to: str, decision: Decision) -> None:
        """An agreement changes, at once."""
        self._rules[sender, to] = decision

    # -- time

    def at(self, when_us: int, act: Callable[[], None]) -> None:
        """Do something at a time."""
        self._count += 1
        heapq.heappush(self._heap, (max(when_us, self.now_us), self._count, act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a while."""
        self.at(self.now_us + int(seconds * S), act)

    def seen(self, text: str) -> None:
        """A line of the story, which is what the digest is over."""
        line = f"{(self.now_us - T0_US) / S:.3f} {text}"
        self._digest.update(line.encode() + b"\n")
        if len(self.story) < 20_000:
            self.story.append(line)

    def _note(self, party: str, what: str, detail: dict[str, Any]) -> None:
        self.notes[what] = self.notes.get(what, 0) + 1
        code = detail.get("code") or detail.get("reason") or ""
        self.seen(f"{party} {what} {detail.get('partner', '')} {code}")
        if what == "versions":
            self.group.arrived(party, str(detail["partner"]), detail["told"])
        if what == "tightened":
            self.ends.arrived(party, detail)
        if what == "withheld":
            self.withheld.add(str(detail["release_id"]))

    def doing(self, party: str, act: Callable[[SimNode], None]) -> None:
        """Let a node do something; power may go in the middle, and what must hold is checked after."""
        node = self.nodes[party]
        if not node.alive:
            return
        try:
            act(node)
        except PowerCut:
            self.seen(f"{party} power goes in the middle of a write")
            self.crash(party, float(self.rng.uniform(0.5, 6.0)))
        except KuroshioError as err:
            self.seen(f"{party} {err.error_code}")
            if err.error_code == "record.write":  # the record takes nothing more until it is opened again
                self.crash(party, 2.0)
            elif self.calm or err.error_code in ("exchange.ledger", "peer.queue_full"):
                self.checker.fail("a node's operation failed", party=party, code=err.error_code, text=err.message)
        except Exception as err:  # a fault of the program: told with its seed, and the other worlds go on
            self.checker.crashed(party, err)
            self.crash(party, 2.0)
        self.checker.step(party)

    # -- links

    def connect(self, a: str, b: str) -> None:
        """Node a dials b for its own stream."""
        link = self.links[a, b]
        up = self.nodes[a].alive and self.nodes[b].alive and not any(link["blocked"].values())
        if not link["up"] and up:
            link["up"], link["generation"] = True, link["generation"] + 1
            link["free"] = {Direction.OUT: 0, Direction.IN: 0}
            generation = link["generation"]

            def both() -> None:
                if link["up"] and link["generation"] == generation:
                    self.doing(b, lambda n: n.perform(a, n.sessions[a].up(Direction.IN, n.now_us())))
                    self.doing(a, lambda n: n.perform(b, n.sessions[b].up(Direction.OUT, n.now_us())))

            self.after(link["latency"] * 2e-6, both)
        self.after(float(self.rng.uniform(1.5, 3.0)), lambda: self.connect(a, b))

    def cut(self, a: str, b: str) -> None:
        """The stream that a dialled ends; both ends notice."""
        link = self.links[a, b]
        if link["up"]:
            link["up"] = False
            for party, other, direction in ((a, b, Direction.OUT), (b, a, Direction.IN)):
                if self.nodes[party].alive:
                    self.nodes[party].sessions[other].down(direction)

    def _hang_up(self, party: str, partner: str, direction: Direction) -> None:
        """A side has ended the stream: what it said before still arrives, then the other notices."""
        a, b = (party, partner) if direction is Direction.OUT else (partner, party)
        link = self.links[a, b]
        generation = link["generation"]

        def end() -> None:
            if link["generation"] == generation:
                self.cut(a, b)

        self.after(link["latency"] * 1e-6 + 0.001, end)

    def _transmit(self, party: str, partner: str, direction: Direction, data: bytes) -> None:
        a, b = (party, partner) if direction is Direction.OUT else (partner, party)
        link = self.links[a, b]
        if not link["up"]:
            return
        if data[0] == Type.ITEM:
            self.checker.left(party, partner, Frame.from_bytes(data).body)
        frames = [data]
        if party in self.tamper and data[0] == Type.ITEM:
            frames = self.tamper[party](partner, data)
        generation = link["generation"]
        for frame in frames:
            for copy in through(link["faults"], frame, self.rng, self.fault):
                start = max(self.now_us, link["free"][direction])
                spent = int(len(copy[1]) / link["rate"] * S) if link["rate"] else 0
                link["free"][direction] = start + spent
                when = start + spent + link["latency"] + copy[0]
                self.at(when, self._arrival(a, b, direction, generation, copy[1]))

    def _arrival(self, a: str, b: str, direction: Direction, generation: int, data: bytes) -> Callable[[], None]:
        target, other, side = (b, a, Direction.IN) if direction is Direction.OUT else (a, b, Direction.OUT)

        def arrive() -> None:
            link = self.links[a, b]
            if link["up"] and link["generation"] == generation and not link["blocked"][direction]:
                self.doing(target, lambda n: n.frame(other, side, data))

        return arrive

    def crash(self, party: str, seconds: float) -> None:
        """Power goes; the node comes back after a while."""
        node = self.nodes[party]
        if not node.alive:
            return
        torn, self.crashed_us[party] = node.down(self.rng), self.now_us
        self.fault("crash_torn_write" if torn else "crash")
        self.seen(f"{party} down, {torn} bytes torn")
        for other in node.partners:
            self.cut(party, other)
            self.cut(other, party)
        self.after(seconds, lambda: self._restart(party))

    def _restart(self, party: str) -> None:
        node = self.nodes[party]
        try:
            node.start()
            self.seen(f"{party} up, {node.log.size} leaves")
        except PowerCut:
            node.down(self.rng)
            self.after(1.0, lambda: self._restart(party))
            return
        except KuroshioError as err:
            if err.error_code == "record.write":  # the disk is still full
                node.alive = False
                self.after(1.0, lambda: self._restart(party))
                return
            self.checker.fail("a node did not come up again", party=party, code=err.error_code, text=err.message)
            return
        if self.mutation_hook is not None:
            self.mutation_hook(node)
        self.checker.checkpoint(party)

    def fault(self, kind: str) -> None:
        """Count a fault that took effect."""
        self.fault_kinds[kind] = self.fault_kinds.get(kind, 0) + 1

    # -- life

    def ships(self, party: str) -> pa.Table:
        """TRACKS of the two ships a node sees now."""
        return two_ships(self.parties.index(party), at_us=self.now_us, age_s=(self.now_us - T0_US) / S)

    def _made(self, sender: str, to: str, parcel: Any) -> None:
        if parcel is not None:
            self.made[parcel.release_id], self.made_us[parcel.release_id] = parcel.kind, self.now_us
            self.told.setdefault((sender, to), []).append(parcel.release_id)

    def warn(self, sender: str, to: str) -> str | None:
        """A safety message, made whether the partner is there or not; its id, None where nothing may flow."""
        text = {"text": f"NAVIGATION WARNING {self._count}", "at_us": self.now_us}
        made: list[str] = []

        def tell(node: SimNode) -> None:
            parcel = node.tell(to, text)
            self._made(sender, to, parcel)
            made.extend([] if parcel is None else [parcel.release_id])

        self.doing(sender, tell)
        return made[0] if made else None

    def _catch_up(self, party: str) -> None:
        """Releases that a crash interrupted and a restart finished are as made as any: before the crash."""
        for release_id, to, kind in self.nodes[party].ledger.made_ids():
            if release_id not in self.made and kind in ("tracks", "safety"):
                self.made[release_id], self.made_us[release_id] = kind, self.crashed_us.get(party, self.now_us)
                self.told.setdefault((party, to), []).append(release_id)

    def was_made(self, release_id: str, sender: str) -> bool:
        """True when the sender itself made the release."""
        if release_id not in self.made:
            self._catch_up(sender)
        return release_id in self.made

    def _live(self, party: str) -> None:
        """One round of a node's work."""
        node = self.nodes[party]

        def work(n: SimNode) -> None:
            n.tick()
            n.expire()
            self.ends.kept(n)
            if self.resting:
                n.answer()
                return
            for parcel in n.share(self.ships(party)):
                self._made(party, parcel.to, parcel)
            for partner in n.partners:
                if self.rng.random() < 0.25:
                    text = {"text": f"NAVIGATION WARNING {self._count}", "at_us": n.now_us()}
                    self._made(party, partner, n.tell(partner, text))
            if self.rng.random() < 0.5:
                n.answer()
            if self.now_us < T0_US + (self.chaos_s + self.calm_s // 4) * S:  # later a picture at rest would be emptied
                self.ends.second_thought(n, calm=self.calm)

        self.doing(party, work)
        if node.alive:
            self._catch_up(party)
            self.checker.checkpoint(party)
        self.after(float(self.rng.uniform(5.0, 10.0)), lambda: self._live(party))

    # -- the run

    def run(self) -> dict[str, Any]:
        """Chaos, calm, and the answer."""
        for a, b in sorted(self.links):
            self.after(float(self.rng.uniform(0.0, 1.0)), lambda a=a, b=b: self.connect(a, b))  # type: ignore[misc]
        for party in self.parties:
            self.after(float(self.rng.uniform(0.5, 3.0)), lambda p=party: self._live(p))  # type: ignore[misc]
        for number in range(int(self.rng.integers(4, 12))):
            draw = int(self.rng.integers(0, len(FAULTS)))
            kind = FAULTS[draw if number else self.seed % len(FAULTS)]  # the first in turn, so that seeds cover all
            self.plan.append((number, float(self.rng.uniform(2.0, self.chaos_s - 5.0)), kind))
        for number, at_s, kind in self.plan:
            if self._keep is None or number in self._keep:
                self.after(at_s, lambda k=kind: inject(self, k))  # type: ignore[misc]
        self._until(T0_US + self.chaos_s * S)
        self._heal()
        self._until(T0_US + (self.chaos_s + self.calm_s - REST_S) * S)
        self.resting = True  # nothing new is made: what is on its way arrives
        self._until(T0_US + (self.chaos_s + self.calm_s) * S)
        self.checker.end()
        for party, node in sorted(self.nodes.items()):
            self._digest.update(f"{party} {node.log.size} {node.log.root().hex()} {sorted(node.held)}".encode())
        return {
            "seed": self.seed,
            "nodes": len(self.parties),
            "violations": self.checker.violations,
            "fault_kinds": dict(sorted(self.fault_kinds.items())),
            "releases": len(self.made),
            "notes": dict(sorted(self.notes.items())),
            "digest": self._digest.hexdigest(),
        }

    def _until(self, end_us: int) -> None:
        while self._heap and self._heap[0][0] <= end_us and len(self.checker.violations) < 20:
            self.now_us, _, act = heapq.heappop(self._heap)
            act()
        self.now_us = end_us

    def _heal(self) -> None:
        self.calm = True
        self.seen("healed")
        self.tamper.clear()
        for link in self.links.values():
            link["faults"], link["rate"] = {}, None
            link["blocked"] = {Direction.OUT: False, Direction.IN: False}
        for node in self.nodes.values():
            node.files.full, node.files.cut_after, node.skew_us = False, None, 0
