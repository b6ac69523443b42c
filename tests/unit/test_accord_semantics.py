"""The ten semantic points of the design, one by one, on small books written for each."""

from __future__ import annotations

import pytest

from kuroshio import accord
from kuroshio.errors import AccordError, InputError
from kuroshio.schema import Effect
from kuroshio.testing.small_books import IN_FORCE, NOW, PERMIT, ask, book, make, third_party


def test_a_required_treaty_counts_as_all_its_parties_read_it():
    """An arrangement between two ends is in doubt when a third party reads the treaty under it as suspended."""
    read = [{**IN_FORCE[0], "views": {"CCC": {"state": "suspended"}}}]
    held = book(
        make("AC", ["AAA", "CCC"], PERMIT, status=read),
        make("ARR", ["AAA", "BBB", "CCC"], PERMIT, binding="arrangement", requires=["AC"]),
    )
    assert ask(held, "AAA", "BBB").effect is Effect.DECIDE
    assert ask(held, "AAA", "CCC").effect is Effect.DECIDE


# 1 ties


def test_tie_follows_every_hop_and_an_arrangement_without_ties_does_not_strip_it():
    held = book(
        make("AB", ["AAA", "BBB"], PERMIT, third_party("AAA", "BBB")),
        make("ABC", ["AAA", "BBB", "CCC"], PERMIT, binding="arrangement"),
    )
    first = ask(held, "AAA", "BBB")
    assert first.held_under == ("AB",)
    only_arrangement = held.assuming({"AB": "contested"})
    relayed = ask(only_arrangement, "AAA", "BBB")
    assert relayed.basis == "ABC"
    assert relayed.held_under == ("AB", "ABC"), "the bilateral of the pair goes along"
    onward = ask(held, "BBB", "CCC", originator="AAA", held_under=list(relayed.held_under))
    assert (onward.effect, onward.role) == (Effect.DECIDE, "AAA.release_authority")


def test_arrangement_brings_the_treaty_it_requires():
    held = book(
        make("AB", ["AAA", "BBB"], PERMIT, third_party("AAA", "BBB")),
        make("ABC", ["AAA", "BBB", "CCC"], PERMIT, binding="arrangement", requires=["AB"]),
    )
    assert "ABC" not in ask(held, "AAA", "CCC").held_under[1:]
    assert ask(held.assuming({"AB": "terminated"}), "AAA", "CCC").effect is Effect.DENY


def test_a_derived_product_is_asked_of_the_other_parties_of_the_tie():
    held = book(make("AB", ["AAA", "BBB"], PERMIT, third_party("AAA", "BBB")), make("BC", ["BBB", "CCC"], PERMIT))
    fused = ask(held, "BBB", "CCC", originator="BBB", held_under=["AB"])
    assert (fused.effect, fused.role) == (Effect.DECIDE, "AAA.release_authority")
    own_word = consent("AB", "third", "BBB", ["CCC"])
    assert ask(held.with_consent(own_word), "BBB", "CCC", originator="BBB", held_under=["AB"]).effect is Effect.DECIDE
    theirs = consent("AB", "third", "AAA", ["CCC"])
    assert ask(held.with_consent(theirs), "BBB", "CCC", originator="BBB", held_under=["AB"]).effect is Effect.PERMIT


def test_tie_of_an_accord_without_file_is_decided():
    held = book(make("BC", ["BBB", "CCC"], PERMIT))
    found = ask(held, "BBB", "CCC", originator="AAA", held_under=["LOST"])
    assert (found.effect, found.role) == (Effect.DECIDE, "BBB.treaty_officer")


# 2 caveats


def test_caveat_always_applies_also_to_what_was_fused_from_another_party():
    marks = {"parties": [{"code": p, "markings": ["NOFORN"]} for p in ("AAA", "BBB", "CCC")]}
    caveat = {"id": "N", "party": "AAA", "effect": "deny", "when": {"caveats": {"in": ["NOFORN"]}}}
    held = book(make("AB", ["AAA", "BBB"], PERMIT), make("BC", ["BBB", "CCC"], PERMIT), caveats=[caveat], **marks)
    assert ask(held, "BBB", "CCC", caveats=["NOFORN"]).effect is Effect.PERMIT, "a mark of another party's rule"
    fused = ask(held, "BBB", "CCC", originator="BBB", held_under=["AB"], caveats=["NOFORN"])
    assert (fused.effect, fused.cited) == (Effect.DENY, "AAA N")
    assert ask(held, "BBB", "CCC", caveats=["WHAT"]).effect is Effect.DECIDE, "a marking nobody declares"


