"""What an accord is asked about: tracks and alerts turned into items with their attributes.

The level of a thing is the highest of the sources it rests on, its originator the party that saw it, and what came
from a partner keeps the accords it was received under: their ties go with it for ever. So do the originator and the
level the partner named, and a term that it is not to be passed on or is for other purposes than this node's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.accord import UNKNOWN_ACCORD
from kuroshio.picture.fuse import NUMBER_BASE
from kuroshio.schema import FLAG_DARK, ITEMS
from kuroshio.units import US_PER_S

LEVELS = ("U", "R", "C", "S", "TS")

Codes = np.ndarray[Any, np.dtype[np.int64]]
Terms = tuple[str, str, tuple[str, ...]]  # originator, level, accords held under

_MARK = "\x1f"  # unit separator
REMEMBERED_MAX = 200_000  # tracks that partners told of
ALERT_LEAD_US = 3600 * US_PER_S  # an alert rests on what was known of its tracks from so long before its start on


@dataclass(frozen=True)
class Given:
    """How a thing came from a partner: accords, level, originator, and the parties it may go to, None for no limit."""

    held_under: frozenset[str]
    level: str
    originator: str
    only_to: frozenset[str] | None = None

    def joined(self, later: Given, releaser: str) -> Given:
        """Both: never looser than either; where they name two originators, the releaser answers."""
        limits = [g.only_to for g in (self, later) if g.only_to is not None]
        return Given(
            self.held_under | later.held_under,
            max(self.level, later.level, key=_rank),
            later.originator if later.originator == self.originator else releaser,
            frozenset.intersection(*limits) if limits else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        only = None if self.only_to is None else sorted(self.only_to)
        terms = {"held_under": sorted(self.held_under), "level": self.level, "originator": self.originator}
        return {**terms, "only_to": only}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Given:
        """What `as_dict` gave."""
        only = None if value["only_to"] is None else frozenset(value["only_to"])
        return cls(frozenset(value["held_under"]), value["level"], value["originator"], only)


@dataclass
class Holdings:
    """Terms under which things are held at this node.

    Parameters
    ----------
    levels
        Level of each own source by name.
    originators
        Party of each own source by name, where it is not this node's.
    exercise
        True where this node's picture is one of an exercise.
    given
        How each partner's track came, by partner and its reference.
    remembered
        The same by number of a track here and the last time that a partner was in it, also when it has left the picture
        or holds nothing of a partner any more: an alert may still speak of it.
    """

    party: str
    levels: Mapping[str, str]
    originators: Mapping[str, str]
    purpose: str
    exercise: bool = False
    given: dict[tuple[str, str], Given] = field(default_factory=dict)
    remembered: dict[int, tuple[Given, int]] = field(default_factory=dict)

    def take(self, partner: str, reference: str, came: Given) -> None:
        """A partner's track came under these terms; what was known of it before still holds."""
        before = self.given.get((partner, reference))
        self.given[partner, reference] = came if before is None or before == came else before.joined(came, partner)

    def remember(self, tracks: pa.Table) -> None:
        """Keep by track number how the partners' part of TRACKS rows came; the oldest are let go."""
        named = tracks.filter(tracks["partner"].is_valid())
        times = named["observed_at"].cast(pa.int64()).to_pylist()
        for number, at_us, keys in zip(named["track_id"].to_pylist(), times, keys_of(named), strict=True):
            for partner, reference in keys:  # partners' rows only
                came = self.given.get((partner, reference)) or unknown(partner)
                before, last_us = self.remembered.get(number, (came, at_us))
                both = before if before == came else before.joined(came, partner)
                self.remembered[number] = both, max(last_us, at_us)
        while len(self.remembered) > REMEMBERED_MAX:
            self.remembered.pop(next(iter(self.remembered)))

    def state(self) -> pa.Table:
        """What is remembered, for a checkpoint: an alert about a track that is gone keeps its ties over a restart."""
        kept = list(self.remembered.values())
        return pa.table({
            "track_id": pa.array(self.remembered.keys(), pa.int64()),
            "last_us": pa.array([last_us for _, last_us in kept], pa.int64()),
            "given": pa.array([json.dumps(given.as_dict()) for given, _ in kept], pa.string()).dictionary_encode(),
        })  # fmt: skip

    def restore(self, state: pa.Table) -> None:
        """Take `state` back."""
        named = state["given"].combine_chunks().dictionary_decode().to_pylist()
        kinds = {text: Given.from_dict(json.loads(text)) for text in set(named)}
        rows = zip(state["track_id"].to_pylist(), named, state["last_us"].to_pylist(), strict=True)
        self.remembered = {number: (kinds[text], last_us) for number, text, last_us in rows}


