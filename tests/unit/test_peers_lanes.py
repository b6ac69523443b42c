"""The lanes of the peer session and the kinds of the exchange name the same protocol statements."""

from __future__ import annotations

from kuroshio.exchange.records import CONTROL_KINDS, RECORD_KINDS
from kuroshio.peers import Lane, lane_of


def test_what_exchange_seals_without_a_decision_goes_on_the_control_lane_and_nothing_else_does() -> None:
    kinds = (*CONTROL_KINDS, *RECORD_KINDS, "tracks", "alerts")
    assert {kind for kind in kinds if lane_of(kind) is Lane.CONTROL} == set(CONTROL_KINDS)
