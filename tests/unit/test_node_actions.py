"""Watch officers' actions in a node's journal: read again they find what they found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kuroshio.node import assemble, cards, told
from kuroshio.node import config as node_config

T0 = 1_700_000_000_000_000


def _node(folder: Path) -> Any:
    document = {
        "node": {"party": "PHL", "name": "n", "data": "data"},
        "sources": [{"name": "watch", "format": "sighting", "link": "push", "sensor": {"kind": "human"}}],
    }
    parts = assemble.build(node_config.from_dict(document, base=folder))
    parts.core.recover()
    return parts


def test_an_action_read_again_from_the_journal_finds_the_tracks_it_saw(tmp_path: Path) -> None:
    """Time had passed between the last report and the action, and what that made was missing when it was read again."""
    parts = _node(tmp_path)
    at = T0 + 100_200_000  # in the midst of a slot: a track begins when it is over
    said = {"observer": "lt.reyes", "time": "2023-11-14T22:15:00.2Z", "lat_deg": 15.0, "lon_deg": 118.0, "error_m": 50}
    text = json.dumps(said).encode() + b"\n"
    parts.core.cycle([("watch", at, text)], now_us=at + 1000)
    parts.core.cycle([], now_us=at + 5_000_000)
    (row,) = parts.core.picture.to_pylist()
    done = {"track_id": row["track_id"], "name": "BLUE HULL"}
    parts.core.operate("name", done, by="lt.reyes", now_us=at + 6_000_000)
    for book in (parts.journal, parts.archive, parts.operations):  # a crash: no checkpoint
        book.close()
    parts = _node(tmp_path)
    assert [r["arguments"] for r in parts.core.operated()] == [done]
    parts.core.cycle([], now_us=at + 7_000_000)
    assert [r["name"] for r in parts.core.picture.to_pylist()] == ["BLUE HULL"]
    parts.core.close()


def test_a_card_says_that_a_name_is_an_officers_word(tmp_path: Path) -> None:
    """It said AIS, and of a track without an MMSI nobody was named at all."""
    parts = _node(tmp_path)
    said = {"observer": "lt.reyes", "time": "2023-11-14T22:15:00Z", "lat_deg": 15.0, "lon_deg": 118.0, "error_m": 50}
    at = T0 + 100_000_000
    parts.core.cycle([("watch", at, json.dumps(said).encode() + b"\n")], now_us=at)
    parts.core.cycle([], now_us=at + 5_000_000)
    (row,) = parts.core.picture.to_pylist()
    arguments = {"track_id": row["track_id"], "name": "BLUE HULL"}
    parts.core.operate("name", arguments, by="lt.reyes", now_us=at + 6_000_000)
    parts.core.cycle([], now_us=at + 7_000_000)
    (row,) = parts.core.picture.to_pylist()
    claims, entries = parts.core.book(row["mmsi"], row, at)
    told_of = told.identity(row, parts.core.picture, claims, entries)["identity"]
    assert [(c["claim"], c["value"], c["source"]) for c in told_of] == [("name", "BLUE HULL", "operator")]
    values = {v["name"]: v["source"] for v in told.attributed(cards.card(row, [])["values"], claims)}
    assert (values["name"], values["p_exists"]) == ("operator", "track")
    parts.core.close()
