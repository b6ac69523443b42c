"""Fixed answers of the stand-in node: cards, alerts, feeds, partners, releases, agreements, zones.

Every dict here has the shape that `kuroshio.api.models` documents; a test holds them to it.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.clock import parse_rfc3339, rfc3339
from kuroshio.errors import NotFound
from kuroshio.node.told import coverage as told_coverage
from kuroshio.picture.model import SensorModel
from kuroshio.picture.pdmap import RINGS, PdMap
from kuroshio.record.knew import LIMITS, TYPE
from kuroshio.schema import FLAG_DARK
from kuroshio.testing.standin_sea import KIND_AIS, KIND_BOTH, KIND_DARK, VIEWS, ClosedSea
from kuroshio.units import US_PER_S, UtcMicros

SAMPLE = "Illustrative agreement, not a text in force."


UNITS = {"sog_mps": "m/s", "cog_deg": "deg", "heading_deg": "deg", "length_m": "m"}


def card(row: dict[str, Any], releases: list[dict[str, Any]], raised: list[dict[str, Any]]) -> dict[str, Any]:
    """Target card of one TRACKS row, with the releases and alerts that name it."""
    at = row["observed_at"].isoformat().replace("+00:00", "Z")
    source = (row["sources"] or [None])[0]
    fields = ("name", "mmsi", "imo", "call_sign", "ship_type", "length_m", "sog_mps", "cog_deg", "heading_deg")
    values = [
        {"name": name, "value": row[name], "unit": UNITS.get(name, ""), "source": source, "observed_at": at}
        for name in fields
        if row[name] is not None
    ]
    item = f"track:{row['track_id']}"
    claims = [
        {"claim": name, "value": row[name], "source": source, "first_at": at, "last_at": at, "conflict": False}
        for name in ("mmsi", "name")
        if row[name] is not None
    ]
    return {
        "track_id": row["track_id"],
        "item_id": item,
        "status": row["status"],
        "flags": row["flags"],
        "observed_at": at,
        "lat_deg": row["lat_deg"],
        "lon_deg": row["lon_deg"],
        "partner": row["partner"],
        "values": values,
        "sensors": [{"sensor": kind, "source": source, "last_at": at} for kind in row["sensors"] or []],
        "seen": [{"source": name, "last_at": at} for name in row["sources"] or []],
        "identity": claims,
        "releases": [r for r in releases if item in r["items"]],
        "decisions": [],
        "history": [],
        "alerts": [alert["alert_id"] for alert in raised if row["track_id"] in alert["track_ids"]],
    }


def alerts(sea: ClosedSea, tick: int) -> list[dict[str, Any]]:
    """Alerts at a tick, newest first: dark ships that are there, a gap, a meeting and an entry."""
    lat, lon, _ = sea.position(tick)
    alive = sea.alive(tick)

    def row(
        number: int, definition: str, ships: list[int], begun: int, severity: str, text: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        first = ships[0]
        return {
            "alert_id": f"{definition}-{number:04d}",
            "definition": definition,
            "version": "1",
            "grade": "confirmed",
            "severity": severity,
            "state": "open" if alive[first] else "closed",
            "track_ids": [int(sea.track_id[i]) for i in ships],
            "mmsis": [int(sea.mmsi[i]) for i in ships if sea.mmsi[i]],
            "start_at": rfc3339(sea.start_us + begun * US_PER_S),
            "end_at": None if alive[first] else rfc3339(sea.start_us + tick * sea.tick_us),
            "known_at": rfc3339(sea.start_us + (begun + 40) * US_PER_S),
            "lat_deg": float(lat[first]),
            "lon_deg": float(lon[first]),
            "zone": facts.get("zone"),
            "summary": text,
            "evidence": facts,
            "verdicts": [],
            "exercise": False,
        }

    dark = np.flatnonzero(sea.kind == KIND_DARK)[:6]
    loud = np.flatnonzero((sea.kind == KIND_AIS) | (sea.kind == KIND_BOTH))[:8]
    rows = [
        row(
            int(i),
            "dark_vessel",
            [int(i)],
            -60 * n,
            "warning",
            f"Track {sea.track_id[i]} is held by basco-radar for 20 scans and sends no AIS in range of two receivers.",
            {
                "thresholds": [{"name": "scans_without_ais", "value": 20, "limit": 12, "margin": 8, "unit": ""}],
                "geometry": {"type": "Point", "coordinates": [float(lon[i]), float(lat[i])]},
                "inputs": [f"track:{sea.track_id[i]}"],
                "would_cancel": "An AIS report within 900 m of the track.",
            },
        )
        for n, i in enumerate(dark)
    ]
    if len(loud) >= 4:
        a, b, c, d = (int(i) for i in loud[:4])
        gap = {"thresholds": [{"name": "gap_s", "value": 5400, "limit": 3600, "margin": 1800, "unit": "s"}]}
        met = {"thresholds": [{"name": "distance_m", "value": 180, "limit": 500, "margin": 320, "unit": "m"}]}
        near = {"zone": "Batanes protected waters", "thresholds": []}
        rows.append(row(1, "gap", [a], -400, "caution", f"MMSI {sea.mmsi[a]} was silent for 90 min in coverage.", gap))
        rows.append(row(2, "encounter", [b, c], -500, "warning", "Two ships within 180 m for 55 min.", met))
        rows.append(row(3, "zone_entry", [d], -600, "info", "Entry into Batanes protected waters.", near))
    return rows


def feeds(now_us: UtcMicros) -> list[dict[str, Any]]:
    """Health of four sources."""

    def feed(name: str, kind: str, sensor: str, state: str, age_s: float, rate: float, norm: float) -> dict[str, Any]:
        return {
            "name": name,
            "kind": kind,
            "sensor": sensor,
            "state": state,
            "last_at": rfc3339(now_us - int(age_s * US_PER_S)),
            "rate_per_min": rate,
            "norm_per_min": norm,
            "messages": 48_213,
            "rejects": 15,
            "rejects_by_reason": {"checksum": 12, "orphan_part": 3},
            "clock_offset_s": 0.4,
            "dropped": 0,
            "detail": "",
        }

    return [
        feed("basco-ais", "nmea", "ais", "ok", 0.4, 1860.0, 1800.0),
        feed("basco-radar", "asterix", "radar", "ok", 2.5, 720.0, 720.0),
        feed("sat-pass", "csv", "image", "late", 5400.0, 0.0, 0.6),
        feed("sanvicente-ais", "nmea", "ais", "silent", 610.0, 0.0, 1080.0),
    ]


def partners(now_us: UtcMicros) -> list[dict[str, Any]]:
    """Health of each partner in each direction."""
    return [
        {
            "party": party,
            "name": name,
            "direction": direction,
            "state": state,
            "last_at": rfc3339(now_us - int(quiet_s * US_PER_S)),
            "undelivered": behind,
            "unconfirmed": 0,
            "alarm": state == "silent",
            "link_bytes_per_s": 1200 if direction == "out" else None,
            "thinned": 4 * behind,
            "clock_offset_s": 0.1,
            "detail": detail,
        }
        for party, name, direction, state, behind, quiet_s, detail in (
            ("JPN", "Japan (sample)", "out", "ok", 0, 1.5, ""),
            ("JPN", "Japan (sample)", "in", "ok", 0, 2.0, ""),
            ("USA", "United States (sample)", "out", "late", 37, 240.0, "37 items wait: link of 9.6 kbit/s"),
            ("KOR", "Korea (sample)", "out", "off", 0, 0.0, "no accord in force"),
        )
    ]


def releases(sea: ClosedSea) -> list[dict[str, Any]]:
    """Six releases of the first dark ships, newest first."""
    rows = []
    dark = np.flatnonzero(sea.kind == KIND_DARK)[:6]
    for n, i in enumerate(dark):
        to = "JPN" if n % 2 == 0 else "USA"
        view = VIEWS[to]
        if view is None:
            continue
        rows.append(
            {
                "release_id": f"rel-{n:04d}",
                "to": to,
                "at": rfc3339(sea.start_us - n * 60 * US_PER_S),
                "accord": view.accord,
                "clause": view.clause,
                "obligations": {"grid_deg": view.dark_grid_deg, "redact": ["sources"]},
                "rows": 1,
                "item_id": f"track:{sea.track_id[i]}",
                "items": [f"track:{sea.track_id[i]}"],
                "state": "received" if n else "sent",
                "text": "Track of a dark vessel, coarsened.",
                "digest": f"{n:064x}",
            }
        )
    return rows


def pending(sea: ClosedSea) -> list[dict[str, Any]]:
    """Two items that a release officer must answer."""
    dark = np.flatnonzero(sea.kind == KIND_DARK)[:2]
    return [
        {
            "item_id": f"track:{sea.track_id[i]}",
            "to": "USA",
            "kind": "information",
            "subject": "dark_vessel",
            "role": "release",
            "accord": "PHL-USA-INFO-SAMPLE",
            "clause": "5.2",
            "since": rfc3339(sea.start_us - 300 * US_PER_S),
            "text": "Exact position of a dark vessel: the originator must consent.",
        }
        for i in dark
    ]


def accords() -> list[dict[str, Any]]:
    """Two sample agreements with their status history."""
    return [
        {
            "accord": name,
            "title": title,
            "parties": parties,
            "kind": "information",
            "version": "1",
            "status": "in_force",
            "status_at": "2026-06-01",
            "illustrative": True,
            "note": SAMPLE,
            "history": [
                {"status": "signed", "legal_at": "2026-01-15", "learned_at": "2026-01-16", "source": "sample"},
                {"status": "in_force", "legal_at": "2026-06-01", "learned_at": "2026-06-02", "source": "sample"},
            ],
            "conflicts": [],
            "clauses": [{"clause": clause, "effect": "oblige", "text": text, "to": to}],
            "duties": [{"text": "Yearly review.", "party": "PHL", "due_at": "2027-06-01", "state": "open"}],
            "digest": "0" * 64,
        }
        for name, title, parties, clause, text, to in (
            ("JPN-PHL-INFO-SAMPLE", "Sharing of maritime data", ["JPN", "PHL"], "4.2", "Dark: 0.05 deg.", "JPN"),
            ("PHL-USA-INFO-SAMPLE", "Exchange of maritime data", ["PHL", "USA"], "3.1", "Dark: 0.1 deg.", "USA"),
        )
    ]


def why(item_id: str, to: str) -> dict[str, Any]:
    """Trace of a decision."""
    view = VIEWS.get(to)
    base = {"item": item_id, "to": to, "role": None, "rules_digest": "0" * 64}
    if view is None:
        text = "No agreement in force with this party."
        step = {"citation": "default", "kind": "default", "effect": "deny", "text": text, "role": None}
        return {**base, "effect": "deny", "clause": "", "obligations": {}, "reasons": [step]}
    cited = f"{view.accord} {view.clause}"
    step = {"citation": cited, "kind": "basis", "effect": "oblige", "text": "Dark: coarsened.", "role": None}
    terms = {"grid_deg": view.dark_grid_deg}
    return {**base, "effect": "oblige", "clause": cited, "obligations": terms, "reasons": [step]}


def withheld(tracks: pa.Table, party: str) -> list[dict[str, Any]]:
    """Each track missing or blurred in a party's view."""
    view = VIEWS[party]
    rows = []
    for row in tracks.select(["track_id", "name", "mmsi", "lat_deg", "lon_deg", "flags"]).to_pylist():
        accord, clause, terms = (view.accord if view else "", "", {})
        if view is None:
            effect, kind, text = "deny", "missing", "No agreement in force with this party."
        elif row["lat_deg"] < view.south_deg:
            effect, kind, clause, text = "deny", "missing", "2.1", "Outside the agreed area."
        elif row["flags"] & FLAG_DARK:
            effect, kind, clause, text = "oblige", "blurred", view.clause, "Position coarsened."
            terms = {"grid_deg": view.dark_grid_deg}
        else:
            continue
        place = {key: row[key] for key in ("track_id", "name", "mmsi", "lat_deg", "lon_deg")}
        verdict = {"effect": effect, "kind": kind, "accord": accord, "clause": clause, "text": text}
        rows.append({"item_id": f"track:{row['track_id']}", **place, **verdict, "obligations": terms})
    return rows


