"""The conversation with one partner, sans-IO: event in, list of instructions out.

What enters: streams that came up or went, frames, sealed items, what became of delivered ones, ticks. What leaves:
`Instruction` values that a driver performs. Rule for the driver, on which "acknowledged means durable" rests: after
each call, ``outbox.commit()`` first, then the instructions in order.
"""

from __future__ import annotations

from typing import Any

from kuroshio.errors import PeerError
from kuroshio.peers.frames import TRACK_FORM_OF, WIRE_VERSIONS, Frame, Lane, Type
from kuroshio.peers.inbound import Inbound
from kuroshio.peers.instructions import Close, Direction, Instruction, Limits, Send, Told
from kuroshio.peers.outbound import MaySend, Outbound
from kuroshio.peers.outbox import Outbox

LANE_OF_KIND = {"tracks": Lane.STATE}
CONTROL_KINDS = frozenset({"recall", "tighten", "receipt", "checkpoint", "cosignature", "policy"})


def lane_of(kind: str) -> Lane:
    """Lane of a kind of release: control, state for tracks, else record."""
    return Lane.CONTROL if kind in CONTROL_KINDS else LANE_OF_KIND.get(kind, Lane.RECORD)


class Session:
    """Both directions with one partner.

    Parameters
    ----------
    me, partner
        Party codes.
    outbox
        Durable state (`outbox.Sqlite` in a node).
    may_send
        Policy in force now, asked at each sending of a record or state item: (item, now_us) -> bool.
    limits
        Bounds.
    versions
        Wire versions spoken.
    """

    def __init__(
        self,
        me: str,
        partner: str,
        outbox: Outbox,
        may_send: MaySend,
        limits: Limits | None = None,
        versions: tuple[int, ...] = WIRE_VERSIONS,
    ) -> None:
        self.me, self.partner, self.outbox = me, partner, outbox
        self.limits = limits or Limits()
        self.out = Outbound(me, partner, outbox, may_send, self.limits, versions)
        self.inn = Inbound(me, partner, outbox, self.limits, versions)
        self.protocol_errors = 0

    def offer(self, kind: str, release_id: str, body: bytes, now_us: int) -> list[Instruction]:
        """Queue a sealed bundle on the lane of its kind.

        Raises
        ------
        PeerError
            ``peer.queue_full``.
        """
        return self.out.offer(lane_of(kind), kind, release_id, body, now_us)

    def wants_state(self, now_us: int) -> bool:
        """True when a state release sealed now would go now."""
        return self.out.wants_state(now_us)

    @property
    def track_form(self) -> int:
        """Newest form of a release of tracks the partner reads, by what it last agreed to; 0 before it ever did."""
        return TRACK_FORM_OF.get(self.out.version, 0)

    def withdraw(self, release_id: str) -> bool:
        """Take a release off the queue; True when it was still there (a recall must go to the partner all the same)."""
        return self.out.withdraw(release_id)

    def to_carry(self, now_us: int) -> tuple[list[bytes], list[Instruction]]:
        """Bundles that wait and may go now, for a file, and what was dropped because it may not."""
        return self.out.to_carry(now_us)

    def up(self, direction: Direction, now_us: int) -> list[Instruction]:
        """The stream of a direction is up."""
        return self.out.dialled(now_us) if direction is Direction.OUT else self.inn.accepted(now_us)

    def down(self, direction: Direction) -> list[Instruction]:
        """The stream of a direction is gone."""
        (self.out if direction is Direction.OUT else self.inn).lost()
        return []

    def frame(self, direction: Direction, data: bytes, now_us: int) -> list[Instruction]:
        """Bytes of one frame; one that breaks the protocol ends the stream and nothing else."""
        try:
            frame = Frame.from_bytes(data)
            return (self.out if direction is Direction.OUT else self.inn).frame(frame, now_us)
        except PeerError as err:
            self.protocol_errors += 1
            self.down(direction)
            bye = Send(direction, Frame(Type.BYE, {"code": err.error_code}).to_bytes())
            told = Told("protocol_error", {"partner": self.partner, "code": err.error_code, "text": err.message})
            return [bye, told, Close(direction, err.error_code)]

    def taken(
        self, lane: Lane, seq: int, item_id: str, now_us: int, *, refused: str | None = None
    ) -> list[Instruction]:
        """The node made a delivered item durable, or refused it for good."""
        return self.inn.taken(lane, seq, item_id, refused=refused, now_us=now_us)

    def failed(self, code: str) -> list[Instruction]:
        """The node could not store a delivered item now."""
        return self.inn.failed(code)

    def tick(self, now_us: int) -> list[Instruction]:
        """Time has passed; call about once a second."""
        return [*self.out.tick(now_us), *self.inn.tick(now_us)]

    def health(self, now_us: int) -> dict[str, Any]:
        """What a person can trust, in each direction: the last item accepted and what is not, not "connected"."""
        items, size = self.outbox.waiting()
        positions = self.outbox.positions()
        unacked = sum(positions.next_seq[lane] - positions.acked[lane] for lane in Lane)
        quiet_out = items > 0 and (self.out.accepted_us is None or now_us - self.out.accepted_us > self.limits.quiet_us)
        return {
            "partner": self.partner,
            "out": {
                "stream": self.out.state,
                "wire": self.out.version,
                "epoch": positions.epoch,
                "last_accepted_us": self.out.accepted_us,
                "undelivered_items": max(items, unacked),
                "undelivered_bytes": size,
                "heard_us": self.out.heard_us,
                "round_trip_us": self.out.round_trip_us,
                "said": self.out.said,
                "link_bytes_per_s": self.out.rate.bytes_per_s,
                "state_bytes": self.out.state_room(now_us),
                "quiet": quiet_out,
                **self.out.counters,
            },
            "in": {
                "stream": self.inn.state,
                "wire": self.inn.version,
                "epoch": positions.their_epoch,
                "last_accepted_us": self.inn.taken_us,
                "behind_items": self.inn.behind(),
                "heard_us": self.inn.heard_us,
                "quiet": self.inn.heard_us is None or now_us - self.inn.heard_us > self.limits.quiet_us,
                **self.inn.counters,
            },
            "clock_offset_us": self.out.offset_us,
            "protocol_errors": self.protocol_errors,
        }
