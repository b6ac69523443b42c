"""A session, event by event: order, acknowledgement, resume, refusal, limits; and two outboxes with one behaviour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.errors import PeerError
from kuroshio.peers import (
    Close,
    Deliver,
    Direction,
    Frame,
    Lane,
    Limits,
    Memory,
    Outbox,
    Send,
    Session,
    Sqlite,
    Told,
    Type,
)
from kuroshio.peers.outbox import Item

T0 = 1_790_000_000_000_000
S = 1_000_000
OUT, IN = Direction.OUT, Direction.IN


class Two:
    """PHL sends to JPN; frames are carried by hand."""

    def __init__(self, limits: Limits | None = None, versions: tuple[int, ...] = (2, 3)) -> None:
        self.allowed: Callable[[Item], bool] = lambda item: True
        self.now = T0
        self.a_box, self.b_box = Memory(T0), Memory(T0)
        self.a = Session("PHL", "JPN", self.a_box, lambda item, now: self.allowed(item), limits)
        self.b = Session("JPN", "PHL", self.b_box, lambda item, now: True, limits, versions)
        self.got: list[bytes] = []
        self.told: list[Told] = []
        self.closed: list[str] = []
        self.held: list[Deliver] = []
        self.hold = False
        self.pause = False

    def connect(self) -> None:
        self.run(self.b, self.b.up(IN, self.now))
        self.run(self.a, self.a.up(OUT, self.now))

    def offer(self, body: bytes, kind: str = "alerts") -> None:
        self.run(self.a, self.a.offer(kind, "r-" + body.decode(), body, self.now))

    def run(self, who: Session, instructions: list[object]) -> None:
        who.outbox.commit()
        for step in instructions:
            if isinstance(step, Send):
                if not self.pause:
                    other, side = (self.b, IN) if who is self.a else (self.a, OUT)
                    self.run(other, other.frame(side, step.data, self.now))
            elif isinstance(step, Deliver):
                if self.hold:
                    self.held.append(step)
                else:
                    self.got.append(step.body)
                    self.run(who, who.taken(step.lane, step.seq, step.item_id, self.now))
            elif isinstance(step, Close):
                self.closed.append(step.code)
            elif isinstance(step, Told):
                self.told.append(step)


def test_items_are_taken_in_order_and_acknowledged() -> None:
    two = Two()
    two.offer(b"before the link")
    two.connect()
    two.offer(b"after")
    assert two.got == [b"before the link", b"after"]
    assert two.a.health(two.now)["out"]["undelivered_items"] == 0
    assert two.a.health(two.now)["out"]["last_accepted_us"] == T0
    assert two.b.health(two.now)["in"]["last_accepted_us"] == T0


def test_control_goes_first_and_state_waits_for_records() -> None:
    two = Two(Limits(window_record=1))
    for body, kind in ((b"s", "tracks"), (b"r1", "alerts"), (b"r2", "safety"), (b"c", "recall")):
        two.offer(body, kind)
    two.connect()
    assert two.got == [b"c", b"r1", b"r2", b"s"]


def test_resume_sends_only_what_is_missing() -> None:
    two = Two()
    two.connect()
    two.offer(b"1")
    two.a.down(OUT)
    two.b.down(IN)
    two.offer(b"2")
    two.connect()
    assert two.got == [b"1", b"2"]
    assert two.a.out.counters["sent"] == 2


def test_what_was_delivered_and_not_taken_comes_again() -> None:
    two = Two()
    two.connect()
    two.hold = True
    two.offer(b"1")
    assert len(two.held) == 1
    two.a.down(OUT)
    two.b.down(IN)
    lost = two.held.pop()
    two.hold = False
    two.connect()
    assert two.got == [b"1"]
    assert two.b.taken(lost.lane, lost.seq, lost.item_id, T0) == []


def test_the_same_content_is_taken_once_for_ever() -> None:
    two = Two()
    two.connect()
    two.offer(b"same")
    two.offer(b"same")
    assert two.got == [b"same"]
    assert two.b.inn.counters["duplicates"] == 1
    assert two.a.health(T0)["out"]["undelivered_items"] == 0


def test_policy_at_replay_skips_and_tells_both() -> None:
    two = Two()
    for body in (b"1", b"2", b"3"):
        two.offer(body)
    two.allowed = lambda item: item.body != b"2"
    two.connect()
    assert two.got == [b"1", b"3"]
    assert ("withheld", "r-2") in [(t.what, t.detail.get("release_id")) for t in two.told]
    assert any(t.what == "skipped" and t.detail["reason"] == "withheld" for t in two.told)


def test_a_withdrawn_item_never_leaves() -> None:
    two = Two()
    two.offer(b"1")
    two.offer(b"2")
    assert two.a.withdraw("r-1")
    assert not two.a.withdraw("r-1")
    two.connect()
    assert two.got == [b"2"]
    assert not two.a.withdraw("r-2")


def test_acknowledgements_are_durable_before_they_are_sent() -> None:
    two = Two()
    two.connect()
    two.offer(b"1")
    two.b_box = two.b_box.crash()
    assert two.b_box.positions().taken[Lane.RECORD] == 1
    two.b = Session("JPN", "PHL", two.b_box, lambda item, now: True)
    two.a.down(OUT)
    two.offer(b"2")
    two.connect()
    assert two.got == [b"1", b"2"]


def test_a_sender_restored_from_a_backup_begins_a_new_epoch() -> None:
    two = Two()
    two.connect()
    two.offer(b"1")
    backup = two.a_box.copy()
    two.offer(b"2")
    two.a.down(OUT)
    two.b.down(IN)
    two.now += 10 * S
    two.a_box = backup
    two.a = Session("PHL", "JPN", backup, lambda item, now: True)
    two.offer(b"3")
    two.connect()
    assert two.got == [b"1", b"2", b"3"]
    assert backup.positions().epoch == two.now
    assert {"new_epoch", "epoch_changed"} <= {t.what for t in two.told}


def test_a_sender_restored_from_a_backup_does_not_use_numbers_again_that_were_skipped() -> None:
    """Seed 5665: the partner's last numbers carried nothing, the new items under them were acknowledged unseen."""
    two = Two()
    two.connect()
    two.offer(b"1")
    backup = two.a_box.copy()
    two.a.down(OUT)
    two.b.down(IN)
    for body in (b"2", b"3"):
        two.offer(body)
        assert two.a.withdraw("r-" + body.decode())  # it went by a file
    two.connect()
    assert two.b_box.positions().taken[Lane.RECORD] == 3
    two.a.down(OUT)
    two.b.down(IN)
    two.now += 10 * S
    two.a_box = backup
    two.a = Session("PHL", "JPN", backup, lambda item, now: True)
    for body in (b"4", b"5", b"6"):
        two.offer(body)
    two.connect()
    assert two.got == [b"1", b"4", b"5", b"6"]
    assert backup.positions().epoch == two.now