def dry_run(tracks: pa.Table) -> dict[str, Any]:
    """Counts of what would flow."""
    dark = int(np.count_nonzero(tracks.column("flags").to_numpy() & FLAG_DARK))
    counts = {"permit": tracks.num_rows - dark, "oblige": dark, "decide": 0, "deny": 0}
    clause = {"accord": "DRAFT", "clause": "1.1", "effect": "permit", "count": counts["permit"]}
    other = {"party": "JPN", "count": dark, "today": "positions in cells of 0.05 degrees", "draft": "marked HI"}
    named = {"by_party": [{"party": "JPN", **counts}], "by_clause": [{"party": "JPN", **clause}], "by_terms": [other]}
    return {"counts": counts, **named, "examples": []}


def zones() -> dict[str, Any]:
    """A zone, a radar's coverage and a receiver."""
    box = [[121.5, 20.0], [122.4, 20.0], [122.4, 21.0], [121.5, 21.0], [121.5, 20.0]]
    angle = np.linspace(0.0, 2.0 * np.pi, 49)
    ring = [[121.97 + 0.6 * float(np.cos(a)), 20.45 + 0.56 * float(np.sin(a))] for a in angle]
    ring[-1] = ring[0]

    def feature(kind: str, name: str, geometry: str, coordinates: Any, **more: Any) -> dict[str, Any]:
        place = {"type": geometry, "coordinates": coordinates}
        return {"type": "Feature", "properties": {"kind": kind, "name": name, **more}, "geometry": place}

    return {
        "type": "FeatureCollection",
        "features": [
            feature("zone", "Batanes protected waters", "Polygon", [box]),
            feature("coverage", "basco-radar", "Polygon", [ring]),
            feature("sensor", "basco-radar", "Point", [121.97, 20.45], sensor="radar", range_m=62_000.0),
        ],
    }


