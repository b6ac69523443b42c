"""Holds any `NodeView` to the shapes that the API documents; for tests of a real node and of the stand-in alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kuroshio.api import models, models_sharing, wire
from kuroshio.node.views import NodeView


def faults(node: NodeView, *, viewpoints: bool = True) -> list[str]:
    """What a node answers that is not of the shape documented; empty when all is well.

    Only reads: no verdict, recall, consent or operation is made.
    """
    return list(_faults(node, viewpoints))


def _faults(node: NodeView, viewpoints: bool) -> Iterator[str]:
    views: list[str | None] = [None]
    if viewpoints:
        views += node.info().get("viewpoints", [])
    checks: list[tuple[str, Any, Callable[[], Any]]] = [
        ("info", models.Info, node.info),
        ("feeds", list[models.Feed], node.feeds),
        ("partners", list[models.Partner], node.partners),
        ("releases", list[models_sharing.Release], node.releases),
        ("pending", list[models_sharing.Pending], node.pending),
        ("accords", list[models.Accord], node.accords),
        ("zones", models.Features, node.zones),
        ("record", models.RecordStatus, node.record_status),
    ]
    for view in views:
        checks.append((f"alerts {view}", list[models.Alert], lambda v=view: node.alerts(v)))  # type: ignore[misc]
        if view is not None:
            checks.append((f"withheld {view}", list[models.Withheld], lambda v=view: node.withheld(v)))  # type: ignore[misc]
            first = _first_track(node, None)
            if first is not None:
                item = f"track:{first}"
                checks.append((f"why {item} {view}", models.Why, lambda i=item, v=view: node.why(i, v)))  # type: ignore[misc]
        yield from _tracks(node, view)
        track = _first_track(node, view)
        if track is not None:
            checks.append((f"target {view}", models.Card, lambda t=track, v=view: node.target(t, v)))  # type: ignore[misc]
    for name, shape, call in checks:
        try:
            TypeAdapter(shape).validate_python(call())
        except ValidationError as err:
            for fault in err.errors()[:5]:
                yield f"{name}: {'.'.join(str(p) for p in fault['loc'])}: {fault['msg']}"


def _first_track(node: NodeView, view: str | None) -> int | None:
    ids = node.snapshot(view)[1].column("track_id")
    return ids[0].as_py() if len(ids) else None


def _tracks(node: NodeView, view: str | None) -> Iterator[str]:
    seq, tracks = node.snapshot(view)
    rows = wire.json_rows(wire.wire_table(tracks))
    if len({row["track_id"] for row in rows}) != len(rows):
        yield f"snapshot {view}: a track number occurs twice"
    try:
        TypeAdapter(list[models.TrackRow]).validate_python(rows)
    except ValidationError as err:
        yield f"snapshot {view}: {err.errors()[0]}"
    if not isinstance(seq, int) or isinstance(seq, bool):
        yield f"snapshot {view}: sequence {seq!r} is no integer"
