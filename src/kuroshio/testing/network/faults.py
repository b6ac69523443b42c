"""Faults of the simulated network: each takes effect at a random moment and ends after a while or at the healing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kuroshio.errors import KuroshioError
from kuroshio.exchange import Parcel
from kuroshio.peers import Direction, Frame
from kuroshio.peers.frames import WIRE_VERSIONS, item_id_of
from kuroshio.schema import Citation, Decision, Effect, Obligations
from kuroshio.schema.release import RECEIVED, Receipt, Release
from kuroshio.testing.network import ends, sticks
from kuroshio.testing.network.moves import a_pair, backup, one_of, outage, permit
from kuroshio.testing.network.traffic import random_agreement

if TYPE_CHECKING:
    from kuroshio.testing.network.node import SimNode
    from kuroshio.testing.network.world import World


Act = Callable[["World"], bool | None]  # False: there was nothing to do it to, so it is not counted


def _cut(world: World) -> None:
    world.cut(*a_pair(world))


def _frames(kind: str) -> Callable[[World], None]:
    def start(world: World) -> None:
        link = world.links[a_pair(world)]
        link["faults"][kind] = True
        world.after(float(world.rng.uniform(3, 15)), lambda: link["faults"].pop(kind, None))

    return start


def _one_way(world: World) -> None:
    link = world.links[a_pair(world)]
    direction = Direction.OUT if world.rng.random() < 0.5 else Direction.IN
    link["blocked"][direction] = True
    world.after(float(world.rng.uniform(5, 25)), lambda: link["blocked"].__setitem__(direction, False))


def _slow(world: World) -> None:
    link = world.links[a_pair(world)]
    link["rate"] = 50_000 / 8  # 50 kbit/s
    world.after(float(world.rng.uniform(10, 30)), lambda: link.__setitem__("rate", None))


def _crash(world: World) -> None:
    world.crash(one_of(world), float(world.rng.uniform(0.5, 8)))


def _power_cut(world: World) -> None:
    world.nodes[one_of(world)].files.cut_after = int(world.rng.integers(1, 12))


def _disk_full(world: World) -> None:
    node = world.nodes[one_of(world)]
    node.files.full = True
    world.after(float(world.rng.uniform(2, 10)), lambda: setattr(node.files, "full", False))


def _skew(world: World) -> None:
    node = world.nodes[one_of(world)]
    node.skew_us = int(world.rng.integers(-30, 30)) * 1_000_000
    world.after(float(world.rng.uniform(5, 20)), lambda: setattr(node, "skew_us", 0))


def _accord_ends(world: World) -> None:
    world.rule(*a_pair(world), Decision(Effect.DENY, ()))


def _accord_tightens(world: World) -> bool:
    pair = a_pair(world)
    old = world.decision(*pair)
    if old.flows:
        terms = replace(old.obligations, grid_deg=max(old.obligations.grid_deg, 0.5), time_bucket_s=60)
        world.rule(*pair, replace(old, effect=Effect.OBLIGE, obligations=terms))
    return old.flows


def _consent_revoked(world: World) -> None:
    """What flows by a consent alone flows no more once it is taken back, even what waits in a queue."""
    pair = a_pair(world)
    before = world.decision(*pair)
    consent = Citation(f"CON-{world.now_us}", "", "consent")
    cites = (Citation("SIM", "Art.9"), consent)
    world.rule(*pair, Decision(Effect.PERMIT, cites, Obligations(), basis="SIM", rules_digest="00" * 32))

    def revoke() -> None:
        world.fault("consent_revoked")
        world.revoked.add(str(consent))
        if any(c == consent for c in world.decision(*pair).cites):
            world.rule(*pair, replace(before, effect=Effect.DECIDE, cites=cites[:1]))

    world.after(float(world.rng.uniform(3, 12)), revoke)


def _ends_in_outage(world: World) -> bool:
    """An accord ends while messages under it wait for a partner that is away: they must not go when it is back."""
    pair = a_pair(world)
    if not world.decision(*pair).flows:
        world.rule(*pair, permit())
    outage(world, pair, 20.0)

    def warn() -> None:
        world.warn(*pair)

    def ends() -> None:
        world.fault("accord_ends_in_outage")
        world.rule(*pair, Decision(Effect.DENY, ()))

    world.after(2.0, warn)
    world.after(10.0, ends)
    return True


def _recall_in_outage(world: World) -> bool:
    """An officer recalls a message that still waits: its number carries nothing, and what comes after must arrive."""
    pair = a_pair(world)
    if not world.decision(*pair).flows:
        world.rule(*pair, permit())
    outage(world, pair, 15.0)

    def recall() -> None:
        release_id = world.warn(*pair)
        if release_id is not None:
            world.fault("recall_in_outage")
            world.doing(pair[0], lambda n: n.recall(release_id))
        world.warn(*pair)

    world.after(5.0, recall)
    return True


def _member_removed(world: World) -> bool:
    """A member is taken out of a group while messages for it wait at others, who have the new file late or never."""
    if world.group.removed:
        return False  # one removal a world
    order = [world.parties[i] for i in world.rng.permutation(len(world.parties))]
    removed, secretary, others = order[0], order[1], order[2:]
    world.group.begin(removed, secretary)
    begin_s = float(world.rng.uniform(4, 12))
    late_s = {p: float(world.rng.uniform(8, 35)) for p in others if world.rng.random() < 0.5}
    if world.rng.random() < 0.5:
        world.after(begin_s - 3.0, lambda: outage(world, (others[0], removed), 20.0))

    def remove() -> None:
        for party in others:
            world.warn(party, removed)
        world.fault("member_removed")
        world.group.remove(late_s)

    world.after(begin_s, remove)
    return True


def _accord_begins(world: World) -> None:
    world.rule(*a_pair(world), random_agreement(world.rng))


def _key_revoked(world: World) -> None:
    """A party's key is revoked everywhere at once; it takes a new one, and its queue goes on."""
    party = one_of(world)
    node = world.nodes[party]
    old = node.signer.key_id
    for other in world.nodes.values():
        other.ring.revoke(old, world.now_us)

    def again() -> None:
        new = node.rotate(world.fault_kinds.get("key_revoked", 1))
        for other in world.nodes.values():
            other.ring.add(new)

    world.after(float(world.rng.uniform(1, 5)), again)


