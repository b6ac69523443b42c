"""A node of the simulated network: the shipped desk, record, ledger and sessions, on a disk that can fail.

What enters: ticks, frames, orders of the world. What leaves: frames to the world's links. What would be process memory
is lost in a crash; what would be on disk survives as far as it was made durable.
"""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from kuroshio.accord import Versions
from kuroshio.errors import KuroshioError, StoreError, VerificationError
from kuroshio.exchange import NOT_YET, Accepted, Desk, Ledger, Parcel
from kuroshio.exchange.aftercare import SAID_AGAIN_US
from kuroshio.exchange.carry import Carrier, Taken, write_bundles
from kuroshio.exchange.rules import still_allowed
from kuroshio.peers import LOST_MEMORY, Close, Deliver, Direction, Instruction, Limits, Memory, Send, Session, Told
from kuroshio.peers.frames import WIRE_VERSIONS
from kuroshio.peers.outbox import Item
from kuroshio.record import Log, ReceiptVerifier, Witness, WitnessDesk
from kuroshio.schema import Decision
from kuroshio.schema.release import Release
from kuroshio.schema.signing import PublicKey, public_key
from kuroshio.testing.network.disk import MemoryFiles, PowerCut
from kuroshio.testing.network.groups import Edition, by_group
from kuroshio.testing.network.keys import key_of, ring_of

LIMITS = Limits(beat_us=3_000_000, quiet_us=10_000_000, stall_us=20_000_000, window_state=2)
Rules = Callable[[str, str], Decision]


