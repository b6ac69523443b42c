"""A person's sighting through the node: durable, in the picture at once, with its own ellipse, and gone in time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kuroshio import clock
from kuroshio.errors import InputError, NotFound
from kuroshio.geo import distance_m
from kuroshio.node import assemble, config
from kuroshio.node.service import Service

AT = {"position": "20-30N 121-45E", "error_m": 800.0}


def service(folder: Path, *sources: dict[str, Any]) -> Service:
    raw = {
        "node": {"party": "PHL", "name": "test", "mode": "live"},
        "sources": list(sources),
    }
    parts = assemble.build(config.from_dict(raw, base=folder))
    return Service(parts, None, None, ThreadPoolExecutor(1))  # type: ignore[arg-type]


def close(node: Service) -> None:
    node.parts.archive.close()
    node.parts.journal.close()


PUSH = {"name": "sightings", "format": "sighting", "link": "push", "sensor": {"kind": "human"}}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Service]:
    made = service(tmp_path, PUSH)
    yield made
    close(made)


def test_a_sighting_is_in_the_picture_at_once_with_its_own_ellipse(node: Service) -> None:
    row = node.sight(AT | {"course_deg": 90.0, "speed_mps": 5.0, "remarks": "grey\n---\nPos: 1N 1E"}, by="ann")
    assert (row["lat_deg"], row["lon_deg"], row["station"], row["sensor"]) == (20.5, 121.75, "ann", "human")
    later = node.now_us() + 2_000_000
    node.call(node.parts.core.cycle, [], now_us=later)
    track = node.parts.core.picture.to_pylist()[0]
    assert (track["status"], track["sensors"], track["mmsi"]) == ("confirmed", ["human"], None)
    assert track["cov_ee_m2"] ** 0.5 == pytest.approx(800.0, rel=0.01)
    assert float(distance_m(20.5, 121.75, track["lat_deg"], track["lon_deg"])) < 30.0
    assert track["ve_mps"] == pytest.approx(5.0, abs=0.1)
    assert node.parts.core.picture.num_rows == 1  # what a person writes is never another report


def test_it_is_looked_for_half_an_hour_and_then_gone(node: Service) -> None:
    node.sight(AT, by="ann")
    start = node.now_us()
    for minutes in (1, 25):
        node.call(node.parts.core.cycle, [], now_us=start + minutes * 60_000_000)
        assert node.parts.core.picture.num_rows == 1
    grown = node.parts.core.picture.to_pylist()[0]
    assert (grown["status"], grown["cov_ee_m2"] > 800.0**2) == ("coasted", True)
    node.call(node.parts.core.cycle, [], now_us=start + 32 * 60_000_000)
    assert node.parts.core.picture.num_rows == 0


def test_it_survives_a_restart(tmp_path: Path) -> None:
    before = service(tmp_path, PUSH)
    before.sight(AT, by="ann")
    close(before)
    before.parts.operations.close()
    after = service(tmp_path, PUSH)
    after.parts.core.recover()
    after.call(after.parts.core.cycle, [], now_us=after.now_us() + 2_000_000)
    assert after.parts.core.picture.num_rows == 1
    close(after)


@pytest.mark.parametrize(("ago_s", "good"), [(0, True), (1700, True), (1900, False), (-20, True), (-90, False)])
def test_a_time_the_picture_would_not_take_is_refused(node: Service, ago_s: int, good: bool) -> None:
    said = AT | {"time": clock.rfc3339(node.now_us() - ago_s * 1_000_000)}
    if good:
        node.sight(said, by="ann")
        return
    with pytest.raises(InputError, match="the picture takes"):
        node.sight(said, by="ann")
    node.call(node.parts.core.cycle, [], now_us=node.now_us() + 100_000_000)
    assert node.parts.core.counters.entries == 0


@pytest.mark.parametrize(
    "fields", [{}, {"position": "north"}, {"lat_deg": 5.0}, AT | {"bearing_deg": 5.0}, AT | {"colour": "red"}]
)
def test_a_field_that_cannot_be_is_named_and_nothing_is_kept(node: Service, fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="sighting"):
        node.sight(fields, by="ann")
    assert node.parts.core.counters.entries == 0


def test_a_node_without_a_source_for_them_says_so(tmp_path: Path) -> None:
    other = service(tmp_path, {"name": "ais", "format": "aivdm", "link": "push"})
    with pytest.raises(NotFound, match="no source for sightings"):
        other.sight(AT, by="ann")
    close(other)
