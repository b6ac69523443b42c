"""What came from partners and what is owed to them: bundles taken, tracks held, receipts signed, recalls carried out.

What enters: bundle bytes of a partner. What leaves: TRACKS rows for the picture, signed receipts and cosignatures as
control releases. Every bundle is verified by `exchange.receive` first; what a partner recalls is gone from the picture
before the receipt says so. Used from the worker thread only.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import clock, exchange, record
from kuroshio.errors import InputError, KuroshioError
from kuroshio.exchange.aftercare import CARRIED_US
from kuroshio.geo import metres_per_degree
from kuroshio.node import cards
from kuroshio.node.books import RECORD_OF
from kuroshio.node.deciding import may_still_go, released_places
from kuroshio.node.held import Held
from kuroshio.node.items import Given, keys_of
from kuroshio.node.past import Told
from kuroshio.node.rewitness import Request, Requests
from kuroshio.node.trust import Trust
from kuroshio.node.unread import Unread
from kuroshio.node.witnesses import WitnessBook
from kuroshio.peers import Item, Lane, lane_of
from kuroshio.schema import TRACKS
from kuroshio.schema.release import Release
from kuroshio.units import US_PER_S

if TYPE_CHECKING:
    from kuroshio.node.assemble import Parts
    from kuroshio.node.sharing import Sharing

log = logging.getLogger(__name__)

ALERTS_MAX = 500
CHECKPOINT_EVERY_US = 20 * US_PER_S
REKEYED_US = 3600 * US_PER_S
FORGET_US = 3600 * US_PER_S  # what left the picture is remembered that long
FORGET_EVERY_US = 60 * US_PER_S
RELOAD_US = 1800 * US_PER_S  # twice the silence after which the picture lets a partner's track go
RELOAD_DRY = 300  # releases in a row without a track not seen yet, after which older ones are not looked at
RELOAD_RECORDS = 1000  # newest releases of another kind that are taken up again
STEP_KINDS = tuple(RECORD_OF.values())


def given(received: exchange.Received, purpose: str) -> Given:
    """Terms that go with the rows of a release: the accords, level and originator it names, and how far it may go.

    What is not to be passed on, or is for other purposes than this node's, goes back to the releaser at most.
    """
    header, terms = received.release.fields, received.obligations
    kept_here = not terms.onward or bool(terms.purpose and purpose not in terms.purpose)
    only_to = frozenset((received.partner,)) if kept_here else None
    return Given(frozenset(received.held_under), str(header["level"]), str(header["originator"]), only_to)


def _ended(rows: pa.Table) -> pa.Table:
    """TRACKS rows that end these tracks."""
    at = rows.schema.get_field_index("status")
    over = pa.array(["ended"] * rows.num_rows).dictionary_encode().cast(TRACKS.arrow.field(at).type)
    return rows.set_column(at, TRACKS.arrow.field(at), over)


class Mailroom:
    """Dealings with all partners of a node."""

    def __init__(self, party: str, *, trust: Trust, sharing: Sharing, parts: Parts) -> None:
        self.party = party
        self._trust = trust
        self._sharing = sharing
        self._desk = sharing.desk
        self._parts = parts
        self._agreements = parts.decider.agreements
        self._decided_by = self._agreements.book.rules_digest
        self._book = WitnessBook(parts.config.node.data / "witness.json")
        for partner, (next_seq, ahead) in self._desk.ledger.numbers().items():  # newer than the book after a crash
            witness = self._book.witnesses.setdefault(partner, record.Witness(partner))
            witness.next_seq, witness.ahead = next_seq, ahead
        self.verifier = record.ReceiptVerifier(trust.ring(), self._book.witnesses)
        self._witness = record.WitnessDesk(
            sharing.record, trust, trust.ring, witnesses=self._book.witnesses, shown=self._book.shown
        )
        self._held = Held()
        self._forget_due_us = 0
        self._grid_m: dict[tuple[str, str], float] = {}
        self._arrived: list[Told] = []
        self._replies: list[tuple[str, str, dict[str, Any]]] = []
        self._alerts: deque[dict[str, Any]] = deque(maxlen=ALERTS_MAX)
        parts.core.past.attach(self._desk.ledger.held_ids)
        self._rewitness = Requests(parts.config.node.data)
        self._checkpoint_due_us: dict[str, int] = {}
        self.counters: Counter[str] = Counter()
        self.unread = Unread(sharing, self.counters)
        self.echo_rows: dict[str, int] = {}

    # -- in

    def reload(self, *, now_us: int) -> None:
        """Take up again what is held: partner tracks and alerts of releases that were durable before the restart."""
        for release_id in self._needed(now_us):
            bundle = self._desk.ledger.bundle(release_id)
            if bundle is None:
                continue
            try:
                received = exchange.receive(
                    bundle,
                    keys=self._trust.ring(),
                    me=self.party,
                    now_us=now_us,
                    verify_receipt=lambda release: self.verify(release, now_us),
                    gave=self._desk.gave,
                )
            except KuroshioError as err:
                log.warning("a held release is not taken up: %s", err)
                continue
            self._show(received, now_us=now_us)
        self._end_unheld()

    def _end_unheld(self) -> None:
        """End what the checkpoint shows of partners and no release held brings: it ended while this node was down."""
        shown = self._parts.core.picture
        shown = shown.filter(shown["partner"].is_valid())
        tracks = list(zip(shown["track_id"].to_pylist(), keys_of(shown), strict=True))
        gone = {key: at for at, (_, keys) in enumerate(tracks) for key in keys if key not in self._held}
        if gone:
            rows = shown.take(pa.array(list(gone.values()), pa.int64()))
            for name, values in (("partner", [k[0] for k in gone]), ("partner_track", [k[1] for k in gone])):
                rows = rows.set_column(rows.schema.get_field_index(name), TRACKS.arrow.field(name), pa.array(values))
            self._arrived.append((None, _ended(rows)))

    def _needed(self, now_us: int) -> list[str]:
        """Releases held that still show something, each partner's oldest first.

        Of tracks those that hold the newest row of a track the picture would still show: they are read from the newest
        back, until `RELOAD_DRY` releases in a row have brought nothing new, and those that brought what the checkpoint
        shows.
        """
        ledger, needed = self._desk.ledger, list[str]()
        shown = self._parts.core.past.releases()
        for party, kind in ledger.givers():
            seen: set[str] = set()
            picked, dry = list[str](), 0
            since_us, limit = (now_us - RELOAD_US, 1_000_000) if kind == TRACKS.name else (0, RELOAD_RECORDS)
            for release_id, refs in ledger.newest(party, kind, since_us=since_us, limit=limit):
                dry = dry + 1 if kind == TRACKS.name and refs <= seen else 0
                if not dry:
                    picked.append(release_id)
                    seen |= refs
                elif dry >= RELOAD_DRY:
                    break
            if kind == TRACKS.name:
                older = (ledger.holding(release_id) for release_id in shown.difference(picked))
                mine = [(row["at_us"], row["release_id"]) for row in older if row and row["from_party"] == party]
                needed += [release_id for _, release_id in sorted(mine)]
            needed += reversed(picked)
        return needed

    def verify(self, release: Release, now_us: int) -> None:
        """Hold that the sender's record has a release."""
        self.verifier.keys, self.verifier.now_us = self._trust.ring(), now_us
        self.verifier.verify(release)

    def take(self, party: str, body: bytes, *, now_us: int, carried: bool = False) -> exchange.Accepted:
        """Verify a partner's bundle, of its link or carried, make it durable and carry it out; what was taken.

        Raises
        ------
        KuroshioError
            When it is not taken; the partner is told the code.
        """
        accepted = self._desk.accept(party, body, now_us, carried=carried)
        self._keep_numbers(party)
        name = f"taken_{accepted.kind}"
        self.counters[name] += 1
        if accepted.kind == "recall":
            self._drop(accepted.gone)
        elif accepted.kind == "checkpoint":
            reply = self._witness.on_checkpoint(party, accepted.body or {}, now_us, stated_us=accepted.stated_us)
            self._book.keep()  # before the cosignature leaves: what it vouches for must not be forgotten
            if reply is not None:
                self._replies.append((party, "cosignature", reply))
        elif accepted.kind == "cosignature":
            self._witness.on_cosignature(party, accepted.body or {}, now_us)
            self._book.keep()
        elif accepted.kind == "policy":
            self._agreements.heard(party, accepted.body or {})
        elif accepted.received is not None:
            self._show(accepted.received, now_us=now_us)
        return accepted

    def _keep_numbers(self, party: str) -> None:
        """Before the item is acknowledged: a crash must not make a hole of what came, and accuse the partner."""
        witness = self._book.witnesses.get(party)
        if witness is not None:
            self._desk.ledger.keep_numbers(party, witness.next_seq, witness.ahead)

    def _show(self, received: exchange.Received, *, now_us: int) -> None:
        if received.kind == "tracks":
            self._place(received, now_us)
        elif received.kind == "alerts":
            self._keep_alerts(received)
        elif received.kind in STEP_KINDS:
            self._keep_step(received)

    def _keep_step(self, received: exchange.Received) -> None:
        """Put a partner's step of an exchange into the ledger; what is not its own word is counted and left out."""
        text = str((received.body or {}).get("entry", ""))
        try:
            self._parts.ledger.take(received.partner, text)
        except InputError as err:
            log.warning("a step of %s is not taken: %s", received.partner, err)

    def _place(self, received: exchange.Received, now_us: int) -> None:
        """Give the rows to the picture, with their ties and their precision on the side."""
        rows = received.tracks
        assert rows is not None
        over = pc.equal(rows["status"].cast(pa.string()), "ended").to_numpy(zero_copy_only=False)
        rows = rows.filter(pa.array(~received.echo | over))  # our own data coming back changes nothing
        self.echo_rows[received.partner] = self.echo_rows.get(received.partner, 0) + int(received.echo.sum())
        rows = self._held.newer(received.partner, self._of_this_world(rows))
        if not rows.num_rows:
            return
        party = received.partner
        kept = self._held.room(party, rows)
        if kept.num_rows < rows.num_rows:
            self.counters["over_tracks"] += rows.num_rows - kept.num_rows
            rows = kept
        holdings = self._parts.decider.holdings
        came = given(received, holdings.purpose)
        grid_deg = received.obligations.grid_deg
        for ref, lat in zip(rows["partner_track"].to_pylist(), rows["lat_deg"].to_pylist(), strict=True):
            holdings.take(party, ref, came)
            if grid_deg:
                self._grid_m[party, ref] = grid_deg * float(metres_per_degree(lat)[1])
            else:
                self._grid_m.pop((party, ref), None)
        self._held.place(party, received.release.release_id, rows, now_us=now_us)
        self._arrived.append((received.release.release_id, rows))

    def _of_this_world(self, rows: pa.Table) -> pa.Table:
        """Rows of the kind this node's picture holds: exercise data never enters a real one, nor real data a drill."""
        drill = pc.fill_null(rows["exercise"], False)
        kept = rows.filter(drill if self._parts.config.node.mode == "exercise" else pc.invert(drill))
        if kept.num_rows < rows.num_rows:
            name = "kept_out_exercise" if self._parts.config.node.mode != "exercise" else "kept_out_real"
            self.counters[name] += rows.num_rows - kept.num_rows
        return kept

    def _keep_alerts(self, received: exchange.Received) -> None:
        first = self._desk.first_told(received)
        if repeated := received.release.rows - first.num_rows:
            self.counters["alerts_repeated"] += repeated
        for row in self._of_this_world(first).to_pylist():
            shown = cards.released_alert(row, received.partner, received.release)
            same = [a for a in self._alerts if a["alert_id"] == shown["alert_id"]]
            if any(clock.parse_rfc3339(a["known_at"]) > clock.parse_rfc3339(shown["known_at"]) for a in same):
                continue  # a file brought it after what its releaser knew later
            for old in same:
                self._alerts.remove(old)
            self._alerts.appendleft(shown)

    def _drop(self, release_ids: Iterable[str]) -> None:
        """End in picture and queue what these releases still show, and let the archive show nothing of them."""
        release_ids = list(release_ids)
        self._parts.core.past.let_go(release_ids)
        kept = [alert for alert in self._alerts if alert["release_id"] not in release_ids]
        if len(kept) < len(self._alerts):
            self._alerts = deque(kept, maxlen=ALERTS_MAX)
            self._parts.own.announce("alerts")
        self._arrived += [(None, _ended(gone)) for gone in self._held.withdraw(release_ids)]

    def _forget(self, now_us: int) -> None:
        """Let go of what is kept beside partners' tracks that have left the picture; data and ties end together."""
        shown = self._parts.core.picture
        live = set(itertools.chain.from_iterable(keys_of(shown.filter(shown["partner"].is_valid()))))
        known = self._parts.decider.holdings.given
        gone = self._held.forget(live, before_us=now_us - FORGET_US)
        self._parts.core.past.forget(gone)
        for key in gone:
            known.pop(key, None)
            self._grid_m.pop(key, None)

    # -- out

    def rekeyed(self, *, now_us: int) -> None:
        """Owe again the last hour's receipts, and all versions: what the old key signed may be on its way."""
        self._desk.ledger.answer_again(now_us - REKEYED_US)
        self._agreements.tell_again()

    def lost_memory(self, party: str, *, now_us: int) -> None:
        """A session log, ours or the partner's, came back from an older copy: say again what it may have forgotten."""
        self._desk.ledger.answer_again(now_us - REKEYED_US)
        self._agreements.tell_again(party)

    def settle(self, ready: Sequence[str], *, now_us: int, carried: Collection[str] = ()) -> None:
        """Send receipts and replies that wait, a checkpoint now and then, and drop what retention has ended.

        Parameters
        ----------
        ready
            Partners whose link has room: for the others these statements would only pile up, and they go later.
        carried
            Those of them whom only files reach: each file has what was said before, so they are told less often.
        """
        self._sharing.settle(ready, now_us=now_us, carried=carried)
        self._agreements.look(clock.now_us())
        if self._agreements.book.rules_digest != self._decided_by:
            self._decided_by = self._agreements.book.rules_digest
            self._sharing.reconsider(self._parts.core.picture)
        self.unread.tell(self._parts.core.picture)
        for party in ready:
            statement = self._agreements.owed(party, now_us)
            if statement is not None:
                self._sharing.control("policy", statement, party, now_us=now_us)
                self._agreements.was_told(party, statement)
        replies, self._replies = self._replies, []
        for party, kind, body in replies:
            self._sharing.control(kind, body, party, now_us=now_us)
        wall_us = clock.now_us()
        for party in ready:
            pause_us = CARRIED_US if party in carried else CHECKPOINT_EVERY_US
            if (
                not wall_us < self._checkpoint_due_us.get(party, 0) <= wall_us + pause_us
            ):  # nor beyond, by a clock set back
                self._checkpoint_due_us[party] = wall_us + pause_us
                statement = self._witness.statement(party)
                if statement is not None:
                    self._sharing.control("checkpoint", statement, party, now_us=now_us)
        for gone in self._desk.expire(now_us).values():
            self._drop(gone)
        for request in self._rewitness.take():
            self._begin_again(request, now_us)
        if not now_us < self._forget_due_us <= now_us + FORGET_EVERY_US:
            self._forget_due_us = now_us + FORGET_EVERY_US
            self._forget(now_us)

    def _begin_again(self, request: Request, now_us: int) -> None:
        """Let a partner's record begin anew here, as a person asked; what was seen of it goes on our own record."""
        witness = self._book.witnesses.get(request.party)
        if witness is None or not witness.size:
            log.error("nothing of the record of %s was seen, nothing to begin again", request.party)
        else:
            seen = record.Witness.from_dict(witness.as_dict()).begin_again()
            leaf = {"kind": "rewitness", "of": request.party, "seen": seen, "decided_by": request.by,
                    "reason": request.reason, "at_us": now_us}  # fmt: skip
            seq = self._sharing.record.append([leaf])[0]  # on record before it is forgotten
            witness.begin_again()
            self._book.keep()
            self._keep_numbers(request.party)
            log.warning("the record of %s begins again here: leaf %d, by %s", request.party, seq, request.by)
        request.done()

    def may_still_go(self, item: Item, *, now_us: int, form: int) -> bool:
        """True when a queued item is still allowed by what is in force now, was not withdrawn, and can be read."""
        if lane_of(item.kind) is Lane.CONTROL:
            return True
        if item.kind in STEP_KINDS:  # what was done under an agreement is told to its other party, also when it ended
            return bool(self._desk.ledger.release(item.release_id)["state"] in ("sent", "received"))
        row = self._desk.ledger.release(item.release_id)
        if row["state"] not in ("sent", "received") or self._desk.ledger.over(row, now_us):
            return False
        release = Release.from_bytes(item.body)
        if release.fields["wire"] > form:  # sealed for a partner that now speaks an older version
            self.unread.not_sent(release)
            return False
        return may_still_go(self._parts.decider, release.fields, released_places(release), now_us=now_us)

    # -- for the picture and the page

    def take_tracks(self) -> list[Told]:
        """TRACKS rows that arrived since the last call, with the release of each table."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def alerts_received(self) -> list[dict[str, Any]]:
        """Alerts of partners, newest first."""
        return list(self._alerts)

    def with_grid(self, table: pa.Table) -> pa.Table:
        """The table with ``grid_m``, 0 where the position is exact."""
        grid = np.zeros(table.num_rows)
        partner = table["partner"]
        if partner.null_count < table.num_rows:
            for row in np.flatnonzero(np.asarray(partner.is_valid())).tolist():
                sensors = table["sensors"][row].as_py() or []
                if sensors == ["partner"]:
                    key = (partner[row].as_py(), table["partner_track"][row].as_py())
                    grid[row] = self._grid_m.get(key, 0.0)
        return table.append_column("grid_m", pa.array(grid))
