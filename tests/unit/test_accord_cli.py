"""The accord commands: each answers in JSON, and in words; bad input is one clear error."""

from __future__ import annotations

import json
import re

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio import accord, clock
from kuroshio.cli.accord import app
from kuroshio.errors import ConfigError, InputError, KuroshioError, NotFound
from kuroshio.schema import ITEMS

NOW = clock.parse_rfc3339("2026-11-22")
ITEM = json.dumps(
    {
        "kind": "information",
        "subject": "vessel",
        "originator": "JPN",
        "level": "C",
        "purpose": "maritime_safety",
        "observed_at": "2026-11-22",
    }
)
ASK = ["--item", ITEM, "--at", "2026-11-22"]


def run(*arguments):
    found = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if isinstance(found.exception, KuroshioError):
        raise found.exception
    assert found.exit_code == 0, (found.output, found.exception)
    return found.stdout


def as_json(*arguments):
    return json.loads(run(*arguments, "--json").splitlines()[-1])


def test_print_in_three_languages():
    english = run("print", "JPN-KOR-GSOMIA")
    assert "Whoever received it must first have the consent of the release authority of the originator" in english
    assert "when the next receiver is none of JPN or KOR; the answer is due within 7 days" in english
    assert "may be ended at any time" in english
    assert "受領した側" in run("print", "JPN-KOR-GSOMIA", "-l", "ja")
    assert "kumuha ang tumanggap" in run("print", "JPN-KOR-GSOMIA", "-l", "fil")
    assert set(as_json("print")["accords"]) == set(accord.load(accord.sample_paths()).content.accords)
    with pytest.raises(NotFound):
        run("print", "-l", "xx")


def test_print_says_what_a_duty_asks_and_what_was_not_found():
    order = run("print", "JPN-PHL-ACSA")
    assert "is settled with the competent authority of the releaser within 1 year of receipt: in cash" in order
    assert "Note: unchecked: entry into force was not found in a public source." in order
    mda = run("print", "WP-MDA-ARR")
    assert "1 day late, positions in cells of 0.1 degrees, one position in 1 hour" in mda
    assert "**DRILL-2026**" in mda
    assert "exercise data only" in mda


@pytest.mark.parametrize("language", ["en", "ja", "fil"])
def test_print_has_words_for_persons(language):
    """No identifier of the format is left in what is generated; markings and what a file says itself stay."""
    lines = [line for line in run("print", "-l", language).splitlines() if line.startswith(("- **", "  - **"))]
    assert len(lines) > 60
    for line in lines:
        told = line.split("** ", 1)[1]
        assert "_" not in told.replace("_ONLY", ""), line
        assert language == "en" or not re.search("authority|officer|receipt|incident|departure", told), line


def test_what_if_a_state_a_consent_and_a_draft():
    base = ("what-if", *ASK, "--from", "JPN", "--to", "PHL")
    assert as_json(*base)["today"]["effect"] == "deny"
    assert as_json(*base, "-a", "JPN-PHL-INFO=in_force")["then"]["effect"] == "oblige"
    assert as_json(*base, "-d", str(accord.draft_path()))["changed"] is True
    relayed = json.dumps({**json.loads(ITEM), "held_under": ["JPN-USA-GSOMIA"]})
    consent = json.dumps(
        {
            "id": "C",
            "lifts": ["JPN-USA-GSOMIA", "Art.6.b"],
            "from": "JPN",
            "to": ["PHL"],
            "valid": {"from": "2026-01-01", "until": "2027-01-01"},
        }
    )
    found = as_json("what-if", "--item", relayed, "--from", "USA", "--to", "PHL", "-c", consent, "--at", "2026-11-22")
    assert (found["today"]["effect"], found["then"]["effect"]) == ("decide", "permit")
    with pytest.raises(ConfigError, match="ACCORD=STATE"):
        run(*base, "-a", "nonsense")


def test_as_of_both_times():
    then = as_json("as-of", "2020-06-01", "--accord", "JPN-KOR-GSOMIA")["accords"][0]
    assert then["state"] == "contested"
    assert "may be ended at any time" in then["conflicts"][0]
    known = as_json("as-of", "2026-06-01", "--known", "2025-01-01", "--accord", "JPN-PHL-RAA")["accords"][0]
    assert known["state"] == "signed"
    assert "as of" in run("as-of", "2026-01-01")


