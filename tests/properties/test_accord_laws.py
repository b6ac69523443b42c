"""The laws of decisions over random agreements: ties, caveats, status, consents, order of files, two evaluators."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio import clock
from kuroshio.testing.accord_laws import LAWS, Outcome, history, lively_case, make_case

SEEDS = st.integers(min_value=0, max_value=2**32 - 1)
EXAMPLES = {"terminate": 8, "enter": 8, "order": 4}


@pytest.mark.parametrize("law", [n for n in LAWS if n != "history"])
def test_law_holds(law):
    tried = Outcome()

    @settings(max_examples=EXAMPLES.get(law, 12))
    @given(SEEDS)
    def over(seed):
        nonlocal tried
        outcome = LAWS[law](make_case(clock.generator(seed), 30))
        assert outcome.broken == 0, outcome.example
        tried = tried + outcome

    over()
    assert tried.cases > 300, "too few cases to mean anything"


def test_no_history_strips_a_tie():
    tried = Outcome()

    @settings(max_examples=12)
    @given(SEEDS)
    def over(seed):
        nonlocal tried
        outcome = history(lively_case(clock.generator(seed)), steps=200)
        assert outcome.broken == 0, outcome.example
        tried = tried + outcome

    over()
    assert tried.cases > 600, "too few hops to mean anything"


# cases that once broke a law, kept as they were found
@pytest.mark.parametrize(("law", "seed"), [("caveat", 14), ("compiled", 37), ("terminate", 127)])
def test_once_broken(law, seed):
    case = make_case(clock.generator(seed), 40)
    for name, check in LAWS.items():
        if name in ("tie", law):
            assert check(case).broken == 0
