"""What a pack of a rule's alert holds beside the rows, and the alert made again from it.

What enters: an alert that a rule raised. What leaves: the rule as it asked, the alerts it was raised of with the grade
each had, and the ship types it saw; and from these and what the definitions find in the rows, the rule's alerts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from kuroshio import schema
from kuroshio.behaviour.ledger import fold
from kuroshio.behaviour.rulebook import RuleBook
from kuroshio.behaviour.rules import PREFIX, parse_rule
from kuroshio.behaviour.ruling import Ruling
from kuroshio.geo.zones import Zones

Row = dict[str, Any]


def is_of_rule(alert: Mapping[str, Any]) -> bool:
    """True for an alert that a rule raised."""
    return str(alert["definition"]).startswith(PREFIX)


def definitions_of(alert: Mapping[str, Any]) -> list[str]:
    """Definitions an alert rests on: its own, or those of the alerts that its rule raised it of."""
    if not is_of_rule(alert):
        return [str(alert["definition"])]
    return sorted({str(of["definition"]) for of in json.loads(alert["evidence"])["raised_of"]})


def rule_part(alert: Mapping[str, Any], rows: pa.Table) -> dict[str, Any]:
    """What a pack says of the rule; ``rows`` tell the types of ships that the evidence does not."""
    evidence = json.loads(alert["evidence"])
    types = {str(n): kind for n, kind in types_of(rows).items()} | evidence["rule"]["ship_types"]
    return {
        "rule": evidence["rule"]["asks"],
        "grades": {str(of["alert_id"]): str(of["grade"]) for of in evidence["raised_of"]},
        "ship_types": dict(sorted(types.items())),
    }


def alerts_of_rule(part: Mapping[str, Any], found: Sequence[Row], zones: Zones | None) -> list[Row]:
    """Alerts that the rule of a pack raises of those found among the ones it rested on."""
    ruling = Ruling(RuleBook.of([parse_rule(part["rule"], "rule of the pack")]), zones)
    ruling.types.update({int(n): int(kind) for n, kind in part["ship_types"].items()})
    grades: Mapping[str, str] = part["grades"]
    mine = [row | {"grade": grades[row["alert_id"]]} for row in found if row["alert_id"] in grades]
    raised: list[Row] = fold(schema.ALERTS.from_rows(ruling.step(mine)[0])).to_pylist()
    return raised


def types_of(rows: pa.Table) -> dict[int, int]:
    """Ship type by MMSI, as rows tell it last."""
    if not {"mmsi", "ship_type"} <= set(rows.column_names):
        return {}
    told = rows.select(["mmsi", "ship_type"]).drop_null()
    last = told.group_by("mmsi", use_threads=False).aggregate([("ship_type", "last")])
    return dict(zip(last["mmsi"].to_pylist(), last["ship_type_last"].to_pylist(), strict=True))
