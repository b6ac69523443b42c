"""The data dictionary: every table that stages hand to one another, and the values of a decision.

Stages never import one another; they meet here. `TABLES` lists all tables by name; `kuroshio schema` prints them.
"""

from __future__ import annotations

from kuroshio.schema.core import Column, Table, as_type, concat
from kuroshio.schema.decision import Citation, Decision, Effect, Obligations, Reason
from kuroshio.schema.picture import (
    ALERTS,
    COVERAGE_CELLS,
    EVENTS,
    FLAG_CONFLICT,
    FLAG_DARK,
    FLAG_DRAG,
    FLAG_UNCORROBORATED,
    FOOTPRINTS,
    ITEMS,
    LINKS,
    OBSERVATIONS,
    REGISTRY,
    TIED_TRACKS,
    TRACKS,
)
from kuroshio.schema.radar import RADAR_STATUS, RADAR_VIDEO
from kuroshio.schema.reports import (
    AIDS,
    BASE_STATIONS,
    BINARY,
    MANAGEMENT,
    POSITIONS,
    RECEPTIONS,
    REJECTS,
    REPORT_TABLES,
    SAFETY,
    STATICS,
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        *REPORT_TABLES, RADAR_STATUS, RADAR_VIDEO, FOOTPRINTS, OBSERVATIONS, TRACKS, TIED_TRACKS, EVENTS, LINKS,
        REGISTRY, COVERAGE_CELLS, ALERTS, ITEMS,
    )
}  # fmt: skip

__all__ = [
    "AIDS",
    "ALERTS",
    "BASE_STATIONS",
    "BINARY",
    "COVERAGE_CELLS",
    "EVENTS",
    "FLAG_CONFLICT",
    "FLAG_DARK",
    "FLAG_DRAG",
    "FLAG_UNCORROBORATED",
    "FOOTPRINTS",
    "ITEMS",
    "LINKS",
    "MANAGEMENT",
    "OBSERVATIONS",
    "POSITIONS",
    "RADAR_STATUS",
    "RADAR_VIDEO",
    "RECEPTIONS",
    "REGISTRY",
    "REJECTS",
    "REPORT_TABLES",
    "SAFETY",
    "STATICS",
    "TABLES",
    "TIED_TRACKS",
    "TRACKS",
    "Citation",
    "Column",
    "Decision",
    "Effect",
    "Obligations",
    "Reason",
    "Table",
    "as_type",
    "concat",
]
