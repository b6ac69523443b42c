"""What the agreements say of a picture: every row in one group a party, ties kept, consent only where it is ours."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import accord, clock
from kuroshio.accord import UNKNOWN_ACCORD
from kuroshio.errors import NotFound
from kuroshio.node.deciding import Decider, asked_elsewhere, may_still_go, withheld_rows
from kuroshio.node.items import Given, Holdings, of_alerts, of_tracks
from kuroshio.picture.fuse import NUMBER_BASE
from kuroshio.schema import ALERTS, TRACKS, Effect

NOW = clock.parse_rfc3339("2026-11-22T06:00:00Z")
BOOK = accord.load(accord.sample_paths())


def decider() -> Decider:
    holdings = Holdings("PHL", {"ais": "U", "radar": "R", "secret": "S"}, {"lent": "JPN"}, "maritime_safety")
    holdings.take("USA", "abc", Given(frozenset({"PHL-USA-GSOMIA"}), "R", "USA"))
    return Decider("PHL", SimpleNamespace(book=BOOK), holdings)


PLACES = pa.table({"lat_deg": [20.0], "lon_deg": [121.0]})


def picture():
    partner = [None, None, None, "USA"]
    return TRACKS.build(
        {
            "track_id": [1, 2, 3, 4],
            "observed_at": [NOW - 1_000_000] * 4,
            "lat_deg": [20.0] * 4,
            "lon_deg": [121.0] * 4,
            "status": ["confirmed"] * 4,
            "flags": [0, 1, 0, 0],
            "sources": [["ais"], ["radar"], ["secret"], ["USA"]],
            "sensors": [["ais"], ["radar"], ["radar"], ["partner"]],
            "partner": partner,
            "partner_track": [None, None, None, "abc"],
            "exercise": [False] * 4,
        }
    )


def test_items_have_the_highest_level_and_the_ties_of_their_sources():
    rows = of_tracks(picture(), decider().holdings).to_pylist()
    assert [r["level"] for r in rows] == ["U", "R", "S", "R"]
    assert [r["subject"] for r in rows] == ["vessel", "dark_vessel", "vessel", "vessel"]
    assert [r["originator"] for r in rows] == ["PHL", "PHL", "PHL", "USA"]
    assert rows[3]["held_under"] == ["PHL-USA-GSOMIA"]


def test_every_row_is_in_exactly_one_group_a_party():
    for party in ("JPN", "USA", "KOR"):
        groups = list(decider().groups(picture(), [party], now_us=NOW))
        ids = np.concatenate([g.rows["track_id"].to_numpy() for g in groups])
        assert sorted(ids.tolist()) == [1, 2, 3, 4]
        assert {g.to for g in groups} == {party}


def test_what_goes_to_whom():
    by = {}
    for group in decider().groups(picture(), ["JPN", "KOR"], now_us=NOW):
        for number in group.rows["track_id"].to_pylist():
            by[group.to, number] = group
    assert by["JPN", 1].decision.flows
    assert by["JPN", 1].ordered
    assert by["JPN", 2].decision.obligations.grid_deg == pytest.approx(0.05)
    assert not by["JPN", 3].decision.flows, "S is above what the arrangement permits"
    assert by["JPN", 4].decision.effect >= Effect.DECIDE, "the third-party rule goes with what USA gave"
    assert all(by["KOR", n].decision.effect is Effect.DENY for n in (1, 2, 3))


ORDERED = """
release_orders:
  - {id: O, by: PHL.release_authority, party: PHL, to: [USA], valid: {from: 2024-01-01, until: 2035-01-01},
     when: {subject: {in: [vessel]}}}
accords:
  - id: ALL
    kinds: [information]
    parties: [PHL, USA]
    binding: treaty
    interpretation: {by: test, date: 2026-11-22, note: illustrative}
    status: [{state: in_force, from: 2026-01-01, recorded: 2026-01-01, confidence: in_force}]
    clauses: [{id: p, effect: permit}]