def _old_version(world: World) -> None:
    """A node comes up again with older software, and some of them with the newer one after a while."""
    node = world.nodes[one_of(world)]
    node.versions = WIRE_VERSIONS[:1]
    world.crash(node.party, 1.0)
    if world.rng.random() < 0.5:
        world.after(float(world.rng.uniform(8, 20)), lambda: _renewed(world, node))


def _renewed(world: World, node: SimNode) -> None:
    node.versions = WIRE_VERSIONS
    world.crash(node.party, 1.0)


def _withholding(world: World) -> None:
    """A sender swallows releases and closes its own numbers over them: only the record's numbers show the gap."""
    party = one_of(world)
    swallowed: dict[tuple[str, int], int] = {}
    for other in world.nodes[party].partners:
        world.liars.add((party, other))

    def tamper(partner: str, data: bytes) -> list[bytes]:
        frame = Frame.from_bytes(data)
        key = (partner, int(frame.header["lane"]))
        if key not in swallowed:
            swallowed[key] = int(frame.header["seq"])
            world.fault("lying_gap")
            return []
        seq = int(frame.header["seq"])
        header = {**frame.header, "seq": seq - 1 if seq > swallowed[key] else seq}
        return [Frame(frame.type, header, frame.body).to_bytes()]

    world.tamper[party] = tamper
    world.after(float(world.rng.uniform(3, 12)), lambda: _honest(world, party))