def test_a_sender_restored_from_before_its_last_epoch_begins_beyond_it() -> None:
    """Seed 1130: twice restored, the second time to an epoch that the partner knew was over; it refused for ever."""
    two = Two()
    two.connect()
    two.offer(b"1")
    oldest = two.a_box.copy()
    two.a_box.new_epoch(T0 + 5 * S)
    two.a.down(OUT)
    two.b.down(IN)
    two.connect()
    two.offer(b"2")
    two.a.down(OUT)
    two.b.down(IN)
    two.a_box = oldest.copy()
    two.a = Session("PHL", "JPN", two.a_box, lambda item, now: True)
    two.offer(b"3")
    two.connect()
    assert two.closed[-2:] == ["peer.epoch_old", "peer.epoch_old"]
    two.connect()
    assert two.got == [b"1", b"2", b"3"]
    assert two.a_box.positions().epoch == T0 + 5 * S + 1


@pytest.mark.parametrize("header", [{}, {"epoch": "7"}, {"epoch": (1 << 53) - 1}, {"epoch": 5}])
def test_a_nonsense_word_of_a_later_epoch_changes_nothing(header: dict[str, object]) -> None:
    two = Two()
    two.pause = True
    two.connect()
    epoch = two.a_box.positions().epoch
    frame = Frame(Type.BYE, {"code": "peer.epoch_old", **header})
    two.run(two.a, two.a.frame(OUT, frame.to_bytes(), T0))
    assert two.a_box.positions().epoch == epoch


