"""What a person asks of the agreements of a node: status, words, routes, faults, labels; nothing is sent or kept.

What enters: questions with a thing of the picture (or its attributes), a draft text, dates. What leaves: JSON dicts.
The commands of `kuroshio accord` answer the same questions from files by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from kuroshio import accord, clock
from kuroshio.accord import authzen, difference, labels, listing, odrl, printed
from kuroshio.errors import InputError

Item = Mapping[str, Any]


class AccordDesk:
    """The agreements of one node, asked.

    Parameters
    ----------
    party
        This node's: the releaser of every question.
    book
        Gives the agreements that hold now.
    item
        Gives the attributes of a thing of the picture by its reference, such as ``track:17``.
    items
        Gives the whole picture as ITEMS.
    now_us
        Gives the node's time.
    """

    def __init__(
        self,
        party: str,
        book: Callable[[], accord.Book],
        *,
        item: Callable[[str], Item],
        items: Callable[[], pa.Table],
        now_us: Callable[[], int],
    ) -> None:
        self.party = party
        self._book, self._item, self._items, self._now_us = book, item, items, now_us

    def _times(self, at: str | None, known: str | None) -> dict[str, Any]:
        valid_at_us = self._now_us() if at is None else clock.parse_rfc3339(at)
        return {"valid_at_us": valid_at_us, "known_at_us": None if known is None else clock.parse_rfc3339(known)}

    def _thing(self, item: str | Item) -> dict[str, Any]:
        return dict(self._item(item) if isinstance(item, str) else item)

    # -- what they say

    def printed(self, accord_id: str | None, *, language: str = "en") -> dict[str, Any]:
        """Agreements in plain language, by id, and the national rules."""
        book = self._book()
        ids = [accord_id] if accord_id else list(book.content.accords)
        texts = {i: printed.print_accord(book, i, language=language, at_us=self._now_us()) for i in ids}
        return {
            "language": language,
            "accords": texts,
            "national_rules": printed.print_caveats(book, language=language),
        }

    def as_of(self, at: str | None, known: str | None) -> dict[str, Any]:
        """Status of every agreement at a legal date as known at another."""
        return accord.as_of(self._book(), **self._times(at, known))

    def graph(self, at: str | None, known: str | None) -> dict[str, Any]:
        """Parties, links and states; figures of the network against a hub and a lattice of the same parties."""
        return accord.graph(self._book(), **self._times(at, known))

    def lint(self) -> list[dict[str, Any]]:
        """What loads but is odd or open, with its place."""
        return [f.as_dict() for f in accord.lint(self._book(), now_us=self._now_us())]

    def coverage(self) -> list[dict[str, Any]]:
        """Each article: coded, a human's, a duty, not coded."""
        return difference.coverage(self._book())

    def activities(self) -> list[dict[str, Any]]:
        """Exercises, patrols, relief operations and meetings, with the scope within each, and whether it holds now."""
        return listing.activities(self._book().content, now_us=self._now_us())

    def odrl(self, accord_id: str) -> dict[str, Any]:
        """One agreement as ODRL."""
        return odrl.to_odrl(self._book().accord(accord_id))

    # -- what if

    def check(self, text: str) -> dict[str, Any]:
        """Faults of an agreement text laid over this node's book, with line and column; empty when there is none."""
        try:
            book = self._book().with_draft(text)
        except accord.AccordFileError as err:
            return {"ok": False, "faults": [f.as_dict() for f in err.faults], "findings": []}
        found = [f.as_dict() for f in accord.lint(book, now_us=self._now_us()) if f.file == "draft"]
        return {"ok": True, "faults": [], "findings": found, "rules_digest": book.rules_digest}

    def what_if(
        self,
        item: str | Item,
        to: str,
        *,
        assume: Mapping[str, str] | None = None,
        consents: Sequence[Item] = (),
        draft: str | None = None,
        at: str | None = None,
        known: str | None = None,
    ) -> dict[str, Any]:
        """One decision as it is, and under assumed states, consents or a draft."""
        book = self._book()
        then = book.with_draft(draft) if draft else book
        then = then.assuming(assume) if assume else then
        for consent in consents:
            then = then.with_consent(consent)
        ask = {"releaser": self.party, "to": to, **self._times(at, known)}
        thing = self._thing(item)
        one, two = (accord.decision_dict(b.evaluate(thing, **ask)) for b in (book, then))
        return {"today": one, "then": two, "changed": one["effect"] != two["effect"]}

    def route(
        self,
        item: str | Item,
        to: str | None,
        *,
        hops: int = 2,
        breaks: bool = False,
        at: str | None = None,
        known: str | None = None,
    ) -> dict[str, Any]:
        """Lawful paths of a thing to one party or to all, who must sign, and what is lost when something falls."""
        book, thing = self._book(), self._thing(item)
        ask = {"releaser": self.party, "max_hops": hops, **self._times(at, known)}
        found: dict[str, Any] = {"from": self.party, "to": to}
        if to is None:
            found["reach"] = accord.reach(book, thing, **ask)
        else:
            found["routes"] = [r.as_dict() for r in accord.routes(book, thing, to=to, **ask)]
        if breaks:
            found["breaks"] = accord.what_breaks(book, thing, **ask)
        return found

    def diff(self, text: str, *, at: str | None = None) -> dict[str, Any]:
        """What a text would change: clauses in words, and the effect on the present picture."""
        book = self._book()
        then = book.with_draft(text)
        ask = self._times(at, None)
        effect = difference.effect_difference(book, then, self._items(), releaser=self.party, **ask)
        return {"text": difference.text_difference(book, then), "effect": effect}

    # -- the languages of other systems

    def label(self, item: str | Item, *, bind: str | None = None) -> dict[str, Any]:
        """Labels of a thing: STANAG 4774 XML, with ``bind`` bound to that address (STANAG 4778), and REL TO."""
        thing = self._thing(item)
        limit, now_us = thing.get("releasable_to"), self._now_us()
        bound = labels.binding_xml(thing, uri=bind, created_us=now_us) if bind is not None else None
        return {
            "stanag_4774": labels.label_xml(thing, created_us=now_us),
            "stanag_4778": bound,
            "rel_to": labels.rel_to(list(limit)) if limit else None,
        }

    def read_label(self, text: str) -> dict[str, Any]:
        """Attributes and terms that a label of another system says."""
        found = labels.read(text)
        if found is None:
            raise InputError("neither a STANAG 4774 label, REL TO nor TLP", code="accord.label")
        return found

    def authzen(self, request: Item) -> dict[str, Any]:
        """Answer to an AuthZEN evaluation."""
        return authzen.evaluation(self._book(), request, releaser=self.party, now_us=self._now_us())

    def authzen_batch(self, request: Item) -> dict[str, Any]:
        """Answers to AuthZEN evaluations."""
        return authzen.evaluations(self._book(), request, releaser=self.party, now_us=self._now_us())