"""


def test_an_order_covers_each_row_by_itself():
    """One decision spans a vessel and a dark one, the order names vessels: the dark one waits for a person."""
    shelf = SimpleNamespace(book=accord.parse({"ordered.yaml": ORDERED}))
    two = picture().slice(0, 2)
    held = Decider("PHL", shelf, Holdings("PHL", {"ais": "U", "radar": "U"}, {}, "x"))
    sent = {n: g.ordered for g in held.groups(two, ["USA"], now_us=NOW) for n in g.rows["track_id"].to_pylist()}
    assert sent == {1: True, 2: False}


def test_a_consent_that_is_a_partners_to_give_waits_for_nobody_here():
    assert all(row["item_id"] != "track:4" for row in decider().pending(picture(), ["JPN"], now_us=NOW))


def test_what_was_made_of_a_partners_data_is_not_ours_to_consent_to():
    """A track that both see is ours by originator, and its tie is still the partner's to lift."""
    fused = picture().slice(3)
    at = fused.schema.get_field_index("sensors")
    fused = fused.set_column(at, fused.schema.field(at), pa.array([["ais", "partner"]], fused.schema.field(at).type))
    held = decider()
    group = next(held.groups(fused, ["JPN"], now_us=NOW))
    assert (group.originator, group.decision.effect) == ("PHL", Effect.DECIDE)
    assert asked_elsewhere(group.decision, "PHL") == ["USA.release_authority"]
    assert held.pending(fused, ["JPN"], now_us=NOW) == []


def test_withheld_says_why_for_each_row():
    groups = list(decider().groups(picture(), ["KOR"], now_us=NOW))
    rows = withheld_rows(groups, {})
    assert {r["item_id"] for r in rows} == {f"track:{n}" for n in (1, 2, 3, 4)}
    assert all(r["kind"] == "missing" and r["text"] for r in rows)


def test_items_are_asked_by_name():
    with pytest.raises(NotFound, match="track:9"):
        decider().why("track:9", "JPN", picture(), now_us=NOW)
    with pytest.raises(NotFound):
        decider().why("ship:1", "JPN", picture(), now_us=NOW)


def test_a_queued_release_goes_only_while_its_terms_still_stand():
    header = {
        "kind": "tracks", "originator": "PHL", "level": "U", "purpose": "maritime_safety", "released_at_us": NOW,
        "rules_digest": "", "held_under": [], "from": "PHL", "to": "JPN", "consents": [], "accord": "WP-MDA-ARR",
        "obligations": {"grid_deg": 0.05, "time_bucket_s": 60, "redact": ["sensor", "sources"]},
    }  # fmt: skip
    now = decider()
    assert may_still_go(now, header, PLACES, now_us=NOW)
    assert not may_still_go(now, {**header, "obligations": {}}, PLACES, now_us=NOW), "terms became stricter"
    assert not may_still_go(now, {**header, "to": "KOR"}, PLACES, now_us=NOW)
    ended = Decider("PHL", SimpleNamespace(book=BOOK.assuming({"WP-MDA-ARR": "terminated"})), now.holdings)
    assert not may_still_go(ended, header, PLACES, now_us=NOW), "the arrangement ended while it waited"


BOX = """
areas: {box: {box: {south: 10, west: 110, north: 20.2, east: 130}}}
accords:
  - id: BOX
    kinds: [information]
    parties: [JPN, PHL]
    binding: treaty
    interpretation: {by: test, date: 2026-11-22, note: illustrative}
    status: [{state: in_force, from: 2026-01-01, recorded: 2026-01-01, confidence: in_force}]
    clauses:
      - {id: p1, effect: permit, when: {area: {in: [box]}}}
      - {id: p2, effect: permit, when: {exercise: {eq: true}, lat_deg: {gt: 30}}}
"""


def test_a_queued_release_under_a_clause_on_a_place_or_on_exercises_goes_too():
    """Its header tells no place: it was taken for unknown, and such releases never left the queue."""
    held = Decider("PHL", SimpleNamespace(book=accord.parse({"box.yaml": BOX})), decider().holdings)
    header = {
        "kind": "tracks", "originator": "PHL", "level": "U", "purpose": "maritime_safety", "released_at_us": NOW,
        "rules_digest": "", "held_under": [], "from": "PHL", "to": "JPN", "consents": [], "accord": "BOX",
        "obligations": {},
    }  # fmt: skip
    assert may_still_go(held, header, PLACES, now_us=NOW)
    north = pa.table({"lat_deg": [20.0, 31.0], "lon_deg": [121.0, 121.0]})
    assert not may_still_go(held, header, north, now_us=NOW), "one row lies outside"
    redacted = pa.table({"lat_deg": pa.nulls(1, pa.float64()), "lon_deg": [121.0]})
    assert not may_still_go(held, header, redacted, now_us=NOW)
    same = {**header, "rules_digest": held.book.rules_digest}
    assert may_still_go(held, same, north, now_us=NOW), "nothing has changed since it was sealed"
    held.holdings.exercise = True
    assert may_still_go(held, header, north.slice(1), now_us=NOW)