class SimNode:
    """One node.

    Parameters
    ----------
    party
        Party code.
    partners
        Its partners.
    rules
        Decision in force now: (from, to) -> Decision.
    world_now
        The world's time.
    transmit
        Puts a frame of (me, partner, direction) on the world's link.
    hang_up
        Ends the stream of (me, partner, direction).
    note
        Told to the world: (party, what, detail).
    shipped_keys
        True to sign with the shipped Ed25519, False with `keys.QuickSigner`.
    """

    def __init__(
        self,
        party: str,
        partners: list[str],
        rules: Rules,
        world_now: Callable[[], int],
        transmit: Callable[[str, str, Direction, bytes], None],
        hang_up: Callable[[str, str, Direction], None],
        note: Callable[[str, str, dict[str, Any]], None],
        *,
        shipped_keys: bool = True,
    ) -> None:
        self.party, self.partners, self.rules = party, partners, rules
        self._world_now, self._transmit, self._hang_up, self._note = world_now, transmit, hang_up, note
        self.versions: tuple[int, ...] = WIRE_VERSIONS
        self.tells_whole = frozenset(partners[1:])  # whom its node file lets have tracklets
        self.skew_us = 0
        self.secret = hashlib.sha256(f"secret|{party}".encode()).digest()
        # durable
        self.files = MemoryFiles()
        self.ledger = Ledger()
        self.boxes = {partner: Memory(1) for partner in partners}
        self._shipped = shipped_keys
        self.signer = key_of(party, shipped=shipped_keys)
        known = [public_key(key_of(p, shipped=shipped_keys)) for p in sorted({party, *partners})]
        self.ring = ring_of(known, shipped=shipped_keys)
        self.witness_state: dict[str, Any] = {}
        self.shown: dict[str, int] = {}
        self.held: dict[str, tuple[str, pa.Table | dict[str, Any]]] = {}
        self.taken_count: dict[str, int] = {}
        self.stated_us: dict[str, int] = {}
        self.carried: list[str] = []
        self.files_of_groups: dict[str, Edition] = {}
        self._groups_kept = Versions(party).as_dict()
        self.alive = False
        self.commits_skipped = False
        self.start()

    def now_us(self) -> int:
        """Time by the node's own clock."""
        return self._world_now() + self.skew_us

    def start(self) -> None:
        """Come up from what is durable.

        Raises
        ------
        KuroshioError
            When the record refuses to open: the checkers count that as a violation.
        """
        self.log = Log(self.files, self.signer, secret=self.secret)
        witnesses = {p: Witness.from_dict(v) for p, v in self.witness_state.items()}
        self.check = ReceiptVerifier(self.ring, witnesses)
        self.witness = WitnessDesk(self.log, self.signer, lambda: self.ring, witnesses=witnesses, shown=self.shown)
        self.desk = Desk(
            self.signer,
            secret=self.secret,
            record=self.log,
            ledger=self.ledger,
            keys=lambda: self.ring,
            verify_receipt=self._verify_receipt,
            form=self._form,
        )
        self.sessions = {
            partner: Session(self.party, partner, self.boxes[partner], self._may_send, LIMITS, self.versions)
            for partner in self.partners
        }
        self.carrier = Carrier(
            self.party, keys=lambda: self.ring, accept=self._accept_carried, gone=self._gone, seen=self.carried
        )
        self.versions_of_groups = Versions.from_dict(self.party, self._groups_kept)
        self.versions_of_groups.tell_again()
        self.ledger.answer_again(self.now_us() - SAID_AGAIN_US, records=True)
        self.alive = True
        for parcel in self.desk.unoffered(self.log.numbers()):
            self.offer(parcel)

    def _form(self, partner: str) -> int:
        """Newest form of a release of tracks for a partner, as a node works it out."""
        return self.sessions[partner].track_form if partner in self.tells_whole else 1

    def _verify_receipt(self, release: Release, now_us: int) -> None:
        self.check.now_us = now_us
        self.check.verify(release)

    def rotate(self, generation: int) -> PublicKey:
        """Take a new signing key; returns its public half for the partners."""
        self.signer = key_of(self.party, generation, shipped=self._shipped)
        self.ring.add(public_key(self.signer))
        self.log._signer = self.witness._signer = self.signer
        self.desk.rekeyed(self.signer, since_us=0)
        self.versions_of_groups.tell_again()
        self._keep_groups()
        return public_key(self.signer)

    def down(self, rng: Any) -> int:
        """Power goes: memory is gone, and what was not durable with it. Returns bytes torn off."""
        self.alive = False
        self.boxes = {partner: box.crash() for partner, box in self.boxes.items()}
        return self.files.crash(rng)

    # -- groups

    def adopt(self, group: str, edition: Edition) -> None:
        """A file of a group is in the folder: durable, as files are."""
        self.files_of_groups[group] = edition

    def _keep_groups(self) -> None:
        self._groups_kept = copy.deepcopy(self.versions_of_groups.as_dict())

    def decision(self, to: str) -> Decision:
        """Decision in force now, as far as this node knows."""
        return by_group(self, to, self.rules(self.party, to))

    def _tell_versions(self) -> None:
        for partner in self.partners:
            body = self.versions_of_groups.owed(partner, self.files_of_groups, self.now_us())
            if body is not None and self.sessions[partner].wants_state(self.now_us()):
                self.offer(self.desk.control("policy", body, to=partner, now_us=self.now_us()))
                self.versions_of_groups.was_told(partner, body)
                self._keep_groups()

    # -- out

    def _may_send(self, item: Item, now_us: int) -> bool:
        del now_us
        row = self.ledger.release(item.release_id)
        decision = self.decision(row["to_party"])
        header = Release.from_bytes(item.body).fields
        read = header["wire"] <= max(1, self._form(row["to_party"]))
        over = self.ledger.over(row, self.now_us())
        return row["state"] == "sent" and not over and read and still_allowed(header, decision)

    def offer(self, parcel: Parcel | None) -> None:
        """Hand a parcel to its session, durably."""
        if parcel is None:
            return
        session = self.sessions[parcel.to]
        queued = {release_id for _, _, release_id in self.boxes[parcel.to].queued()}
        if parcel.release_id not in queued:
            self.perform(parcel.to, session.offer(parcel.kind, parcel.release_id, parcel.data, self.now_us()))
        self.desk.offered(parcel)

    def share(self, tracks: pa.Table) -> list[Parcel]:
        """Seal and queue what is due of own tracks for each partner whose session has room, as a node does."""
        sealed = []
        for partner in self.partners:
            decision = self.decision(partner)
            if decision.flows and self.sessions[partner].wants_state(self.now_us()):
                consents = [str(c) for c in decision.cites if c.kind == "consent"]
                sealed.append(self.desk.seal(tracks, decision, to=partner, now_us=self.now_us(), consents=consents))
        parcels = self.desk.enter([release for release in sealed if release is not None])
        for parcel in parcels:
            self.offer(parcel)
        return parcels

    def tell(self, partner: str, body: dict[str, Any]) -> Parcel | None:
        """Seal and queue a safety text, whether the partner is there or not."""
        decision = self.decision(partner)
        if not decision.flows or decision.obligations.redact:
            return None
        parcel = self.desk.record("safety", body, decision, to=partner, now_us=self.now_us())
        self.offer(parcel)
        return parcel

    def recall(self, release_id: str) -> None:
        """Recall a release of ours."""
        parcel = self.desk.recall(release_id, by="officer", reason="error", now_us=self.now_us())
        self.sessions[parcel.to].withdraw(release_id)
        self.offer(parcel)

    def tighten(self, release_id: str, retain_until_us: int) -> None:
        """End a release of ours earlier."""
        self.offer(self.desk.tighten(release_id, retain_until_us, by="officer", reason="shorter", now_us=self.now_us()))

    def export(self, partner: str) -> bytes:
        """File of what waits for a partner and may go now."""
        bundles, told = self.sessions[partner].to_carry(self.now_us())
        self.perform(partner, told)
        file = io.BytesIO()
        write_bundles(file, bundles)
        return file.getvalue()

    def take_file(self, data: bytes, *, arrived: bool = False) -> Taken:
        """Take a file as its inbox does; when it is interrupted, it is to be taken again from the beginning."""
        taken = Taken()
        for _ in self.carrier.work(io.BytesIO(data), taken, self.now_us, arrived=arrived):
            pass
        self.carried = self.carrier.seen()
        return taken

    def answer(self) -> None:
        """Versions of groups and receipts owed, and checkpoints for witnesses."""
        self._tell_versions()
        for parcel in [*self.desk.remind(self.now_us(), after_us=12_000_000), *self.desk.receipts(self.now_us())]:
            self.offer(parcel)
        for partner in self.partners:
            if self._world_now() - self.stated_us.get(partner, 0) < 15_000_000:
                continue
            body = self.witness.statement(partner) if self.sessions[partner].wants_state(self.now_us()) else None
            if body is not None:
                self.stated_us[partner] = self._world_now()
                self.offer(self.desk.control("checkpoint", body, to=partner, now_us=self.now_us()))

    def expire(self) -> None:
        """Carry out retention."""
        for partner, gone in sorted(self.desk.expire(self.now_us()).items()):
            self._note(self.party, "expired", {"partner": partner, "releases": gone})
        self._forget()

    def _forget(self) -> None:
        for release_id in set(self.held) - self.ledger.held_ids():
            del self.held[release_id]

    # -- in

    def frame(self, partner: str, direction: Direction, data: bytes) -> None:
        """A frame came from the world."""
        self.perform(partner, self.sessions[partner].frame(direction, data, self.now_us()))

    def tick(self) -> None:
        """Time has passed."""
        for partner in self.partners:
            self.perform(partner, self.sessions[partner].tick(self.now_us()))

    def perform(self, partner: str, instructions: list[Instruction]) -> None:
        """Commit, then perform: the order of the shipped driver."""
        if self.files.cut_after is not None and self.files.cut_after == 1:
            self.files.cut_after = None
            raise PowerCut  # before the commit: nothing of this step has happened
        if not self.commits_skipped:
            self.boxes[partner].commit()
        for instruction in instructions:
            if isinstance(instruction, Send):
                self._transmit(self.party, partner, instruction.direction, instruction.data)
            elif isinstance(instruction, Deliver):
                self._deliver(partner, instruction)
            elif isinstance(instruction, Close):
                self._hang_up(self.party, partner, instruction.direction)
            elif isinstance(instruction, Told):
                if instruction.what in LOST_MEMORY:
                    self.ledger.answer_again(0)
                    self.versions_of_groups.tell_again(partner)
                self._note(self.party, instruction.what, instruction.detail)

    def _deliver(self, partner: str, item: Deliver) -> None:
        refused: str | None = None
        session = self.sessions[partner]
        if item.kind != "skip" or item.body:
            try:
                self._accept(partner, item.body)
            except KuroshioError as err:
                if isinstance(err, StoreError) or err.error_code in NOT_YET:
                    self.perform(partner, session.failed(err.error_code))
                    return
                refused = err.error_code
                self._note(self.party, "refused_here", {"partner": partner, "code": refused})
        self.perform(partner, session.taken(item.lane, item.seq, item.item_id, self.now_us(), refused=refused))

    def _gone(self, partner: str, release_id: str) -> None:
        if partner in self.sessions:
            self.sessions[partner].withdraw(release_id)
            self.perform(partner, [])

    def _accept_carried(self, partner: str, data: bytes, now_us: int) -> Accepted:
        del now_us
        if partner not in self.sessions:
            raise VerificationError(f"{partner} is no partner", code="exchange.stranger")
        return self._accept(partner, data, carried=True)

    def _accept(self, partner: str, data: bytes, *, carried: bool = False) -> Accepted:
        now_us = self.now_us()
        if self.files.full:
            raise StoreError("no space left on device", code="store.full")
        if self.versions == WIRE_VERSIONS[:1] and Release.from_bytes(data).fields["wire"] > 1:  # as older software does
            self.desk._refuse(partner, data, "exchange.version", now_us)
            raise VerificationError("a form not known here", code="exchange.version")
        done = self.desk.accept(partner, data, now_us, carried=carried)
        self.witness_state = {p: w.as_dict() for p, w in self.check.witnesses.items()}
        if done.received is None:
            return done
        release_id = done.received.release.release_id
        if done.kind == "checkpoint":
            body = self.witness.on_checkpoint(partner, dict(done.body or {}), now_us, stated_us=done.stated_us)
            self.witness_state = {p: w.as_dict() for p, w in self.check.witnesses.items()}
            if body is not None:
                self.offer(self.desk.control("cosignature", body, to=partner, now_us=now_us))
        elif done.kind == "cosignature":
            self.witness.on_cosignature(partner, dict(done.body or {}), now_us)
        elif done.kind == "tighten":
            self._note(self.party, "tightened", {"partner": partner, **(done.body or {})})
        elif done.kind == "recall":
            self._forget()
        elif done.kind == "policy":
            self._heed(partner, dict(done.body or {}))
        elif done.kind != "receipt":
            self.taken_count[release_id] = self.taken_count.get(release_id, 0) + 1
            content = done.received.released if done.received.released is not None else dict(done.body or {})
            self.held[release_id] = (partner, content)
        return done

    def _heed(self, partner: str, body: dict[str, Any]) -> None:
        self.versions_of_groups.heed(partner, body, self.files_of_groups)
        self._keep_groups()
        told = dict(zip(body["accords"], body["versions"], strict=True))
        self._note(self.party, "versions", {"partner": partner, "told": told})
