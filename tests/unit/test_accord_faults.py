# ruff: noqa: E501 - the table of faults reads better a line each
"""Forty seeded faults: each is refused or linted, at the line it stands on."""

from __future__ import annotations

import pytest

from kuroshio import accord, clock

NOW = clock.parse_rfc3339("2026-11-22")

GOOD = """\
levels: {order: [U, R, C, S]}
vocabulary:
  subject: [vessel, alert]
  purpose: [safety, fisheries]
parties:
  - {code: AAA, offices: {release_authority: x, treaty_officer: x}, markings: [ONLY_A], enforces: [marking]}
  - {code: BBB, offices: {release_authority: x, treaty_officer: x}}
  - {code: CCC, offices: {release_authority: x, treaty_officer: x}}
areas:
  box: {box: {south: 10, west: 110, north: 20, east: 120}}
accords:
  - id: A-B
    kinds: [information]
    parties: [AAA, BBB]
    binding: treaty
    interpretation: {by: me, date: 2026-01-01, note: illustrative}
    instruments: [{name: text, signed: 2019-01-01, articles: [Art.1, Art.2]}]
    status:
      - {state: in_force, from: 2020-01-01, recorded: 2020-01-02, source: record, confidence: in_force}
    equivalence:
      - {from: AAA, mark: A-C, level: C, to: BBB, choices: [B-C]}
      - {from: BBB, mark: B-C, level: C, to: AAA, choices: [A-C]}
    coverage:
      - {article: Art.1, treatment: coded, clauses: [Art.1]}
      - {article: Art.2, treatment: human}
    clauses:
      - id: Art.1
        effect: permit
        when: {level: {lte: C}, subject: {in: [vessel]}}
      - id: Art.2
        effect: decide
        by: originator.release_authority
        sticky: true
        survives: true
        answer_within: P3D
        when: {to: {not_in: [AAA, BBB]}}
      - id: Art.3
        effect: oblige
        when: {area: {in: [box]}}
        do: {grid_deg: 0.1, time_bucket_s: 600, redact: [sensor]}
      - {id: Art.4, effect: duty, on: loss, notify: originator, within: P1D}
caveats:
  - {id: N-1, party: AAA, effect: deny, when: {caveats: {in: [ONLY_A]}}}
consents:
  - {id: C-1, lifts: [A-B, Art.2], from: AAA, to: [CCC], valid: {from: 2026-01-01, until: 2027-01-01}, recorded: 2026-01-01}
activities:
  - {id: X-1, kind: patrol, accord: A-B, participants: [AAA, BBB], area: box, period: {from: 2026-01-01, until: 2026-12-31}}
release_orders:
  - {id: O-1, by: AAA.release_authority, party: AAA, to: [BBB], valid: {from: 2026-01-01, until: 2030-01-01}}
"""