def coverage() -> dict[str, Any]:
    """Cells of a radar that sees less with range and nothing to the north-west, and of one that is silent."""
    rows: list[dict[str, Any]] = []
    for name, lat, lon, alive in (("basco-radar", 20.45, 121.97, True), ("aparri-radar", 18.36, 121.64, False)):
        model = SensorModel(name, "radar", lat, lon, 62_000.0, None, 3.0, 0.95)
        chart = PdMap()
        ring = np.arange(RINGS)
        chart.tried[:], chart.seen[:] = 3000.0, 3000.0 * np.clip(1.05 - 0.05 * ring, 0.0, 1.0)
        chart.seen[30:33] = 0.0
        rows += [{**row, "alive": alive} for row in chart.rows(model)]
    return told_coverage(rows)


def record(now_us: UtcMicros, tick: int) -> dict[str, Any]:
    """State of the record."""
    return {
        "size": 412 + tick,
        "root": "0" * 64,
        "checkpoint_at": rfc3339(now_us),
        "cosignatures": [{"party": "JPN", "at": rfc3339(now_us)}],
        "self_check": {"at": rfc3339(now_us), "ok": True, "text": ""},
    }


def knew(party: str, at: str, now_us: UtcMicros) -> dict[str, Any]:
    """Report of an empty record on a party, with a signature that proves nothing."""
    body = {"type": TYPE, "record_of": "PHL", "party": party, "at_us": parse_rfc3339(at), "made_at_us": now_us,
            "releases": [], "proofs": [], "limits": LIMITS}  # fmt: skip
    return {"report": body, "key_id": "PHL-00000000", "signature": ""}


