"""What the agreements say of this node's picture: decisions on rows, the partner view, and the answers to why.

What enters: the picture and the book of agreements. What leaves: groups of rows that share one decision for one
party. It sends nothing; `node.sharing` hands the groups to the one door, and the partner view uses the same groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import accord, clock, exchange
from kuroshio.errors import NotFound
from kuroshio.node import items as item_rows
from kuroshio.node.agreements import Agreements
from kuroshio.node.items import Holdings
from kuroshio.schema import ITEMS, Citation, Decision, Effect, Reason
from kuroshio.schema.release import Release
from kuroshio.units import US_PER_S

STEP_US = 10 * US_PER_S  # decisions are asked as of this step, so that what speaks between two parties is kept


@dataclass(frozen=True)
class Group:
    """Rows for one party that share a decision and the terms they are held under."""

    to: str
    rows: pa.Table
    decision: Decision
    originator: str
    level: str
    held_under: tuple[str, ...]
    ordered: bool


class Decider:
    """Agreements of a node, asked about its picture.

    Parameters
    ----------
    party
        The releaser: this node.
    agreements
        Agreements in files, as they are now.
    """

    def __init__(self, party: str, agreements: Agreements, holdings: Holdings) -> None:
        self.party = party
        self.agreements = agreements
        self.holdings = holdings

    @property
    def book(self) -> accord.Book:
        """The agreements that decide now."""
        return self.agreements.book

    def parties(self) -> list[str]:
        """Every party the book names but this one: the viewpoints of the page."""
        named = {str(p) for row in self.book.accords() for p in row["parties"]}
        named |= set(self.book.content.parties)
        return sorted(named - {self.party})

    def groups(self, tracks: pa.Table, to: Sequence[str], *, now_us: int) -> Iterator[Group]:
        """Groups of TRACKS rows for each recipient, every row in exactly one group a recipient."""
        if not tracks.num_rows or not to:
            return
        items = item_rows.of_tracks(tracks, self.holdings)
        yield from self._grouped(tracks, items, to, now_us=now_us)

    def alert_groups(self, alerts: pa.Table, picture: pa.Table, to: Sequence[str], *, now_us: int) -> Iterator[Group]:
        """Groups of ALERTS rows for each recipient."""
        if not alerts.num_rows or not to:
            return
        about = picture.filter(np.isin(picture["track_id"].to_numpy(), _all_ids(alerts)))
        rows = item_rows.of_tracks(about, self.holdings).to_pylist()
        by_track = dict(zip(about["track_id"].to_pylist(), rows, strict=True))
        items = item_rows.of_alerts(alerts, by_track, self.holdings)
        yield from self._grouped(alerts, items, to, now_us=now_us)

    def _grouped(self, rows: pa.Table, items: pa.Table, to: Sequence[str], *, now_us: int) -> Iterator[Group]:
        at_us = now_us // STEP_US * STEP_US
        ask: dict[str, Any] = {"releaser": self.party, "to": list(to), "valid_at_us": at_us}
        ask["factored"] = accord.factor(items, [self.book.content], valid_at_us=at_us)
        decisions = self.book.evaluate_table(items, **ask)
        covered = self.book.ordered_table(items, **ask)  # row by row: one decision may span what an order tells apart
        kind_of, names = item_rows.terms_of(items)
        for column, party in enumerate(to):
            code = decisions.code[:, column].astype(np.int64) * len(names) + kind_of
            code = code * 2 + covered[:, column]
            for value in np.unique(code).tolist():
                pick = np.flatnonzero(code == value)
                decision = decisions.palette[value // 2 // len(names)]
                originator, level, held_under = names[value // 2 % len(names)]
                ordered = decision.flows and bool(value % 2)
                group = rows.take(pa.array(pick))
                yield Group(party, group, decision, originator, level, held_under, ordered)

    # -- asked by a person

    def item(self, item_id: str, picture: pa.Table) -> dict[str, Any]:
        """ITEMS row of a track by its reference ``track:17``.

        Raises
        ------
        NotFound
            When no live track has that number.
        """
        number = self.track_number(item_id, picture)
        rows = picture.filter(np.asarray(picture["track_id"]) == number)
        row: dict[str, Any] = item_rows.of_tracks(rows, self.holdings).to_pylist()[0]
        return row

    @staticmethod
    def track_number(item_id: str, picture: pa.Table) -> int:
        """Number of the live track behind ``track:17``; raises NotFound."""
        kind, _, number = item_id.partition(":")
        if kind == "track" and number.isdigit() and (np.asarray(picture["track_id"]) == int(number)).any():
            return int(number)
        raise NotFound(f"no live item {item_id[:40]!r}", code="item.unknown", advice="Items are named track:NUMBER.")

    def why(self, item_id: str, to: str, picture: pa.Table, *, now_us: int) -> dict[str, Any]:
        """Trace of the decision on one item for one party, with what would change it."""
        item = self.item(item_id, picture)
        answer = accord.why(self.book, item, releaser=self.party, to=to, valid_at_us=now_us)
        decision = self.book.evaluate(item, releaser=self.party, to=to, valid_at_us=now_us)
        return {
            "item": item_id,
            "to": to,
            "effect": decision.effect.word,
            "clause": decision.cited,
            "role": decision.role,
            "obligations": decision.obligations.as_dict(),
            "reasons": [reason_dict(r) for r in decision.reasons],
            "release_order": answer["releaser"].get("release_order"),
            "would_change": answer["releaser"].get("would_change", []),
            "recipient_view": answer["recipient"],
            "rules_digest": decision.rules_digest,
        }

    def pending(self, picture: pa.Table, to: Sequence[str], *, now_us: int) -> list[dict[str, Any]]:
        """Own items that wait for a person here: tracks whose decision for a partner is decide.

        What came from a partner, or was made of what came from one, waits for that partner's consent, which is not
        this node's to give: it is listed with what is withheld.
        """
        rows: list[dict[str, Any]] = []
        for group in self.groups(picture, to, now_us=now_us):
            own = group.originator == self.party and not asked_elsewhere(group.decision, self.party)
            if group.decision.effect is not Effect.DECIDE or not own:
                continue
            cited = group.decision.cites[0] if group.decision.cites else Citation("", "", "default")
            text = next((r.text for r in group.decision.reasons if r.effect is Effect.DECIDE), "")
            rows.extend(
                {
                    "item_id": f"track:{number}",
                    "to": group.to,
                    "role": group.decision.role or "",
                    "accord": cited.accord,
                    "clause": cited.clause,
                    "since": None,
                    "text": text,
                }
                for number in group.rows["track_id"].to_pylist()[:200]
            )
        return rows

    def dry_run(self, draft: str, picture: pa.Table, *, now_us: int) -> dict[str, Any]:
        """What would flow from the picture under a draft, and what that changes."""
        items = item_rows.of_tracks(picture, self.holdings)
        found = accord.dry_run(self.book, draft, items, releaser=self.party, valid_at_us=now_us)
        then = found.get("draft", found["today"])
        return {
            "counts": then["effect"],
            "by_party": [{"party": p, **counts} for p, counts in then["party"].items()],
            "by_clause": [
                {"party": p, "clause": clause, "count": count}
                for p, clauses in then["clause"].items()
                for clause, count in clauses.items()
            ],
            "by_terms": [
                {
                    "party": one["to"],
                    "count": one["items"],
                    "today": accord.terms_in_words(one["today"]),
                    "draft": accord.terms_in_words(one["draft"]),
                }
                for one in found.get("change", {}).get("terms", [])
            ],
            "examples": [
                {
                    **e,
                    "effect": e["draft"]["effect"],
                    "clause": e["draft"]["cited"],
                    "text": f"today: {e['today']['effect']}",
                }
                for e in found.get("change", {}).get("examples", [])
            ],
            "today": found["today"],
            "change": found.get("change", {}),
        }

    def accords(self, *, now_us: int) -> list[dict[str, Any]]:
        """Agreements as the page lists them."""
        return [accord_row(row) for row in self.book.accords(valid_at_us=now_us, known_at_us=now_us)]


def accord_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Listing of one accord under the names the API documents, with everything else kept."""
    clauses = [{**c, "clause": c["id"]} for c in row.get("clauses", [])]
    return {
        **row,
        "accord": row["id"],
        "title": row["title"] or row["id"],
        "status": row["state"],
        "history": row["status"],
        "clauses": clauses,
        "illustrative": "illustrative" in str(row["interpretation"]["note"]),
    }


