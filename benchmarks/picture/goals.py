"""The design's goals beside what was measured: one row each, with a verdict that the figures alone decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Results = dict[str, dict[str, Any]]
MISSING = "not measured"


def _row(results: Results, name: str, **where: Any) -> dict[str, Any]:
    """Row of a result's table whose values are those."""
    for row in results.get(name, {}).get("rows", []):
        if all(row.get(k) == v for k, v in where.items()):
            return row
    return {}


def _scene(results: Results, name: str) -> dict[str, Any]:
    return _row(results, "scenes", scene=name)


def _of(value: Any, *path: str) -> Any:
    for key in path:
        value = (value or {}).get(key)
    return value


def _limit(what: str, row: dict[str, Any]) -> str:
    """What a ratio was measured on, and the least that the Cramer-Rao bound leaves it."""
    if not row.get("bound_m"):
        return what
    return f"{what}; the bound alone is {row['bound_m'] / row['gospa_parity_m']:.2f}"


def _told(r: Results, key: str, what: str = "hard") -> str:
    """What was measured, and what the tracker reaches there told whose each plot is."""
    value = _row(r, "told", scene="hard", seed=31, case="told whose all is").get(key)
    return what if value is None else f"{what}; told whose each plot is {value:.4g}"


def _checks(r: Results) -> list[tuple[str, str, Any, Callable[[Any], bool]]]:
    """(goal, what it was measured on, value, whether it is met)."""
    p100, p300, p1000 = (_row(r, "peer", ships=n) for n in (100, 300, 1000))
    g10, g100 = _row(r, "growth", ships=10_000), _row(r, "growth", ships=100_000)
    calm, biased, long = _scene(r, "open-sea"), _scene(r, "biased"), r.get("long", {})
    jump = _of(r.get("spoof"), "spoof", "kinds", "jump")
    drag = _of(r.get("spoof"), "spoof", "kinds", "drag")
    ferry = _of(r.get("autoferry"), "cross_validated")
    late = _row(r, "late", late_max_s=1800.0, case="as they arrived")
    shared = _row(r, "sharing", case="fused tracks passed on, covariance intersection")
    own = _row(r, "sharing", case="own tracks told, covariance intersection")
    whole = _row(r, "sharing", case="own tracks told with provenance, tracklets")

    def least(limit: float) -> Callable[[Any], bool]:
        return lambda v: v >= limit

    def most(limit: float) -> Callable[[Any], bool]:
        return lambda v: v <= limit

    def within(low: float, high: float) -> Callable[[Any], bool]:
        return lambda v: low <= v <= high

    flags = lambda row: _of(row, "spoof", "false_flags_per_vessel_h")  # noqa: E731
    rows: list[tuple[str, str, Any, Callable[[Any], bool]]] = [
        ("parity >= 1,000 x Stone Soup", "100 ships", p100.get("ratio_stonesoup"), least(1000)),
        ("parity >= 1,000 x Stone Soup", "300 ships", p300.get("ratio_stonesoup"), least(1000)),
        ("parity >= 1,000 x Stone Soup", "1,000 ships", p1000.get("ratio_stonesoup"), least(1000)),
        ("parity GOSPA within 1 % of Stone Soup", "100 ships", p100.get("gospa_ratio_parity"), within(0.99, 1.01)),
        ("parity GOSPA within 1 % of Stone Soup", "300 ships", p300.get("gospa_ratio_parity"), within(0.99, 1.01)),
        ("parity GOSPA within 1 % of Stone Soup", "1,000 ships", p1000.get("gospa_ratio_parity"), within(0.99, 1.01)),
        ("full mode GOSPA <= 0.35 of parity", _limit("100 ships", p100), p100.get("gospa_ratio_full"), most(0.35)),
        ("full mode GOSPA <= 0.35 of parity", _limit("300 ships", p300), p300.get("gospa_ratio_full"), most(0.35)),
        ("full mode GOSPA <= 0.35 of parity", _limit("1,000 ships", p1000), p1000.get("gospa_ratio_full"), most(0.35)),
        (">= 300 k reports/s", "100,000 ships", g100.get("reports_per_s"), least(300e3)),
        (">= 15 x real time", "100,000 ships", g100.get("real_time_factor"), least(15)),
        ("keyed AIS >= 1 M reports/s", "20,000 ships", r.get("keyed", {}).get("reports_per_s_settled"), least(1e6)),
        ("worst step <= 25 ms, cold start included", "10,000 ships", g10.get("step_ms_max"), most(25)),
        ("worst step <= 250 ms, cold start included", "100,000 ships", g100.get("step_ms_max"), most(250)),
        ("<= 500 B a track", "state alone", g100.get("bytes_per_track"), most(500)),
        ("no step over 250 ms in an hour of 100 k", f"steps over it in {long.get('minutes_done', 0):.3g} min of data",
         long.get("steps_over_250_ms"), most(0)),
        ("completeness >= 0.995", "open-sea", calm.get("completeness"), least(0.995)),
        ("ambiguity <= 1.005", "open-sea", calm.get("ambiguity"), most(1.005)),
        ("spurious <= 0.001", "open-sea", calm.get("spuriousness"), most(0.001)),
        ("number changes <= 0.1/h", "open-sea", calm.get("track_changes_per_h"), most(0.1)),
        ("ANEES 0.8-1.4", "open-sea", calm.get("anees"), within(0.8, 1.4)),
        ("ANEES 0.8-1.4", "real-ships", _scene(r, "real-ships").get("anees"), within(0.8, 1.4)),
        ("ANEES 0.8-1.4", _told(r, "anees", "hard, honest ships"),
         _of(_scene(r, "hard"), "classes", "spoof=none", "anees"),
         within(0.8, 1.4)),
        ("identity correct >= 0.999", "open-sea", calm.get("identity_correct"), least(0.999)),
        ("identity correct >= 0.999", _told(r, "identity_correct"),
         _scene(r, "hard").get("identity_correct"), least(0.999)),
        ("dark recall >= 0.98", "open-sea", _of(calm, "dark", "recall"), least(0.98)),
        ("dark precision >= 0.985", "open-sea", _of(calm, "dark", "precision"), least(0.985)),
        ("dark recall >= 0.98", _told(r, "dark_recall"), _of(_scene(r, "hard"), "dark", "recall"), least(0.98)),
        ("dark precision >= 0.985", _told(r, "dark_precision"),
         _of(_scene(r, "hard"), "dark", "precision"), least(0.985)),
        ("jumps >= 2 km all flagged", "spoof run", _of(jump, "recall_over_2000_m"), least(1.0)),
        ("jumps >= 300 m, 95 % flagged", "spoof run", _of(jump, "recall_over_300_m"), least(0.95)),
        ("drag of 1 m/s flagged", "spoof run, share", _of(drag, "recall"), least(0.95)),
        ("drag of 1 m/s within 300 s", "spoof run, slowest flagged", _of(drag, "delay_s_max"), most(300)),
        ("false flags <= 0.01 a vessel-hour", "open-sea", flags(calm), most(0.01)),
        ("false flags <= 0.01 a vessel-hour", "one radar biased", flags(biased), most(0.01)),
        ("false flags <= 0.01 a vessel-hour", "harbours", flags(_scene(r, "harbours")), most(0.01)),
        ("false flags <= 0.01 a vessel-hour", _told(r, "false_flags_per_vessel_h"),
         flags(_scene(r, "hard")), most(0.01)),
        ("late <= 30 min equals in order to 1e-6 m", "largest difference, m", _of(late, "from_in_order_m", "max"),
         most(1e-6)),
        ("three nodes ANEES <= 1.05", "own tracks told", own.get("anees"), most(1.05)),
        ("three nodes ANEES <= 1.05", "own tracks told, tracklets", whole.get("anees"), most(1.05)),
        ("three nodes ANEES <= 1.05", "fused tracks passed on", shared.get("anees"), most(1.05)),
        ("Autoferry GOSPA <= 46 m", "cross-validated", _of(ferry, "gospa_m"), most(46)),
        ("Autoferry <= 13 breaks/h", "cross-validated", _of(ferry, "breaks_per_h"), most(13)),
        ("Autoferry <= 0.2 ms a scan", "cross-validated", _of(ferry, "ms_a_scan"), most(0.2)),
    ]  # fmt: skip
    return rows


def table(results: Results) -> list[list[str]]:
    """(goal, measured on, figure, verdict) of every goal."""
    out = []
    for goal, what, value, met in _checks(results):
        if value is None:
            out.append([goal, what, "-", MISSING])
        else:
            out.append([goal, what, f"{value:,.4g}", "met" if met(value) else "**short**"])
    return out
