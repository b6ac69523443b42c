"""Port visits: confidence 1 to 4 by which of entry, stop, silence and exit were seen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from kuroshio import behaviour, schema

S, MIN, H = 1_000_000, 60_000_000, 3_600_000_000
T0 = 1_700_006_400 * S
ALL = behaviour.load_definitions()


def port(lon=121.0, name="Basco"):
    ring = [[lon - 0.05, 19.95], [lon + 0.05, 19.95], [lon + 0.05, 20.05], [lon - 0.05, 20.05], [lon - 0.05, 19.95]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"name": name, "kind": "port"}, "geometry": shape}


def rows(minutes, lat, track=1, lon=121.0):
    n = len(minutes)
    return schema.TRACKS.build(
        {
            "track_id": np.full(n, track),
            "observed_at": T0 + np.asarray(minutes, np.int64) * MIN,
            "lat_deg": np.asarray(lat, float),
            "lon_deg": np.broadcast_to(np.asarray(lon, float), n).copy(),
            "status": ["confirmed"] * n,
            "mmsi": np.full(n, 412_000_000 + track),
            "last_ais_at": T0 + np.asarray(minutes, np.int64) * MIN,
        }
    )


def voyage(*, enters=True, stops=True, silent=False, leaves=True):
    """Minutes and latitudes of a ship that comes from the south; the port lies from 19.95 to 20.05."""
    minutes, lat = [], []
    if enters:
        minutes += range(0, 60, 5)
        lat += np.linspace(19.8, 20.0, 12).tolist()
    at = 60
    if stops:
        minutes += range(at, at + 120, 5)
        lat += [20.0] * 24
        at += 120
    if not stops and not enters:
        minutes += [at]
        lat += [20.0]
    if silent:
        at += 300
    if leaves:
        minutes += range(at, at + 60, 5)
        lat += np.linspace(20.001, 20.25, 12).tolist()
    return rows(minutes, lat)


def visits(table, *, hours=48, zones=None, least=1):

    definitions = behaviour.load_definitions().only("port_visit")
    if least != 2:
        d = definitions["port_visit"]
        changed = replace(d.thresholds["min_confidence"], value=least)
        definitions = behaviour.Definitions([replace(d, thresholds={**d.thresholds, "min_confidence": changed})])
    zones = behaviour.load_zones(port()) if zones is None else zones
    return behaviour.detect(table, definitions, zones=zones, now_us=T0 + hours * H).to_pylist()


CASES = [
    ({}, 4, "entry, stop, exit", "it left"),
    ({"enters": False}, 3, "stop, exit", "it left"),
    ({"leaves": False}, 3, "entry, stop, gap", "it fell silent in port"),
    ({"enters": False, "leaves": False}, 2, "stop, gap", "it fell silent in port"),
    ({"stops": False}, 1, "entry, exit", "it left"),
    ({"enters": False, "stops": False}, 1, "exit", "it left"),
]


@pytest.mark.parametrize(("how", "confidence", "seen", "cause"), CASES)
def test_confidence_is_what_was_seen_of_the_visit(how, confidence, seen, cause):
    (visit,) = visits(voyage(**how))
    evidence = json.loads(visit["evidence"])
    assert (evidence["values"]["confidence"], evidence["values"]["seen"]) == (confidence, seen)
    assert evidence["ended_because"] == cause
    assert visit["zone"] == "Basco"
    assert f"confidence {confidence} of 4" in visit["summary"]


def test_the_entry_is_where_the_edge_was_crossed_and_the_end_is_the_last_fix_in_port():
    (visit,) = visits(voyage())
    first, last = json.loads(visit["evidence"])["geometry"]
    assert first["label"] == "entry"
    assert first["lat_deg"] == pytest.approx(19.95, abs=1e-6)
    assert last["lat_deg"] < 20.05
    assert 121 * 60 < (visit["end_at"] - visit["start_at"]).total_seconds() < 160 * 60
    assert json.loads(visit["evidence"])["values"]["stopped_s"] >= 6_900


def test_a_ship_that_passes_through_is_told_only_where_confidence_1_is_asked_for():
    assert visits(voyage(stops=False), least=2) == []
    assert len(visits(voyage(), least=4)) == 1
    assert visits(voyage(enters=False), least=4) == []


def test_a_silence_in_port_parts_two_visits():
    first, second = visits(voyage(silent=True))
    assert json.loads(first["evidence"])["values"]["seen"] == "entry, stop, gap"
    assert json.loads(second["evidence"])["values"]["seen"] == "exit"


def test_a_ship_swinging_at_the_edge_makes_one_visit_and_ports_that_overlap_too():
    swing = 20.0495 + 0.001 * (np.arange(60) % 2)
    table = rows([*range(0, 60, 5), *range(60, 120)], [*np.linspace(19.8, 20.049, 12), *swing])
    assert len(visits(table)) == 1
    both = behaviour.load_zones({"type": "FeatureCollection", "features": [port(), port(121.04, "Ivana")]})
    lon = np.concatenate([np.full(36, 121.0), np.linspace(121.0, 121.3, 12)])
    table = rows([*range(0, 180, 5), *range(180, 240, 5)], [*np.linspace(19.8, 20.0, 12), *[20.0] * 36], lon=lon)
    (visit,) = visits(table, zones=both)
    assert visit["zone"] == "Basco"
    assert json.loads(visit["evidence"])["values"]["confidence"] == 4


def test_a_visit_is_told_once_the_stop_is_long_enough_and_not_before():
    table = voyage(leaves=False)
    engine = behaviour.Engine(ALL.only("port_visit"), zones=behaviour.load_zones(port()))
    told = {}
    for minute in range(0, 180, 5):
        now = T0 + minute * MIN
        part = table.filter(np.asarray(table["observed_at"].cast("int64")) == now)
        for row in engine.step(part, now_us=now).to_pylist():
            told.setdefault(row["change"], minute)
    assert 75 <= told["open"] <= 85
    assert "close" not in told
