"""The whole state of an engine as one Arrow IPC file: named arrays, and the facts as JSON.

Written to a temporary file and renamed, so that a crash leaves the old one. Read back only when definitions and zones
have the same digest: state of one definition means nothing to another.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from kuroshio.behaviour.core import Core
from kuroshio.behaviour.fixes import Fixes
from kuroshio.behaviour.ledger import Standing
from kuroshio.behaviour.repair import Late, Snapshot
from kuroshio.behaviour.state import Fact
from kuroshio.errors import StoreError

if TYPE_CHECKING:
    from kuroshio.behaviour.engine import Engine

FORMAT = 10
_TIMES = ("cut_us", "newest_us", "rows")
_SCHEMA = pa.schema(
    [("name", pa.string()), ("dtype", pa.string()), ("shape", pa.list_(pa.int64())), ("data", pa.large_binary())]
)


def _fact_plain(fact: Fact) -> dict[str, Any]:
    return {**fact._asdict(), "values": dict(fact.values)}


def _fact(plain: dict[str, Any]) -> Fact:
    lists = {k: tuple(plain[k]) for k in ("tracks", "mmsis", "notes")}
    points = tuple((str(p[0]), int(p[1]), float(p[2]), float(p[3])) for p in plain["points"])
    return Fact(**{**plain, **lists, "points": points})


def _facts(facts: dict[str, Fact]) -> dict[str, Any]:
    return {name: _fact_plain(fact) for name, fact in facts.items()}


def save(engine: Engine, path: Path) -> None:
    """Write the checkpoint; see the module."""
    from kuroshio.behaviour.engine import Engine as _Engine

    assert isinstance(engine, _Engine)
    snapshots = {"present": engine.present} | {f"past{i}": snapshot for i, snapshot in enumerate(engine.past.snapshots)}
    arrays: dict[str, Any] = {f"{name}/{k}": v for name, s in snapshots.items() for k, v in s.core.arrays().items()}
    arrays |= {f"names/{k}": v for k, v in engine.present.core.names.arrays().items()}
    arrays |= {f"log/{k}": v for k, v in engine.past.log.arrays(engine.present.core.names.tracks.names).items()}
    arrays |= {f"late/{k}": v for k, v in engine.late.arrays().items()}
    arrays |= {f"urgent/{k}": v for k, v in engine.urgent.arrays().items()}
    arrays |= {f"ahead/{k}": v for k, v in engine.ahead.as_columns().items()}
    arrays |= {f"dirty/{k}": v for k, v in Late.concat(engine.dirty)._asdict().items()} if engine.dirty else {}
    meta = {
        "format": FORMAT,
        "definitions": engine.definitions.digest,
        "zones": engine.zones.digest if engine.zones is not None else None,
        "norms": engine.norms.digest if engine.norms is not None else None,
        "watermark_us": engine.watermark_us,
        "settled_us": engine.settled_us,
        "unconfirmed": sorted(engine.unconfirmed),
        "ending": sorted(engine.ending),
        "urgent": _facts(engine.urgent.facts),
        "snapshots": {
            name: {**{k: getattr(s, k) for k in _TIMES}, "facts": _facts(s.facts)} for name, s in snapshots.items()
        },
        "standing": {n: {"fact": _fact_plain(s.fact), "grade": s.grade} for n, s in engine.ledger.standing.items()},
        "finished": engine.ledger.finished,
        "counts": dict(engine.counts),
    }
    names = list(arrays)
    values = [np.ascontiguousarray(arrays[n]) for n in names]
    body = pa.table(
        [names, [v.dtype.str for v in values], [list(v.shape) for v in values], [v.tobytes() for v in values]],
        schema=_SCHEMA.with_metadata({"kuroshio.behaviour": json.dumps(meta)}),
    )
    temporary = path.with_suffix(path.suffix + ".part")
    try:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, body.schema) as writer:
            writer.write_table(body)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as err:
        raise StoreError(f"{path}: checkpoint not written: {err}", code="behaviour.checkpoint") from err


def load(engine: Engine, path: Path) -> None:
    """Take the checkpoint up; see the module."""
    try:
        with pa.OSFile(str(path), "rb") as source:
            body = pa.ipc.open_file(source).read_all()
        meta = json.loads(body.schema.metadata[b"kuroshio.behaviour"])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as err:
        raise StoreError(f"{path}: not a checkpoint: {err}", code="behaviour.checkpoint") from err
    zones = engine.zones.digest if engine.zones is not None else None
    norms = engine.norms.digest if engine.norms is not None else None
    now = {"format": FORMAT, "definitions": engine.definitions.digest, "zones": zones, "norms": norms}
    for what, have in now.items():
        if meta.get(what) != have:
            raise StoreError(
                f"{path}: checkpoint of other {what} ({meta.get(what)}, here {have})",
                code="behaviour.checkpoint_other",
                advice="Start without it; alerts are made again from the stored tracks.",
            )
    groups: dict[str, dict[str, Any]] = {}
    for row in body.to_pylist():  # one turn an array
        group, name = row["name"].split("/", 1)
        value = np.frombuffer(bytearray(row["data"]), np.dtype(row["dtype"])).reshape(row["shape"])
        groups.setdefault(group, {})[name] = value
    names = engine.present.core.names
    names.restore(groups["names"])
    snapshots: dict[str, Snapshot] = {}
    for name, plain in meta["snapshots"].items():
        core = Core(engine.definitions, engine.around, names=names)
        core.restore(groups[name])
        facts = {n: _fact(f) for n, f in plain["facts"].items()}
        snapshots[name] = Snapshot(core, facts, **{k: plain[k] for k in _TIMES})
    engine.present = snapshots.pop("present")
    engine.past.snapshots = [snapshots[f"past{i}"] for i in range(len(snapshots))]
    engine.past.log.restore(groups["log"])
    engine.late.restore(groups["late"])
    engine.urgent.restore(groups["urgent"], {n: _fact(f) for n, f in meta["urgent"].items()})
    engine.dirty = [Late(**groups["dirty"])] if "dirty" in groups else []
    engine.ahead = Fixes(**groups["ahead"])
    engine.watermark_us, engine.settled_us = meta["watermark_us"], meta["settled_us"]
    engine.unconfirmed = [(int(t), str(n)) for t, n in meta["unconfirmed"]]  # sorted: a heap
    engine.ending = [(int(t), str(n)) for t, n in meta["ending"]]
    engine.ledger.standing = {n: Standing(_fact(s["fact"]), s["grade"]) for n, s in meta["standing"].items()}
    engine.ledger.finished = dict(meta["finished"])
    engine.counts = Counter(meta["counts"])