def change_of(row: dict[str, Any]) -> dict[str, Any]:
    """The only change of an alert."""
    return {
        name: row.get(name) for name in ("change", "grade", "severity", "summary", "known_at", "start_at", "end_at")
    }


def changed_release(
    rows: list[dict[str, Any]], release_id: str, change: dict[str, Any], events: list[dict[str, Any]]
) -> dict[str, Any]:
    """The release as it is after a change, which listeners are told of; NotFound where there is none."""
    row = next((row for row in rows if row["release_id"] == release_id), None)
    if row is None:
        raise NotFound(f"no release {release_id!r}", code="release.unknown")
    row.update(change)
    events.append({"type": "releases"})
    return dict(row)


def pack_of(row: dict[str, Any]) -> bytes:
    """An archive file with the alert as JSON, no pack that reproduces: nothing is detected here."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("alert.json"), json.dumps(row))
    return out.getvalue()


def alert_rules(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Verdicts on alerts counted a definition."""
    tally: dict[str, dict[str, Any]] = {}
    for row in rows:
        none = {"definition": row["definition"], "title": None, "state": None, "alerts": 0, "void": 0}
        none |= {"true": 0, "false": 0, "duplicate": 0}
        mine = tally.setdefault(row["definition"], none)
        mine["alerts"] += 1
        last = row["verdicts"][-1]["verdict"] if row["verdicts"] else None
        if last in ("true", "false", "duplicate"):
            mine[last] += 1
    for mine in tally.values():
        judged = mine["true"] + mine["false"]
        mine["precision"] = mine["true"] / judged if judged else None
    return [tally[name] for name in sorted(tally)]
