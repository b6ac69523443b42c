"""Activities, exercises, equal levels and signatures, on small books written for each."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kuroshio import accord, clock
from kuroshio.accord.signing import sign, signed_by, verify_append, verify_signature
from kuroshio.errors import VerificationError
from kuroshio.schema import Effect
from kuroshio.testing.small_books import IN_FORCE, NOW, PERMIT, ask, book, make, third_party


def exercise_book(kind="exercise"):
    scope = [{"id": "s", "effect": "permit", "when": {"level": {"lte": "C"}}}]
    activity = {
        "id": "DRILL",
        "kind": kind,
        "accord": "AB",
        "participants": ["AAA", "BBB"],
        "area": "box",
        "period": {"from": "2026-06-01", "until": "2026-07-01"},
        "scope": scope,
    }
    box = {"box": {"box": {"south": 10, "north": 20, "west": 110, "east": 120}}}
    return book(
        make("AB", ["AAA", "BBB"], {**PERMIT, "when": {"level": {"lte": "U"}}}), activities=[activity], areas=box
    )


IN_BOX = {"lat_deg": 15.0, "lon_deg": 115.0, "observed_at": NOW, "level": "C"}


def _spoilt(**change):
    scope = [{**PERMIT, **change.pop("clause", {})}]
    span = {"from": "2026-06-01", "until": "2026-07-01"}
    one = {"id": "X", "kind": "patrol", "accord": "AB", "participants": ["AAA", "BBB"], "period": span, "scope": scope}
    return book(make("AB", ["AAA", "BBB"], PERMIT), activities=[{**one, **change}])


@pytest.mark.parametrize(
    ("change", "words"),
    [({"clause": third_party("AAA", "BBB")}, "a tie in the scope of an activity would end with it"),
     ({"clause": {"effect": "duty", "on": "receipt", "notify": "receiver.x", "within": "P1D"}}, "a duty in the scope")],
)  # fmt: skip
def test_a_scope_holds_nothing_that_its_end_would_strip(change, words):
    with pytest.raises(accord.AccordFileError, match=words):
        _spoilt(**change)


def test_scope_widens_within_the_activity_and_expires_with_it():
    held = exercise_book("patrol")
    assert ask(held, "AAA", "BBB", **IN_BOX).cited == "AB DRILL/s"
    assert ask(held, "AAA", "BBB", **{**IN_BOX, "lat_deg": 25.0}).effect is Effect.DENY
    assert ask(held, "AAA", "BBB", **{**IN_BOX, "observed_at": NOW - 60 * 86_400_000_000}).effect is Effect.DENY
    item = {"kind": "information", "subject": "vessel", "originator": "AAA", **IN_BOX}
    after = clock.parse_rfc3339("2026-07-01")
    assert held.evaluate(item, releaser="AAA", to="BBB", valid_at_us=after).effect is Effect.DENY


def test_exercise_data_flows_only_in_an_exercise_and_real_data_not_by_its_scope():
    held = exercise_book()
    assert ask(held, "AAA", "BBB", **IN_BOX, exercise=True).effect is Effect.PERMIT
    assert ask(held, "AAA", "BBB", **IN_BOX).effect is Effect.DENY, "real data, the scope of an exercise"
    low = {**IN_BOX, "level": "U", "lat_deg": 25.0}
    assert ask(held, "AAA", "BBB", **low).effect is Effect.PERMIT
    assert ask(held, "AAA", "BBB", **low, exercise=True).effect is Effect.DENY, "exercise data, a real clause"


def test_equivalence_is_directed_and_never_guessed():
    marks = [
        {"from": "AAA", "mark": "A1", "level": "C", "to": "BBB", "choices": ["B-III"]},
        {"from": "AAA", "mark": "A2", "level": "C", "to": "BBB", "choices": ["B-III"]},
        {"from": "BBB", "mark": "B-III", "level": "C", "to": "AAA", "choices": ["A1", "A2"]},
        {"from": "AAA", "mark": "A3", "level": "S", "to": "BBB", "choices": []},
    ]
    able = [{"code": p, "enforces": ["marking"]} for p in ("AAA", "BBB")]
    held = book(make("AB", ["AAA", "BBB"], PERMIT, equivalence=marks), parties=able)
    assert ask(held, "AAA", "BBB", level="C").obligations.marking == {"B-III"}
    assert ask(held, "AAA", "BBB", level="R").obligations.marking == {"B-III"}, "protected at the next higher"
    back = ask(held, "BBB", "AAA", level="C")
    assert (back.effect, back.role) == (Effect.DECIDE, "AAA.competent_authority")
    assert ask(held, "AAA", "BBB", level="S").effect is Effect.DECIDE
    picked = [{**m, "pick": "A2", "by": "AAA.competent_authority"} if m["from"] == "BBB" else m for m in marks]
    chosen = book(make("AB", ["AAA", "BBB"], PERMIT, equivalence=picked), parties=able)
    assert ask(chosen, "BBB", "AAA", level="C").obligations.marking == {"A2"}


def test_signature_holds_over_content_only_and_versions_only_append():
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes_raw().hex()
    parties = [{"code": p, "keys": [{"office": "treaty_officer", "ed25519": public}]} for p in ("AAA", "BBB")]
    held = book(make("AB", ["AAA", "BBB"], PERMIT), parties=parties)
    line = sign(held, "AB", party="AAA", office="treaty_officer", key=key)
    verify_signature(held, line)
    assert signed_by(held, "AB", [line]) == {"AAA": True, "BBB": False}
    other = book(make("AB", ["AAA", "BBB"], {**PERMIT, "when": {"level": {"lte": "C"}}}), parties=parties)
    for wrong in (
        {**line, "party": "BBB", "signature": "00" * 64},
        {**line, "ed25519": "11" * 32},
        {**line, "party": "CCC"},
    ):
        with pytest.raises(VerificationError):
            verify_signature(held, wrong)
    with pytest.raises(VerificationError, match="not the content"):
        verify_signature(other, line)
    with pytest.raises(VerificationError, match="version"):
        verify_append(held, other, "AB")
    rewritten = book(
        make("AB", ["AAA", "BBB"], PERMIT, status=[{**IN_FORCE[0], "from": "2019-01-01"}]), parties=parties
    )
    with pytest.raises(VerificationError, match="rewritten"):
        verify_append(held, rewritten, "AB")
    newer = book(make("AB", ["AAA", "BBB"], {**PERMIT, "text": "new"}, version=2), parties=parties)
    verify_append(held, newer, "AB")
