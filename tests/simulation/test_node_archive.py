"""A node live and `kuroshio track` on what it observed give the same rows, whatever was cut and restarted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.cli import track as track_command
from kuroshio.node import assemble
from kuroshio.schema import OBSERVATIONS, TRACKS
from kuroshio.sensing.asterix_encode import encode_cat048
from kuroshio.store import Archive
from kuroshio.testing.handnode import HandNode, trusting
from kuroshio.testing.sea.scene import Scene, four_radars, observations
from kuroshio.testing.sea.trials import position_lines

US = 1_000_000
SHIPS, DURATION_S = 14, 240
RADAR = {"range_m": 60_000.0, "scan_s": 5.0, "range_sigma_m": 40.0, "bearing_sigma_deg": 0.3}


@pytest.fixture(scope="module")
def scene() -> Scene:
    assemble.warm_up()
    sites = four_radars((20.0, 122.0), 12.0, p_detection=0.9, clutter_per_scan=2.0, **RADAR)[:2]
    return observations(19, SHIPS, float(DURATION_S), half_nm=12.0, radars=sites, dark_share=0.3)


def _document(scene: Scene) -> dict[str, Any]:
    lat, lon, reach = scene.ais_reach
    ais = {"kind": "ais", "lat_deg": lat, "lon_deg": lon, "max_range_m": reach}
    sources = [{"name": "ais", "format": "aivdm", "link": "push", "sensor": ais}]
    for site in scene.radars:
        sensor = {
            "kind": "radar", "lat_deg": site.lat_deg, "lon_deg": site.lon_deg, "max_range_m": site.range_m,
            "scan_s": site.scan_s, "pd": 0.9, "range_sigma_m": site.range_sigma_m,
            "bearing_sigma_deg": site.bearing_sigma_deg, "false_plots_a_scan": 2.0,
        }  # fmt: skip
        sources.append({"name": site.name, "format": "asterix", "link": "push", "sensor": sensor})
    return {"node": {"party": "PHL", "name": "PHL"}, "sources": sources}


def _entries(scene: Scene, from_us: int, to_us: int) -> list[tuple[str, int, bytes]]:
    """Bytes of what was sensed in a time, arriving at its end."""
    at = scene.observations["observed_at"].cast(pa.int64()).to_numpy()
    rows = scene.observations.filter(pa.array((at >= from_us) & (at < to_us)))
    source = np.array(rows["source"].to_pylist())
    entries = []
    for number, name in enumerate(["ais", *(site.name for site in scene.radars)]):
        part = rows.filter(pa.array(source == name))
        if not part.num_rows:
            continue
        if name == "ais":
            data = position_lines(part)
        else:
            data = b"".join(
                encode_cat048(
                    sac=1, sic=number, at_us=part["observed_at"].cast(pa.int64()).to_numpy(),
                    range_m=part["range_m"].to_numpy(), bearing_deg=part["bearing_deg"].to_numpy(),
                )
            )  # fmt: skip
        entries.append((name, to_us, data))
    return entries


def _live(folder: Path, scene: Scene, *, step_s: int, restart_s: int | None, crash_s: int | None) -> None:
    """Play a scene through a node into its archive."""
    folder.mkdir()
    start_us = int(scene.truth["observed_at"].cast(pa.int64())[0].as_py())
    trusting(folder.parent / f"{folder.name}-keys", ["PHL"], now_us=start_us)
    (folder.parent / f"{folder.name}-keys" / "PHL" / "keys").rename(folder / "keys")
    node = HandNode(folder, _document(scene))
    for at_s in range(0, DURATION_S, step_s):
        begin_us, end_us = start_us + at_s * US, start_us + (at_s + step_s) * US
        node.step(_entries(scene, begin_us, end_us), now_us=end_us)
        if at_s + step_s == restart_s:
            node.close()
            node = HandNode(folder, _document(scene))
        if at_s + step_s == crash_s:
            node.crash()
            node = HandNode(folder, _document(scene))
            assert node.parts.core.counters.replayed_entries > 0
    node.close()


def _archive(folder: Path, scene: Scene) -> tuple[pa.Table, pa.Table]:
    """(tracks of the node's archive, tracks that `kuroshio track` makes of the observations in it)."""
    with Archive(HandNode.config_of(folder, _document(scene)).node.data / "archive", read_only=True) as archive:
        live, seen = archive.read(TRACKS.name), archive.read(OBSERVATIONS.name)
    config = HandNode.config_of(folder, _document(scene))
    pq.write_table(seen, folder / "seen.parquet")
    sensors = [asdict(assemble.sensor_of(s)) for s in config.sources]
    (folder / "sensors.json").write_text(json.dumps(sensors))
    done = CliRunner().invoke(
        track_command.app,
        [str(folder / "seen.parquet"), "--sensors", str(folder / "sensors.json"), "-o", str(folder / "out"), "--json"],
    )
    assert done.exit_code == 0, done.output
    return live, pq.read_table(folder / "out" / "tracks.parquet")


def _rows(table: pa.Table, until_us: int) -> list[str]:
    """Every value of every row up to a time, in an order that does not depend on how the rows came."""
    table = TRACKS.conform(table)
    at = table["observed_at"].cast(pa.int64()).to_numpy()
    return sorted(repr(row) for row in table.filter(pa.array(at <= until_us)).to_pylist())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step_s", "restart_s", "crash_s"), [(5, None, None), (10, None, None), (5, 100, 170), (5, None, 120)]
)
def test_live_and_archive_give_the_same_rows(
    tmp_path: Path, scene: Scene, step_s: int, restart_s: int | None, crash_s: int | None
) -> None:
    _live(tmp_path / "node", scene, step_s=step_s, restart_s=restart_s, crash_s=crash_s)
    live, again = _archive(tmp_path / "node", scene)
    last_us = int(np.max(live["observed_at"].cast(pa.int64()).to_numpy())) - 10 * US  # the last slot is cut elsewhere
    ours, theirs = _rows(live, last_us), _rows(again, last_us)
    assert len(ours) > 30 * SHIPS
    assert {row["status"] for row in live.select(["status"]).to_pylist()} >= {"confirmed"}
    assert ours == theirs
