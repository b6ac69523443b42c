"""From bytes to alerts in one place: decode, observe, associate, detect.

What enters: entries (source, arrival, bytes) and partners' tracks. What leaves: a `Step` with every table that came
of them. It owns no socket, no file and no clock; the same entries give the same tables. One thread calls it.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import behaviour, picture, sensing
from kuroshio.node.config import SourceSection
from kuroshio.schema import OBSERVATIONS, STATICS, concat
from kuroshio.sensing.base import Decoded, Ledger, SourceDecoder

Entry = tuple[str, int, bytes]


@dataclass
class SourceResult:
    """What one source gave in a step."""

    ledger: Ledger = field(default_factory=Ledger)
    observations: int = 0
    newest_us: int | None = None


@dataclass
class Step:
    """Everything that came of one step."""

    now_us: int
    observations: pa.Table
    tracks: pa.Table
    alerts: pa.Table
    links: pa.Table
    reports: dict[str, pa.Table]
    sources: dict[str, SourceResult]
    counters: dict[str, int]


class Pipeline:
    """Decoders, tracker and behaviour engine of one node, stepped together.

    Parameters
    ----------
    sections
        Source sections by name: which of them are exercise data.
    decoders
        One decoder a source.
    exercise
        True when the whole node runs an exercise: every observation is marked so.
    """

    def __init__(
        self,
        sections: Mapping[str, SourceSection],
        decoders: Mapping[str, SourceDecoder],
        tracker: picture.Tracker,
        engine: behaviour.Engine,
        *,
        exercise: bool = False,
    ) -> None:
        self._sections = sections
        self._decoders = decoders
        self.tracker = tracker
        self.engine = engine
        self._exercise = exercise
        self._waiting: dict[str, int] = {}

    def step(
        self, entries: Sequence[Entry], *, now_us: int, partners: pa.Table | None = None, ended: Sequence[str] = ()
    ) -> Step:
        """Tables that come of the entries and partner tracks.

        Parameters
        ----------
        entries
            (source, arrival in UTC microseconds, bytes) in order of arrival.
        now_us
            The node's time: what has not been heard of until now counts as silence.
        partners
            TRACKS rows received from partners, or None.
        ended
            Sources that have come to their end: what their decoders still hold is decided.
        """
        results: dict[str, SourceResult] = {}
        observations: list[pa.Table] = []
        decoded_all: list[Decoded] = []
        fed = ((name, self._decoders[name].feed(data, at_us)) for name, at_us, data in entries)
        flushed = ((name, self._decoders[name].flush()) for name in ended)
        for name, decoded in itertools.chain(fed, flushed):
            observed = sensing.observe(decoded, exercise=self._exercise)
            self._waiting[name] = decoded.ledger.waiting
            result = results.setdefault(name, SourceResult())
            result.ledger.add(decoded.ledger)
            result.observations += observed.num_rows
            if observed.num_rows:
                newest = pc.max(observed["observed_at"]).cast(pa.int64()).as_py()
                result.newest_us = max(newest, result.newest_us or newest)
                observations.append(observed)
            decoded_all.append(decoded)
        joined = Decoded.join(decoded_all)
        rows = concat(OBSERVATIONS, observations)
        update = self.tracker.step(rows, now_us=now_us, statics=joined.table(STATICS.name), partners=partners)
        alerts = self.engine.step(update.tracks, now_us=now_us)
        reports = {name: table for name, table in joined.tables.items() if name != OBSERVATIONS.name}
        return Step(now_us, rows, update.tracks, alerts, update.links, reports, results, dict(update.counters))

    # -- checkpoint

    @property
    def settled(self) -> bool:
        """True when every decoder that cannot save its state holds nothing undecided: a checkpoint loses nothing."""
        return not any(self._waiting.get(n) and not hasattr(d, "state") for n, d in self._decoders.items())

    def save(self, folder: Path) -> None:
        """Write tracker, behaviour and decoders into a folder."""
        self.tracker.save(folder / "tracker")
        self.engine.save(folder / "behaviour")
        states = {
            name: {key: base64.b64encode(bytes(value)).decode("ascii") for key, value in decoder.state().items()}
            for name, decoder in self._decoders.items()
            if hasattr(decoder, "state")
        }
        (folder / "decoders.json").write_text(json.dumps(states))

    def restore(self, folder: Path) -> None:
        """Take everything from a checkpoint; a source that was not there then starts anew."""
        self.tracker = picture.Tracker.load(folder / "tracker", sensors=self.tracker.sensors)
        self.engine.load(folder / "behaviour")
        for name, state in json.loads((folder / "decoders.json").read_text()).items():
            decoder = self._decoders.get(name)
            if decoder is not None and hasattr(decoder, "restore"):
                decoder.restore({key: base64.b64decode(value) for key, value in state.items()})
