"""The sample book: what the demonstration rests on, and the public history it must replay."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio import accord, clock
from kuroshio.cli.accord import app
from kuroshio.schema import ITEMS, TRACKS, Effect

NOW = clock.parse_rfc3339("2026-11-22")


@pytest.fixture(scope="module")
def book() -> accord.Book:
    return accord.load(accord.sample_paths())


def thing(**changes):
    base = {
        "item_id": "track:1",
        "kind": "information",
        "subject": "dark_vessel",
        "originator": "PHL",
        "level": "R",
        "purpose": "maritime_safety",
        "observed_at": NOW - 10_000_000,
        "lat_deg": 20.0,
        "lon_deg": 121.5,
        "sensors": ["radar"],
    }
    return {**base, **changes}


def ask(book, to, releaser="PHL", at=NOW, known=None, **changes):
    return book.evaluate(thing(**changes), releaser=releaser, to=to, valid_at_us=at, known_at_us=known)


@pytest.mark.parametrize("subject", ["dark_vessel", "vessel", "alert"])
def test_demo_flows(book, subject):
    jpn = ask(book, "JPN", subject=subject)
    assert jpn.effect is Effect.OBLIGE
    assert jpn.cited == "WP-MDA-ARR para.2"
    assert jpn.obligations.as_dict() == {"grid_deg": 0.05, "time_bucket_s": 60, "redact": ["sensor", "sources"]}
    assert jpn.held_under == ("WP-MDA-ARR",)
    usa = ask(book, "USA", subject=subject)
    assert (usa.effect, usa.cited, usa.obligations.as_dict()) == (Effect.PERMIT, "PHL-USA-GSOMIA Art.4", {})
    kor = ask(book, "KOR", subject=subject)
    assert (kor.effect, kor.cited) == (Effect.DENY, "no accord in force")


def test_release_order_is_needed_and_found(book):
    found = book.ordered(thing(), releaser="PHL", to="JPN", valid_at_us=NOW)
    assert found is not None
    assert found.by == "PHL.release_authority"
    assert book.ordered(thing(level="S"), releaser="PHL", to="JPN", valid_at_us=NOW) is None
    assert book.ordered(thing(), releaser="PHL", to="KOR", valid_at_us=NOW) is None


def test_third_party_tie_follows_to_the_next_hop(book):
    relayed = ask(book, "KOR", releaser="JPN", held_under=["WP-MDA-ARR"], originator="PHL")
    assert relayed.effect is Effect.DECIDE
    assert relayed.role == "PHL.release_authority"
    assert relayed.cited == "WP-MDA-ARR para.6"


def test_foreign_thing_without_known_accord_is_decided(book):
    assert ask(book, "PHL", releaser="JPN", originator="USA").effect is Effect.DECIDE


@pytest.mark.parametrize(
    ("day", "state", "effect"),
    [
        ("2016-11-22", "none", Effect.DENY),
        ("2016-11-23", "in_force", Effect.OBLIGE),
        ("2019-08-22", "in_force", Effect.OBLIGE),
        ("2019-10-01", "notice", Effect.OBLIGE),
        ("2019-11-22", "contested", Effect.DECIDE),
        ("2022-01-01", "contested", Effect.DECIDE),
        ("2023-03-21", "in_force", Effect.OBLIGE),
    ],
)
def test_japan_korea_history_is_replayed(book, day, state, effect):
    at = clock.parse_rfc3339(day)
    assert book.status("JPN-KOR-GSOMIA", at).state == state
    decision = ask(book, "KOR", releaser="JPN", at=at, originator="JPN", level="C", subject="vessel", observed_at=at)
    assert decision.effect is effect
    if effect is Effect.DECIDE:
        assert decision.role == "JPN.treaty_officer"
    if effect is Effect.OBLIGE:
        assert decision.obligations.marking == {"Military III"}


def test_notice_would_have_ended_it_had_nothing_followed(book):
    """As known on 2019-10-01 the agreement was to end on 2019-11-23; no later entry was known then."""
    known = clock.parse_rfc3339("2019-10-01")
    assert book.status("JPN-KOR-GSOMIA", clock.parse_rfc3339("2019-11-24"), known).state == "terminated"


def test_conflicting_report_is_kept_and_shown_and_changes_nothing(book):
    standing = book.status("JPN-PHL-RAA", NOW)
    assert standing.state == "in_force"
    assert [c.kind for c in standing.conflicts] == ["report"]
    assert "press report" in standing.conflicts[0].text


def test_signed_but_not_in_force_is_no_basis(book):
    order = thing(kind="support", subject="fuel", originator="JPN", purpose="exercise")
    decision = book.evaluate(order, releaser="JPN", to="PHL", valid_at_us=NOW)
    assert decision.effect is Effect.DENY
    assert any("signed" in r.text for r in decision.reasons)


def test_weapons_are_denied_with_the_clause_and_no_consent_can_lift_it(book):
    then = book.assuming({"JPN-PHL-ACSA": "in_force"})
    order = thing(kind="support", subject="ammunition", originator="JPN", purpose="exercise")
    assert then.evaluate(order, releaser="JPN", to="PHL", valid_at_us=NOW).effect is Effect.DENY
    consent = {
        "id": "C-1",
        "lifts": ["JPN-PHL-ACSA", "Art.4.w"],
        "from": "JPN",
        "to": ["PHL"],
        "valid": {"from": "2026-01-01", "until": "2027-01-01"},
    }
    with pytest.raises(accord.AccordFileError, match="absolute"):
        book.with_consent(consent)


def test_draft_of_the_information_agreement(book):
    draft = accord.draft_path().read_text("utf-8")
    assert ask(book, "JPN", level="C").effect is Effect.DENY
    then = book.with_draft(draft)
    decision = ask(then, "JPN", level="C")
    assert (decision.effect, decision.basis) == (Effect.OBLIGE, "JPN-PHL-INFO")
    assert decision.obligations.marking == {"HI"}
    assert then.rules_digest != book.rules_digest


def test_digest_does_not_depend_on_the_order_of_files():
    paths = accord.sample_paths()
    texts = {p.name: p.read_text("utf-8") for p in paths}
    backwards = dict(reversed(list(texts.items())))
    assert accord.parse(texts).rules_digest == accord.parse(backwards).rules_digest


def test_listing_is_json(book):
    listed = json.loads(json.dumps(book.accords(valid_at_us=NOW)))
    by_id = {a["id"]: a for a in listed}
    assert by_id["JPN-KOR-GSOMIA"]["status"][2]["views"]["JPN"]["state"] == "in_force"
    assert by_id["JPN-PHL-RAA"]["conflicts"]
    assert all(a["interpretation"]["note"].startswith("illustrative") for a in listed)
    assert by_id["WP-MDA-ARR"]["duties"][0]["within"] == "PT0S"


def picture(n: int = 500) -> pa.Table:
    rng = clock.generator(5)
    levels = pa.DictionaryArray.from_arrays(rng.integers(0, 4, n).astype(np.int32), ["U", "R", "C", "S"])
    subjects = pa.DictionaryArray.from_arrays(
        rng.integers(0, 3, n).astype(np.int32), ["vessel", "dark_vessel", "alert"]
    )
    return ITEMS.build(
        {
            "item_id": [f"track:{i}" for i in range(n)],
            "kind": ["information"] * n,
            "subject": subjects,
            "originator": ["PHL"] * n,
            "level": levels,
            "purpose": ["maritime_safety"] * n,
            "observed_at": NOW - rng.integers(0, 86_400_000_000, n),
            "lat_deg": rng.uniform(14, 21, n),
            "lon_deg": rng.uniform(117, 123, n),
        }
    )


def test_table_equals_interpreter_and_counts_add_up(book):
    items = picture()
    to = ["JPN", "USA", "AUS", "KOR"]
    found = book.evaluate_table(items, releaser="PHL", to=to, valid_at_us=NOW)
    assert found.effect.dtype == np.uint8
    assert found.code.dtype == np.int32
    for row, plain in enumerate(items.to_pylist()):
        for party in to:
            single = book.evaluate(plain, releaser="PHL", to=party, valid_at_us=NOW)
            assert found.at(row, party) == single
            assert found.effect[row, to.index(party)] == single.effect
    counts = found.counts()
    assert sum(counts["effect"].values()) == items.num_rows * len(to)
    assert counts["party"]["KOR"]["deny"] == items.num_rows


def test_dry_run_counts_the_difference(book):
    items = picture()
    found = accord.dry_run(
        book, accord.draft_path().read_text("utf-8"), items, releaser="PHL", valid_at_us=NOW, to=["JPN", "USA"]
    )
    confidential = items.column("level").to_pylist().count("C")
    assert found["change"]["effect"]["JPN"]["deny -> oblige"] == confidential
    assert found["change"]["effect"]["USA"] == {}
    assert 0 < len(found["change"]["examples"]) <= 3 * (len(found["change"]["effect"]["JPN"]) + 1)
    cells = [f["properties"] for f in found["change"]["map"]["features"]]
    assert sum(c["effect"] for c in cells) == found["change"]["rows"]
    told = found["change"]["terms"]
    assert sum(one["items"] for one in told) == sum(found["change"]["terms_only"].values()) > 0
    assert sum(c["terms"] for c in cells) > 0
    assert {one["to"] for one in told} == {"JPN"}
    assert {"today": told[0]["today"], "draft": told[0]["draft"]} == {
        "today": {"grid_deg": 0.05, "time_bucket_s": 60, "redact": ["sensor", "sources"]},
        "draft": {"marking": ["HI"]},
    }, "the draft would send exact places: shown, though every effect stays"


def test_recipient_learns_nothing_of_what_is_withheld(book):
    withheld = [thing(level="S"), thing(level="TS", subject="other"), thing(kind=None), thing(lat_deg=None, level="S")]
    views = {
        json.dumps(accord.why(book, t, releaser="PHL", to="JPN", valid_at_us=NOW)["recipient"], sort_keys=True)
        for t in withheld
    }
    assert len(views) == 1
    sent = accord.why(book, thing(), releaser="PHL", to="JPN", valid_at_us=NOW)["recipient"]
    assert sent["released"] is True


def test_why_names_what_would_change_it(book):
    found = accord.why(book, thing(level="C"), releaser="PHL", to="JPN", valid_at_us=NOW)["releaser"]
    assert any(c["if"] == "JPN-PHL-INFO in force" and c["effect"] == "oblige" for c in found["would_change"])


def test_cli_check_why_and_dry_run(tmp_path):
    run = CliRunner()
    checked = run.invoke(app, ["check", "--json"])
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["ok"] is True
    bad = tmp_path / "bad.yaml"
    bad.write_text("id: X-1\nkinds: [information]\npartys: [JPN, PHL]\n")
    refused = run.invoke(app, ["check", str(bad), "--json"])
    assert refused.exit_code == 5
    faults = json.loads(refused.stdout)["faults"]
    assert any(f["line"] == 3 and "partys" in f["message"] and "parties" in f["message"] for f in faults)
    plain = {k: v for k, v in thing().items() if k != "observed_at"}
    asked = run.invoke(
        app, ["why", "--from", "PHL", "--to", "JPN", "-i", json.dumps(plain), "--at", "2026-11-22", "--json"]
    )
    assert asked.exit_code == 0, asked.output
    assert json.loads(asked.stdout.splitlines()[-1])["effect"] == "oblige"
    tracks = TRACKS.build(
        {
            "track_id": [1, 2],
            "observed_at": [NOW, NOW],
            "lat_deg": [20.0, 20.5],
            "lon_deg": [121.0, 121.5],
            "status": ["confirmed", "confirmed"],
            "flags": [1, 0],
        }
    )
    stored = tmp_path / "tracks.parquet"
    pq.write_table(tracks, stored)
    dry = run.invoke(
        app,
        [
            "dry-run",
            str(stored),
            "--from",
            "PHL",
            "--level",
            "C",
            "--draft",
            str(accord.draft_path()),
            "--at",
            "2026-11-22",
            "--json",
        ],
    )
    assert dry.exit_code == 0, dry.output
    found = json.loads(dry.stdout.splitlines()[-1])
    assert found["change"]["effect"]["JPN"] == {"deny -> oblige": 2}