def test_a_receiver_restored_from_a_backup_is_told_of_its_loss() -> None:
    two = Two()
    two.connect()
    backup = two.b_box.copy()
    two.offer(b"1")
    two.a.down(OUT)
    two.b = Session("JPN", "PHL", backup, lambda item, now: True)
    two.offer(b"2")
    two.connect()
    assert two.got == [b"1", b"2"]
    assert any(t.what == "partner_rolled_back" for t in two.told)
    assert any(t.what == "skipped" and t.detail["reason"] == "forgotten" for t in two.told)


def test_an_older_partner_is_spoken_to_in_its_version() -> None:
    two = Two(versions=(2,))
    two.connect()
    two.offer(b"1")
    assert two.got == [b"1"]
    assert two.a.health(T0)["out"]["wire"] == 2
    assert two.a.track_form == 1  # without what came after that version
    new = Two()
    assert new.a.track_form == 0  # nothing agreed yet
    new.connect()
    assert new.a.track_form == 2
    stranger = Two(versions=(9,))
    stranger.connect()
    assert "peer.version" in stranger.closed


def test_damage_gaps_and_nonsense_end_the_stream_only() -> None:
    for bad, code in (
        (b"", "peer.frame"),
        (b"\x09\x00\x00\x00\x02{}", "peer.frame"),
        (Frame(Type.ITEM, {"lane": 1, "seq": 7, "kind": "x", "id": "0" * 64}, b"x").to_bytes(), "peer.gap"),
        (Frame(Type.ITEM, {"lane": 1, "seq": 0, "kind": "x", "id": "0" * 64}, b"x").to_bytes(), "peer.damaged"),
        (Frame(Type.ITEM, {"lane": 5, "seq": 0}, b"x").to_bytes(), "peer.field"),
        (Frame(Type.SKIP, {"lane": 1, "from": 3, "to": 2, "reason": "x"}).to_bytes(), "peer.field"),
        (Frame(Type.ACK, {"lane": 1, "seq": 0}).to_bytes(), "peer.order"),
    ):
        two = Two()
        two.connect()
        two.run(two.b, two.b.frame(IN, bad, T0))
        assert code in two.closed
        two.a.down(OUT)
        two.connect()
        two.offer(b"1")
        assert two.got == [b"1"]


def test_a_false_acknowledgement_is_refused() -> None:
    two = Two()
    two.connect()
    two.run(two.a, two.a.frame(OUT, Frame(Type.ACK, {"lane": 1, "seq": 5}).to_bytes(), T0))
    assert "peer.ack" in two.closed


def test_silence_and_standstill_end_a_stream() -> None:
    limits = Limits(quiet_us=10 * S, stall_us=30 * S, beat_us=3 * S)
    two = Two(limits)
    two.connect()
    assert [i.code for i in two.a.tick(T0 + 11 * S) if isinstance(i, Close)] == ["peer.quiet"]
    two = Two(limits)
    two.connect()
    two.pause = True
    two.offer(b"lost on the way")
    two.pause = False
    codes = []
    for second in range(1, 60):
        two.now = T0 + second * S
        step = two.a.tick(two.now)
        codes += [i.code for i in step if isinstance(i, Close)]
        two.run(two.a, step)
    assert codes == ["peer.stalled"]


