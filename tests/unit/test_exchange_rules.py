"""At sending: a release goes on the grounds it cites, under terms it fulfils, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kuroshio.exchange import still_allowed
from kuroshio.schema import Citation, Decision, Effect, Obligations

CLAUSE, CONSENT = Citation("SIM", "Art.4"), Citation("CON-1", "", "consent")
TERMS = Obligations(grid_deg=0.1, time_bucket_s=3600, retention_s=600, onward=False)
HEADER: dict[str, Any] = {"accord": "SIM", "consents": [], "obligations": TERMS.as_dict()}
NOW = Decision(Effect.OBLIGE, (CLAUSE,), TERMS, basis="SIM", rules_digest="00" * 32)


def test_the_same_grounds_and_terms_let_it_go() -> None:
    assert still_allowed(HEADER, NOW)
    assert still_allowed(HEADER, replace(NOW, effect=Effect.PERMIT, obligations=Obligations()))
    assert still_allowed({**HEADER, "consents": ["CON-1"]}, replace(NOW, cites=(CLAUSE, CONSENT)))


@pytest.mark.parametrize(
    ("header", "now"),
    [
        ({}, {"effect": Effect.DENY}),
        ({}, {"effect": Effect.DECIDE}),
        ({}, {"basis": "OTHER"}),
        ({"accord": "OTHER"}, {}),
        ({"consents": ["CON-1"]}, {}),  # another clause lets the content go by now: not this release
        ({"consents": ["CON-1", "CON-2"]}, {"cites": (CLAUSE, CONSENT)}),
        ({"consents": ["CON-1"]}, {"cites": (Citation("CON-1", "", "basis"),)}),
        ({}, {"obligations": replace(TERMS, grid_deg=0.5)}),
        ({}, {"obligations": replace(TERMS, delay_s=60)}),
        ({}, {"obligations": replace(TERMS, retention_s=60)}),
        ({}, {"obligations": replace(TERMS, redact=frozenset({"identity"}))}),
        ({}, {"obligations": replace(TERMS, via="IFC")}),
        ({}, {"obligations": replace(TERMS, marking=frozenset({"REL"}))}),
    ],
)
def test_other_grounds_or_stricter_terms_hold_it(header: dict[str, Any], now: dict[str, Any]) -> None:
    assert not still_allowed({**HEADER, **header}, replace(NOW, **now))