# 3 bases


def test_inside_a_basis_the_worst_wins_between_bases_the_least_restrictive():
    deny = {"id": "d", "effect": "deny", "when": {"subject": {"in": ["vessel"]}}}
    oblige = {"id": "o", "effect": "oblige", "do": {"delay_s": 60}}
    held = book(make("X1", ["AAA", "BBB"], PERMIT, oblige, deny), make("X2", ["AAA", "BBB"], PERMIT, oblige))
    found = ask(held, "AAA", "BBB")
    assert (found.effect, found.basis) == (Effect.OBLIGE, "X2")
    free = make("Z9", ["AAA", "BBB"], PERMIT, binding="arrangement")
    assert ask(held_with(held, free), "AAA", "BBB").basis == "Z9", "the lesser effect first"
    lighter = make(
        "A0", ["AAA", "BBB"], PERMIT, {"id": "o", "effect": "oblige", "do": {"delay_s": 30}}, binding="arrangement"
    )
    assert ask(held_with(held, lighter), "AAA", "BBB").basis == "X2", "then treaty before arrangement"
    lighter_treaty = {**lighter, "binding": "treaty", "id": "Z0"}
    assert ask(held_with(held, lighter_treaty), "AAA", "BBB").basis == "Z0", "then the lighter terms"


def held_with(held, more):
    return book(*held.entries["accords"].values(), more)


# 4 no basis; a consent is no basis


def test_no_basis_is_denied_and_a_consent_makes_none():
    held = book(make("AB", ["AAA", "BBB"], PERMIT, third_party("AAA", "BBB")), make("CD", ["CCC", "DDD"], PERMIT))
    found = ask(held, "BBB", "CCC", originator="AAA", held_under=["AB"])
    assert (found.effect, found.cited) == (Effect.DENY, "no accord in force")
    given = held.with_consent(consent("AB", "third", "AAA", ["CCC"]))
    assert ask(given, "BBB", "CCC", originator="AAA", held_under=["AB"]).effect is Effect.DENY


def consent(owner, clause, from_, to, **more):
    valid = {"from": "2026-01-01", "until": "2027-01-01"}
    return {"id": "C-1", "lifts": [owner, clause], "from": from_, "to": to, "valid": valid, **more}


# 5 obligations join


def test_obligations_join_to_the_strictest_and_two_vias_are_decided():
    one = {
        "id": "a",
        "effect": "oblige",
        "do": {"grid_deg": 0.1, "time_bucket_s": 60, "redact": ["sensor"], "retention_s": 9},
    }
    two = {
        "id": "b",
        "effect": "oblige",
        "do": {"grid_deg": 0.05, "time_bucket_s": 600, "redact": ["name"], "retention_s": 5},
    }
    able = [{"code": p, "enforces": ["retention"]} for p in ("AAA", "BBB")]
    terms = ask(book(make("AB", ["AAA", "BBB"], PERMIT, one, two), parties=able), "AAA", "BBB").obligations
    assert (terms.grid_deg, terms.time_bucket_s, terms.retention_s) == (0.1, 600, 5)
    assert terms.redact == {"sensor", "name"}
    vias = [{"id": v, "effect": "oblige", "do": {"via": v}} for v in ("CCC", "DDD")]
    found = ask(book(make("AB", ["AAA", "BBB"], PERMIT, *vias)), "AAA", "BBB")
    assert found.effect is Effect.DECIDE
    assert any("via" in r.text for r in found.reasons)


def test_purposes_that_exclude_one_another_leave_nothing():
    limits = [{"id": p, "effect": "oblige", "do": {"purpose": [p]}} for p in ("safety", "fisheries")]
    able = [{"code": p, "enforces": ["purpose"]} for p in ("AAA", "BBB")]
    assert ask(book(make("AB", ["AAA", "BBB"], PERMIT, *limits), parties=able), "AAA", "BBB").effect is Effect.DENY


# 6 missing; unenforceable


@pytest.mark.parametrize("missing", ["subject", "level", "purpose", "observed_at", "lat_deg", "sensors"])
def test_a_missing_attribute_is_decided_and_named(missing):
    when = {
        "subject": {"in": ["vessel"]},
        "level": {"lte": "R"},
        "purpose": {"in": ["safety"]},
        "age_s": {"lt": 600},
        "area": {"in": ["box"]},
        "sensors": {"in": ["radar"]},
    }
    box = {"box": {"box": {"south": 0, "north": 9, "west": 0, "east": 9}}}
    held = book(make("AB", ["AAA", "BBB"], {**PERMIT, "when": when}), areas=box)
    whole = {"observed_at": NOW, "lat_deg": 1.0, "lon_deg": 1.0, "sensors": ["radar"]}
    assert ask(held, "AAA", "BBB", **whole).effect is Effect.PERMIT
    found = ask(held, "AAA", "BBB", **{**whole, missing: None})
    named = {"observed_at": "age_s", "lat_deg": "area"}.get(missing, missing)
    assert found.effect is Effect.DECIDE
    assert any(named in r.text for r in found.reasons)


