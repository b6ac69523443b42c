"""The tracker's state on disk: written whole, read back to go on as if nothing had happened.

What enters: a tracker, or a file. What leaves: a file, or a tracker whose next steps give the same rows. The file is
one NumPy archive of arrays without pickle, and one JSON text inside it; it is written beside and renamed.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kuroshio.errors import StoreError
from kuroshio.geo.coastline import Coastline
from kuroshio.geo.zones import Zones
from kuroshio.picture import journal
from kuroshio.picture.ingest import Sources
from kuroshio.picture.model import SensorModel, TrackerConfig
from kuroshio.picture.registry import Registry
from kuroshio.picture.table import BY_ROW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kuroshio.picture.tracker import Tracker

VERSION = 8


def write(tracker: Tracker, path: Path) -> None:
    """Write the whole state to a file."""
    table = tracker.table
    rows = table.live
    arrays: dict[str, Any] = {"rows": rows}
    for name, value in table.arrays().items():
        arrays[name] = value[rows] if name in BY_ROW else value
    arrays["pending"] = tracker.pending
    arrays["seen.old"], arrays["seen.new"] = tracker.seen.members()
    arrays["seen.count"] = tracker.seen.count[:2]
    heard = np.flatnonzero(tracker.coverage.heard_us.ravel() > -(1 << 62))
    arrays["heard.at"], arrays["heard.us"] = heard, tracker.coverage.heard_us.ravel()[heard]
    arrays["heard.pulse"], arrays["heard.pauses"] = tracker.coverage.pulse, tracker.coverage.pauses
    arrays["forbidden"] = tracker.forbidden
    arrays["log.lines"], arrays["log.events"] = journal.untold(tracker.log, table.ctl)
    for code, state in tracker.coverage.state.items():
        arrays[f"pd.{code}"] = np.stack([state.pd_map.tried, state.pd_map.seen])
        arrays[f"hit.{code}"] = np.concatenate(state.hit) if state.hit else np.zeros(0, np.int64)
    arrays.update(tracker.house.registration.arrays())
    arrays.update(tracker.fusion.arrays())
    arrays.update(tracker.desk.arrays())
    arrays["meta"] = np.frombuffer(json.dumps(_meta(tracker)).encode(), np.uint8)
    beside = path.with_name(path.name + ".tmp")
    try:
        with beside.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as err:
        raise StoreError(f"checkpoint {path}: {err}", code="picture.checkpoint_write") from err


def _meta(tracker: Tracker) -> dict[str, Any]:
    return {
        "version": VERSION,
        "config": asdict(tracker.config),
        "sensors": [asdict(m) for m in tracker.sensors],
        "sources": tracker.sources.names,
        "capacity": tracker.table.capacity,
        "clock_us": tracker.clock_us,
        "next_tick_us": tracker.next_tick_us,
        "totals": dict(tracker.totals),
        "merging": [[*k, v] for k, v in tracker.house.merging.seen.items()],
        "apart": sorted(tracker.house.merging.apart),
        "confirmed": tracker.house.confirmed,
        "claims_changed": tracker.house.claims_changed,
        "claims": tracker.book.meta(),
        "states": {
            str(code): [asdict(s.model), s.declared, s.last_us, s.scan, s.scan_us]
            for code, s in tracker.coverage.state.items()
        },
        "registration": tracker.house.registration.meta(),
        "fusion": tracker.fusion.meta(),
        "desk": tracker.desk.meta(),
    }


def read(
    cls: type[Tracker],
    path: Path,
    sensors: Sequence[SensorModel] | None,
    registry: Registry | None = None,
    land: Zones | Coastline | None = None,
) -> Tracker:
    """Tracker from a file; ``sensors`` replaces the models it was written with.

    Raises
    ------
    StoreError
        When the file is missing, damaged or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop("meta").tobytes().decode())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as err:
        raise StoreError(f"checkpoint {path} cannot be read: {err}", code="picture.checkpoint_read") from err
    if meta.get("version") != VERSION:
        raise StoreError(f"checkpoint {path} has version {meta.get('version')}, not {VERSION}", code="picture.version")
    known = [SensorModel(**m) for m in meta["sensors"]] if sensors is None else list(sensors)
    tracker = cls(TrackerConfig(**meta["config"]), sensors=known, registry=registry, land=land)
    _restore_table(tracker, arrays, int(meta["capacity"]))
    tracker.pending = arrays["pending"]
    tracker.seen.restore(arrays["seen.old"], arrays["seen.new"], arrays["seen.count"])
    tracker.coverage.heard_us.ravel()[arrays["heard.at"]] = arrays["heard.us"]
    tracker.coverage.pulse[:], tracker.coverage.pauses[:] = arrays["heard.pulse"], arrays["heard.pauses"]
    tracker.forbidden = arrays["forbidden"]
    empty = tracker.log.lines[:0], tracker.log.events[:0]  # a checkpoint of an older version has none
    lines, events = arrays.get("log.lines", empty[0]), arrays.get("log.events", empty[1])
    tracker.log = journal.tell_again(tracker.log, tracker.table.ctl, lines, events)
    _restore_coverage(tracker, meta, arrays, keep_models=sensors is None)
    tracker.clock_us, tracker.next_tick_us = meta["clock_us"], meta["next_tick_us"]
    tracker.totals.update(meta["totals"])
    tracker.house.merging.seen = {(a, b): n for a, b, n in meta["merging"]}
    tracker.house.merging.apart = {(a, b) for a, b in meta["apart"]}
    tracker.house.claims_changed = meta["claims_changed"]
    tracker.house.confirmed = meta.get("confirmed", 0)
    tracker.house.claims_changed |= tracker.book.restore(meta["claims"])
    tracker.house.registration.restore(meta["registration"], arrays)
    tracker.fusion.restore(meta["fusion"], arrays)
    tracker.desk.restore(meta["desk"], arrays)
    return tracker