def unknown(partner: str) -> Given:
    """Terms of what a partner gave and nobody here knows the accord of: a person decides."""
    return Given(frozenset((UNKNOWN_ACCORD,)), "R", partner)


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _of_own(sources: Sequence[str], holdings: Holdings) -> tuple[str, str]:
    """(originator, highest level) of what rests on these sources; no level where none of them is known here."""
    known = [s for s in sources if s in holdings.levels]
    parties = {holdings.originators.get(s, holdings.party) for s in known}
    level = max((holdings.levels[s] for s in known), key=_rank, default="")
    return parties.pop() if len(parties) == 1 else holdings.party, level


def numbered(lists: pa.ChunkedArray) -> tuple[Codes, list[tuple[str, ...]]]:
    """Which list each row has, as a number, and the lists in the order they are first met; null is the empty list."""
    whole = lists.combine_chunks()  # of any number of chunks, none too
    # each element begins with a mark that no element holds: two lists are spelt alike only where they are alike
    escaped = pc.replace_substring(pc.fill_null(whole.values, ""), _MARK, _MARK + "0")
    marked = pc.binary_join_element_wise(_MARK + "1", escaped, "")
    spelt = pc.binary_join(pa.ListArray.from_arrays(whole.offsets, marked), "")
    coded = pc.if_else(whole.is_null(), "", spelt).dictionary_encode()
    _, first, codes = np.unique(coded.indices.to_numpy(), return_index=True, return_inverse=True)
    return codes, [tuple(kind or ()) for kind in whole.take(pa.array(first)).to_pylist()]


def keys_of(tracks: pa.Table) -> list[list[tuple[str, str]]]:
    """(party, its reference) of every partner's track that is in each TRACKS row."""
    if tracks["partner"].null_count == tracks.num_rows:
        return [[]] * tracks.num_rows
    rows = zip(*(tracks[name].to_pylist() for name in ("partner", "partner_track", "fused_with")), strict=True)
    out: list[list[tuple[str, str]]] = []
    for partner, reference, fused in rows:  # an entry of ``fused_with`` is PARTY:reference
        parts = [text.partition(":") for text in fused or ()]
        out.append([(p, r) for p, _, r in parts] or ([(partner, reference)] if partner else []))
    return out


def of_tracks(tracks: pa.Table, holdings: Holdings) -> pa.Table:
    """ITEMS of TRACKS rows, in the same order.

    A track that rests on a partner alone has that partner as originator; one that both hold has this node as
    originator and the ties of every partner that is in it.
    """
    count = tracks.num_rows
    flags = np.asarray(pc.fill_null(tracks["flags"], 0))
    kind_of, kinds = numbered(tracks["sources"])  # the terms of own rows differ by their sources only
    own = [_of_own(named, holdings) for named in kinds]
    originators = np.array([originator for originator, _ in own], object)[kind_of]
    levels = np.array([level or "R" for _, level in own], object)[kind_of]
    held: list[list[str]] = [[]] * count
    limits: list[list[str] | None] = [None] * count
    theirs = np.flatnonzero(tracks["partner"].is_valid())
    named = tracks.take(pa.array(theirs))
    for at, keys, seen_by in zip(theirs.tolist(), keys_of(named), named["sensors"].to_pylist(), strict=True):
        came = [holdings.given.get(key) or unknown(key[0]) for key in keys]  # partners' rows only
        if not set(seen_by or ()) - {"partner"}:
            originators[at] = came[0].originator
        level = own[kind_of[at]][1]
        for given in came:
            level = max(level, given.level, key=_rank) if level else given.level
        levels[at] = level or "R"
        held[at] = sorted(set().union(*(given.held_under for given in came)))
        only = [set(given.only_to) for given in came if given.only_to is not None]
        limits[at] = sorted(set.intersection(*only)) if only else None
    dark = (flags & FLAG_DARK) > 0
    return ITEMS.build(
        {
            "item_id": pc.binary_join_element_wise("track", tracks["track_id"].cast(pa.string()), ":"),
            "kind": ["information"] * count,
            "subject": np.where(dark, "dark_vessel", "vessel").tolist(),
            "originator": originators.tolist(),
            "level": levels.tolist(),
            "purpose": [holdings.purpose] * count,
            "observed_at": tracks["observed_at"],
            "lat_deg": tracks["lat_deg"],
            "lon_deg": tracks["lon_deg"],
            "sensors": tracks["sensors"],
            "held_under": held,
            "releasable_to": limits,
            "caveats": [[]] * count,
            "exercise": tracks["exercise"],
        },
        rows=count,
    )