def test_a_lost_state_is_sent_again_though_control_comes_and_goes_and_a_large_one_is_given_time() -> None:
    limits = Limits(quiet_us=10 * S, stall_us=30 * S, beat_us=3 * S)
    for size, ends_s in ((10, 31), (50_000, 81)):  # 50 s for 50 kB at 1 kB/s
        two = Two(limits)
        two.connect()
        two.pause = True
        two.offer(b"x" * size, "tracks")
        two.pause = False
        codes = []
        for second in range(1, 120):
            two.now = T0 + second * S
            step = two.a.tick(two.now)
            codes += [(second, i.code) for i in step if isinstance(i, Close)]
            if codes:
                break
            two.run(two.a, step)
            two.offer(b"c%d" % second, "policy")  # taken and acknowledged at once
        assert codes == [(ends_s, "peer.stalled")]
        two.connect()
        assert b"x" * size in two.got


def test_the_queue_has_a_limit_and_says_so() -> None:
    two = Two(Limits(queue_items=2))
    two.offer(b"1")
    two.offer(b"2")
    with pytest.raises(PeerError) as caught:
        two.offer(b"3")
    assert caught.value.error_code == "peer.queue_full"
    assert two.a.out.counters["queue_full"] == 1


def test_a_slow_link_carries_control_first_and_stays_within_its_budget() -> None:
    two = Two(Limits(rate_bytes_per_s=6250.0))  # 50 kbit/s
    two.connect()
    sent_before = two.a.out.counters["sent_bytes"]
    for number in range(200):
        two.offer(b"%04d" % number + bytes(996).replace(b"\0", b"x"))
    two.offer(b"recall", "recall")
    assert b"recall" in two.got
    for second in range(1, 31):
        two.now = T0 + second * S
        two.run(two.a, two.a.tick(two.now))
    rate = (two.a.out.counters["sent_bytes"] - sent_before) / 30
    assert 4500 < rate < 8000
    records = [g for g in two.got if g != b"recall"]
    assert records == sorted(records)
    assert not two.a.wants_state(two.now)


@given(st.binary(max_size=400))
def test_any_bytes_give_a_frame_or_a_peer_error(data: bytes) -> None:
    try:
        frame = Frame.from_bytes(data)
    except PeerError:
        return
    assert Frame.from_bytes(frame.to_bytes()) == frame


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_every_outbox_behaves_alike(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "o.db")
    box: Outbox = Memory(7) if kind == "memory" else Sqlite(path, "JPN", epoch=7)
    for seq in range(5):
        box.put(Item(Lane.RECORD, seq, "alerts", f"r{seq}", "ab" * 32, T0, b"body%d" % seq))
    box.put(Item(Lane.CONTROL, 0, "recall", "c", "cd" * 32, T0, b"control"))
    box.acked(Lane.RECORD, 2)
    box.drop(Lane.RECORD, 3)
    box.taken(Lane.STATE, 4, "ef" * 32)
    box.their_epoch(99)
    box.taken(Lane.RECORD, 6)
    assert box.waiting() == (3, 17)
    assert box.queued() == [(Lane.CONTROL, 0, "c"), (Lane.RECORD, 2, "r2"), (Lane.RECORD, 4, "r4")]
    assert box.get(Lane.RECORD, 3) is None
    assert box.get(Lane.RECORD, 4).body == b"body4"  # type: ignore[union-attr]
    assert box.has("ef" * 32)
    assert not box.has("00" * 32)
    box.commit()
    if isinstance(box, Sqlite):
        box.put(Item(Lane.RECORD, 5, "alerts", "late", "aa" * 32, T0, b"never committed"))
        box.close()
        box = Sqlite(path, "JPN", epoch=1234)
    else:
        box.put(Item(Lane.RECORD, 5, "alerts", "late", "aa" * 32, T0, b"never committed"))
        box = box.crash()
    found = box.positions()
    assert (found.epoch, found.their_epoch) == (7, 99)
    assert found.next_seq == {Lane.CONTROL: 1, Lane.RECORD: 5, Lane.STATE: 0}
    assert found.acked[Lane.RECORD] == 2
    assert found.taken == {Lane.CONTROL: 0, Lane.RECORD: 6, Lane.STATE: 0}
    box.new_epoch(8)
    assert box.queued() == [(Lane.CONTROL, 0, "c"), (Lane.RECORD, 0, "r2"), (Lane.RECORD, 1, "r4")]
    assert box.positions().epoch == 8