# name, text to replace, its replacement, code of the fault
REFUSED = [
    ("misspelt section", "caveats:\n  - {id: N-1", "caveat:\n  - {id: N-1", "accord.unknown_field"),
    ("misspelt field", "    binding: treaty", "    bindng: treaty", "accord.unknown_field"),
    ("misspelt effect", "effect: oblige", "effect: obligate", "accord.schema"),
    ("misspelt operator", "{lte: C}", "{le: C}", "accord.unknown_field"),
    ("misspelt attribute", "{area: {in: [box]}}", "{aera: {in: [box]}}", "accord.unknown_field"),
    ("decide without a role", "        by: originator.release_authority\n", "", "accord.schema"),
    (
        "oblige without terms",
        "        do: {grid_deg: 0.1, time_bucket_s: 600, redact: [sensor]}\n",
        "",
        "accord.schema",
    ),
    ("grid without time bucket", "time_bucket_s: 600, ", "", "accord.schema"),
    ("negative delay", "grid_deg: 0.1, time_bucket_s: 600", "delay_s: -5", "accord.schema"),
    ("unknown redaction", "redact: [sensor]", "redact: [senzor]", "accord.redact"),
    ("level not declared", "{lte: C}", "{lte: X}", "accord.level"),
    ("subject not in the vocabulary", "[vessel]}}", "[vesel]}}", "accord.word"),
    ("area not declared", "{in: [box]}", "{in: [bux]}", "accord.reference"),
    ("party not declared", "    parties: [AAA, BBB]", "    parties: [AAA, BBX]", "accord.reference"),
    ("party code of two letters", "    parties: [AAA, BBB]", "    parties: [AAA, BB]", "accord.schema"),
    ("one party only", "    parties: [AAA, BBB]", "    parties: [AAA]", "accord.schema"),
    ("date that does not exist", "from: 2020-01-01,", "from: 2020-02-31,", "accord.date"),
    ("date of another form", "recorded: 2020-01-02", "recorded: 2 Jan 2020", "accord.schema"),
    ("state unknown", "{state: in_force, from", "{state: inforce, from", "accord.schema"),
    ("clause id twice", "      - id: Art.3", "      - id: Art.1", "accord.duplicate"),
    ("key twice", "    binding: treaty", "    binding: treaty\n    binding: arrangement", "accord.duplicate_key"),
    ("not YAML", "    kinds: [information]", "    kinds: [information", "accord.yaml"),
    ("alias", "    kinds: [information]", "    kinds: *k", "accord.yaml"),
    (
        "requires what is not there",
        "    binding: treaty",
        "    binding: treaty\n    requires: [B-C]",
        "accord.reference",
    ),
    ("national rule inside an accord", "{area: {in: [box]}}", "{from: {eq: AAA}}", "accord.national_rule"),
    ("national marking inside an accord", "{area: {in: [box]}}", "{caveats: {in: [ONLY_A]}}", "accord.national_rule"),
    ("consent to no clause", "lifts: [A-B, Art.2]", "lifts: [A-B, Art.9]", "accord.reference"),
    ("consent to a permit", "lifts: [A-B, Art.2]", "lifts: [A-B, Art.1]", "accord.consent"),
    ("period that ends before it starts", "until: 2027-01-01}, rec", "until: 2025-01-01}, rec", "accord.period"),
    ("sticky permit", "        effect: permit\n", "        effect: permit\n        sticky: true\n", "accord.tie"),
    ("survives without sticky", "        sticky: true\n        survives", "        survives", "accord.schema"),
    ("equivalence for a stranger", "level: C, to: BBB", "level: C, to: CCC", "accord.reference"),
    ("box upside down", "south: 10, west", "south: 30, west", "accord.area"),
]
LINTED = [
    ("unreachable clause", "when: {level: {lte: C}, ", "when: {level: {lte: C, gt: C}, ", "lint.unreachable"),
    ("tie without a role", "effect: decide\n        by: originator.release_authority", "effect: deny", "lint.tie_role"),
    ("tie that does not survive", "        survives: true\n", "", "lint.tie_survival"),
    ("duty without a clock", "notify: originator, within: P1D", "notify: originator", "lint.duty_clock"),
    ("status gap: notice that never ends", "{state: in_force, from", "{state: notice, from", "lint.status_gap"),
    (
        "equivalence gap",
        "      - {from: BBB, mark: B-C, level: C, to: AAA, choices: [A-C]}\n",
        "",
        "lint.equivalence_gap",
    ),
    ("office nobody holds", "by: originator.release_authority", "by: originator.releas_authority", "lint.office"),
    ("no permit at all", "        effect: permit\n", "        effect: deny\n", "lint.no_permit"),
    ("article in no coverage", "      - {article: Art.2, treatment: human}\n", "", "lint.coverage"),
    ("marking without a caveat", "markings: [ONLY_A]", "markings: [ONLY_A, ONLY_X]", "lint.marking"),
    ("order to a stranger", "party: AAA, to: [BBB]", "party: AAA, to: [CCC]", "lint.order"),
    ("participant who is no party", "participants: [AAA, BBB]", "participants: [AAA, CCC]", "lint.activity"),
    ("requires itself", "    binding: treaty", "    binding: treaty\n    requires: [A-B]", "lint.cycle"),
    (
        "overlapping consents",
        "activities:",
        "  - {id: C-2, lifts: [A-B, Art.2], from: AAA, to: [CCC], valid: {from: 2026-06-01, until: 2028-01-01}, recorded: 2026-01-01}\nactivities:",
        "lint.overlap",
    ),
    (
        "clause that adds nothing",
        "      - id: Art.2\n",
        "      - {id: Art.1b, effect: permit, when: {level: {lte: C}, subject: {in: [vessel]}, age_s: {lt: 60}}}\n      - id: Art.2\n",
        "lint.idle_clause",
    ),
]


