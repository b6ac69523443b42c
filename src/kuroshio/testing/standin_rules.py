"""Rules of the stand-in node: the real desk over a store of its own that goes with the process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from kuroshio.behaviour import load_definitions
from kuroshio.node.rules import RuleDesk
from kuroshio.schema import ALERTS, STATICS
from kuroshio.store import Operations, url_of

RULE = {
    "id": "bank-at-night",
    "title": "Night meeting on the bank",
    "behaviours": ["encounter", "encounter_short"],
    "flags": [412, 525],
    "hours_utc": [10, 22],
    "severity": "alarm",
    "max_per_day": 20,
}


def desk(now_us: Callable[[], int]) -> RuleDesk:
    """A desk with one rule that is on, and one that was only proposed."""
    folder = tempfile.TemporaryDirectory(prefix="standin-rules-")
    operations = Operations(url_of(Path(folder.name)), now_us=1)
    made = RuleDesk(
        load_definitions(), None, [], operations=operations, statics=lambda *_: STATICS.empty(), now_us=now_us
    )
    made.folder = folder  # type: ignore[attr-defined]  # goes when the desk goes
    made.recover()
    made.step(ALERTS.empty())
    made.propose(RULE, by="pat")
    made.rehearse(RULE["id"], by="pat")  # type: ignore[arg-type]
    made.switch(RULE["id"], "active", by="pat")  # type: ignore[arg-type]
    made.propose(RULE | {"id": "any-tanker", "title": "Tanker stops", "ship_types": [8]}, by="pat")
    return made