def test_route_names_who_must_sign():
    found = as_json("route", *ASK, "--from", "JPN", "--to", "PHL")["routes"]
    assert [r["path"] for r in found] == [["JPN", "USA", "PHL"]]
    assert found[0]["signatures"] == ["JPN.release_authority"]
    lost = as_json("route", *ASK, "--from", "JPN", "--breaks")["breaks"]
    assert any("PHL" in f["lost"] for f in lost["falls"] if f["name"] == "PHL-USA-GSOMIA")
    assert "JPN > USA > PHL" in run("route", *ASK, "--from", "JPN", "--to", "PHL")


def test_lint_coverage_and_graph():
    assert any(f["code"] == "lint.conflict" for f in as_json("lint")["findings"])
    assert CliRunner().invoke(app, ["lint", "--strict"]).exit_code == 5
    assert {c["accord"] for c in as_json("coverage")["coverage"]} >= {"TISA"}
    assert "TISA" in run("coverage")
    edges = as_json("graph", "--at", "2026-11-22")["edges"]
    pair = next(e for e in edges if e["parties"] == ["JPN", "PHL"])
    assert {"JPN-PHL-INFO": "negotiating"}.items() <= {a["id"]: a["state"] for a in pair["not_in_force"]}.items()
    assert "JPN - PHL" in run("graph")


def test_diff_in_words_and_on_a_picture(tmp_path):
    text = next(p for p in accord.sample_paths() if p.name == "mda-arrangement.yaml").read_text("utf-8")
    new = tmp_path / "new.yaml"
    new.write_text(
        text.replace("grid_deg: 0.05", "grid_deg: 0.2").replace(
            "[vessel, dark_vessel, alert, iuu]", "[vessel, alert, iuu]"
        )
    )
    parts = [p for p in accord.sample_paths() if p.name != "mda-arrangement.yaml"]
    old_args = [a for p in accord.sample_paths() for a in ("--old", str(p))]
    new_args = [a for p in (*parts, new) for a in ("--new", str(p))]
    rows = [
        {
            "item_id": f"track:{i}",
            "kind": "information",
            "subject": "dark_vessel" if i % 2 else "vessel",
            "originator": "PHL",
            "level": "R",
            "purpose": "maritime_safety",
            "lat_deg": 20.0,
            "lon_deg": 121.0,
        }
        for i in range(10)
    ]
    stored = tmp_path / "items.parquet"
    pq.write_table(ITEMS.from_rows(rows), stored)
    found = as_json("diff", *old_args, *new_args, "--picture", str(stored), "--from", "PHL", "--at", "2026-11-22")
    changed = found["text"]["accords"]["changed"]["WP-MDA-ARR"]["clauses"]["changed"]
    assert [c["id"] for c in changed] == ["para.3"]
    assert found["effect"]["change"]["effect"]["JPN"] == {"oblige -> permit": 5}
    assert found["effect"]["change"]["terms_only"]["JPN"] == 5
    with pytest.raises(ConfigError, match="--from"):
        run("diff", *old_args, *new_args, "--picture", str(stored))


def test_words_for_a_person():
    assert "DENY" in run("why", *ASK, "--from", "JPN", "--to", "PHL")
    assert "Nothing is said" in run("why", *ASK, "--from", "JPN", "--to", "PHL", "--recipient")
    assert "accords" in run("check")


def test_bad_input_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match="JSON"):
        run("why", "--item", "{", "--from", "JPN", "--to", "PHL")
    with pytest.raises(InputError, match="caveat"):
        run("why", "--item", '{"caveat": ["NOFORN"]}', "--from", "JPN", "--to", "PHL")
    other = tmp_path / "x.parquet"
    other.write_bytes(b"no")
    with pytest.raises(InputError, match="Parquet"):
        run("dry-run", str(other), "--from", "PHL")
    with pytest.raises(KuroshioError, match="no such file"):
        run("check", str(tmp_path / "none.yaml"))
