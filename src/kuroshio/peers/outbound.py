"""The sending half of a conversation: our ordered log to one partner, resumed from where the partner stands.

What enters: frames from the partner's end of our stream, offers and ticks. What leaves: instructions. Each item is
judged by ``may_send`` at the moment it is sent, first time or replay, against the rules in force now; what may not go
any more is dropped and its number skipped, so that the partner's sequence stays dense and it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kuroshio.errors import PeerError
from kuroshio.peers.frames import WIRE_VERSIONS, Frame, Lane, Type, item_id_of
from kuroshio.peers.instructions import Budget, Close, Direction, Instruction, Limits, Rate, Send, Told
from kuroshio.peers.outbox import Item, Outbox

MaySend = Callable[[Item, int], bool]
DOWN, GREETED, OPEN = "down", "greeted", "open"
CRAWL_BYTES_PER_S = 1_000  # a third of 50 kbit/s with 30 % loss
CARRY_BYTES = 1 << 28  # of one file
EPOCH_MAX = 1 << 52  # beyond it an epoch has no whole number in JSON: 142 years of microseconds


class Outbound:
    """Sender of one partner's log.

    Parameters
    ----------
    me, partner
        Party codes.
    outbox
        Durable log.
    may_send
        The policy, asked at each sending: (item, now_us) -> bool. Control items are not asked: recalls and receipts
        must go when an accord has ended.
    limits
        Bounds.
    versions
        Wire versions spoken, for tests of older partners.
    """

    def __init__(
        self,
        me: str,
        partner: str,
        outbox: Outbox,
        may_send: MaySend,
        limits: Limits,
        versions: tuple[int, ...] = WIRE_VERSIONS,
    ) -> None:
        self.me, self.partner, self._outbox, self._may_send, self._limits = me, partner, outbox, may_send, limits
        self._versions = versions
        self.state = DOWN
        self.version = 0
        self.cursor: dict[Lane, int] = dict(outbox.positions().acked)
        self._flight: dict[tuple[Lane, int], tuple[str, int, int]] = {}  # release, bytes, sent at
        self._flight_bytes = 0
        self._budget = Budget(limits.rate_bytes_per_s)
        self._control_budget = Budget(limits.rate_bytes_per_s and limits.rate_bytes_per_s / 5.0)
        self._beat_at_us = 0
        self._progress_us = 0
        self._lane_progress_us = dict.fromkeys(Lane, 0)
        self._state_bytes = limits.state_bytes_min * 16
        self.rate = Rate()
        self.said = ""  # why the partner last ended our stream; empty once it has taken something again
        self.heard_us: int | None = None
        self.accepted_us: int | None = None
        self.offset_us: int | None = None
        self.round_trip_us: int | None = None
        names = "sent sent_bytes acknowledged withheld skipped refused epochs queue_full thinned withdrawn"
        self.counters: dict[str, int] = dict.fromkeys(names.split(), 0)

    # -- from the node

    def offer(self, lane: Lane, kind: str, release_id: str, body: bytes, now_us: int) -> list[Instruction]:
        """Queue a sealed bundle.

        Raises
        ------
        PeerError
            ``peer.queue_full`` when a limit is reached: nothing is dropped silently.
        """
        items, size = self._outbox.waiting()
        if items >= self._limits.queue_items or size + len(body) > self._limits.queue_bytes:
            self.counters["queue_full"] += 1
            raise PeerError(f"{items} items wait for {self.partner}", code="peer.queue_full",
                            advice="Free disk, raise the limit, or ask the partner why it is away.")  # fmt: skip
        seq = self._outbox.positions().next_seq[lane]
        self._outbox.put(Item(lane, seq, kind, release_id, item_id_of(body), now_us, body))
        return self.pump(now_us)

    def wants_state(self, now_us: int) -> bool:
        """True when a state release sealed now would go now: until then the newest state waits at the node."""
        return self.state_room(now_us) > 0

    def state_room(self, now_us: int) -> int:
        """Bytes a state release sealed now may have, so that the partner takes it within seconds; 0 says wait."""
        if self.state != OPEN or not self._budget.allows(now_us):
            return 0
        positions = self._outbox.positions()
        behind = any(self.cursor[lane] < positions.next_seq[lane] for lane in (Lane.CONTROL, Lane.RECORD, Lane.STATE))
        if behind or self._in_flight(Lane.STATE) >= self._limits.window_state:
            return 0
        most = self._state_bytes
        if self._limits.rate_bytes_per_s is not None:
            most = min(most, int(self._limits.rate_bytes_per_s * self._limits.state_age_us * 1e-6))
        return max(self._limits.state_bytes_min, most)

    def moving(self, now_us: int) -> None:
        """The link has taken bytes: it does not stand still, however long the item."""
        self._progress_us = now_us

    def withdraw(self, release_id: str) -> bool:
        """Take a release off the queue when it has not been sent on this stream; True when it was there."""
        found = False
        for lane, seq, queued in self._outbox.queued():
            if queued == release_id and (self.state != OPEN or seq >= self.cursor[lane]):
                self._outbox.drop(lane, seq)
                self.counters["withdrawn"] += 1
                found = True
        return found

    def to_carry(self, now_us: int) -> tuple[list[bytes], list[Instruction]]:
        """Bundles that wait and may go now, for a file; they wait until they are answered or said to have arrived.

        Judged as at each sending: what may not go any more is dropped, but for what this stream has sent already. A
        file holds `CARRY_BYTES` at most, the most urgent and oldest first.
        """
        bundles, out, size = [], list[Instruction](), 0
        for lane, seq, release_id in self._outbox.queued():
            item = self._outbox.get(lane, seq)
            if item is None:
                continue
            if size + len(item.body) > CARRY_BYTES:
                break
            if lane is Lane.CONTROL or self._may_send(item, now_us):
                bundles.append(item.body)
                size += len(item.body)
            elif self.state != OPEN or seq >= self.cursor[lane]:
                self._outbox.drop(lane, seq)
                self.counters["withheld"] += 1
                detail = {"partner": self.partner, "release_id": release_id, "kind": item.kind}
                out.append(Told("withheld", detail))
        return bundles, out

    # -- from the stream

    def dialled(self, now_us: int) -> list[Instruction]:
        """Our stream to the partner is up: greet."""
        self.rate.idle()
        self.state, self.heard_us, self._beat_at_us, self._progress_us = GREETED, now_us, now_us, now_us
        self._lane_progress_us = dict.fromkeys(Lane, now_us)
        self._flight.clear()
        self._flight_bytes = 0
        return [self._hello(now_us)]

    def _hello(self, now_us: int) -> Send:
        positions = self._outbox.positions()
        header = {
            "versions": list(self._versions),
            "from": self.me,
            "to": self.partner,
            "epoch": positions.epoch,
            "heads": [positions.next_seq[lane] for lane in Lane],
            "time_us": now_us,
        }
        return self._send(Frame(Type.HELLO, header))

    def _send(self, frame: Frame, *, urgent: bool = True) -> Send:
        data = frame.to_bytes()
        self.counters["sent_bytes"] += len(data)
        return Send(Direction.OUT, data, urgent)

    def lost(self) -> None:
        """Our stream is gone."""
        self.state = DOWN
        self._flight.clear()
        self._flight_bytes = 0

    def frame(self, frame: Frame, now_us: int) -> list[Instruction]:
        """A frame from the partner's end of our stream.

        Raises
        ------
        PeerError
            When it breaks the protocol; the driver closes the stream.
        """
        if self.state == DOWN:
            return []
        self.heard_us = now_us
        if frame.type is Type.WELCOME and self.state == GREETED:
            return self._welcome(frame, now_us)
        if frame.type is Type.BYE:
            self.lost()
            self.said = str(frame.header.get("code"))[:80]
            told = self._begin_beyond(frame, now_us) if self.said == "peer.epoch_old" else []
            return [*told, Close(Direction.OUT, self.said)]
        if self.state != OPEN:
            raise PeerError(f"{frame.type.name.lower()} before a welcome", code="peer.order")
        if frame.type is Type.ACK:
            return [*self._acked(frame.lane(), frame.whole("seq"), now_us), *self.pump(now_us)]
        if frame.type is Type.REFUSE:
            return self._refused(frame)
        if frame.type is Type.BEAT:
            self._clock(frame, now_us)
            theirs, told = frame.lanes("positions"), list[Instruction]()
            for lane in Lane:
                told += self._acked(lane, min(theirs[lane], self.cursor[lane]), now_us)
            return told + self.pump(now_us)
        raise PeerError(f"unexpected {frame.type.name.lower()} on the way back", code="peer.order")

    def _welcome(self, frame: Frame, now_us: int) -> list[Instruction]:
        version = frame.whole("version")
        if version not in self._versions:
            raise PeerError(f"{self.partner} chose wire version {version}", code="peer.version")
        self.version = version
        positions = self._outbox.positions()
        if frame.whole("epoch") != positions.epoch:
            raise PeerError("welcome of another epoch", code="peer.epoch")
        theirs = frame.lanes("positions")
        self._clock(frame, now_us)
        if any(theirs[lane] > positions.next_seq[lane] for lane in Lane) or self._reused(frame, theirs):
            # the partner holds what we know nothing of: we were restored from an older copy and used numbers again
            return [self._new_epoch(max(now_us, positions.epoch + 1)), self._hello(now_us)]
        out: list[Instruction] = []
        self.state = OPEN
        for lane in Lane:
            if theirs[lane] < positions.acked[lane]:
                out.append(self._skip(lane, theirs[lane], positions.acked[lane], "forgotten"))
                out.append(Told("partner_rolled_back", {"partner": self.partner, "lane": lane.name.lower(),
                                                        "lost": positions.acked[lane] - theirs[lane]}))  # fmt: skip
            else:
                out += self._acked(lane, theirs[lane], now_us, resumed=True)
            self.cursor[lane] = max(theirs[lane], positions.acked[lane])
        return out + self.pump(now_us)

    def _begin_beyond(self, frame: Frame, now_us: int) -> list[Instruction]:
        """The partner knows a later epoch of ours: we were restored from a copy older than it, so begin beyond it."""
        known, own = frame.whole("epoch"), self._outbox.positions().epoch
        if not own < known < EPOCH_MAX:
            return []
        return [self._new_epoch(max(now_us, known + 1))]

    def _new_epoch(self, epoch: int) -> Told:
        self.counters["epochs"] += 1
        self._outbox.new_epoch(epoch)
        self.cursor = dict.fromkeys(Lane, 0)
        return Told("new_epoch", {"partner": self.partner, "reason": "own state is older than the partner's"})

    def _reused(self, frame: Frame, theirs: Mapping[Lane, int]) -> bool:
        """True when the partner was told something else under a number than we have: another item, or nothing."""
        last = frame.header.get("last")
        if not isinstance(last, list) or len(last) != len(Lane):
            return False
        acked = self._outbox.positions().acked
        for lane, pair in zip(Lane, last, strict=True):
            if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], int):
                raise PeerError(f"welcome: field last is {pair!r}", code="peer.field")
            item = self._outbox.get(lane, pair[0]) if pair[0] >= acked[lane] else None
            if pair[0] >= acked[lane] and (item is None or item.item_id != pair[1]):
                return True
            skipped = range(max(acked[lane], pair[0] + 1), theirs[lane])  # after the last item it took
            if skipped and any(seq in skipped for of, seq, _ in self._outbox.queued() if of is lane):
                return True
        return False

    def _clock(self, frame: Frame, now_us: int) -> None:
        theirs = frame.whole("time_us")
        echo = frame.header.get("echo_us")
        if isinstance(echo, int) and not isinstance(echo, bool) and 0 <= now_us - echo < 600_000_000:
            self.round_trip_us = now_us - echo
            self.offset_us = theirs - (echo + now_us) // 2
        elif self.offset_us is None:
            self.offset_us = theirs - now_us

    def _acked(self, lane: Lane, below: int, now_us: int, *, resumed: bool = False) -> list[Instruction]:
        positions = self._outbox.positions()
        if below > (positions.next_seq[lane] if resumed else self.cursor[lane]):
            raise PeerError(f"{self.partner} acknowledges {lane.name.lower()} {below}, never sent", code="peer.ack")
        if below <= positions.acked[lane]:
            return []
        done = []
        for seq in range(positions.acked[lane], below):
            release_id, size, sent_us = self._flight.pop((lane, seq), ("", 0, now_us))
            self._flight_bytes -= size
            self.rate.accepted(size, now_us)
            if lane is Lane.STATE and size:
                self._pace(size, now_us - sent_us)
            if not release_id and resumed:
                item = self._outbox.get(lane, seq)
                release_id = item.release_id if item is not None else ""
            if release_id:
                done.append(release_id)
        self._outbox.acked(lane, below)
        if not self._flight:
            self.rate.idle()
        self.counters["acknowledged"] += len(done)
        self.accepted_us = self._progress_us = self._lane_progress_us[lane] = now_us
        self.said = ""
        return [Told("acknowledged", {"partner": self.partner, "lane": lane.name.lower(), "release_ids": done})]

    def _pace(self, size: int, taken_us: int) -> None:
        """Smaller state releases where the partner took one late, larger ones where it took one early."""
        limits, beyond_us = self._limits, taken_us - (self.round_trip_us or 0)
        if beyond_us > limits.state_age_us:
            self._state_bytes = max(limits.state_bytes_min, self._state_bytes // 2)
        elif beyond_us < limits.state_age_us // 2 and 2 * size > self._state_bytes:
            self._state_bytes = min(limits.state_bytes_max, self._state_bytes * 2)

    def _refused(self, frame: Frame) -> list[Instruction]:
        self.counters["refused"] += 1
        name, _, _ = self._flight.get((frame.lane(), frame.whole("seq")), ("", 0, 0))
        code = str(frame.header.get("code"))[:80]
        return [Told("refused", {"partner": self.partner, "release_id": name, "code": code})]

    # -- sending

    def pump(self, now_us: int) -> list[Instruction]:
        """Whatever may go now: control first, then records, then state."""
        out: list[Instruction] = []
        if self.state != OPEN:
            return out
        for lane in Lane:
            budget = self._control_budget if lane is Lane.CONTROL else self._budget
            while self.cursor[lane] < self._outbox.positions().next_seq[lane]:
                full = self._flight_bytes >= self._limits.window_bytes and lane is not Lane.CONTROL
                if full or self._in_flight(lane) >= self._limits.window(lane):
                    break
                if not budget.allows(now_us):
                    break
                step = self._next(lane, now_us)
                budget.spend(sum(len(i.data) for i in step if isinstance(i, Send)))
                out += step
            if lane is Lane.RECORD and self.cursor[lane] < self._outbox.positions().next_seq[lane]:
                break  # state never overtakes records that wait
        return out

    def _next(self, lane: Lane, now_us: int) -> list[Instruction]:
        seq = self.cursor[lane]
        item = self._outbox.get(lane, seq)
        if item is None:
            end = seq + 1
            while end < self._outbox.positions().next_seq[lane] and self._outbox.get(lane, end) is None:
                end += 1
            self.cursor[lane] = end
            return [self._skip(lane, seq, end, "withdrawn")]
        self.cursor[lane] = seq + 1
        if lane is not Lane.CONTROL and not self._may_send(item, now_us):
            self._outbox.drop(lane, seq)
            self.counters["withheld"] += 1
            detail: dict[str, Any] = {"partner": self.partner, "release_id": item.release_id, "kind": item.kind}
            return [self._skip(lane, seq, seq + 1, "withheld"), Told("withheld", detail)]
        header = {"lane": int(lane), "seq": seq, "kind": item.kind, "queued_us": item.queued_us, "id": item.item_id}
        self._flight[lane, seq] = (item.release_id, len(item.body), now_us)
        self._flight_bytes += len(item.body)
        self.rate.began(now_us)
        self.counters["sent"] += 1
        return [self._send(Frame(Type.ITEM, header, item.body), urgent=lane is Lane.CONTROL)]

    def _skip(self, lane: Lane, start: int, end: int, reason: str) -> Send:
        self.counters["skipped"] += end - start
        frame = Frame(Type.SKIP, {"lane": int(lane), "from": start, "to": end, "reason": reason})
        return self._send(frame, urgent=lane is Lane.CONTROL)

    def _in_flight(self, lane: Lane) -> int:
        return self.cursor[lane] - self._outbox.positions().acked[lane]

    def tick(self, now_us: int) -> list[Instruction]:
        """Heartbeat, and the end of a stream that is silent."""
        if self.state == DOWN:
            return []
        if self.heard_us is not None and now_us - self.heard_us > self._limits.quiet_us:
            self.lost()
            return [Close(Direction.OUT, "peer.quiet")]
        if self._stalled(now_us):
            self.lost()  # alive, and yet nothing is acknowledged: something was lost on the way; begin the stream again
            return [Close(Direction.OUT, "peer.stalled")]
        out = self.pump(now_us)
        if now_us - self._beat_at_us >= self._limits.beat_us:
            self._beat_at_us = now_us
            heads = [self._outbox.positions().next_seq[lane] for lane in Lane]
            header = {"time_us": now_us, "heads": heads, "thinned": self.counters["thinned"]}
            out.append(self._send(Frame(Type.BEAT, header)))
        return out

    def _stalled(self, now_us: int) -> bool:
        """Nothing, or nothing of one lane, has been acknowledged for too long.

        A lane is given time for what is in flight on the slowest of links besides: control that comes and goes must
        not hide a lost state for ever, nor a large release that crawls be begun again and again.
        """
        waits = [lane for lane in Lane if self._in_flight(lane)] if self.state == OPEN else []
        for lane in set(Lane) - set(waits):
            self._lane_progress_us[lane] = now_us
        if not waits:
            self._progress_us = now_us
        slowest_us = self._flight_bytes * 1_000_000 // CRAWL_BYTES_PER_S
        quiet_us = now_us - min((self._lane_progress_us[lane] for lane in waits), default=now_us)
        return now_us - self._progress_us > self._limits.stall_us or quiet_us > self._limits.stall_us + slowest_us