def test_a_misspelt_attribute_is_refused_not_ignored():
    held = book(make("AB", ["AAA", "BBB"], PERMIT))
    with pytest.raises(InputError, match="caveat"):
        ask(held, "AAA", "BBB", caveat=["NOFORN"])


@pytest.mark.parametrize("do", [{"retention_s": 5}, {"onward": False}, {"purpose": ["safety"]}, {"marking": ["X"]}])
def test_what_the_receiver_cannot_enforce_is_denied(do):
    clause = {"id": "o", "effect": "oblige", "do": do}
    assert ask(book(make("AB", ["AAA", "BBB"], PERMIT, clause)), "AAA", "BBB").effect is Effect.DENY
    able = [{"code": p, "enforces": ["retention", "onward", "purpose", "marking"]} for p in ("AAA", "BBB")]
    assert ask(book(make("AB", ["AAA", "BBB"], PERMIT, clause), parties=able), "AAA", "BBB").effect is Effect.OBLIGE


# 7 status


@pytest.mark.parametrize("state", ["contested", "suspended"])
def test_doubtful_status_is_decided_by_the_treaty_officer(state):
    status = [*IN_FORCE, {"state": state, "from": "2025-01-01", "recorded": "2025-01-01", "confidence": "contested"}]
    found = ask(book(make("AB", ["AAA", "BBB"], PERMIT, status=status)), "AAA", "BBB")
    assert (found.effect, found.role) == (Effect.DECIDE, "AAA.treaty_officer")


def test_termination_loosens_no_tie_whether_it_says_that_it_survives_or_not():
    tie = {"id": "t", "effect": "oblige", "sticky": True, "do": {"delay_s": 60}}
    held = book(make("AB", ["AAA", "BBB"], PERMIT, tie), make("BC", ["BBB", "CCC"], PERMIT))
    before = ask(held, "BBB", "CCC", originator="AAA", held_under=["AB"])
    assert before.effect is Effect.OBLIGE
    after = ask(held.assuming({"AB": "terminated"}), "BBB", "CCC", originator="AAA", held_under=["AB"])
    assert (after.effect, after.role) == (Effect.DECIDE, "AAA.treaty_officer")
    surviving = book(make("AB", ["AAA", "BBB"], PERMIT, {**tie, "survives": True}), make("BC", ["BBB", "CCC"], PERMIT))
    kept = ask(surviving.assuming({"AB": "terminated"}), "BBB", "CCC", originator="AAA", held_under=["AB"])
    assert kept.effect is Effect.OBLIGE


def test_status_differs_by_party():
    views = {"CCC": {"state": "signed", "says": "not ratified"}}
    status = [{**IN_FORCE[0], "views": views}]
    held = book(make("ABC", ["AAA", "BBB", "CCC"], PERMIT, status=status))
    assert ask(held, "AAA", "BBB").effect is Effect.PERMIT
    assert ask(held, "AAA", "CCC").effect is Effect.DENY


def test_a_report_of_suspension_against_an_act_leaves_it_contested():
    rumour = {"state": "suspended", "from": "2026-01-01", "recorded": "2026-01-02", "confidence": "reported"}
    assert (
        ask(book(make("AB", ["AAA", "BBB"], PERMIT, status=[*IN_FORCE, rumour])), "AAA", "BBB").effect is Effect.DECIDE
    )
    only_rumoured = [{**IN_FORCE[0], "confidence": "reported"}]
    assert ask(book(make("AB", ["AAA", "BBB"], PERMIT, status=only_rumoured)), "AAA", "BBB").effect is Effect.DECIDE


# 8 answers