def changed_lines(old: str, new: str) -> set[int]:
    """Lines of the faulty text that the change touches, and the one before and after a removal."""
    text = GOOD.replace(old, new, 1)
    at = GOOD.index(old)
    first = GOOD[:at].count("\n") + 1
    return set(range(first, first + text[at : at + len(new)].count("\n") + 2))


def enclosing(lines: set[int]) -> set[int]:
    """The lines, and those of the mappings they stand in: a missing field is told at the start of its entry."""
    return lines | {line - back for line in lines for back in range(1, 12)}


def test_there_are_forty():
    assert len(REFUSED) + len(LINTED) >= 40


def test_the_good_file_is_good():
    book = accord.parse({"good.yaml": GOOD})
    assert [f for f in accord.lint(book, now_us=NOW) if f.severity == "warning"] == []


@pytest.mark.parametrize(("name", "old", "new", "code"), REFUSED, ids=[r[0] for r in REFUSED])
def test_refused_with_its_place(name, old, new, code):
    assert old in GOOD
    with pytest.raises(accord.AccordFileError) as caught:
        accord.parse({"bad.yaml": GOOD.replace(old, new, 1)})
    named = [f for f in caught.value.faults if f.code == code]
    assert named, [str(f) for f in caught.value.faults]
    exact = code in (
        "accord.unknown_field",
        "accord.level",
        "accord.word",
        "accord.redact",
        "accord.date",
        "accord.duplicate_key",
    )
    places = changed_lines(old, new)
    assert any(f.line in (places if exact else enclosing(places)) for f in named), (places, [str(f) for f in named])
    assert all(f.file == "bad.yaml" and f.column >= 1 for f in named)


@pytest.mark.parametrize(("name", "old", "new", "code"), LINTED, ids=[r[0] for r in LINTED])
def test_linted_with_its_place(name, old, new, code):
    assert old in GOOD
    book = accord.parse({"odd.yaml": GOOD.replace(old, new, 1)})
    named = [f for f in accord.lint(book, now_us=NOW) if f.code == code and f.severity == "warning"]
    assert named, [str(f) for f in accord.lint(book, now_us=NOW)]
    assert any(f.line in enclosing(changed_lines(old, new)) for f in named), [str(f) for f in named]


def test_offending_value_and_nearest_word_are_shown():
    with pytest.raises(accord.AccordFileError) as caught:
        accord.parse({"bad.yaml": GOOD.replace("{in: [vessel]}", "{in: [vesel]}")})
    assert "'vesel'" in str(caught.value)
    assert "'vessel'" in str(caught.value)


def test_words_that_other_yaml_reads_as_truth_stay_words():
    text = GOOD.replace("[vessel, alert]", "[vessel, alert, on, no, 'off']")
    assert {"on", "no", "off"} <= accord.parse({"f.yaml": text}).content.vocabulary["subject"]


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "a: &x [1]\nb: *x", "\x00", "a: !!python/name:os.system x", "{" * 5000]
)
def test_hostile_text_is_refused_not_run(text):
    if not text:
        assert accord.parse({"f.yaml": text}).content.accords == {}
        return
    with pytest.raises(accord.AccordFileError):
        accord.parse({"f.yaml": text})


def test_too_large_is_refused():
    with pytest.raises(accord.AccordFileError, match="larger"):
        accord.parse({"f.yaml": "# " + "x" * (2 * 1024 * 1024)})