def terms_of(items: pa.Table) -> tuple[Codes, list[Terms]]:
    """Which terms each row of ITEMS is held under, as a number, and those terms in the order they are first met."""
    ties_of, ties = numbered(items["held_under"])
    code = ties_of.astype(np.int64)
    labels = [items[name].cast(pa.string()).combine_chunks().dictionary_encode() for name in ("originator", "level")]
    for label in labels:
        code = code * len(label.dictionary) + label.indices.to_numpy()
    _, first, codes = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    named = items.select(["originator", "level"]).take(pa.array(first[order])).to_pylist()
    held = [ties[ties_of[at]] for at in first[order]]
    terms = [(row["originator"], row["level"], under) for row, under in zip(named, held, strict=True)]
    return np.argsort(order)[codes], terms


def _about(alerts: pa.Table) -> list[dict[str, Any]]:
    return alerts.select(["alert_id", "track_ids", "start_at", "lat_deg", "lon_deg", "exercise"]).to_pylist()


def _rests_on(
    tracks: Sequence[int], since_us: int, live: Mapping[int, Mapping[str, Any]], holdings: Holdings
) -> tuple[list[Mapping[str, Any]], set[str]]:
    """What an alert about these tracks rests on, each with its terms, and the originators of it."""
    about: list[Mapping[str, Any]] = []
    originators: set[str] = set()
    for number in tracks:
        item, (came, last_us) = live.get(number), holdings.remembered.get(number, (None, 0))
        if item is not None:
            about.append(item)
            originators.add(str(item["originator"]))
        if came is not None and (item is None or last_us >= since_us):
            about.append(_of_given(came))
            originators |= set() if item is not None else {came.originator}
        elif item is None and number >= NUMBER_BASE:
            about.append(_of_given(unknown(holdings.party)))
        if item is None and came is None:
            originators.add(holdings.party)
    return about, originators


def of_alerts(alerts: pa.Table, track_items: Mapping[int, Mapping[str, Any]], holdings: Holdings) -> pa.Table:
    """ITEMS of ALERTS rows: an alert has the highest level, all ties and the narrowest limit of the tracks it is about.

    Parameters
    ----------
    track_items
        ITEMS row of each live track by its number. What is remembered of a track counts too where it is not older than
        the alert by `ALERT_LEAD_US`; a track that is not live and not remembered is taken as own, level R, but for a
        partner's own track: its terms are unknown, and a person decides.
    """
    rows = []
    starts_us = alerts["start_at"].cast(pa.int64()).to_pylist()
    for start_us, alert in zip(starts_us, _about(alerts), strict=True):
        about, originators = _rests_on(alert["track_ids"], start_us - ALERT_LEAD_US, track_items, holdings)
        ties: set[str] = set()
        for item in about:
            ties.update(item["held_under"] or ())
        limits = [set(item["releasable_to"]) for item in about if item["releasable_to"] is not None]
        rows.append(
            {
                "item_id": f"alert:{alert['alert_id']}",
                "kind": "information",
                "subject": "alert",
                "originator": originators.pop() if len(originators) == 1 else holdings.party,
                "level": max((str(item["level"]) for item in about), key=_rank, default="R"),
                "purpose": holdings.purpose,
                "observed_at": alert["start_at"],
                "lat_deg": alert["lat_deg"],
                "lon_deg": alert["lon_deg"],
                "sensors": sorted({s for item in about for s in (item["sensors"] or ())}),
                "held_under": sorted(ties),
                "releasable_to": sorted(set.intersection(*limits)) if limits else None,
                "caveats": [],
                "exercise": alert["exercise"],
            }
        )
    return ITEMS.from_rows(rows)


def _of_given(came: Given) -> dict[str, Any]:
    """What an alert takes of what a partner told of a track."""
    limit = sorted(came.only_to) if came.only_to is not None else None
    plain = {"originator": came.originator, "level": came.level, "held_under": sorted(came.held_under)}
    return {**plain, "sensors": [], "releasable_to": limit}
