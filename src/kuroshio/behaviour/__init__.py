"""Behaviour: tracks in, alerts with evidence out.

What enters: TRACKS rows (live, in any batches) or POSITIONS (archive), definitions as data, zones. What leaves: ALERTS
rows, each a change of an alert: open, extend, close, revise or void, with its grade and its evidence. It deliberately
has no clock and reads no feed; it does not judge who may see an alert, and it never deletes one.
"""

from __future__ import annotations

import pyarrow as pa

from kuroshio.behaviour import gates
from kuroshio.behaviour.archive import archive_fixes, detect
from kuroshio.behaviour.definition import Definition, Definitions, Threshold, load_definitions
from kuroshio.behaviour.engine import Engine
from kuroshio.behaviour.ledger import fold
from kuroshio.behaviour.norms import Norms
from kuroshio.behaviour.norms import build as _build
from kuroshio.behaviour.norms import load as load_norms
from kuroshio.behaviour.segment import split_identities
from kuroshio.behaviour.statics import with_statics
from kuroshio.geo.zones import Zone, Zones, load_zones

__all__ = [
    "Definition",
    "Definitions",
    "Engine",
    "Norms",
    "Threshold",
    "Zone",
    "Zones",
    "build_norms",
    "detect",
    "fold",
    "gate_counts",
    "gates",
    "load_definitions",
    "load_norms",
    "load_zones",
    "split_identities",
    "warm_up",
    "with_statics",
]


def build_norms(rows: pa.Table) -> Norms:
    """Coverage and traffic learned from POSITIONS or TRACKS, in any order."""
    return _build(archive_fixes(rows))


def gate_counts(rows: pa.Table, zones: Zones | None) -> pa.Table:
    """Ships through each gate by day and kind (`gates.count`), of POSITIONS or TRACKS in any order."""
    return gates.count(archive_fixes(rows), zones)


def warm_up() -> None:
    """Compile every kernel on a tiny input, so that the first batch of a live node is not slow."""
    from kuroshio.behaviour.warm import run_once

    run_once()