def _restore_table(tracker: Tracker, arrays: dict[str, Any], capacity: int) -> None:
    rows = arrays["rows"]
    named: dict[str, Any] = {}
    for name, empty in tracker.table.arrays().items():
        value = arrays[name]
        if name in BY_ROW:
            full = np.zeros(capacity, empty.dtype)
            full[rows] = value
            value = full
        named[name] = value
    tracker.table.restore(named)


def _restore_coverage(tracker: Tracker, meta: dict[str, Any], arrays: dict[str, Any], *, keep_models: bool) -> None:
    # the saved numbering of sources is the one that tracks refer to: models of now are put under it
    models = {s.model.source: s for s in tracker.coverage.state.values()}
    tracker.sources = Sources(meta["sources"])
    tracker.coverage.sources = tracker.sources
    tracker.coverage.state = {}
    for name, state in models.items():
        tracker.coverage.state[tracker.sources.code(name)] = state
    for code, (model, declared, last_us, scan, scan_us) in meta["states"].items():
        state = tracker.coverage.of(int(code), SensorModel(**model).kind_code)
        if keep_models:
            state.model, state.declared = SensorModel(**model), declared
        state.last_us, state.scan, state.scan_us = last_us, scan, scan_us
        hit = arrays[f"hit.{code}"]
        state.hit = [hit] if len(hit) else []
        if _looks_alike(state.model, SensorModel(**model)):  # else other cells are seen now than were counted
            state.pd_map.tried, state.pd_map.seen = arrays[f"pd.{code}"].copy()
    tracker.coverage.mask_land()


def _looks_alike(now: SensorModel, then: SensorModel) -> bool:
    """True where a sensor stands where it stood and looks as far."""
    place = (now.lat_deg, now.lon_deg, now.coverage_m)
    return place == (then.lat_deg, then.lon_deg, then.coverage_m)