def test_what_a_partner_limits_goes_with_its_tracks_and_with_alerts_about_them_also_when_they_have_left():
    holdings = decider().holdings
    holdings.take("USA", "abc", Given(frozenset({"WP-MDA-ARR"}), "U", "AUS", frozenset({"USA"})))
    row = of_tracks(picture(), holdings).to_pylist()[3]
    assert row["held_under"] == ["PHL-USA-GSOMIA", "WP-MDA-ARR"], "never fewer ties than before"
    assert (row["level"], row["originator"], row["releasable_to"]) == ("R", "USA", ["USA"])
    holdings.remember(picture())
    alert = ALERTS.from_rows([
        {"alert_id": "a", "definition": "gap", "version": "1", "change": "open", "grade": "final", "severity": "info",
         "track_ids": ids, "start_at": NOW, "known_at": NOW, "summary": "s", "evidence": "{}", "exercise": False}
        for ids in ([4], [1, 4], [1])])  # fmt: skip
    gone, both, own = of_alerts(alert, {}, holdings).to_pylist()
    assert gone["held_under"] == both["held_under"] == ["PHL-USA-GSOMIA", "WP-MDA-ARR"]
    assert (gone["originator"], both["originator"], own["originator"]) == ("USA", "PHL", "PHL")
    assert gone["releasable_to"] == both["releasable_to"] == ["USA"]
    assert (own["held_under"], own["releasable_to"]) == ([], None)


def test_an_alert_keeps_the_ties_of_the_time_it_is_about_also_over_a_restart():
    hour_us = 3_600_000_000
    before = decider().holdings
    before.remember(picture())
    holdings = decider().holdings
    holdings.restore(before.state())
    assert holdings.remembered == before.remembered
    last_us = holdings.remembered[4][1]
    alerts = ALERTS.from_rows([
        {"alert_id": name, "definition": "gap", "version": "1", "change": "close", "grade": "final", "severity": "info",
         "track_ids": [track], "start_at": np.datetime64(at_us, "us").item(), "known_at": NOW, "summary": "s",
         "evidence": "{}", "exercise": False}
        for name, track, at_us in (("during", 4, last_us), ("long after", 4, last_us + 2 * hour_us),
                                   ("gone and unknown", NUMBER_BASE + 7, last_us))])  # fmt: skip
    alone = of_tracks(picture().slice(0, 1), holdings).to_pylist()[0]  # the track holds nothing of a partner by now
    during, after, unknown = of_alerts(alerts, {4: alone}, holdings).to_pylist()
    assert (during["held_under"], during["originator"]) == (["PHL-USA-GSOMIA"], "PHL")
    assert after["held_under"] == []
    assert unknown["held_under"] == [UNKNOWN_ACCORD]
    (group,) = Decider("PHL", SimpleNamespace(book=BOOK), holdings).alert_groups(alerts.slice(2), picture(), ["USA"],
                                                                                 now_us=NOW)  # fmt: skip
    assert group.decision.effect in (Effect.DECIDE, Effect.DENY)


def test_the_originator_a_relay_names_is_asked_not_the_relay():
    holdings = decider().holdings
    holdings.given.clear()
    holdings.take("USA", "abc", Given(frozenset({"PHL-USA-GSOMIA"}), "U", "AUS"))
    held = Decider("PHL", SimpleNamespace(book=BOOK), holdings)
    decision = next(held.groups(picture().slice(3), ["JPN"], now_us=NOW)).decision
    assert decision.role == "AUS.release_authority"


def test_a_partners_track_of_unknown_terms_is_decided():
    holdings = decider().holdings
    holdings.given.clear()
    group = next(Decider("PHL", SimpleNamespace(book=BOOK), holdings).groups(picture().slice(3), ["USA"], now_us=NOW))
    assert group.decision.effect is Effect.DECIDE


KOR_DRAFT = """
id: KOR-PHL-DRAFT
kinds: [information]
parties: [KOR, PHL]
binding: arrangement
interpretation: {by: test, date: 2026-11-22, note: illustrative}
status:
  - {state: negotiating, from: 2026-01-01, recorded: 2026-01-01}
clauses:
  - {id: p1, effect: permit, when: {level: {lte: R}, originator: {in: [PHL]}}}
"""


def test_examples_of_a_dry_run_say_what_the_draft_says_as_the_page_lists_them():
    exact = accord.draft_path().read_text("utf-8")
    told = decider().dry_run(exact, picture(), now_us=NOW)["by_terms"]
    assert {one["party"] for one in told} == {"JPN"}
    assert all("cells of 0.05 degrees" in one["today"] for one in told)
    assert {one["draft"] for one in told} <= {"marked HI", "no terms"}
    found = decider().dry_run(KOR_DRAFT, picture(), now_us=NOW)
    assert found["examples"]
    for one in found["examples"]:
        said = (one["to"], one["effect"], one["clause"], one["text"])
        assert said == ("KOR", "permit", "KOR-PHL-DRAFT p1", "today: deny")