def reason_dict(reason: Reason) -> dict[str, Any]:
    """JSON form of one step of a trace."""
    return {
        "citation": str(reason.citation),
        "kind": reason.citation.kind,
        "effect": None if reason.effect is None else reason.effect.word,
        "text": reason.text,
        "role": reason.role,
    }


def withheld_rows(groups: Sequence[Group], shown: Mapping[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """For the releaser: each track missing or blurred in a party's view, with the clause and the reason.

    Parameters
    ----------
    groups
        All groups for that party.
    shown
        Obligations of each track that the view shows.
    """
    rows = []
    for group in groups:
        cited = group.decision.cites[0] if group.decision.cites else Citation("no accord in force", "", "default")
        text = reason_text(group)
        terms = group.decision.obligations.as_dict()
        for row in group.rows.select(["track_id", "name", "mmsi", "lat_deg", "lon_deg"]).to_pylist():
            seen = shown.get(row["track_id"])
            if seen is not None and not seen:
                continue
            rows.append(
                {
                    "item_id": f"track:{row['track_id']}",
                    **row,
                    "effect": group.decision.effect.word,
                    "kind": "missing" if seen is None else "blurred",
                    "accord": cited.accord,
                    "clause": cited.clause,
                    "text": text,
                    "obligations": terms,
                    "role": group.decision.role,
                }
            )
    return rows


def asked_elsewhere(decision: Decision, party: str) -> list[str]:
    """Offices of other parties whose consent a decision waits for, sorted: nobody here may give it for them."""
    roles = (decision.role or "").split(", ")
    return sorted(r for r in roles if r and r.partition(".")[0] != party)


def may_still_go(decider: Decider, header: Mapping[str, Any], places: pa.Table, *, now_us: int) -> bool:
    """True when a sealed release would be decided the same way now: same basis, no stricter terms.

    While nothing began, ended or was learned since it was sealed, it would. Else each row is judged anew, at the place
    it was released with: what a redaction took from it, and a clause asks for, withholds it.

    Parameters
    ----------
    header
        Header of the release.
    places
        Of `released_places`.
    """
    book = decider.book
    sealed_us = int(header["released_at_us"])
    if header["rules_digest"] == book.rules_digest and book.floor_us(sealed_us) == book.floor_us(now_us):
        return True
    allowed = np.zeros(places.num_rows, np.bool_)
    for subject in ("vessel", "dark_vessel") if header["kind"] == "tracks" else ("alert",):
        items = ITEMS.build(
            {
                **{n: [header[n]] * places.num_rows for n in ("originator", "level", "purpose", "held_under")},
                "item_id": [""] * places.num_rows,
                "kind": ["information"] * places.num_rows,
                "subject": [subject] * places.num_rows,
                "observed_at": [sealed_us] * places.num_rows,
                "lat_deg": places["lat_deg"],
                "lon_deg": places["lon_deg"],
                "sensors": [[]] * places.num_rows,
                "caveats": [[]] * places.num_rows,
                "exercise": [decider.holdings.exercise] * places.num_rows,
            },
            rows=places.num_rows,
        )
        at_us = now_us // STEP_US * STEP_US
        found = book.evaluate_table(items, releaser=header["from"], to=[header["to"]], valid_at_us=at_us)
        passes = np.array([_stands(header, decision) for decision in found.palette], np.bool_)
        allowed |= passes[found.code[:, 0]]
    return bool(allowed.all())


def released_places(release: Release) -> pa.Table:
    """Places of the rows of a release, as it tells them; null where it does not."""
    rows = exchange.rows_of(release)
    nothing = pa.nulls(rows.num_rows, pa.float64())
    return pa.table({n: rows[n] if n in rows.column_names else nothing for n in ("lat_deg", "lon_deg")})


def _stands(header: Mapping[str, Any], decision: Decision) -> bool:
    consented = bool(header["consents"]) and decision.effect is Effect.DECIDE and decision.basis == header["accord"]
    return consented or exchange.still_allowed(header, decision)


def reason_text(group: Group) -> str:
    """Why a group goes or does not, in one sentence."""
    decision = group.decision
    if decision.flows and not group.ordered:
        return "Permitted, but no standing release order of this node covers it."
    texts = [r.text for r in decision.reasons if r.effect is not None and r.effect == decision.effect]
    if texts:
        return texts[0]
    return "No accord in force with this party." if decision.effect is Effect.DENY else decision.cited


def _all_ids(alerts: pa.Table) -> np.ndarray:
    return np.asarray(alerts["track_ids"].combine_chunks().flatten(), dtype=np.int64)


def time_or_none(at_us: int | None) -> str | None:
    """RFC 3339 text, or None."""
    return None if at_us is None else clock.rfc3339(at_us)
