# ruff: noqa: E501 - labels read better on one line
"""Labels and shapes of other systems, in and out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from kuroshio import accord, clock
from kuroshio.accord.authzen import evaluation, evaluations
from kuroshio.accord.labels import (
    CLASSIFICATIONS,
    NAMESPACE,
    attributes_of_label,
    binding_xml,
    label_xml,
    parse_rel_to,
    parse_tlp,
    rel_to,
)
from kuroshio.accord.odrl import to_odrl
from kuroshio.errors import InputError, KuroshioError

NOW = clock.parse_rfc3339("2026-11-22")
SPEC = Path(__file__).resolve().parents[2] / "spec" / "labels"
LABEL, BOUND = (xmlschema.XMLSchema(str(SPEC / f"{n}.xsd")) for n in ("confidentiality-label", "binding-information"))
PARTIES = st.sampled_from(["JPN", "PHL", "USA", "AUS"])
ITEM = {"kind": "information", "subject": "vessel", "originator": "PHL", "level": "R", "purpose": "maritime_safety"}


@given(
    st.sampled_from(sorted(CLASSIFICATIONS)),
    PARTIES,
    st.none() | st.lists(PARTIES, unique=True),
    st.lists(st.sampled_from(["NOFORN", "X<&>\"'"]), unique=True),
    st.none() | st.lists(st.sampled_from(["A-B", "B.C"]), unique=True, min_size=1),
)
def test_label_comes_back_as_it_went(level, originator, limit, caveats, held):
    item = {"level": level, "originator": originator, "releasable_to": limit, "caveats": caveats, "held_under": held}
    back = attributes_of_label(label_xml(item, created_us=NOW))
    assert back == {
        "level": level,
        "originator": originator,
        "releasable_to": None if limit is None else sorted(limit),
        "caveats": sorted(caveats),
        "held_under": None if held is None else sorted(held),
    }


def label(inner):
    return f'<a:originatorConfidentialityLabel xmlns:a="{NAMESPACE}"><a:ConfidentialityInformation>{inner}</a:ConfidentialityInformation></a:originatorConfidentialityLabel>'


def test_what_a_label_says_beyond_us_is_never_loosened():
    inner = (
        "<a:PolicyIdentifier>NATO</a:PolicyIdentifier><a:Classification>COSMIC</a:Classification>"
        '<a:Category TagName="Odd" Type="RESTRICTIVE"><a:GenericValue>X1</a:GenericValue></a:Category>'
        '<a:Category TagName="Releasable To" Type="PERMISSIVE"><a:GenericValue>JPN</a:GenericValue></a:Category>'
        '<a:Category TagName="ReleasableTo" Type="PERMISSIVE"><a:CategoryValue>USA</a:CategoryValue></a:Category>'
    )
    found = attributes_of_label(label(inner))
    assert found["level"] is None
    assert found["originator"] is None
    assert found["caveats"] == ["X1"]
    assert found["releasable_to"] == []


@pytest.mark.parametrize(
    "text", ["", "<a/>", "no", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", label("x") * 2, "<a>" + "x" * 70_000]
)
def test_hostile_labels_are_refused(text):
    with pytest.raises(InputError):
        attributes_of_label(text)


@given(st.text(max_size=300))
def test_any_text_is_a_label_or_refused(text):
    for reader in (attributes_of_label, parse_rel_to, parse_tlp):
        try:
            reader(text)
        except KuroshioError:
            continue


def test_rel_to_and_tlp():
    assert parse_rel_to("SECRET//REL TO USA, JPN and PHL") == ["JPN", "PHL", "USA"]
    assert parse_rel_to(rel_to(["PHL", "JPN"])) == ["JPN", "PHL"]
    assert parse_rel_to("SECRET") is None
    with pytest.raises(InputError):
        parse_rel_to("REL TO FVEY")
    assert parse_tlp("TLP:AMBER+STRICT").onward is False
    assert parse_tlp("tlp:white") == parse_tlp("CLEAR")
    with pytest.raises(InputError):
        parse_tlp("TLP:BLUE")


def request(to="JPN", **item):
    resource = {"type": "item", "id": "track:1", "properties": {**ITEM, **item}}
    return {"subject": {"type": "party", "id": to}, "action": {"name": "release"}, "resource": resource}


def test_authzen_is_true_only_for_what_may_go_now():
    book = accord.load(accord.sample_paths())
    ask = {"releaser": "PHL", "now_us": NOW}
    found = evaluation(book, request(), **ask)
    assert found["decision"] is True
    assert found["context"]["obligations"]["grid_deg"] == 0.05
    assert evaluation(book, request("KOR"), **ask)["decision"] is False
    assert evaluation(book, request(level=None), **ask)["context"]["effect"] == "decide"
    before = {**request(), "context": {"time": "2020-01-01"}}
    assert evaluation(book, before, **ask)["decision"] is False
    batch = {
        **request(),
        "evaluations": [{}, {"subject": {"type": "party", "id": "KOR"}}, {"action": {"name": "read"}}, 7],
    }
    answers = evaluations(book, batch, **ask)["evaluations"]
    assert [a["decision"] for a in answers] == [True, False, False, False]
    assert answers[2]["context"]["error"]["code"] == "accord.authzen"
    for wrong in (
        {},
        {**request(), "subject": {"id": "JPN"}},
        {**request(), "resource": {"type": "item", "id": "x", "properties": 3}},
    ):
        with pytest.raises(InputError):
            evaluation(book, wrong, **ask)
    via = {"id": "t", "subject": "dprk_nuclear_missile", "originator": "JPN", "level": "S"}
    del via["id"]
    without = book.assuming({"JPN-KOR-GSOMIA": "terminated"})
    routed = evaluation(without, request("KOR", **via), releaser="JPN", now_us=NOW)
    assert routed["context"]["obligations"] == {"via": "USA"}
    assert routed["decision"] is False


def test_odrl_export_names_every_clause():
    book = accord.load(accord.sample_paths())
    for one in book.content.accords.values():
        found = json.dumps(to_odrl(one))
        assert all(f'"uid": "{c.id}"' in found for c in one.clauses) or not any(c.word == "permit" for c in one.clauses)
        assert "A reading by" in found


@given(
    st.sampled_from(sorted(CLASSIFICATIONS)),
    st.none() | st.lists(PARTIES, unique=True),
    st.lists(st.sampled_from(["NOFORN", "X<&>\"'"]), unique=True),
    st.none() | st.lists(st.sampled_from(["A-B", "B.C"]), unique=True, min_size=1),
)
def test_every_label_written_is_valid_under_the_published_schema(level, limit, caveats, held):
    item = {"level": level, "originator": "PHL", "releasable_to": limit, "caveats": caveats, "held_under": held}
    LABEL.validate(label_xml(item, created_us=NOW + 123_456))
    BOUND.validate(binding_xml(item, uri="https://node.example/tracks/17?at=1&x=2", created_us=NOW))


@pytest.mark.parametrize(
    ("old", "new"),
    [("RESTRICTED<", "COSMIC<"), ('Type="PERMISSIVE"', 'Type="LOOSE"'), ("<s4774:CreationDateTime>2026", "<s4774:CreationDateTime>in 2026"),
     ("PolicyIdentifier", "Policy"), (' TagName="Releasable To"', "")],
)  # fmt: skip
def test_the_schema_refuses_what_is_no_label(old, new):
    text = label_xml({**ITEM, "releasable_to": ["JPN"]}, created_us=NOW)
    assert old in text
    assert LABEL.is_valid(text)
    assert not LABEL.is_valid(text.replace(old, new))
