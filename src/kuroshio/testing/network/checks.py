"""What must hold after every simulated step, judged without the product's own code where that is possible.

What enters: every frame that left a node, every state of the nodes. What leaves: violations, each with its time and
story. The rules a release must fulfil are those in force in the world at the moment its frame leaves.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kuroshio.errors import VerificationError
from kuroshio.peers import Lane
from kuroshio.peers.frames import WIRE_VERSIONS
from kuroshio.schema import Obligations
from kuroshio.schema.release import Release

if TYPE_CHECKING:
    from kuroshio.testing.network.world import World

REST_S = 30
TOLD_S = 15  # within which a node that has something to tell has told it
WAITS_S = 15  # a healthy link takes an item long before that
CONTROL = frozenset({"recall", "tighten", "receipt", "checkpoint", "cosignature", "policy"})
TRACKLETS = ("provenance", *(f"cov_{name}_m2s2" for name in ("vee", "ven", "vnn")))
TRACKLETS += tuple(f"cov_{name}_m2s" for name in ("eve", "evn", "nve", "nvn"))
GOOD_REASONS = ("exchange.expired", "keys.revoked", "exchange.version")
GROUPS = {
    "identity": ("mmsi", "imo", "name", "call_sign"),
    "sensor": ("sensors", "p_exists"),
    "tracklets": TRACKLETS,
}
JUDGED = ["ref", "lat_deg", "lon_deg", "heading_deg", *(name for group in GROUPS.values() for name in group)]


@dataclass
class Checker:
    """Violations of one world, and the memory the checks need."""

    world: World
    violations: list[dict[str, Any]] = field(default_factory=list)
    roots: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    rows: dict[tuple[str, str, str], tuple[int, float, float]] = field(default_factory=dict)
    leaves: dict[str, tuple[int, set[str]]] = field(default_factory=dict)
    known: dict[str, set[str]] = field(default_factory=dict)

    def fail(self, what: str, **detail: Any) -> None:
        """Note a violation."""
        if len(self.violations) < 100:
            self.violations.append({"at_s": self.world.now_us / 1e6 - self.world.start_s, "what": what, **detail})

    def crashed(self, party: str, err: Exception) -> None:
        """A node met what no part of it expects."""
        where = traceback.extract_tb(err.__traceback__)[-1]
        place = f"{PurePath(where.filename).name}:{where.lineno}"
        self.fail("a node crashed", party=party, error=repr(err)[:200], place=place)

    # -- when a frame leaves

    def left(self, sender: str, to: str, bundle: bytes, *, carried: bool = False) -> None:
        """A bundle is on its way over the link, or in a file."""
        release = Release.from_bytes(bundle)
        header = release.fields
        if header["kind"] in CONTROL:
            return
        node = self.world.nodes[sender]
        if node.ledger.release(release.release_id)["state"].startswith("withdraw"):
            self.fail("released after its recall", sender=sender, to=to, kind=header["kind"])
        if self.world.ends.past(node, release.release_id):
            self.fail("released after its earlier end", sender=sender, to=to, kind=header["kind"])
        decision = self.world.judged(sender, to)
        if not decision.flows and self.world.decision(sender, to).flows:
            self.fail("released under a group after a removal was known", sender=sender, to=to, kind=header["kind"])
            return
        if not decision.flows:
            self.fail("released without a permitting accord", sender=sender, to=to, kind=header["kind"])
            return
        if set(header["consents"]) & self.world.revoked:
            self.fail("released under a consent that was revoked", sender=sender, to=to)
        now, then = decision.obligations, header["obligations"]
        if then.get("grid_deg", 0) < now.grid_deg or then.get("delay_s", 0) < now.delay_s:
            self.fail("released finer than decided", sender=sender, to=to)
        if not set(now.redact) <= set(then.get("redact", [])):
            self.fail("released a field that is withheld", sender=sender, to=to)
        if now.retention_s is not None and header["retain_until_us"] is None:
            self.fail("released without the retention decided", sender=sender, to=to)
        if release.release_id not in self._leaves(sender):
            self.fail("released without a leaf", sender=sender, to=to)
        if header["kind"] == "tracks":
            self._rows(release, then, sender, to, carried=carried)

    def _leaves(self, party: str) -> set[str]:
        """Ids of the releases that have a leaf."""
        log, (size, found) = self.world.nodes[party].log, self.leaves.get(party, (0, set()))
        for entry in log.entries(min(size, log.size)):
            found.add(str(json.loads(entry.data).get("release_id")))
        self.leaves[party] = (log.size, found)
        return found

    def _rows(self, release: Release, terms: dict[str, Any], sender: str, to: str, *, carried: bool) -> None:
        """Values of the rows against the terms in their own header and the truth."""
        plain = pa.decompress(
            release.payload, decompressed_size=release.fields["payload_bytes"], codec="zstd", asbytes=True
        )
        grid, bucket = float(terms.get("grid_deg", 0)), int(terms.get("time_bucket_s", 0))
        table = pa.ipc.open_stream(plain).read_all()
        other, whole = self.world.nodes[to], set(table.column_names) & set(TRACKLETS)
        if whole and other.versions == WIRE_VERSIONS[:1] and not carried:  # a file asks nobody: it is refused there
            self.fail("released in a form that the partner does not read", sender=sender, to=to)
        if whole and to not in self.world.nodes[sender].tells_whole:
            self.fail("told tracklets to whom the node file does not name", sender=sender, to=to)
        for name in set(TRACKLETS) - whole:
            table = table.append_column(name, pa.nulls(table.num_rows))
        times = table.column("observed_at").cast(pa.int64()).to_pylist()
        for at_us, row in zip(times, table.select(JUDGED).to_pylist(), strict=True):
            for group in terms.get("redact", ()):
                if any(row[name] is not None for name in GROUPS[group]):
                    self.fail("a withheld field has a value", sender=sender, to=to, group=group)
            age_s = (release.fields["released_at_us"] - at_us) / 1e6
            if 0 < terms.get("delay_s", 0) > age_s + 1e-3:
                self.fail("younger than the delay", sender=sender, to=to, age_s=age_s)
            if bucket and at_us % (bucket * 1_000_000):
                self.fail("time finer than its bucket", sender=sender, to=to)
            if grid:
                cells = [row[n] / grid - 0.5 for n in ("lat_deg", "lon_deg")]
                if any(abs(c - round(c)) > 1e-4 for c in cells):
                    self.fail("position finer than its cell", sender=sender, to=to)
                exact = ("name", "heading_deg", *TRACKLETS)
                if any(row[name] is not None for name in exact):
                    self.fail("a coarse row with an exact field", sender=sender, to=to)
                key, place = (sender, to, row["ref"]), (at_us, row["lat_deg"], row["lon_deg"])
                last = self.rows.get(key)
                if last is not None and last[0] == at_us and last != place:
                    self.fail("two cells in one time bucket", sender=sender, to=to)
                self.rows[key] = place

    # -- after each step

    def step(self, party: str) -> None:
        """State of one node after it did something."""
        node = self.world.nodes[party]
        if not node.alive:
            return
        for partner in node.partners:
            if node.boxes[partner].positions().taken and not node.boxes[partner].clean:
                self.fail("instructions were performed before the commit", party=party, partner=partner)
        known = self.known.setdefault(party, set())
        for release_id in [r for r in node.held if r not in known]:
            if not self.world.was_made(release_id, node.held[release_id][0]):
                self.fail("holds what its sender never made", party=party)
            self._proven(party, release_id)
            self.world.ends.taken(node, release_id)
            known.add(release_id)
        if any(count > 1 for count in node.taken_count.values()):
            self.fail("took one release twice", party=party)
            node.taken_count.clear()

    def _proven(self, party: str, release_id: str) -> None:
        """A release just taken: its sender signed it, and its receipt is of this release."""
        node = self.world.nodes[party]
        bundle = node.ledger.bundle(release_id)
        if bundle is None:
            return
        release = Release.from_bytes(bundle)
        sender, key_id = str(release.fields["from"]), str(release.fields["key_id"])
        if release.to != party:
            self.fail("took a release for another", party=party, sender=sender)
        if json.loads(json.loads(release.receipt)["leaf"]).get("release_id") != release_id:
            self.fail("took a release without its proof", party=party, sender=sender)
        try:  # the class's own check: a planted bug may have replaced the node's
            type(node.ring).verify(node.ring, sender, key_id, release.header, release.signature, now_us=node.now_us())
        except VerificationError as err:
            self.fail("took a release that its sender did not sign", party=party, sender=sender, code=err.error_code)

    def checkpoint(self, party: str) -> None:
        """A node's log against every checkpoint of it ever seen."""
        node = self.world.nodes[party]
        if not node.alive:
            return
        seen = self.roots.setdefault(party, [])
        for size, root in seen[-4:]:  # each was held against those before it when it was new
            if node.log.size < size:
                self.fail("the log shrank", party=party, size=size)
                seen.clear()
                return
            if node.log.root(size) != root:
                self.fail("the log changed its past", party=party, size=size)
                seen.clear()
                return
        if not seen or seen[-1][0] != node.log.size:
            seen.append((node.log.size, node.log.root()))

    # -- at the end

    def end(self) -> None:
        """After healing: each holds exactly what is agreed, and recalls have reached all."""
        for (sender, to), made in sorted(self.world.told.items()):
            node, other = self.world.nodes[sender], self.world.nodes[to]
            if {(sender, to), (to, sender)} & self.world.liars:
                continue
            lost_us, theirs_us = (self.world.restored_us.get(p, 0) for p in (sender, to))
            for release_id in made:
                forgot_us = max(lost_us, theirs_us) if self.world.made[release_id] == "tracks" else lost_us
                if self.world.made_us[release_id] <= forgot_us:
                    continue  # an old copy of a session came back: what it forgot is gone, what came after is not
                state = node.ledger.release(release_id)["state"]
                held = (other.ledger.holding(release_id) or {}).get("state")
                if state == "withdrawn":
                    self.fail("a recall was not confirmed", sender=sender, to=to)
                if state == "withdrawal_confirmed" and (held == "held" or release_id in other.held):
                    self.fail("a recalled release is still held", sender=sender, to=to)
                gone = release_id in self.world.withheld or state == "refused"
                reason = node.ledger.release(release_id)["reason"]
                if state == "refused" and reason not in GOOD_REASONS:
                    self.fail("a good release was refused", sender=sender, to=to, reason=reason)
                if state == "sent" and not gone:
                    self.fail("a release was lost", sender=sender, to=to, kind=self.world.made[release_id], held=held)
                if state == "received" and held not in ("held", "expired"):
                    self.fail("acknowledged and not held", sender=sender, to=to, held=held)
        self.world.ends.end()
        for party in self.world.group.unaware():
            self.fail("a removal from a group did not reach a member", party=party)
        for party, node in sorted(self.world.nodes.items()):
            for release_id, (partner, _) in sorted(node.held.items()):
                held = node.ledger.holding(release_id) or {}
                until = held.get("retain_until_us")
                if until is not None and until < node.now_us() - 10_000_000:
                    self.fail("held beyond its retention", party=party, partner=partner)
                if "SIM" not in " ".join(held.get("held_under", ["SIM"])):
                    self.fail("a tie was forgotten", party=party, partner=partner)
            self._numbers(party)
            self._moving(party)
        self._pictures()

    def _moving(self, party: str) -> None:
        """Liveness: every stream is up, and nothing has waited longer than a healthy link takes."""
        node = self.world.nodes[party]
        if not node.alive:
            return
        for partner in node.partners:
            if not self.world.nodes[partner].alive:
                continue
            out = node.sessions[partner].out
            if out.state != "open":
                self.fail("a stream did not come up again", party=party, partner=partner, state=out.state)
                continue
            if (party, partner) in self.world.liars:
                continue  # it swallowed items and closed its numbers over them: both ends count differently
            box = node.boxes[partner]
            positions, late_us = box.positions(), node.now_us() - WAITS_S * 1_000_000
            for lane in Lane:
                open_seqs = range(positions.acked[lane], positions.next_seq[lane])
                items = [box.get(lane, seq) for seq in open_seqs]
                if items and all(i is None or i.queued_us < late_us for i in items):
                    self.fail("an item was never acknowledged", party=party, partner=partner, lane=lane.name.lower())

    def _numbers(self, party: str) -> None:
        """Dense numbers over the whole log and for each partner."""
        counts: dict[str, int] = {}
        for number, entry in enumerate(self.world.nodes[party].log.entries()):
            leaf = json.loads(entry.data)
            to = leaf.get("to")
            if leaf["seq"] != number or (to is not None and leaf["partner_seq"] != counts.get(to, 0)):
                self.fail("numbers of the log are not dense", party=party, seq=number)
                return
            if to is not None:
                counts[to] = counts.get(to, 0) + 1

    def _newest_held(self, party: str, partner: str) -> int | None:
        """Newest release time of a partner's tracks held."""
        newest = None
        for release_id, (sender, content) in self.world.nodes[party].held.items():
            if sender == partner and isinstance(content, pa.Table):
                bundle = self.world.nodes[party].ledger.bundle(release_id)
                if bundle is not None:
                    at = int(Release.from_bytes(bundle).fields["released_at_us"])
                    newest = at if newest is None else max(newest, at)
        return newest

    def _newest_made(self, sender: str, to: str) -> int | None:
        """Time of the newest release of tracks made for a partner and recalled."""
        ledger = self.world.nodes[sender].ledger
        rows = [ledger.release(i) for i in self.world.told.get((sender, to), ()) if self.world.made[i] == "tracks"]
        return max((int(r["at_us"]) for r in rows if r["state"].startswith("withdraw")), default=None)

    def _last_bucket_came(self, sender: str, to: str, terms: Obligations) -> bool:
        """Of terms so coarse that a world is too short for the rule above: True when the last bucket was answered for.

        That is the last one that began in the calm, when no restart loses it, and early enough to be told.
        """
        wait_us, bucket_us = (terms.delay_s + TOLD_S) * 1_000_000, max(1, terms.time_bucket_s) * 1_000_000
        begun_us = (self.world.now_us - REST_S * 1_000_000 - wait_us) // bucket_us * bucket_us
        if begun_us < self.world.healed_us:
            return True
        ledger = self.world.nodes[sender].ledger
        rows = [ledger.release(i) for i in self.world.told.get((sender, to), ()) if self.world.made[i] == "tracks"]
        return any(int(r["at_us"]) >= begun_us and r["state"] != "sent" for r in rows)

    def _pictures(self) -> None:
        """Fresh tracks reach each partner that may have them, and nobody else."""
        for sender, node in sorted(self.world.nodes.items()):
            for to in node.partners:
                if {(sender, to), (to, sender)} & self.world.liars:
                    continue
                decision, other = self.world.judged(sender, to), self.world.nodes[to]
                newest = self._newest_held(to, sender)
                terms = decision.obligations  # after a restart the bucket begun is not used again: one more passes
                delay_us = (terms.delay_s + terms.time_bucket_s + REST_S + 70) * 1_000_000
                if newest is None:  # all were recalled: then the time of the last one made counts
                    newest = self._newest_made(sender, to)
                due_us = self.world.now_us - delay_us  # of what is newer nothing need be there, be it all of this world
                fresh = newest is not None and newest >= due_us
                if due_us <= self.world.start_s * 1e6:
                    fresh = self._last_bucket_came(sender, to, terms)
                if decision.flows and not fresh and node.alive and other.alive:
                    self.fail("state did not converge", sender=sender, to=to)
