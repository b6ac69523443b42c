"""Facts into alerts: an append-only ledger of open, extend, close, revise and void.

Every row says when the thing happened and when this node knew. Nothing is deleted: `fold` over all rows known at a time
gives what the watch saw at that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import schema
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.evidence import Writer, alert_id, summary
from kuroshio.behaviour.state import Fact
from kuroshio.geo.zones import Zones

GRADES = ("provisional", "confirmed", "final")


@dataclass(frozen=True)
class Standing:
    """What the ledger last said of an alert."""

    fact: Fact
    grade: int


class Ledger:
    """Alerts that are not final yet, and the rows that a new view of the facts adds."""

    def __init__(self, definitions: Definitions, zones: Zones | None) -> None:
        self.definitions, self.zones = definitions, zones
        self.writers: dict[str, Writer] = {}
        self.standing: dict[str, Standing] = {}
        self.finished: dict[str, int] = {}  # final alerts and when they ended, so that none is told twice

    def id_of(self, fact: Fact) -> str:
        """Alert id of a fact."""
        return alert_id(self.definitions[fact.definition], fact)

    def update(self, view: Mapping[str, tuple[Fact, int]], now_us: int) -> list[dict[str, Any]]:
        """Rows that bring the ledger to facts as they stand, by alert id, with their grade; others stay as they are."""
        rows: list[dict[str, Any]] = []
        for name, (fact, grade) in view.items():
            if name in self.finished:
                continue
            was = self.standing.get(name)
            if was is None:
                if fact.end_us is not None:
                    rows.append(self._row(name, fact._replace(end_us=None), grade, "open", now_us))
                rows.append(self._row(name, fact, grade, "open" if fact.end_us is None else "close", now_us))
            elif was.fact != fact:
                if was.fact.end_us is None:
                    change = "extend" if fact.end_us is None else "close"
                else:
                    change = "revise"
                grade = max(grade, was.grade)
                rows.append(self._row(name, fact, grade, change, now_us))
            elif grade > was.grade:
                rows.append(self._row(name, fact, grade, "revise", now_us))
            else:
                continue
            self.standing[name] = Standing(fact, grade)
            if grade == 2:
                self._finish(name, fact)
        return rows

    def withdraw(self, names: Iterable[str], now_us: int) -> list[dict[str, Any]]:
        """Rows that void alerts which later data do not bear out."""
        gone = [(name, self.standing.pop(name)) for name in names if name in self.standing]
        return [self._row(name, was.fact, was.grade, "void", now_us) for name, was in gone]

    def _finish(self, name: str, fact: Fact) -> None:
        del self.standing[name]
        self.finished[name] = fact.end_us or fact.met_us
        if len(self.finished) > 200_000:
            for old in sorted(self.finished, key=lambda n: self.finished[n])[:100_000]:
                del self.finished[old]

    def _row(self, name: str, fact: Fact, grade: int, change: str, now_us: int) -> dict[str, Any]:
        definition = self.definitions[fact.definition]
        because = "data received later do not bear it out" if change == "void" else None
        if fact.definition not in self.writers:
            self.writers[fact.definition] = Writer(definition)
        return {
            "alert_id": name,
            "definition": fact.definition,
            "version": definition.version,
            "change": change,
            "grade": GRADES[grade],
            "severity": fact.values.get("severity") or definition.severity,
            "track_ids": list(fact.tracks),
            "mmsis": list(fact.mmsis),
            "start_at": fact.start_us,
            "end_at": fact.end_us,
            "known_at": now_us,
            "lat_deg": fact.lat_deg if isfinite(fact.lat_deg) else None,
            "lon_deg": fact.lon_deg if isfinite(fact.lon_deg) else None,
            "zone": fact.zone,
            "summary": summary(definition, fact),
            "evidence": self.writers[fact.definition].text(fact, self.zones, because),
            "exercise": fact.exercise,
        }


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """ALERTS rows as a table."""
    if not rows:
        return _NONE
    whole = pa.array(rows, _ROW)  # all columns in one pass: most steps tell a few rows or none
    batch = pa.RecordBatch.from_struct_array(whole)
    return pa.Table.from_batches([batch.replace_schema_metadata(schema.ALERTS.arrow.metadata)])


_NONE = schema.ALERTS.empty()
_ROW = pa.struct(list(schema.ALERTS.arrow))


def fold(alerts: pa.Table, *, known_at_us: int | None = None, with_void: bool = False) -> pa.Table:
    """Last row of each alert among those known at a time, in the order of start and id; voided ones left out.

    Parameters
    ----------
    alerts
        ALERTS rows in the order they were made.
    known_at_us
        The past moment to see with; None is all rows.
    """
    if known_at_us is not None:
        limit = pa.scalar(known_at_us, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        alerts = alerts.filter(pc.less_equal(alerts["known_at"], limit))
    last = {name: i for i, name in enumerate(alerts["alert_id"].to_pylist())}  # alerts are few
    result = alerts.take(pa.array(sorted(last.values()), pa.int64()))
    if not with_void:
        result = result.filter(pc.not_equal(result["change"].cast(pa.string()), "void"))
    return result.sort_by([("start_at", "ascending"), ("alert_id", "ascending")])
