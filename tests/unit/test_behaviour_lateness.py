"""A watermark per source: what a slow source may still speak of is provisional, and is repaired when it speaks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import behaviour, picture, schema
from kuroshio.errors import ConfigError
from kuroshio.node.config import SourceSection, from_dict
from kuroshio.node.pipeline import Pipeline
from kuroshio.sensing import formats
from kuroshio.sensing.ais import encode

S, MIN, H = 1_000_000, 60_000_000, 3_600_000_000
T0 = 1_700_006_400 * S
ALL = behaviour.load_definitions()
SLOW = {"shore": 300.0, "orbit": 2_700.0, "store": 86_400.0}


def rows(track, times, *, source, lat=20.0):
    t = np.asarray(times, np.int64)
    n = len(t)
    return schema.TRACKS.build(
        {
            "track_id": np.full(n, track),
            "observed_at": t,
            "lat_deg": np.broadcast_to(np.asarray(lat, float), n).copy(),
            "lon_deg": np.full(n, 121.0),
            "status": ["confirmed"] * n,
            "mmsi": np.full(n, 412_000_000 + track),
            "last_ais_at": t,
            "sources": [[source]] * n,
        }
    )


def box():
    ring = [[120.9, 19.9], [121.1, 19.9], [121.1, 20.1], [120.9, 20.1], [120.9, 19.9]]
    return behaviour.load_zones(
        {
            "type": "Feature",
            "properties": {"name": "Bank", "kind": "reserve"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
    )


def confirmed_after(source, sources_s, definition="zone_entry"):
    """Minutes from an entry until its alert is confirmed."""
    engine = behaviour.Engine(ALL.only(definition), zones=box(), sources_s=sources_s)
    lat = 19.8 + 0.002 * np.arange(101)  # inside from the 51st minute
    table = rows(1, T0 + MIN * np.arange(101), source=source, lat=lat)
    for minute in range(101 + 26 * 60):
        seen = engine.step(table.slice(minute, 1) if minute < 101 else table.slice(0, 0), now_us=T0 + minute * MIN)
        if "confirmed" in seen["grade"].cast(pa.string()).to_pylist():
            return minute - 50
    return None


def test_what_a_slow_source_tells_is_confirmed_by_its_own_watermark():
    quick, orbit, store = (confirmed_after(name, SLOW) for name in SLOW)
    assert quick <= 9  # three fixes inside, and five minutes
    assert quick + 38 <= orbit <= quick + 42
    assert quick + 1_430 <= store <= quick + 1_440
    assert confirmed_after("orbit", None) == quick


def test_a_silence_is_confirmed_when_no_source_can_break_it_any_more():
    engine = behaviour.Engine(ALL.only("ais_gap"), sources_s={"shore": 300.0, "orbit": 2_700.0})
    engine.step(rows(1, T0 + 5 * MIN * np.arange(25), source="shore"), now_us=T0 + 2 * H)
    grades = {}
    for minute in range(0, 9 * 60, 5):
        now = T0 + 2 * H + minute * MIN
        for row in engine.step(schema.TRACKS.empty(), now_us=now).to_pylist():
            grades[row["grade"]] = minute
    assert grades["provisional"] <= 6 * 60 + 10  # five minutes after the rule is met
    assert grades["confirmed"] - grades["provisional"] >= 30


def test_a_late_report_from_a_store_repairs_the_day_before_and_voids_the_gap():
    sources = {"shore": 300.0, "store": 86_400.0}
    engine = behaviour.Engine(ALL.only("ais_gap"), sources_s=sources)
    heard = rows(1, T0 + 5 * MIN * np.arange(49), source="shore")
    told = [engine.step(heard, now_us=T0 + 4 * H)]
    told += [engine.step(schema.TRACKS.empty(), now_us=T0 + h * H) for h in range(5, 24)]
    ledger = schema.concat(schema.ALERTS, told)
    (gap,) = behaviour.fold(ledger).to_pylist()
    assert gap["grade"] == "provisional"
    late = rows(1, T0 + 4 * H + 30 * MIN * np.arange(1, 39), source="store")
    told += [engine.step(late, now_us=T0 + 23 * H + 30 * MIN)]
    told += [engine.step(schema.TRACKS.empty(), now_us=T0 + 23 * H + m * MIN) for m in (40, 50)]
    ledger = schema.concat(schema.ALERTS, told)
    assert behaviour.fold(ledger).num_rows == 0
    assert ledger["change"].cast(pa.string()).to_pylist()[-1] == "void"
    assert engine.health()["late_rows"] == 37  # the last is newer than the watermark was
    then = behaviour.fold(ledger, known_at_us=T0 + 23 * H)
    assert then["alert_id"].to_pylist() == [gap["alert_id"]]  # what the watch saw then


def test_waits_survive_a_checkpoint(tmp_path):
    engine = behaviour.Engine(ALL.only("ais_gap"), sources_s=SLOW)
    engine.step(rows(3, [T0], source="orbit"), now_us=T0)
    engine.save(tmp_path / "state")
    again = behaviour.Engine(ALL.only("ais_gap"), sources_s=SLOW)
    again.load(tmp_path / "state")
    assert again.late.waits == {3: 2_400 * S}
    assert again.late.watermarks_us(T0)["store"] == T0 - 86_400 * S


def report(mmsi, at_us, lat):
    told = {"msg_type": 1, "mmsi": mmsi, "lat_deg": lat, "lon_deg": 122.0, "sog_mps": 5.0, "cog_deg": 0.0}
    return encode(told, tag_block={"s": "x", "c": at_us // S})[0] + b"\r\n"


@pytest.mark.parametrize(("delivery", "used"), [("store_and_forward", 10), ("satellite", 0)])
def test_reports_too_old_for_the_picture_reach_behaviour_as_far_as_their_source_may_be_late(delivery, used, tmp_path):
    sections = {
        "shore": SourceSection(name="shore", format="aivdm", link="push"),
        "store": SourceSection(name="store", format="aivdm", link="push", delivery=delivery),
    }
    decoders = {n: formats.open_decoder("aivdm", n, {}) for n in sections}
    lateness = {n: s.watermark_s for n, s in sections.items()}
    engine = behaviour.Engine(ALL.only("ais_gap"), sources_s=lateness)
    node = Pipeline(sections, decoders, picture.Tracker(), engine)
    for k in range(20):
        at = T0 + k * 10 * S
        step = node.step([("shore", at, report(431000001, at, 20.0 + k * 4.5e-4))], now_us=at)
    (track,) = step.tracks["track_id"].unique().to_pylist()
    node.save(tmp_path)
    now = T0 + 4 * H
    node.step([("shore", now, report(431000009, now, 21.0))], now_us=now)  # the picture is at the present
    late = b"".join(report(431000001, T0 + H + k * 60 * S, 20.2) for k in range(10))
    step = node.step([("store", now, late)], now_us=now)
    assert step.counters["ancient"] == 10
    assert node.late.counts["late_reports_used"] == used
    assert engine.health()["rows"] >= 20 + used
    assert 20.2 not in [round(v, 3) for v in step.tracks["lat_deg"].to_pylist()]  # the picture shows the present
    if used:
        assert node.late.bearer == {431000001: track}
        node.late.load(json.loads((tmp_path / "late.json").read_text()))
        assert node.late.bearer == {431000001: track}


def test_the_settings_say_how_late_a_source_may_be():
    section = {"name": "orbit", "format": "aivdm", "link": "push"}
    assert SourceSection(**section).watermark_s == 300.0
    assert SourceSection(**section, delivery="satellite").watermark_s == 2_700.0
    assert SourceSection(**section, delivery="store_and_forward").watermark_s == 86_400.0
    assert SourceSection(**section, delivery="satellite", lateness_s=600).watermark_s == 600.0
    whole = {"node": {"party": "JPN", "name": "x"}, "sources": [{**section, "delivery": "pigeon"}]}
    with pytest.raises(ConfigError, match="delivery"):
        from_dict(whole, base=Path("."))