def test_consent_lifts_what_it_names_and_a_refusal_denies():
    held = book(make("AB", ["AAA", "BBB"], PERMIT, third_party("AAA", "BBB")), make("BC", ["BBB", "CCC"], PERMIT))

    def with_(**more):
        given = held.with_consent(consent("AB", "third", "AAA", ["CCC"], **more))
        return ask(given, "BBB", "CCC", originator="AAA", held_under=["AB"])

    assert with_().effect is Effect.PERMIT
    assert with_(when={"subject": {"in": ["alert"]}}).effect is Effect.DECIDE
    assert with_(answer="refuse").effect is Effect.DENY
    assert with_(recorded="2026-12-01").effect is Effect.DECIDE, "not yet known"
    assert with_(do={"delay_s": 60}).obligations.delay_s == 60
    expired = {"from": "2025-01-01", "until": "2026-01-01"}
    assert with_(valid=expired).effect is Effect.DECIDE, "silence is not consent"


def test_answers_are_made_of_the_decision_for_one_thing_and_no_more():
    held = book(make("AB", ["AAA", "BBB"], PERMIT, third_party("AAA", "BBB")), make("BC", ["BBB", "CCC"], PERMIT))
    asked = {"originator": "AAA", "held_under": ["AB"], "item_id": "track:1"}
    decision = ask(held, "BBB", "CCC", **asked)
    kwargs = {"item_id": "track:1", "to": "CCC", "from_us": NOW, "until_us": NOW + 86_400_000_000, "by": "AAA:officer"}
    assert accord.answers(decision, party="BBB", **kwargs) == []
    given = accord.answers(decision, party="AAA", **kwargs)
    assert len(given) == 1
    after = held.with_consent(given[0])
    assert ask(after, "BBB", "CCC", **asked).effect is Effect.PERMIT
    assert ask(after, "BBB", "CCC", **{**asked, "item_id": "track:2"}).effect is Effect.DECIDE
    refused = accord.answers(decision, party="AAA", grant=False, note="not now", **kwargs)
    assert ask(held.with_consent(refused[0]), "BBB", "CCC", **asked).effect is Effect.DENY
    unknown = book(make("AB", ["AAA", "BBB"], {**PERMIT, "when": {"level": {"lte": "R"}}}))
    missing = ask(unknown, "AAA", "BBB", level=None)
    assert missing.effect is Effect.DECIDE
    assert accord.answers(missing, party="AAA", **kwargs) == [], "an attribute is wanted, not a consent"


# 9 derived products


def test_a_product_carries_the_union_of_ties_the_highest_level_and_the_narrowest_releasability():
    one = {"originator": "AAA", "level": "R", "held_under": ["AB"], "releasable_to": ["BBB", "CCC"], "caveats": ["X"]}
    two = {"originator": "BBB", "level": "C", "held_under": [], "releasable_to": ["CCC", "DDD"], "caveats": None}
    found = accord.derive([one, two], by="BBB", item_id="f:1", subject="vessel")
    assert found["held_under"] == ["AB"]
    assert (found["level"], found["originator"]) == ("C", "BBB")
    assert (found["releasable_to"], found["caveats"]) == (["CCC"], ["X"])
    unknown = accord.derive([{**one, "held_under": None}, two], by="BBB")
    assert (
        ask(book(make("BC", ["BBB", "CCC"], PERMIT)), "BBB", "CCC", held_under=unknown["held_under"]).effect
        is Effect.DECIDE
    )
    assert accord.derive([{**one, "level": "?"}, two], by="BBB")["level"] is None
    with pytest.raises(AccordError, match="inherits"):
        accord.derive([one], by="BBB", level="U")
    with pytest.raises(AccordError, match="exercise"):
        accord.derive([{**one, "exercise": True}, two], by="BBB")


# 10 nothing obliges a party to share


def test_without_a_standing_order_nothing_is_ordered():
    item = {"kind": "information", "subject": "vessel", "originator": "AAA", "level": "U"}
    held = book(make("AB", ["AAA", "BBB"], PERMIT))
    assert held.ordered(item, releaser="AAA", to="BBB", valid_at_us=NOW) is None
    valid = {"from": "2026-01-01", "until": "2027-01-01"}
    order = {"id": "O", "by": "AAA.release_authority", "party": "AAA", "to": ["BBB"], "valid": valid}
    ordered = held.with_entries("release_orders", [{**order, "when": {"level": {"lte": "U"}}}])
    assert ordered.ordered(item, releaser="AAA", to="BBB", valid_at_us=NOW).id == "O"
    assert ordered.ordered({**item, "level": "R"}, releaser="AAA", to="BBB", valid_at_us=NOW) is None
    assert ordered.ordered({**item, "level": None}, releaser="AAA", to="BBB", valid_at_us=NOW) is None
    assert ordered.ordered(item, releaser="BBB", to="AAA", valid_at_us=NOW) is None


# activities and exercises


# level equivalence


# signatures