def _lying(kind: str) -> Callable[[World], None]:
    def start(world: World) -> None:
        party = one_of(world)
        node = world.nodes[party]
        first: dict[str, bytes] = {}
        for other in node.partners:
            world.liars.add((party, other))

        def tamper(partner: str, data: bytes) -> list[bytes]:
            frame = Frame.from_bytes(data)
            release = Release.from_bytes(frame.body)
            if kind == "edit":
                payload = bytearray(release.payload)
                payload[len(payload) // 2] ^= 1
                body = Release(release.header, release.signature, bytes(payload), release.receipt).to_bytes()
            elif kind == "signature":
                broken = bytes([release.signature[0] ^ 1]) + release.signature[1:]
                body = Release(release.header, broken, release.payload, release.receipt).to_bytes()
            elif kind == "receipt":  # the proof of another release
                first.setdefault(partner, release.receipt)
                body = Release(release.header, release.signature, release.payload, first[partner]).to_bytes()
            elif kind == "no_receipt":
                body = Release(release.header, release.signature, release.payload).to_bytes()
            else:
                held = [b for b in (node.ledger.bundle(r) for r in sorted(node.held)) if b is not None]
                if not held:
                    return [data]
                body = held[-1]  # another party's bundle, passed on as if it were for this partner
            header = {**frame.header, "id": item_id_of(body)}  # the frame is whole: only the bundle is false
            return [Frame(frame.type, header, body).to_bytes()]

        world.tamper[party] = tamper
        world.after(float(world.rng.uniform(10, 25)), lambda: _honest(world, party))

    return start


def _honest(world: World, party: str) -> None:
    world.tamper.pop(party, None)


def _forged_receipt(world: World) -> bool:
    """A partner claims receipt of a release that was made for another."""
    party = one_of(world)
    node = world.nodes[party]
    victim = node.partners[0]
    others = [r for p in node.partners[1:] for r in world.told.get((victim, p), [])]
    if not others or not node.alive:
        return False
    receipt = Receipt(others[-1], party, victim, RECEIVED, node.now_us()).signed(node.signer)

    def claim(n: object) -> None:
        del n
        body = {"receipts": [receipt.as_dict()]}
        parcel: Parcel = node.desk.control("receipt", body, to=victim, now_us=node.now_us())
        node.perform(victim, node.sessions[victim].offer(parcel.kind, parcel.release_id, parcel.data, node.now_us()))
        node.ledger.offered(parcel.release_id)

    world.doing(party, claim)
    return True


def _backup_restored(world: World) -> bool:
    """A node's session state comes back from an older copy: numbers it used once must not be used again."""
    party = one_of(world)
    if not world.nodes[party].alive:
        return False
    world.after(float(world.rng.uniform(4, 10)), backup(world, party))
    return True


_ACTS: dict[str, Act] = {
    "cut": _cut,
    "drop": _frames("drop"),
    "duplicate": _frames("duplicate"),
    "reorder": _frames("reorder"),
    "delay": _frames("delay"),
    "corrupt": _frames("corrupt"),
    "one_way_partition": _one_way,
    "slow_50_kbit": _slow,
    "crash": _crash,
    "power_cut": _power_cut,
    "disk_full": _disk_full,
    "skewed_clock": _skew,
    "accord_ends": _accord_ends,
    "accord_tightens": _accord_tightens,
    "accord_changes": _accord_begins,
    "accord_ends_in_outage": _ends_in_outage,
    "recall_in_outage": _recall_in_outage,
    "consent_revoked": _consent_revoked,
    "key_revoked": _key_revoked,
    "old_version_peer": _old_version,
    "lying_edit": _lying("edit"),
    "lying_replay": _lying("replay"),
    "lying_no_receipt": _lying("no_receipt"),
    "lying_signature": _lying("signature"),
    "lying_receipt": _lying("receipt"),
    "lying_gap": _withholding,
    "forged_receipt": _forged_receipt,
    "restored_backup": _backup_restored,
    "member_removed": _member_removed,
    "ends_earlier": ends.ends_earlier,
    "ends_in_outage": ends.ends_in_outage,
    "file_late": sticks.file_late,
    "file_twice": sticks.file_twice,
    "file_lost": sticks.file_lost,
    "file_astray": sticks.file_astray,
    "file_damaged": sticks.file_damaged,
    "file_arrived": sticks.file_arrived,
}
FAULTS = tuple(_ACTS)
LATER = {
    "drop", "duplicate", "reorder", "delay", "corrupt", "crash", "consent_revoked", "lying_gap", "restored_backup",
    "accord_ends_in_outage", "recall_in_outage", "member_removed", "ends_in_outage", "file_late", "file_twice",
    "file_lost", "file_astray", "file_damaged", "file_arrived",
}  # fmt: skip


def inject(world: World, kind: str) -> None:
    """Start a fault; kinds of `LATER` are counted each time they take effect."""
    if world.calm:
        return
    world.seen(f"fault {kind}")
    try:
        if _ACTS[kind](world) is not False and kind not in LATER:
            world.fault(kind)
    except KuroshioError as err:
        world.seen(f"fault {kind}: {err.error_code}")
