"""The rules of a watch at work in a node: proposed, dry-run on its own book of alerts, switched, silenced, counted.

What enters: rules of the node file and of the API, and the changes of alerts that the definitions make. What leaves:
the changes of the rules' own alerts, written with those they came of, and how each rule stands. A rule raises nothing
before its present version was dry-run here and switched on by a person; one in shadow only counts. All it needs after
a restart is in the operations store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import clock
from kuroshio.behaviour import Definitions, Zones
from kuroshio.behaviour.rehearsal import dry_run
from kuroshio.behaviour.rulebook import NEVER, RuleBook, Stand, State
from kuroshio.behaviour.rules import PREFIX, Rule, check_rule, parse_rule
from kuroshio.behaviour.ruling import Hit, Ruling, micros
from kuroshio.errors import ConfigError, InputError
from kuroshio.schema import ALERTS, concat
from kuroshio.store import Operations

DRY_RUN_DAYS = 30
DAY_US = 86_400_000_000
HITS_SHOWN = 500
_HIT = tuple(Hit.__dataclass_fields__)


class RuleDesk:
    """Rules of one node; any thread may call it.

    Parameters
    ----------
    definitions, zones
        What rules may name.
    files
        Rules of the node file.
    operations
        Keeps the book of rules, what they met and the alerts.
    statics
        Gives STATICS of a stretch of time, for the ship types of dry runs.
    now_us
        Gives the node's time.
    """

    def __init__(
        self,
        definitions: Definitions,
        zones: Zones | None,
        files: Sequence[Rule],
        *,
        operations: Operations,
        statics: Callable[[int, int], pa.Table],
        now_us: Callable[[], int],
    ) -> None:
        for rule in files:
            check_rule(rule, definitions, zones)
        self._definitions, self._zones, self._files = definitions, zones, files
        self._operations, self._statics, self._now_us = operations, statics, now_us
        self._lock = threading.RLock()
        self.ruling = Ruling(RuleBook(), zones)

    def recover(self) -> None:
        """Take up the book of rules and what it met before a restart; then the rules of the node file."""
        entries = self._operations.rule_entries()
        self.ruling = Ruling(RuleBook(entries), self._zones)
        _, last = self._operations.alerts_after(NEVER)
        newest, _ = self._operations.alerts_after(last - 1)
        known_us = max([micros(at) for at in newest["known_at"].to_pylist()], default=-1)
        self._of_files(1 + max([known_us, *(int(entry["at_us"]) for entry in entries)]))
        hits = [_hit(row) for row in self._operations.rule_hits()]
        rows = self._last([hit.alert_id for hit in hits])
        standing = self.ruling.restore(hits, rows, self._first_known)
        self.ruling.stand(self._last(standing))

    def _of_files(self, at_us: int) -> None:
        """Rules of the file that are new or otherwise than they were; those no longer in it are withdrawn."""
        stands = self.ruling.book.stands
        for rule in self._files:
            stand = stands.get(rule.id)
            if stand is None or stand.rule.version != rule.version or stand.state == "withdrawn":
                self._propose(rule, "file", by="node file", at_us=at_us)
        named = {rule.id for rule in self._files}
        for name, stand in list(stands.items()):
            if stand.origin == "file" and name not in named and stand.state != "withdrawn":
                self._enter(name, "state", {"state": "withdrawn"}, by="node file", at_us=at_us)

    # -- at work

    def step(self, fresh: pa.Table, *pictures: pa.Table) -> int:
        """Write new changes of alerts, with those of the rules they meet; how many changes in all.

        ``pictures`` are TRACKS that tell ship types, the first first.
        """
        if not fresh.num_rows:
            return 0
        with self._lock:
            ruling, rows, hits = self.ruling, list[dict[str, Any]](), list[Hit]()
            if ruling.book.behaviours:
                plain = fresh.to_pylist()
                numbers = {n for row in plain for n in row["mmsis"] or ()}
                if any(s.rule.ship_types for s in ruling.book.stands.values()):
                    ruling.types = ship_types(numbers, pictures)
                rows, hits = ruling.step(plain, self._first_known)
            made = concat(ALERTS, [fresh, ALERTS.from_rows(rows)]) if rows else fresh
            met = [{name: getattr(hit, name) for name in _HIT} for hit in hits]
            self._operations.append_ruled(made, met, recorded_us=clock.now_us())
            return made.num_rows

    def _first_known(self, alert_id: str) -> int:
        found = self._operations.first_known_us(alert_id)
        return self._now_us() if found is None else found

    def _last(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {row["alert_id"]: row for row in self._operations.last_alerts(names).to_pylist()}

    # -- what a person does

    def propose(self, raw: Any, *, by: str) -> dict[str, Any]:
        """Take in a rule, or another version of one; it raises nothing yet.

        Raises
        ------
        InputError
            When it is not well formed, not bounded, or names what is not there.
        """
        try:
            rule = parse_rule(raw, "rule")
            check_rule(rule, self._definitions, self._zones)
            with self._lock:
                self.ruling.book.check_room(rule.id)
                stand = self.ruling.book.stands.get(rule.id)
                if stand is not None and stand.origin == "file":
                    raise ConfigError(f"rule {rule.id} is in the node file", code="rule.of_file",
                                      advice="Change it there and restart, or give yours another id.")  # fmt: skip
                self._propose(rule, "watch", by=by, at_us=self._now_us())
                return self.one(rule.id)
        except ConfigError as err:
            raise InputError(err.message, code=err.error_code, advice=err.advice) from err

    def rehearse(self, name: str, *, days: int = DRY_RUN_DAYS, by: str) -> dict[str, Any]:
        """What a rule would have raised of the alerts this node knew in the last days; switching it on needs one."""
        with self._lock:
            rule = self.ruling.book.named(name).rule
        to_us = self._now_us()
        from_us = to_us - days * DAY_US
        types = self._types(from_us, to_us) if rule.ship_types else {}
        span: list[int] = []
        done = dry_run(rule, self._known(from_us, to_us, span), self._zones, types)
        body = {
            **asdict(done),
            "days": days,
            "looked_at": len(span),
            "known_from": clock.rfc3339(min(span)) if span else None,
            "known_to": clock.rfc3339(max(span)) if span else None,
            "at": clock.rfc3339(to_us),
        }
        with self._lock:
            self._enter(name, "dry_run", body, by=by, at_us=to_us, version=rule.version)
        return body

    def _known(self, from_us: int, to_us: int, span: list[int]) -> Iterator[dict[str, Any]]:
        rows, at = self._operations.alerts_known_from(from_us)
        while rows.num_rows:
            for row in rows.to_pylist():
                if row["change"] == "open" and not row["definition"].startswith(PREFIX):
                    span.append(micros(row["known_at"]))
                yield row
            rows, at = self._operations.alerts_known_from(from_us, after=at)

    def _types(self, from_us: int, to_us: int) -> dict[int, int]:
        rows = self._statics(from_us, to_us).select(["mmsi", "ship_type"]).drop_null()
        return dict(zip(rows["mmsi"].to_pylist(), rows["ship_type"].to_pylist(), strict=True))

    def switch(self, name: str, state: State, *, by: str) -> dict[str, Any]:
        """Switch a rule on, into shadow, or off.

        Raises
        ------
        NotFound, InputError
            When there is no such rule, or it was not dry-run as it is now.
        """
        with self._lock:
            self.ruling.book.check_switch(name, state)
            self._enter(name, "state", {"state": state}, by=by, at_us=self._now_us())
            return self.one(name)

    def silence(self, name: str, until_us: int, *, by: str) -> dict[str, Any]:
        """Let a rule raise nothing of behaviour that begins before a time; a time that is past lifts the silence."""
        with self._lock:
            self.ruling.book.named(name)
            self._enter(name, "silence", {"until_us": until_us}, by=by, at_us=self._now_us())
            return self.one(name)

    def silence_alert(self, row: Mapping[str, Any], until_us: int, *, by: str) -> None:
        """The same for the ships and the zone of one alert of a rule; of another alert nothing."""
        name = str(row["definition"]).removeprefix(PREFIX)
        with self._lock:
            if str(row["definition"]).startswith(PREFIX) and name in self.ruling.book.stands:
                body = {"until_us": until_us, "tracks": sorted(row["track_ids"]), "zone": row["zone"]}
                self._enter(name, "silence", body, by=by, at_us=self._now_us())

    def _propose(self, rule: Rule, origin: str, *, by: str, at_us: int) -> None:
        body = {"rule": rule.plain(), "origin": origin}
        self._enter(rule.id, "propose", body, by=by, at_us=at_us, version=rule.version)
        if rule.shadow:
            self._enter(rule.id, "state", {"state": "shadow"}, by=by, at_us=at_us)

    def _enter(
        self, name: str, action: str, body: Mapping[str, Any], *, by: str, at_us: int, version: str | None = None
    ) -> None:
        version = version if version is not None else self.ruling.book.named(name).rule.version
        self._operations.add_rule_entry(name, action, version=version, body=body, by=by, at_us=at_us)
        entry = {"rule_id": name, "action": action, "version": version, "body": body, "by": by, "at_us": at_us}
        self.ruling.book.add(entry)

    # -- how they stand

    def all(self) -> list[dict[str, Any]]:
        """Every rule by id: what it asks, how it stands, and what it met."""
        with self._lock:
            counts = self._operations.hit_counts()
            return [self._told(name, stand, counts) for name, stand in sorted(self.ruling.book.stands.items())]

    def one(self, name: str) -> dict[str, Any]:
        """One rule; NotFound when there is none."""
        with self._lock:
            return self._told(name, self.ruling.book.named(name), self._operations.hit_counts())

    def hits(self, name: str) -> list[dict[str, Any]]:
        """The newest alerts a rule met, newest first, and what became of each."""
        with self._lock:
            self.ruling.book.named(name)
        found = self._operations.rule_hits(rule_id=name, limit=HITS_SHOWN)
        rows = self._last([hit["alert_id"] for hit in found])
        return [
            {
                **{key: hit[key] for key in ("version", "alert_id", "shadow", "outcome", "zone")},
                "start_at": clock.rfc3339(hit["start_us"]),
                "known_at": clock.rfc3339(hit["known_us"]),
                "summary": rows[hit["alert_id"]]["summary"] if hit["alert_id"] in rows else "",
            }
            for hit in reversed(found)
        ]

    def _told(self, name: str, stand: Stand, counts: Mapping[tuple[str, str, bool, str], int]) -> dict[str, Any]:
        met = dict.fromkeys(("raised", "joined", "over_budget", "silenced", "shadow"), 0)
        for (rule_id, _, shadow, outcome), n in counts.items():
            if rule_id == name:
                if not shadow:
                    met[outcome] += n
                elif outcome == "raised":
                    met["shadow"] += n
        until = self.ruling.book.silence_us(name)
        return {
            "id": name,
            "title": stand.rule.title,
            "version": stand.rule.version,
            "state": stand.state,
            "origin": stand.origin,
            "by": stand.by,
            "since": clock.rfc3339(stand.since_us) if stand.since_us > 0 else None,
            "sentence": stand.rule.sentence(),
            "rule": stand.rule.plain(),
            "silent_until": None if until is None else clock.rfc3339(until),
            "dry_run": stand.dry_run,
            **met,
        }


def ship_types(numbers: set[int], pictures: Sequence[pa.Table]) -> dict[int, int]:
    """Ship type of each MMSI that TRACKS tell, the last row of the first table that has it."""
    found: dict[int, int] = {}
    wanted = pa.array(sorted(numbers), pa.int64())
    for table in reversed(pictures):
        rows = table.select(["mmsi", "ship_type"])
        rows = rows.filter(pc.is_in(rows["mmsi"].cast(pa.int64()), value_set=wanted)).drop_null()
        found |= dict(zip(rows["mmsi"].to_pylist(), rows["ship_type"].to_pylist(), strict=True))
    return found


def _hit(row: Mapping[str, Any]) -> Hit:
    return Hit(**{name: row[name] for name in _HIT})
