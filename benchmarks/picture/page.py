"""The page of results: tables and pictures of every kept result, each with the command that makes it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.picture import charts, goals

HEAD = """# The picture, measured

Every table here is made by the command above it, and the whole page by `python -m benchmarks.picture page --out
docs/reference/picture-results` from the results kept beside it. Rates are reports a second of CPU on one core; steps
are one second of data. Scenes are those of `kuroshio sea list`, the tracker's settings are its defaults unless a line
says otherwise.

## Goals
The design's goals beside what these runs gave.

"""


def machine() -> str:
    """Processor and number of cores."""
    name = next(
        (ln.split(":", 1)[1].strip() for ln in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in ln), ""
    )
    return f"{name or 'unknown processor'}, {os.cpu_count()} cores"


def revision() -> str:
    """Short name of the commit checked out."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _markdown(header: list[str], rows: list[list[Any]]) -> str:
    def cell(value: Any) -> str:
        if value is None:
            return "-"
        if isinstance(value, float):
            return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
        return f"{value:,}" if isinstance(value, int) else str(value)

    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows]) + "\n"


def _pick(rows: list[dict], **columns: str) -> str:
    return _markdown(list(columns.values()), [[row.get(k) for k in columns] for row in rows])


def _peer(r: dict, put: Callable[[str, str], str]) -> str:
    text = _pick(
        r["rows"], ships="ships", reached_s="Stone Soup reached, s", common_reports="reports both saw",
        stonesoup_reports_per_s="Stone Soup reports/s", common_parity_reports_per_s="parity reports/s",
        ratio_stonesoup="ratio", common_full_reports_per_s="full reports/s", ratio_stonesoup_full="ratio",
        gospa_ratio_parity="GOSPA parity / Stone Soup", gospa_ratio_full_common="GOSPA full / Stone Soup",
    )  # fmt: skip
    errors = _pick(
        r["rows"], ships="ships", gospa_parity_m="parity GOSPA, m", gospa_full_m="full GOSPA, m",
        gospa_ratio_full="full / parity", gospa_told_m="full, told whose each plot is, m",
        bound_m="Cramer-Rao bound, m", parity_false="parity: false", parity_missed="missed",
        parity_rms_dark_m="rms dark, m", parity_rms_ais_m="rms AIS, m", full_false="full: false", full_missed="missed",
        full_rms_dark_m="rms dark, m", full_rms_ais_m="rms AIS, m", anees="full ANEES",
    )  # fmt: skip
    rates = {
        name: [(row["ships"], row[key]) for row in r["rows"] if row.get(key)]
        for name, key in (("Stone Soup", "stonesoup_reports_per_s"), ("parity", "common_parity_reports_per_s"),
                          ("full mode", "common_full_reports_per_s"))
    }  # fmt: skip
    rates = {k: v for k, v in rates.items() if v}
    said = (
        "Stone Soup 1.9.1 in a process of its own, as far as its CPU budget lets it, with a k-d tree before its "
        "gate; rates and GOSPA ratios with Stone Soup are on exactly those frames. Parity is its algorithm on our "
        "kernels. Rates are of CPU seconds, beside other work on the machine. Full mode's "
        "rate is that of steps of a second, which at these sizes are nearly empty. GOSPA cutoff "
        "2,000 m, AIS every 6 or 10 s, scored from 30 s on.\n\n"
    )
    then = (
        "\n\nFull mode against parity over ten minutes, scored from 60 s on, and what their GOSPA is made of: false "
        "tracks and missed ships at an instant, and errors of ships with AIS and without. Beside them what is left to "
        "no tracker on these plots: our filter when each plot names its ship and none is false, and the bound of a "
        "clairvoyant who knows each turn beforehand as well (`benchmarks/picture/bound.py`).\n\n"
    )
    picture = put("peer", charts.lines("Reports a second of one core", "ships", "reports/s", rates, log=True))
    return said + text + then + errors + "\n\n" + picture


