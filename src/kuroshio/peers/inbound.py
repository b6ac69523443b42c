"""The receiving half of a conversation: the partner's ordered log to us, each item once.

What enters: frames of the partner's stream, and what became of each item delivered. What leaves: instructions. An
item is acknowledged only after the node has made it durable; content taken before is acknowledged and not taken again,
for ever.
"""

from __future__ import annotations

from kuroshio.errors import PeerError
from kuroshio.peers.frames import WIRE_VERSIONS, Frame, Lane, Type, item_id_of
from kuroshio.peers.instructions import Close, Deliver, Direction, Instruction, Limits, Send, Told
from kuroshio.peers.outbox import Outbox

DOWN, WAITING, OPEN = "down", "waiting", "open"
MAX_SKIP = 100_000_000


class Inbound:
    """Receiver of one partner's log.

    Parameters
    ----------
    me, partner
        Party codes.
    outbox
        Durable positions and the content ids taken.
    limits
        Bounds.
    versions
        Wire versions spoken.
    """

    def __init__(
        self, me: str, partner: str, outbox: Outbox, limits: Limits, versions: tuple[int, ...] = WIRE_VERSIONS
    ) -> None:
        self.me, self.partner, self._outbox, self._limits, self._versions = me, partner, outbox, limits, versions
        self.state = DOWN
        self.version = 0
        self._expected: dict[Lane, int] = dict(outbox.positions().taken)
        self._heads: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self._pending: list[tuple[Lane, int, str]] = []
        self.heard_us: int | None = None
        self.taken_us: int | None = None
        names = "received received_bytes taken duplicates refused skipped gaps overruns failed epochs thinned"
        self.counters: dict[str, int] = dict.fromkeys(names.split(), 0)

    def accepted(self, now_us: int) -> list[Instruction]:
        """The partner's stream is up; it greets first."""
        self.state, self.heard_us = WAITING, now_us
        self._pending.clear()
        return []

    def lost(self) -> None:
        """The partner's stream is gone; items delivered and not yet taken will come again."""
        self.state = DOWN
        self._pending.clear()

    def frame(self, frame: Frame, now_us: int) -> list[Instruction]:
        """A frame of the partner's stream.

        Raises
        ------
        PeerError
            When it breaks the protocol; the driver closes the stream.
        """
        if self.state == DOWN:
            return []
        self.heard_us = now_us
        if frame.type is Type.HELLO:
            return self._hello(frame, now_us)
        if self.state != OPEN:
            raise PeerError(f"{frame.type.name.lower()} before a hello", code="peer.order")
        if frame.type is Type.ITEM:
            return self._item(frame)
        if frame.type is Type.SKIP:
            return self._skip(frame)
        if frame.type is Type.BEAT:
            self._heads = frame.lanes("heads")
            told = frame.header.get("thinned")
            if isinstance(told, int) and not isinstance(told, bool):
                self.counters["thinned"] = max(0, told)  # the partner's count since it started
            return [self._beat(frame, now_us)]
        if frame.type is Type.BYE:
            self.lost()
            return [Close(Direction.IN, str(frame.header.get("code"))[:80])]
        raise PeerError(f"unexpected {frame.type.name.lower()}", code="peer.order")

    def _hello(self, frame: Frame, now_us: int) -> list[Instruction]:
        if frame.header.get("from") != self.partner or frame.header.get("to") != self.me:
            raise PeerError(
                f"hello from {frame.header.get('from')!r} on the stream of {self.partner}", code="peer.party"
            )
        offered = frame.header.get("versions")
        common = [v for v in self._versions if isinstance(offered, list) and v in offered]
        if not common:
            raise PeerError(f"no wire version in common with {offered!r}", code="peer.version")
        self.version = max(common)
        epoch, known = frame.whole("epoch", least=1), self._outbox.positions().their_epoch
        out: list[Instruction] = []
        if epoch < known:
            return self._old_epoch(epoch, known)
        if epoch > known:
            self.counters["epochs"] += 1
            self._outbox.their_epoch(epoch)
            if known:  # checked resync: content is known by its id, so nothing is taken twice
                out.append(Told("epoch_changed", {"partner": self.partner, "from": known, "to": epoch}))
        self._heads = frame.lanes("heads")
        taken = self._outbox.positions().taken
        self._expected = dict(taken)
        self._pending.clear()
        self.state = OPEN
        header = {
            "version": self.version,
            "epoch": epoch,
            "positions": [taken[lane] for lane in Lane],
            "last": [list(self._outbox.positions().last.get(lane, (-1, ""))) for lane in Lane],
            "time_us": now_us,
            **self._echo(frame),
        }
        return [*out, Send(Direction.IN, Frame(Type.WELCOME, header).to_bytes())]

    def _old_epoch(self, epoch: int, known: int) -> list[Instruction]:
        """An old copy of the partner's session, or a replay: it is told the epoch known here, to begin beyond it."""
        self.lost()
        code = "peer.epoch_old"
        bye = Send(Direction.IN, Frame(Type.BYE, {"code": code, "epoch": known}).to_bytes())
        text = f"epoch {epoch} is older than {known}: an old copy, or a replay"
        told = Told("protocol_error", {"partner": self.partner, "code": code, "text": text})
        return [bye, told, Close(Direction.IN, code)]

    def _echo(self, frame: Frame) -> dict[str, int]:
        return {"echo_us": frame.whole("time_us")}

    def _beat(self, frame: Frame, now_us: int) -> Send:
        taken = self._outbox.positions().taken
        header = {"time_us": now_us, "positions": [taken[lane] for lane in Lane], **self._echo(frame)}
        return Send(Direction.IN, Frame(Type.BEAT, header).to_bytes())

    def _item(self, frame: Frame) -> list[Instruction]:
        lane, seq = frame.lane(), frame.whole("seq")
        self.counters["received"] += 1
        self.counters["received_bytes"] += len(frame.body)
        if seq < self._expected[lane]:
            self.counters["duplicates"] += 1
            return [self._ack(lane)]
        if seq > self._expected[lane]:
            self.counters["gaps"] += 1
            raise PeerError(f"{lane.name.lower()} {seq} after {self._expected[lane] - 1}", code="peer.gap")
        kind, item_id = str(frame.header.get("kind"))[:80], item_id_of(frame.body)
        if frame.header.get("id") != item_id:
            raise PeerError(f"{lane.name.lower()} {seq} was damaged on the way", code="peer.damaged")
        if len(self._pending) >= 4 * (self._limits.window_record + self._limits.window_control):
            self.counters["overruns"] += 1
            raise PeerError(f"{len(self._pending)} items wait here", code="peer.overrun")
        self._expected[lane] = seq + 1
        self._pending.append((lane, seq, item_id))
        if self._outbox.has(item_id) and not any(p[0] is lane for p in self._pending[:-1]):
            self.counters["duplicates"] += 1
            return self.taken(lane, seq, item_id)
        return [Deliver(lane, seq, kind, item_id, frame.body)]

    def _ack(self, lane: Lane) -> Send:
        header = {"lane": int(lane), "seq": self._outbox.positions().taken[lane]}
        return Send(Direction.IN, Frame(Type.ACK, header).to_bytes())

    def _skip(self, frame: Frame) -> list[Instruction]:
        lane, start, end = frame.lane(), frame.whole("from"), frame.whole("to")
        if not start < end <= start + MAX_SKIP:
            raise PeerError(f"skip from {start} to {end}", code="peer.field")
        if end <= self._expected[lane]:
            return [self._ack(lane)]
        if start > self._expected[lane]:
            self.counters["gaps"] += 1
            raise PeerError(f"skip from {start} after {self._expected[lane] - 1}", code="peer.gap")
        if any(p[0] is lane for p in self._pending):  # numbers before it are still on the way into the store
            self._pending.append((lane, end - 1, ""))
            self._expected[lane] = end
            told = self._tell_skip(frame, lane, end - start)
            return [told, Deliver(lane, end - 1, "skip", "", b"")]
        self._expected[lane] = end
        self._outbox.taken(lane, end)
        return [self._tell_skip(frame, lane, end - start), self._ack(lane)]

    def _tell_skip(self, frame: Frame, lane: Lane, count: int) -> Told:
        self.counters["skipped"] += count
        reason = str(frame.header.get("reason"))[:80]
        return Told("skipped", {"partner": self.partner, "lane": lane.name.lower(), "count": count, "reason": reason})

    def taken(
        self, lane: Lane, seq: int, item_id: str, *, refused: str | None = None, now_us: int | None = None
    ) -> list[Instruction]:
        """The node has made an item durable, or refused it for good with a code."""
        if (lane, seq, item_id) not in self._pending:
            return []  # the stream was lost in between: the item comes again and is known by its content
        self._pending.remove((lane, seq, item_id))
        out: list[Instruction] = []
        if refused is not None:
            self.counters["refused"] += 1
            header = {"lane": int(lane), "seq": seq, "code": refused[:80]}
            out.append(Send(Direction.IN, Frame(Type.REFUSE, header).to_bytes()))
            self._outbox.taken(lane, seq + 1)
        else:
            self.counters["taken"] += 1
            self.taken_us = now_us if now_us is not None else self.heard_us
            self._outbox.taken(lane, seq + 1, item_id or None)
        return [*out, self._ack(lane)]

    def failed(self, code: str) -> list[Instruction]:
        """The node could not make an item durable (a full disk): take nothing more, let it come again later."""
        self.counters["failed"] += 1
        self.lost()
        return [Send(Direction.IN, Frame(Type.BYE, {"code": code[:80]}).to_bytes()), Close(Direction.IN, code[:80])]

    def behind(self) -> int:
        """Items the partner says it has for us and we have not taken."""
        taken = self._outbox.positions().taken
        return sum(max(0, self._heads[lane] - taken[lane]) for lane in Lane)

    def tick(self, now_us: int) -> list[Instruction]:
        """The end of a stream that is silent."""
        if self.state == DOWN or self.heard_us is None or now_us - self.heard_us <= self._limits.quiet_us:
            return []
        self.lost()
        return [Close(Direction.IN, "peer.quiet")]
