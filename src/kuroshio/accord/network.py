"""The agreements as a graph, and what really reaches whom: figures for hub-and-spoke against lattice.

What enters: a book, a moment, one kind of thing. What leaves: nodes and edges, reach by party, and what breaks when a
party, an accord or a consent falls. All is data for the page; nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import combinations
from typing import Any

from kuroshio.accord.book import Book
from kuroshio.accord.routes import routes
from kuroshio.schema import Effect


def graph(book: Book, *, valid_at_us: int, known_at_us: int | None = None) -> dict[str, Any]:
    """Nodes (parties), edges (pairs of parties with the accords that cover them and their states), and the shape.

    ``shape`` holds the same figures for the links in force as they are, for a hub and spokes of the same parties
    (the hub is the party with most links), and for a lattice in which every pair has its own agreement.
    """
    parties = sorted({p for a in book.content.accords.values() for p in a.parties})
    edges: list[dict[str, Any]] = []
    for a, b in combinations(parties, 2):
        hop = book.hop(a, b, valid_at_us, known_at_us)
        live = [{"id": x.accord.id, "state": x.state, "binding": x.accord.binding} for x in hop.bases]
        idle = [{"id": i, "state": s, "binding": book.content.accords[i].binding} for i, s in hop.not_in_force]
        if live or idle:
            edges.append({"parties": [a, b], "in_force": live, "not_in_force": idle})
    degree = {p: sum(p in e["parties"] and bool(e["in_force"]) for e in edges) for p in parties}
    nodes = [{"party": p, "degree": degree[p]} for p in parties]
    pairs = len(parties) * (len(parties) - 1) // 2
    links = {(a, b) for a, b in (e["parties"] for e in edges if e["in_force"])}
    hub = max(parties, key=lambda p: (degree[p], p), default="")
    return {
        "nodes": nodes,
        "edges": edges,
        "density": round(len(links) / pairs, 4) if pairs else 0.0,
        "shape": {
            "as_it_is": resilience(parties, links),
            "hub_and_spoke": resilience(parties, {(p, hub) for p in parties if p != hub}),
            "lattice": resilience(parties, set(combinations(parties, 2))),
        },
    }


def resilience(parties: Sequence[str], links: Set[tuple[str, str]]) -> dict[str, Any]:
    """Figures of a network of links: pairs that reach each other in at most two hops, and what one fall costs.

    Parameters
    ----------
    parties
        Names, n of them.
    links
        Pairs linked directly, each in either order.

    Returns
    -------
    dict
        ``pairs_direct``, ``pairs_within_two``, and for the worst single fall of a party (the pairs among the others)
        and of a link: its name and the share of the pairs that are lost.
    """
    both = {frozenset(link) for link in links}
    whole = _within_two(parties, both)
    parties_fall = {
        p: len({pair for pair in whole if p not in pair} - _within_two([q for q in parties if q != p], both))
        for p in parties
    }
    links_fall = {"-".join(sorted(link)): len(whole - _within_two(parties, both - {link})) for link in both}
    out: dict[str, Any] = {"links": len(both), "pairs_within_two": len(whole)}
    for name, lost in (("party", parties_fall), ("link", links_fall)):
        worst = max(sorted(lost), key=lambda k: lost[k], default=None)
        share = lost[worst] / len(whole) if worst is not None and whole else 0.0
        out[f"worst_{name}"] = worst if share else None
        out[f"worst_{name}_share_lost"] = round(share, 4)
    return out


def _within_two(parties: Sequence[str], links: Set[frozenset[str]]) -> set[frozenset[str]]:
    known = set(parties)
    near = {p: {q for link in links if p in link for q in link if q != p and q in known} for p in parties}
    return {frozenset((a, b)) for a, b in combinations(parties, 2) if b in near[a] or near[a] & near[b]}


def reach(
    book: Book,
    item: Mapping[str, Any],
    *,
    releaser: str,
    valid_at_us: int,
    known_at_us: int | None = None,
    max_hops: int = 2,
) -> dict[str, Any]:
    """Who can lawfully learn of a thing, by which path, with whose signature."""
    parties = sorted({p for a in book.content.accords.values() for p in a.parties} - {releaser})
    out: dict[str, Any] = {}
    for party in parties:
        found = routes(
            book,
            item,
            releaser=releaser,
            to=party,
            valid_at_us=valid_at_us,
            known_at_us=known_at_us,
            max_hops=max_hops,
        )
        out[party] = {"best": found[0].as_dict() if found else None, "paths": len(found)}
    return out


def _reached(found: Mapping[str, Any]) -> dict[str, int]:
    """Parties reached, with the effect and number of hops of the best path as one rank."""
    words = {e.word: int(e) for e in Effect}
    return {
        party: words[entry["best"]["effect"]] * 10 + len(entry["best"]["path"])
        for party, entry in found.items()
        if entry["best"] is not None
    }


def what_breaks(
    book: Book,
    item: Mapping[str, Any],
    *,
    releaser: str,
    valid_at_us: int,
    known_at_us: int | None = None,
    max_hops: int = 2,
) -> dict[str, Any]:
    """Loss of reach when one accord ends, one party's node is gone as a relay, or one consent is withdrawn.

    Returns
    -------
    dict
        ``reached`` today; for each fall the parties lost and those left with a worse path; and figures: the share of
        reach lost by the worst and the mean fall. A hub-and-spoke network loses most by its worst fall, a lattice
        little.
    """
    kwargs: dict[str, Any] = {
        "releaser": releaser,
        "valid_at_us": valid_at_us,
        "known_at_us": known_at_us,
        "max_hops": max_hops,
    }
    today = _reached(reach(book, item, **kwargs))
    falls: list[dict[str, Any]] = []

    def fall(kind: str, name: str, other: Book, ignored: str | None = None) -> None:
        after = _reached(reach(other, item, **kwargs))
        lost = sorted(p for p in today if p not in after and p != ignored)
        worse = sorted(p for p in today if p in after and after[p] > today[p])
        falls.append({"kind": kind, "name": name, "lost": lost, "worse": worse})

    for accord in book.content.accords.values():
        if releaser in accord.parties or any(p in today for p in accord.parties):
            fall("accord", accord.id, book.assuming({accord.id: "terminated"}))
    for party in today:
        gone = {a.id: "terminated" for a in book.content.accords.values() if party in a.parties and len(a.parties) == 2}
        fall("party", party, book.assuming(gone), ignored=party)
    for consent_id in book.content.consents:
        fall("consent", consent_id, book.without_consent(consent_id))
    shares = [len(f["lost"]) / len(today) for f in falls] if today else []
    return {
        "reached": sorted(today),
        "falls": falls,
        "worst_share_lost": round(max(shares, default=0.0), 4),
        "mean_share_lost": round(sum(shares) / len(shares), 4) if shares else 0.0,
    }