def _growth(r: dict, put: Callable[[str, str], str]) -> str:
    text = _pick(
        r["rows"], ships="ships", reports="reports", reports_per_s="reports/s", real_time_factor="x real time",
        step_ms_median="median step, ms", step_ms_p99="99 %", step_ms_max="worst", tracks="tracks",
        bytes_per_track="bytes a track: state", bytes_of_replay_per_track="replay", memory_mb="memory grown, MB",
    )  # fmt: skip
    series = {"worst step": [(x["ships"], x["step_ms_max"]) for x in r["rows"]],
              "median step": [(x["ships"], x["step_ms_median"]) for x in r["rows"]]}  # fmt: skip
    said = "All ships begin in the first second; the worst step is nearly always in the first ten.\n\n"
    return said + text + put("growth", charts.lines("One second of data", "ships", "ms of CPU", series, log=True))


def _long(r: dict, put: Callable[[str, str], str]) -> str:
    minutes = r["minutes"]
    every = max(1, len(minutes) // 12)
    text = (
        f"{r['ships']:,} ships, all beginning at once: {r['minutes_done']:.3g} of "
        f"{r['minutes_asked']:.3g} minutes of data in "
        f"its time, {r['reports']:,} reports, {r['acceleration']:.3g} times real time on "
        "the tracker's CPU seconds. Worst step "
        f"{r['step_ms_max']:,.0f} ms, after two minutes "
        f"{r['step_ms_max_after_2_min']:,.0f} ms; {r['steps_over_250_ms']} steps "
        "over 250 ms. Resident memory changed by "
        f"{r['resident_growth_last_two_thirds_mb']:+,.0f} MB over the last two thirds.\n\n"
    )
    text += _pick(
        minutes[::every], minute="minute", tracks="tracks", resident_mb="resident, MB",
        step_ms_median="median step, ms",
        step_ms_max="worst step, ms",
    )  # fmt: skip
    memory = {"resident, MB": [(m["minute"], m["resident_mb"]) for m in minutes],
              "worst step, ms": [(m["minute"], m["step_ms_max"]) for m in minutes]}  # fmt: skip
    return text + put("long", charts.lines("Long run", "minute of data", "MB, ms", memory))


def _scenes(r: dict, put: Callable[[str, str], str]) -> str:
    rows = r["rows"]
    for row in rows:
        for kind, name in (("dark", "precision"), ("dark", "recall"), ("spoof", "false_flags_per_vessel_h")):
            row[f"{kind}_{name}"] = (row.get(kind) or {}).get(name)
    text = f"Seed {r['seed']}, 20 minutes, GOSPA cutoff {r['cutoff_m']:g} m.\n\n" + _pick(
        rows, scene="scene", ships="ships", gospa_per_root_ship_m="GOSPA / sqrt N, m", completeness="complete",
        ambiguity="ambiguity", spuriousness="spurious", identity_correct="identity", track_changes_per_h="changes/h",
        position_error_m="rms, m", anees="ANEES", dark_recall="dark recall", dark_precision="dark precision",
        spoof_false_flags_per_vessel_h="false flags/vessel-h",
    )  # fmt: skip
    classes = []
    for row in rows:
        if row["scene"] in ("open-sea", "real-ships", "harbours", "hard"):
            for word, v in row["classes"].items():
                inside = v["ellipse"]
                classes.append(
                    [
                        row["scene"],
                        word.split("=")[1],
                        v["states"],
                        v["completeness"],
                        v["position_error_m"],
                        v["anees"],
                    ]
                    + [inside.get(p) for p in ("0.5", "0.9", "0.95", "0.99")]
                )
    text += "\nHonesty by class of ship: ANEES (1 is honest) and the share inside the 50, 90, 95 and 99 % ellipses.\n\n"
    text += _markdown(
        ["scene", "class", "states", "complete", "rms, m", "ANEES", "in 50 %", "in 90 %", "in 95 %", "in 99 %"], classes
    )
    bars = {
        row["scene"]: {
            w.split("=")[1]: v["anees"] for w, v in row["classes"].items() if w.startswith("motion") and v["anees"]
        }
        for row in rows if row["scene"] in ("open-sea", "ramp", "real-ships", "harbours", "islands", "biased")
    }  # fmt: skip
    text += put("anees", charts.bars("ANEES by motion", "ANEES", bars, line=1.0))
    return text


def _maps(r: dict, put: Callable[[str, str], str]) -> str:
    del put
    pictures = "".join(f"\n![{row['scene']}](picture-results/map-{row['scene']}.svg)\n" for row in r["rows"])
    return "True ways grey, tracks blue, what was missed and what was false as crosses.\n" + pictures


def _drag_by_range(rows: list[dict]) -> str:
    if not rows:
        return ""
    text = (
        "\nHow soon a drag can be known follows from the radar. After t seconds plots every T = 10 s with Pd 0.9 "
        "and an error s = range x 0.3 degree across the beam hold the information v^2 t^3 Pd / (3 T s^2) about a "
        "ramp of v = 1 m/s. To stay below 0.01 false flags a vessel-hour and to find 95 of 100 it must reach 32.4 "
        "(`benchmarks/picture/drag_bound.py`), even for one who knew when the lie began and which way it goes: "
        "t = (3 x 32.4 T s^2 / (Pd v^2))^(1/3), which is 265 s at 25 km, 299 s at 30 km and 420 s at 50 km. So 300 s "
        "for 95 of 100 is a goal for ships within 30 km of a radar; beyond, no detector reaches it where the lie lies "
        "across the beam. One along the beam shows against 50 m at any range, and a second radar sees from another "
        "side, so most are found sooner than the bound of the far end of their row.\n\n"
    )
    cells = [
        [
            f"{r['from_km']:.0f}-{r['to_km']:.0f} km",
            r["ships"],
            r.get("flagged"),
            r["delay_s_median"],
            r["delay_s_max"],
            r["bound_s"],
        ]
        for r in rows
    ]
    return text + _markdown(
        ["from the nearest radar", "drags", "flagged", "median, s", "slowest, s", "bound (95 %), s"], cells
    )


def _spoof(r: dict, put: Callable[[str, str], str]) -> str:
    del put
    kinds = r["spoof"]["kinds"]
    rows = [[k, *(v.get(c) for c in ("ships", "recall", "recall_over_300_m", "recall_over_2000_m", "delay_s_median",
                                     "delay_s_max"))] for k, v in kinds.items()]  # fmt: skip
    return (
        f"{r['ships']} ships of open-sea, one in ten jumps by 300 m to 20 km, one in ten "
        "is dragged off at 1 m/s. Precision "
        f"{r['spoof']['precision']}, false flags {r['spoof']['false_flags']} in "
        f"{r['spoof']['vessel_hours']} vessel-hours.\n\n"
        + _markdown(["lie", "ships", "flagged", "of those >= 300 m", ">= 2 km", "median delay, s", "slowest, s"], rows)
        + _drag_by_range(r.get("by_range", []))
    )


def _registration(r: dict, put: Callable[[str, str], str]) -> str:
    del put
    rows = [
        [row["case"], row["gospa_mean_m"], row["position_error_m"], row["anees"], row["spuriousness"], row["ambiguity"],
         (row["spoof"] or {}).get("false_flags"), (row["dark"] or {}).get("false_instants"),
         "; ".join(f"{m:.0f} m {d:.2f} deg" for m, d in row["estimated"]) or None]
        for row in r["rows"]
    ]  # fmt: skip
    return "All four radars wrong by 80 m and 0.5 degree; 300 ships, 20 minutes, scored after five.\n\n" + _markdown(
        ["case", "GOSPA, m", "rms, m", "ANEES", "spurious", "ambiguity", "false spoof flags", "false dark instants",
         "estimated"], rows,
    )  # fmt: skip


def _late(r: dict, put: Callable[[str, str], str]) -> str:
    del put
    rows = []
    for row in r["rows"]:
        far = row["from_in_order_m"] or {}
        rows.append(
            [f"{row['late_max_s'] / 60:g} min", row["case"], row["anees"], row["gospa_mean_m"], row["completeness"],
             row["track_changes_per_h"], far.get("median"), far.get("max"), far.get("unmatched"), row["ancient"]]
        )  # fmt: skip
    return (
        "A third of the AIS reports late, radar plots prompt; 40 minutes, steps of 10 s. "
        "The last columns compare the picture "
        "at the end, when all has arrived, with that of the same reports in order; a dash "
        "is a figure that run did not give. Plots are not assigned anew for a late report: what is "
        "left with delays of half an hour is mostly of ships whose first plots went to another track while their "
        "first reports were missing, forty minutes before.\n\n"
    ) + _markdown(
        ["up to", "taken", "ANEES", "GOSPA, m", "complete", "changes/h", "from in order, median m", "max m",
         "ships in one only", "refused"], rows,
    )  # fmt: skip


def _sharing(r: dict, put: Callable[[str, str], str]) -> str:
    bars = {row["case"].split(",")[0]: {"ANEES": min(row["anees"], 10.0)} for row in r["rows"]}
    text = (
        f"Three nodes, a radar each, all over the same {r['ships']} ships without AIS; told every {r['every_s']} s for "
        f"{r['minutes']} minutes.\n\n"
    )
    text += _pick(
        r["rows"], case="case", anees="ANEES", position_error_m="rms, m", in_95="inside the 95 % ellipse",
        completeness="complete",
    )  # fmt: skip
    return text + put("sharing", charts.bars("ANEES (cut at 10)", "ANEES", bars, line=1.0))


def _empty(gospa_m: float | None) -> str:
    if gospa_m is None:
        return ""
    return (
        f"A picture with no track at all would score {gospa_m:.1f} m here and have no break: with a cutoff of 40 m two "
        "boats missed cost as much as they do found with one false track. So neither goal says anything without the "
        "other, nor both without completeness: a handicap of 8 for tentative tracks (`tentative_cost`) met both by "
        "confirming none, and was not taken. The five breaks: one follows a gap of 12 s and one a track ended in a gap "
        "of 10 s, two are a second echo of one boat that became a track, and one is a boat that lay for half a minute "
        "10 m beside another, nearer than the radar resolves. Tracks kept for 30 s and to a log-likelihood ratio of "
        "-10 (`plot_end_s`, `confirmed_end_llr`) break four times, 14 an hour, at 0.821 complete and 41.1 m; a wider "
        "merge, a narrower gate or a longer memory of hits change none of the five.\n\n"
    )


FERRY = ("gospa_m", "completeness", "false_tracks", "breaks_per_h", "ms_a_scan")


def _autoferry(r: dict, put: Callable[[str, str], str]) -> str:
    del put
    ours, plain = r["cross_validated"], r["defaults"]
    rows = [
        [
            "Kuroshio, each half with the setting best on the other",
            *(ours.get(k) for k in FERRY),
        ],
        ["Kuroshio, default settings", *(plain.get(k) for k in FERRY)],
        *([name, v["gospa_m"], None, None, None, None] for name, v in r["published"].items()),
    ]
    halves = [[", ".join(map(str, h["tuned_on"])), ", ".join(map(str, h["told_for"])), h["confirm_llr"],
               h["q_manoeuvre_m2s3"], h["clutter_per_m2"], h["gospa_m"]] for h in ours["halves"]]  # fmt: skip
    each = [[n, ours["scenarios"][n], plain["scenarios"][n]] for n in sorted(ours["scenarios"], key=int)]
    low, high = r["published_breaks_per_h"]
    return (
        "NTNU's Autoferry radar with GNSS truth (Helgesen et al. 2022, CC0), nine "
        "scenarios, cutoff 40 m. The others' figures "
        f"are those the design records for the same data (breaks {low:g} to {high:g} an "
        "hour). The grid of eight settings is in "
        "`benchmarks/picture/autoferry.py`. The radar's noise (6 m), detection (0.85), "
        "the clutter of the defaults' row and the grid's base had been set on these "
        "recordings before, so that even the first row is not wholly blind.\n\n" + _empty(r.get("gospa_empty_m"))
    ) + "\n".join(
        [
            _markdown(["tracker", "GOSPA, m", "complete", "false tracks", "breaks/h", "ms a scan"], rows),
            _markdown(["tuned on", "told for", "confirm_llr", "q_manoeuvre", "clutter/m2", "GOSPA told, m"], halves),
            _markdown(["scenario", "cross-validated, m", "defaults, m"], each),
        ]
    )


def _solent(r: dict, put: Callable[[str, str], str]) -> str:
    del put
    rows = [
        [v["vessels"], v["reports"], v["mean_d2_over_2"], *(v[p] for p in ("0.5", "0.9", "0.95", "0.99"))]
        for v in r["rows"]
    ]
    return (
        f"{r['reports']:,} positions of {r['vessels']} vessels in {r['hours']:.2f} h, no truth. {r['tracks']} tracks: "
        f"{r['number_changes_per_vessel_h']:.2f} number changes a vessel-hour, most of "
        "them vessels silent for longer than a "
        "track is kept. Innovations (1 is honest; real receivers are better than the 30 m a plain report is given):\n\n"
        + _markdown(["vessels", "reports", "mean d2 / 2", "in 50 %", "in 90 %", "in 95 %", "in 99 %"], rows)
    )


def _told(r: dict, put: Callable[[str, str], str]) -> str:
    del put
    text = _pick(
        r["rows"], scene="scene", seed="seed", case="case", identity_correct="identity", dark_recall="dark recall",
        dark_precision="dark precision", false_flags="false flags", false_flags_per_vessel_h="a vessel-hour",
        track_changes_per_h="changes/h", anees="ANEES, honest", anees_of_agreeing="of pairs whose names agree",
        anees_from_the_rest="part of the rest", pairs_that_disagree="the rest", pairs="pairs",
    )  # fmt: skip
    return (
        "The same tracker where each plot may go to a track of its own ship alone, no plot is false, and names and "
        "joins are right (`benchmarks/picture/told.py`). What a figure lacks in that row, better association alone "
        "would not give; "
        "the difference of the two is what association costs.\n\n" + text + "\n"
        "ANEES is of pairs of ship and track that make the sum of squared distances least, whatever they are called. "
        "A nameless track 300 m off its dark ship, beside a named ship that its own track holds to 5 m, is so paired "
        "with the named ship, and the named track with the dark ship, at a squared error of some thousand variances: "
        "the last columns say how many such pairs there are and what part of the mean they make. They also cost "
        "identity. The measure is left as it is.\n"
    )


def _plain(r: dict, put: Callable[[str, str], str]) -> str:
    del put
    hidden = ("command", "machine", "revision", "elapsed_s")
    return _markdown(["figure", "value"], [[k, v] for k, v in r.items() if k not in hidden])


SECTIONS: dict[str, tuple[str, Callable[[dict, Callable[[str, str], str]], str]]] = {
    "peer": ("Beside Stone Soup", _peer),
    "growth": ("Growth", _growth),
    "keyed": ("AIS alone", _plain),
    "long": ("Long run", _long),
    "scenes": ("Scenes", _scenes),
    "told": ("Hard, told whose each plot is", _told),
    "maps": ("Maps", _maps),
    "spoof": ("Spoofed positions", _spoof),
    "registration": ("Biased radars", _registration),
    "late": ("Late reports", _late),
    "sharing": ("Three nodes", _sharing),
    "autoferry": ("Real radar: Autoferry", _autoferry),
    "solent": ("Real harbour AIS: the Solent", _solent),
    "sea": ("The sea itself", _plain),
}


def write(folder: Path) -> None:
    """Make ``FOLDER.md`` and its pictures from the JSON results in a folder."""
    results = {
        name: json.loads((folder / f"{name}.json").read_text())
        for name in SECTIONS
        if (folder / f"{name}.json").exists()
    }

    def put(name: str, svg: str) -> str:
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        return f"\n![{name}]({folder.name}/{name}.svg)\n"

    parts = [HEAD + _markdown(["goal", "measured on", "figure", "verdict"], goals.table(results))]
    for name, (title, section) in SECTIONS.items():
        if name in results:
            r = results[name]
            took = f"; {r['elapsed_s']:.0f} s" if "elapsed_s" in r else ""  # not where rows were run one by one
            made = f"`{r['command']}` ({r['revision']}; {r['machine']}{took})"
            parts.append(f"## {title}\n{made}\n\n{section(r, put)}")
    folder.with_suffix(".md").write_text("\n".join(parts), encoding="utf-8")
