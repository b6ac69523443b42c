"""Plain data to `Content`: meaning is checked here, form was checked by `validate`.

What enters: documents that passed the schema. What leaves: one `Content`, or every fault of meaning with its place: an
id used twice, a reference to nothing, a level, word or area that is not declared, a national rule inside an accord.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kuroshio import clock
from kuroshio.accord import obligation
from kuroshio.accord.checks import accord_faults, activity_faults, consent_faults
from kuroshio.accord.faults import AccordFileError, suggest
from kuroshio.accord.gather import Gathered
from kuroshio.accord.model import (
    LEVEL_ORDER,
    Accord,
    Activity,
    Caveat,
    Clause,
    Commitment,
    Consent,
    Content,
    Coverage,
    Equivalence,
    Instrument,
    Party,
    ReleaseOrder,
    Span,
    Status,
    Test,
    View,
    When,
)
from kuroshio.accord.source import Document, Path
from kuroshio.errors import InputError
from kuroshio.schema import Effect

_EFFECTS = {e.word: e for e in Effect}


class Builder:
    """Makes `Content` of what was gathered, collecting every fault of meaning on the way."""

    def __init__(self, gathered: Gathered) -> None:
        self.g = gathered
        self.faults = list(gathered.faults)
        self.levels = gathered.levels[0] if gathered.levels else LEVEL_ORDER
        self.parties = set(gathered.entries["parties"])
        self.vocabulary = {k: frozenset(v) for k, v in gathered.vocabulary.items()}
        self.doc: Document
        self.path: Path

    def content(self) -> Content:
        """The content; raises `AccordFileError` with all faults when there is any."""
        e = self.g.entries
        content = Content(
            levels=self.levels,
            parties=self._all(e["parties"], self._party),
            accords=self._all(e["accords"], self._accord),
            caveats=self._all(e["caveats"], self._caveat),
            consents=self._all(e["consents"], self._consent),
            activities=self._all(e["activities"], self._activity),
            orders=self._all(e["release_orders"], self._order),
            commitments=self._all(e["commitments"], self._commitment),
            areas=self._all(self.g.areas, self._area),
            vocabulary=dict(sorted(self.vocabulary.items())),
        )
        if self.faults:
            raise AccordFileError(self.faults)
        return content

    def _all(
        self, entries: Mapping[str, tuple[Mapping[str, Any], Document, Path]], make: Callable[[Mapping[str, Any]], Any]
    ) -> dict[str, Any]:
        out = {}
        for key in sorted(entries):
            entry, self.doc, self.path = entries[key]
            out[key] = make(entry)
        return out

    def fault(self, path: Iterable[str | int], code: str, message: str) -> None:
        """Keep a fault at a path below the entry being read."""
        self.faults.append(self.doc.fault((*self.path, *path), code, message))

    def moment(self, text: str, path: Path) -> int:
        """Microseconds of an RFC 3339 date or time; a fault and 0 where it is none."""
        try:
            return clock.parse_rfc3339(text)
        except (InputError, ValueError):
            self.fault(path, "accord.date", f"{text!r} is not a date of the calendar")
            return 0

    def known(self, what: str, name: str, names: Iterable[str], path: Path, code: str = "accord.reference") -> None:
        """Keep a fault when a name is not among the declared ones."""
        declared = list(names)
        if name not in declared:
            self.fault(path, code, f"{what} {name!r} is not declared{suggest(name, declared)}")

    def party_code(self, code: str, path: Path) -> str:
        """The code, checked against the declared parties where there are any."""
        if self.parties:
            self.known("party", code, sorted(self.parties), path)
        return code

    def span(self, plain: Mapping[str, str], path: Path) -> Span:
        """Half-open period; its end must come after its start."""
        span = Span(self.moment(plain["from"], (*path, "from")), self.moment(plain["until"], (*path, "until")))
        if span.until_us <= span.from_us:
            self.fault(path, "accord.period", f"period ends at {plain['until']} before it starts at {plain['from']}")
        return span

    def when(self, plain: Mapping[str, Any] | None, path: Path) -> When:
        """Tests of a ``when``, sorted, with dates as microseconds and levels, words, parties and areas checked."""
        tests = []
        for name in sorted(plain or {}):
            for op in sorted((plain or {})[name]):
                value = (plain or {})[name][op]
                here = (*path, name, op)
                each = value if isinstance(value, list) else [value]
                for i, one in enumerate(each):
                    self._check_value(name, one, (*here, i) if isinstance(value, list) else here)
                if name == "observed_at":
                    value = self.moment(value, here)
                tests.append(Test(name, op, tuple(sorted(value)) if isinstance(value, list) else value))
        return tuple(tests)

    def _check_value(self, name: str, value: Any, path: Path) -> None:
        if name in ("from", "to", "originator", "releasable_to"):
            self.party_code(value, path)
        elif name == "level":
            self.known("level", value, self.levels, path, "accord.level")
        elif name == "area":
            self.known("area", value, sorted(self.g.areas), path)
        elif name == "held_under":
            self.known("accord", value, sorted(self.g.entries["accords"]), path)
        elif name in self.vocabulary:
            self.known(name, value, sorted(self.vocabulary[name]), path, "accord.word")

    def do(self, plain: Mapping[str, Any] | None, path: Path) -> Any:
        """Obligations of a ``do``; every redaction must name a column or a group."""
        if plain is None:
            return None
        for i, name in enumerate(plain.get("redact", ())):
            if name not in obligation.REDACTABLE:
                hint = suggest(name, sorted(obligation.REDACTABLE))
                self.fault((*path, "redact", i), "accord.redact", f"no column or group {name!r} to redact{hint}")
        if "via" in plain:
            self.party_code(plain["via"], (*path, "via"))
        return obligation.from_mapping(plain)

    def clauses(self, plain: list[Mapping[str, Any]], path: Path) -> tuple[Clause, ...]:
        """Clauses in the order written; an id stands once."""
        out: dict[str, Clause] = {}
        for i, c in enumerate(plain):
            here = (*path, i)
            if c["id"] in out:
                self.fault((*here, "id"), "accord.duplicate", f"clause {c['id']!r} is written twice")
            if c.get("sticky") and c["effect"] == "permit":
                self.fault((*here, "sticky"), "accord.tie", "a permit cannot be sticky: a tie only restricts")
            out[c["id"]] = Clause(
                id=c["id"],
                effect=_EFFECTS.get(c["effect"]),
                when=self.when(c.get("when"), (*here, "when")),
                do=self.do(c.get("do"), (*here, "do")),
                **{k: c[k] for k in _CLAUSE_PLAIN if k in c},
            )
        return tuple(out.values())

    def _party(self, p: Mapping[str, Any]) -> Party:
        for name in p.get("levels", {}):
            self.known("level", name, self.levels, ("levels", name), "accord.level")
        return Party(
            code=p["code"],
            name=p.get("name"),
            offices=tuple(sorted(p.get("offices", {}).items())),
            keys=tuple(sorted((k["office"], k["ed25519"]) for k in p.get("keys", ()))),
            levels=tuple(sorted(p.get("levels", {}).items())),
            markings=tuple(sorted(p.get("markings", ()))),
            enforces=frozenset(p.get("enforces", ())),
        )

    def _accord(self, a: Mapping[str, Any]) -> Accord:
        if a["id"] in self.parties:
            self.fault(("id",), "accord.duplicate", f"accord {a['id']!r} has the name of a party")
        for i, code in enumerate(a["parties"]):
            self.party_code(code, ("parties", i))
        for i, other in enumerate(a.get("requires", ())):
            self.known("accord", other, sorted(self.g.entries["accords"]), ("requires", i))
        accord = Accord(
            id=a["id"],
            kinds=tuple(sorted(a["kinds"])),
            parties=tuple(sorted(a["parties"])),
            binding=a["binding"],
            status=tuple(self._status(s, ("status", i), a["parties"]) for i, s in enumerate(a["status"])),
            clauses=self.clauses(a["clauses"], ("clauses",)),
            title=a.get("title"),
            version=a.get("version", 1),
            interpretation=(a["interpretation"]["by"], a["interpretation"]["date"], a["interpretation"]["note"]),
            instruments=tuple(
                Instrument(i["name"], i.get("signed"), i.get("digest"), tuple(i.get("articles", ())))
                for i in a.get("instruments", ())
            ),
            requires=tuple(sorted(a.get("requires", ()))),
            renewal=(a["renewal"]["every"], a["renewal"]["notice"]) if "renewal" in a else None,
            equivalence=tuple(
                Equivalence(
                    from_=e["from"],
                    mark=e["mark"],
                    level=e["level"],
                    to=e["to"],
                    choices=tuple(e["choices"]),
                    pick=e.get("pick"),
                    by=e.get("by"),
                )
                for e in a.get("equivalence", ())
            ),
            coverage=tuple(
                Coverage(
                    c["article"], c["treatment"], tuple(c.get("clauses", ())), tuple(c.get("tests", ())), c.get("note")
                )
                for c in a.get("coverage", ())
            ),
        )
        for path, code, message in accord_faults(accord, self.levels):
            self.fault(path, code, message)
        return accord

    def _status(self, s: Mapping[str, Any], path: Path, parties: list[str]) -> Status:
        for code in s.get("views", {}):
            self.known("party of the accord", code, parties, (*path, "views", code))
        effect_at = self.moment(s["effect_at"], (*path, "effect_at")) if "effect_at" in s else None
        return Status(
            state=s["state"],
            from_us=self.moment(s["from"], (*path, "from")),
            recorded_us=self.moment(s["recorded"], (*path, "recorded")),
            source=s.get("source"),
            confidence=s.get("confidence", "announced"),
            effect_at_us=effect_at,
            cite=s.get("cite"),
            note=s.get("note"),
            views=tuple(sorted((k, View(v["state"], v.get("says"))) for k, v in s.get("views", {}).items())),
        )

    def _caveat(self, c: Mapping[str, Any]) -> Caveat:
        self.party_code(c["party"], ("party",))
        return Caveat(
            id=c["id"],
            party=c["party"],
            effect=_EFFECTS[c["effect"]],
            when=self.when(c.get("when"), ("when",)),
            do=self.do(c.get("do"), ("do",)),
            by=c.get("by"),
            absolute=c.get("absolute", False),
            text=c.get("text"),
        )

    def _consent(self, c: Mapping[str, Any]) -> Consent:
        for path, code, message in consent_faults(c, self.g.entries):
            self.fault(path, code, message)
        for i, code in enumerate(c["to"]):
            self.party_code(code, ("to", i))
        return Consent(
            id=c["id"],
            accord=c["lifts"][0],
            clause=c["lifts"][1],
            from_=self.party_code(c["from"], ("from",)),
            to=tuple(sorted(c["to"])),
            valid=self.span(c["valid"], ("valid",)),
            when=self.when(c.get("when"), ("when",)),
            do=self.do(c.get("do"), ("do",)),
            grant=c.get("answer", "grant") == "grant",
            recorded_us=self.moment(c["recorded"], ("recorded",)) if "recorded" in c else None,
            by=c.get("by"),
            note=c.get("note"),
            signature=c.get("signature"),
        )

    def _activity(self, a: Mapping[str, Any]) -> Activity:
        self.known("accord", a["accord"], sorted(self.g.entries["accords"]), ("accord",))
        for path, code, message in activity_faults(a):
            self.fault(path, code, message)
        for i, code in enumerate(a["participants"]):
            self.party_code(code, ("participants", i))
        if "area" in a:
            self.known("area", a["area"], sorted(self.g.areas), ("area",))
        return Activity(
            id=a["id"],
            kind=a["kind"],
            accord=a["accord"],
            participants=tuple(sorted(a["participants"])),
            period=self.span(a["period"], ("period",)),
            area=a.get("area"),
            title=a.get("title"),
            recorded_us=self.moment(a["recorded"], ("recorded",)) if "recorded" in a else None,
            scope=self.clauses(list(a.get("scope", ())), ("scope",)),
        )

    def _order(self, o: Mapping[str, Any]) -> ReleaseOrder:
        for i, code in enumerate(o["to"]):
            self.party_code(code, ("to", i))
        return ReleaseOrder(
            id=o["id"],
            by=o["by"],
            party=self.party_code(o["party"], ("party",)),
            to=tuple(sorted(o["to"])),
            valid=self.span(o["valid"], ("valid",)),
            when=self.when(o.get("when"), ("when",)),
            recorded_us=self.moment(o["recorded"], ("recorded",)) if "recorded" in o else None,
            note=o.get("note"),
        )

    def _commitment(self, c: Mapping[str, Any]) -> Commitment:
        return Commitment(
            id=c["id"],
            text=c["text"],
            source=c["source"],
            made=c["made"],
            owners=tuple(sorted(c["owners"].items())),
            due=c.get("due"),
            evidence=tuple(c.get("evidence", ())),
            recorded=c.get("recorded"),
        )

    def _area(self, a: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
        if "polygon" in a:
            return tuple((float(lon), float(lat)) for lon, lat in a["polygon"])
        b = a["box"]
        if b["north"] <= b["south"]:
            self.fault(("box",), "accord.area", f"north {b['north']} is not above south {b['south']}")
        west, east = float(b["west"]), float(b["east"])
        middle = west + ((east - west) % 360.0) / 2.0
        south, north = float(b["south"]), float(b["north"])
        # the middle corners keep each edge shorter than half a turn, also across the 180th meridian
        return ((west, south), (middle, south), (east, south), (east, north), (middle, north), (west, north))


_CLAUSE_PLAIN = (
    "by",
    "sticky",
    "survives",
    "absolute",
    "topic",
    "text",
    "on",
    "notify",
    "before",
    "within",
    "every",
    "answer_within",
    "waivable_by",
)
