"""Named scenes: what a tracker is tried on, each with its sizes and conditions, played in chunks or written to files.

What enters: a name, a seed, sizes where others are wanted. What leaves: chunks of a scene, or a folder with
observations, truth, statics, the sensors file of `kuroshio track`, and on request the sensors' bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kuroshio.errors import ConfigError
from kuroshio.sensing.ais.encode import sentences
from kuroshio.sensing.ais.encode_batch import encode_positions
from kuroshio.sensing.ais.pack import armour, pack
from kuroshio.sensing.asterix_encode import encode_cat048
from kuroshio.testing.sea.conditions import PLAIN, Conditions
from kuroshio.testing.sea.crowd_radar import RadarSite
from kuroshio.testing.sea.scene import Scene, four_radars, stream
from kuroshio.units import IntArray

CENTRE = (20.0, 122.0)
HALF_NM = 100.0
OPEN: dict[str, Any] = {
    "range_m": 130_000.0,
    "scan_s": 10.0,
    "range_sigma_m": 50.0,
    "bearing_sigma_deg": 0.3,
    "p_detection": 0.9,
    "clutter_per_scan": 20.0,
}
COAST = OPEN | {"range_m": 96_000.0, "antenna_height_m": 300.0, "horizon": True, "near_clutter_share": 0.4}
PORT: dict[str, Any] = {
    "range_m": 45_000.0,
    "scan_s": 3.0,
    "range_sigma_m": 15.0,
    "bearing_sigma_deg": 0.2,
    "p_detection": 0.9,
    "clutter_per_scan": 40.0,
    "antenna_height_m": 90.0,
    "horizon": True,
    "near_clutter_share": 0.4,
}
REAL = Conditions(gnss_wander=True, antenna_offsets=True, radar_extent=True, swing=True, moored_share=0.1)


@dataclass(frozen=True)
class Trial:
    """A named scene: sizes, sensors and conditions; ``biases`` are (radar number, metres, degrees)."""

    name: str
    about: str
    ships: int = 1000
    duration_s: float = 1200.0
    half_nm: float = HALF_NM
    radar: dict[str, Any] = field(default_factory=lambda: dict(OPEN))
    biases: tuple[tuple[int, float, float], ...] = ()
    ais_loss: float = 0.02
    dark_share: float = 0.15
    conditions: Conditions = PLAIN

    def radars(self) -> tuple[RadarSite, ...]:
        """The four radars."""
        sites = list(four_radars(CENTRE, self.half_nm, **self.radar))
        for number, range_m, bearing in self.biases:
            sites[number] = replace(sites[number], range_bias_m=range_m, bearing_bias_deg=bearing)
        return tuple(sites)

    def play(
        self, seed: int, *, ships: int | None = None, duration_s: float | None = None, chunk_s: float = 60.0,
        truth_step_s: float = 10.0,
    ) -> Iterator[Scene]:  # fmt: skip
        """Chunks of the scene."""
        return stream(
            seed,
            ships or self.ships,
            duration_s or self.duration_s,
            chunk_s=chunk_s,
            centre=CENTRE,
            half_nm=self.half_nm,
            radars=self.radars(),
            ais_loss=self.ais_loss,
            dark_share=self.dark_share,
            truth_step_s=truth_step_s,
            conditions=self.conditions,
        )

    def whole(self, seed: int, *, ships: int | None = None, duration_s: float | None = None) -> Scene:
        """The scene in one part."""
        (scene,) = self.play(seed, ships=ships, duration_s=duration_s, chunk_s=float("inf"))
        return scene


TRIALS: dict[str, Trial] = {
    t.name: t
    for t in (
        Trial("open-sea", "200 x 200 nm, four radars of 50 m and 0.3 degree, 20 false plots a scan, 15 % dark"),
        Trial("ramp", "open-sea, where ships begin over ten minutes instead of all at once",
              conditions=Conditions(ramp_s=600.0)),
        Trial("real-ships", "open-sea with antenna offsets, wandering GNSS, radar extent, ships swinging at anchor",
              conditions=REAL),
        Trial("harbours", "six crowded harbours, radars of 3 s, moored and turning craft, near clutter", half_nm=20.0,
              radar=PORT, conditions=replace(REAL, harbours=6, harbour_share=0.7)),
        Trial("islands", "twelve islands between ships and radars, radio horizon, near clutter", radar=COAST,
              conditions=replace(REAL, islands=12)),
        Trial("biased", "open-sea with one radar wrong by 80 m and 0.5 degree", biases=((0, 80.0, 0.5),)),
        Trial("lossy", "AIS lost in bursts, one in ten ships silent for a quarter of an hour", ais_loss=0.1,
              conditions=Conditions(ais_bursts_per_h=12.0, ais_burst_s=60.0, silent_share=0.1)),
        Trial("spoofed", "2 % jump by 300 m to 20 km, 1 % are dragged off, five pairs share an MMSI",
              conditions=Conditions(jump_share=0.02, drag_share=0.01, duplicates=5)),
        Trial("late", "one report in three up to half an hour late, in the order of arrival",
              duration_s=2400.0, conditions=Conditions(late_share=0.33)),
        Trial("hard", "all of it at once", radar=COAST, biases=((0, 80.0, 0.5), (3, -60.0, -0.3)), ais_loss=0.05,
              conditions=replace(REAL, harbours=4, harbour_share=0.3, islands=8, ais_bursts_per_h=6.0,
                                 silent_share=0.05, duplicates=3, jump_share=0.02, drag_share=0.01, ramp_s=300.0)),
    )
}  # fmt: skip


def trial(name: str) -> Trial:
    """Trial of that name.

    Raises
    ------
    ConfigError
        When there is none.
    """
    if name not in TRIALS:
        raise ConfigError(f"no trial {name!r}", code="sea.trial", advice=f"There are {', '.join(TRIALS)}.")
    return TRIALS[name]


def write(chunks: Iterator[Scene], folder: Path, *, raw: bool = False) -> dict[str, Any]:
    """Write a scene chunk by chunk; what was written.

    Files: ``observations.parquet``, ``truth.parquet``, ``ships.parquet`` (``obs_id``, ``ship_id``), ``sensors.json``,
    ``statics.parquet`` where ships send it, ``land.geojson`` where there are islands, and with ``raw`` ``ais.nmea`` and
    an ``.ast`` file a radar.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writers: dict[str, pq.ParquetWriter] = {}
    rows: dict[str, int] = {}

    def put(name: str, table: pa.Table) -> None:
        if name not in writers:
            writers[name] = pq.ParquetWriter(folder / f"{name}.parquet", table.schema, compression="zstd")
        writers[name].write_table(table)
        rows[name] = rows.get(name, 0) + table.num_rows

    sensors: list[dict[str, Any]] = []
    land: dict[str, Any] = {"features": []}
    files = _Raw(folder) if raw else None
    try:
        for scene in chunks:
            put("observations", scene.observations)
            put("truth", scene.truth)
            put("ships", pa.table({"obs_id": scene.observations["obs_id"], "ship_id": scene.ship_ids}))
            if scene.statics.num_rows:
                put("statics", scene.statics)
            sensors, land = [asdict(s) for s in scene.sensors()], scene.land()
            if files is not None:
                files.put(scene)
    finally:
        for writer in writers.values():
            writer.close()
        if files is not None:
            files.close()
    (folder / "sensors.json").write_text(json.dumps(sensors, indent=2) + "\n", encoding="utf-8")
    if land["features"]:
        (folder / "land.geojson").write_text(json.dumps(land) + "\n", encoding="utf-8")
    return {"rows": rows, "bytes": files.size if files else {}}


