"""The book: all agreement files a node holds, and what is asked of them.

What enters: YAML files. What leaves: decisions, listings, status. A book never changes; a draft or a consent makes a
new one. It sends nothing and coarsens nothing: `exchange` does, on the decision.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kuroshio.accord.attributes import normalise
from kuroshio.accord.build import Builder
from kuroshio.accord.canonical import digest
from kuroshio.accord.columns import Factored, factor
from kuroshio.accord.condition import Truth, all_hold
from kuroshio.accord.decisions import Decisions, decide
from kuroshio.accord.faults import AccordFileError, Fault
from kuroshio.accord.gather import SECTIONS, Gathered
from kuroshio.accord.hop import Hop, StatusBoard, boundaries_us, live_orders, make_hop, speaks
from kuroshio.accord.interpret import interpret
from kuroshio.accord.listing import accord_listing
from kuroshio.accord.model import Accord, Content, ReleaseOrder
from kuroshio.accord.source import Document, read_documents
from kuroshio.accord.status import Standing, standing
from kuroshio.accord.truth import TruthTable
from kuroshio.accord.validate import validate
from kuroshio.errors import AccordError, NotFound
from kuroshio.schema import Decision

MAX_FILES = 4096
HOPS_KEPT = 512
EARLIEST_US = -(2**62)


class Book:
    """Agreements of a set of files; immutable.

    Parameters
    ----------
    documents
        Parsed files that passed the schema.
    drafts
        Documents laid over them; their accords take the place of those of the same id.
    assumed
        Accord id to the state to be assumed for it, whatever its history says.
    outdated
        Accords of which a party has a later version.
    withdrawn
        Ids of consents left out.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        *,
        drafts: Sequence[Document] = (),
        assumed: Mapping[str, str] | None = None,
        withdrawn: Sequence[str] = (),
        outdated: Collection[str] = (),
    ) -> None:
        gathered = Gathered()
        for document in documents:
            gathered.take(document)
        for document in drafts:
            gathered.take(document, replace=True)
        for consent_id in withdrawn:
            gathered.entries["consents"].pop(consent_id, None)
        self.documents, self.drafts, self.withdrawn = tuple(documents), tuple(drafts), tuple(withdrawn)
        self.assumed: dict[str, str] = dict(assumed or {})
        self.outdated = frozenset(outdated)
        self.content: Content = Builder(gathered).content()
        self.entries = {s: {k: v[0] for k, v in gathered.entries[s].items()} for s in SECTIONS}
        self.places = {s: {k: (v[1], v[2]) for k, v in gathered.entries[s].items()} for s in SECTIONS}
        self.rules_digest: str = digest(
            {
                **{s: list(self.entries[s].values()) for s in SECTIONS},
                "areas": {k: v[0] for k, v in gathered.areas.items()},
                "levels": {"order": list(self.content.levels)},
                "vocabulary": {k: sorted(v) for k, v in self.content.vocabulary.items()},
                "assumed": self.assumed,
                **({"outdated": sorted(self.outdated)} if self.outdated else {}),
            }
        )
        self._boundaries = boundaries_us(self.content)
        self._hop = functools.lru_cache(maxsize=HOPS_KEPT)(self._make_hop)
        self._board = functools.lru_cache(maxsize=16)(self._make_board)

    # what it holds

    def accord(self, accord_id: str) -> Accord:
        """Accord of that id; raises `NotFound`."""
        found = self.content.accords.get(accord_id)
        if found is None:
            raise NotFound(f"no accord {accord_id!r}; there are {', '.join(self.content.accords) or 'none'}")
        return found

    def accords(self, *, valid_at_us: int | None = None, known_at_us: int | None = None) -> list[dict[str, Any]]:
        """JSON listing of every accord: parties, binding, status history with both times, conflicts, clauses.

        Parameters
        ----------
        valid_at_us, known_at_us
            Where given, the standing then and as known then is added.
        """
        return [accord_listing(a, self._standing(a, valid_at_us, known_at_us)) for a in self.content.accords.values()]

    def _standing(self, accord: Accord, valid_at_us: int | None, known_at_us: int | None) -> Standing:
        latest = 2**62
        valid = latest if valid_at_us is None else valid_at_us
        known = known_at_us if known_at_us is not None else valid
        return standing(accord, valid, known)

    def status(self, accord_id: str, valid_at_us: int, known_at_us: int | None = None) -> Standing:
        """Standing of one accord at a legal time, as known at another (by default the same)."""
        return self._standing(self.accord(accord_id), valid_at_us, known_at_us)

    # what it decides

    def evaluate(
        self, item: Mapping[str, Any], *, releaser: str, to: str, valid_at_us: int, known_at_us: int | None = None
    ) -> Decision:
        """Decision on one thing for one recipient, with its whole trace.

        Parameters
        ----------
        item
            Columns of ITEMS by name (and ``activity``); a missing one is unknown.
        releaser, to
            Party that would release and party that would receive.
        valid_at_us
            Legal time, UTC microseconds; ages are measured at it.
        known_at_us
            Time of knowledge; by default the legal time.

        Raises
        ------
        InputError
            On an attribute that ITEMS does not have.
        """
        attributes = normalise(self.content, item, valid_at_us=valid_at_us)
        return interpret(self.hop(releaser, to, valid_at_us, known_at_us), attributes)

    def evaluate_table(
        self,
        items: pa.Table,
        *,
        releaser: str,
        to: Sequence[str],
        valid_at_us: int,
        known_at_us: int | None = None,
        factored: Factored | None = None,
    ) -> Decisions:
        """Decisions on every row for every recipient; equal to `evaluate` row by row.

        Parameters
        ----------
        items
            ITEMS, n rows.
        releaser, to, valid_at_us, known_at_us
            As for `evaluate`; m recipients.
        factored
            Rows already factored by `factor` for this book and moment.
        """
        rows = factored or factor(items, [self.content], valid_at_us=valid_at_us)
        return decide(rows, [self.hop(releaser, party, valid_at_us, known_at_us) for party in to])

    def hop(self, from_: str, to: str, valid_at_us: int, known_at_us: int | None = None) -> Hop:
        """What can speak between two parties at a moment; kept until something begins or ends."""
        known = valid_at_us if known_at_us is None else known_at_us
        return self._hop(from_, to, self.floor_us(valid_at_us), self.floor_us(known))

    def floor_us(self, at_us: int) -> int:
        """Latest instant not after this one at which anything began, ended or became known; all between is alike."""
        at = bisect.bisect_right(self._boundaries, at_us)
        return self._boundaries[at - 1] if at else EARLIEST_US

    def next_change_us(self, at_us: int) -> int | None:
        """Next instant at which something begins, ends or becomes known; None when nothing does."""
        at = bisect.bisect_right(self._boundaries, at_us)
        return self._boundaries[at] if at < len(self._boundaries) else None

    def _make_board(self, valid_at_us: int, known_at_us: int) -> StatusBoard:
        return StatusBoard(self.content, valid_at_us, known_at_us, self.assumed, self.outdated)

    def _make_hop(self, from_: str, to: str, valid_at_us: int, known_at_us: int) -> Hop:
        return make_hop(
            self.content,
            from_=from_,
            to=to,
            valid_at_us=valid_at_us,
            known_at_us=known_at_us,
            digest=self.rules_digest,
            board=self._board(valid_at_us, known_at_us),
        )

    def ordered(
        self, item: Mapping[str, Any], *, releaser: str, to: str, valid_at_us: int, known_at_us: int | None = None
    ) -> ReleaseOrder | None:
        """Standing release order that covers a thing, or None: without one nothing is sent by itself.

        An accord permits; nothing obliges a party to share. Parameters as for `evaluate`.
        """
        known_at = valid_at_us if known_at_us is None else known_at_us
        attributes = {**normalise(self.content, item, valid_at_us=valid_at_us), "from": releaser, "to": to}
        rank = {level: i for i, level in enumerate(self.content.levels)}
        live = live_orders(self.content, releaser, to, valid_at_us, known_at)
        return next((o for o in live if all_hold(o.when, attributes, rank)[0] is Truth.TRUE), None)

    def ordered_table(
        self,
        items: pa.Table,
        *,
        releaser: str,
        to: Sequence[str],
        valid_at_us: int,
        known_at_us: int | None = None,
        factored: Factored | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Whether a standing order covers each row for each recipient, bool[n, m]; parameters as `evaluate_table`."""
        rows = factored or factor(items, [self.content], valid_at_us=valid_at_us)
        known_at = valid_at_us if known_at_us is None else known_at_us
        truth = TruthTable(rows, {level: i for i, level in enumerate(self.content.levels)})
        out = np.zeros((rows.size, len(to)), np.bool_)
        for j, party in enumerate(to):
            for order in live_orders(self.content, releaser, party, valid_at_us, known_at):
                left = speaks(order.when, releaser, party)
                if left is not None:
                    out[:, j] |= truth.when(left)[1]
        return out[rows.code]

    # other books made from it

    def with_draft(self, text: str, *, file: str = "draft") -> Book:
        """The book with a draft laid over it, its accords assumed in force whatever their status says.

        Raises
        ------
        AccordFileError
            When the draft is not a valid agreement file.
        """
        documents = _validated(text, file)
        gathered = Gathered()
        ids = [accord_id for document in documents for accord_id in gathered.take(document, replace=True)]
        assumed = {**self.assumed, **dict.fromkeys(ids, "in_force")}
        return self._with(drafts=(*self.drafts, *documents), assumed=assumed)

    def with_consent(self, consent: Mapping[str, Any]) -> Book:
        """The book with one more consent, as a mapping of the form of a file's ``consents``.

        Raises
        ------
        AccordFileError
            When it is malformed, or lifts nothing that exists.
        """
        return self.with_entries("consents", [consent])

    def with_entries(self, section: str, entries: Sequence[Mapping[str, Any]]) -> Book:
        """The book with entries of one section laid over it (caveats, consents, release orders ...)."""
        document = Document(f"added {section}", {section: [dict(e) for e in entries]}, {}, {})
        faults = validate(document, "book")
        if faults:
            raise AccordFileError(faults)
        return self._with(drafts=(*self.drafts, document))

    def assuming(self, states: Mapping[str, str]) -> Book:
        """The book with states assumed for some accords: ``in_force``, ``terminated`` ..."""
        for accord_id in states:
            self.accord(accord_id)
        return self._with(assumed={**self.assumed, **states})

    def with_outdated(self, accord_ids: Collection[str]) -> Book:
        """The book with accords of which a party has a later version: in force, but for a person to decide.

        Who its parties are now is not known here, so nothing goes under it by itself until the later version is.
        """
        for accord_id in accord_ids:
            self.accord(accord_id)
        return self._with(outdated=frozenset(accord_ids))

    def without_consent(self, consent_id: str) -> Book:
        """The book as if one consent had not been given; raises `NotFound`."""
        if consent_id not in self.content.consents:
            raise NotFound(f"no consent {consent_id!r}")
        return self._with(withdrawn=(*self.withdrawn, consent_id))

    def _with(self, **changes: Any) -> Book:
        kept = {
            "drafts": self.drafts,
            "assumed": self.assumed,
            "withdrawn": self.withdrawn,
            "outdated": self.outdated,
        }
        return Book(self.documents, **{**kept, **changes})


def _validated(text: str, file: str) -> list[Document]:
    documents = list(read_documents(text, file))
    faults = [fault for document in documents for fault in validate(document)]
    if faults:
        raise AccordFileError(faults)
    return documents


def parse(texts: Mapping[str, str]) -> Book:
    """Book of texts by file name; raises `AccordFileError` with every fault of every file."""
    documents: list[Document] = []
    faults: list[Fault] = []
    for file, text in texts.items():
        try:
            documents.extend(_validated(text, file))
        except AccordFileError as err:
            faults.extend(err.faults)
    if faults:
        raise AccordFileError(faults)
    return Book(documents)


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Agreement files named, and those below folders named (``*.yaml``, ``*.yml``), sorted.

    Raises
    ------
    AccordError
        When a path does not exist, or there are more than 4096 files.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found.extend(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file())
        elif path.is_file():
            found.append(path)
        else:
            raise AccordError(f"no such file or folder: {path}", code="accord.no_file", advice="Check the path.")
    files = sorted(set(found))
    if len(files) > MAX_FILES:
        raise AccordError(f"{len(files)} agreement files; at most {MAX_FILES}", code="accord.too_large")
    return files


def load(paths: Sequence[Path]) -> Book:
    """Book of the agreement files named, and of all below the folders named.

    Raises
    ------
    AccordFileError
        With every fault of every file: place, offending value, code.
    AccordError
        When a path does not exist or is not text.
    """
    texts = {}
    for path in files_of(paths):
        try:
            texts[str(path)] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as err:
            raise AccordError(f"{path}: cannot be read: {err}", code="accord.unreadable") from err
    return parse(texts)