class _Raw:
    """The same scene as a receiver's sentences and radars' ASTERIX blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Any] = {}
        self.size: dict[str, int] = {}

    def _write(self, name: str, data: bytes) -> None:
        if name not in self._files:
            self._files[name] = (self._folder / name).open("wb")
        self._files[name].write(data)
        self.size[name] = self.size.get(name, 0) + len(data)

    def put(self, scene: Scene) -> None:
        """Write the bytes of a chunk."""
        self._write("ais.nmea", b"".join(_static_lines(scene.statics)) + position_lines(scene.observations))
        source = scene.observations.column("source").cast(pa.string()).to_numpy(zero_copy_only=False)
        for number, site in enumerate(scene.radars):
            part = scene.observations.filter(pa.array(source == site.name))
            blocks = encode_cat048(
                sac=0x7C,
                sic=number + 1,
                at_us=part["observed_at"].cast(pa.int64()).to_numpy(),
                range_m=part["range_m"].to_numpy(),
                bearing_deg=part["bearing_deg"].to_numpy(),
            )
            self._write(f"{site.name}.ast", b"".join(blocks))

    def close(self) -> None:
        """End all files."""
        for file in self._files.values():
            file.close()


def position_lines(observations: pa.Table) -> bytes:
    """AIS rows as sentences in the order of the rows."""
    kind = np.asarray(observations["msg_type"].fill_null(0).to_numpy())
    lines: list[bytes] = []
    at: list[IntArray] = []
    for msg_type in (1, 18):
        rows = np.flatnonzero(kind == msg_type)
        if not len(rows):
            continue
        part = observations.take(pa.array(rows))
        columns = {name: part[name].fill_null(np.nan).to_numpy() for name in ("lat_deg", "lon_deg", "sog_mps")}
        columns |= {name: part[name].fill_null(np.nan).to_numpy() for name in ("cog_deg", "heading_deg")}
        times = part["observed_at"].cast(pa.int64()).to_numpy()
        columns |= {
            "mmsi": part["mmsi"].to_numpy(),
            "position_accurate": (part["cov_ee_m2"].to_numpy() <= 100.0).astype(np.int64),
            "utc_second": times // 1_000_000 % 60,
        }
        data = encode_positions(columns, msg_type=msg_type, station="ais0", time_us=times)
        lines += data.splitlines(keepends=True)
        at.append(rows)
    order = np.argsort(np.concatenate(at)) if at else np.empty(0, np.int64)
    return b"".join([lines[k] for k in order])


def _static_lines(statics: pa.Table) -> Iterator[bytes]:
    for number, row in enumerate(statics.to_pylist()):  # once a run
        sides = {name: row[f"{name}_m"] for name in ("to_bow", "to_stern", "to_port", "to_starboard")}
        message = {"msg_type": 5, "mmsi": row["mmsi"], "name": row["name"], "ship_type": row["ship_type"], **sides}
        if row["msg_type"] == 24:
            message = {"msg_type": 24, "mmsi": row["mmsi"], "part": 1, "ship_type": row["ship_type"], **sides}
        at_us = int(row["observed_at"].timestamp()) * 1_000_000
        for line in sentences(*armour(*pack(message)), sequence=number % 10, tag_block={"s": "ais0", "time_us": at_us}):
            yield line + b"\r\n"
