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

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import behaviour, picture, sensing
from kuroshio.node.config import SourceSection
from kuroshio.node.health import Repeats
from kuroshio.node.late import LateReports
from kuroshio.schema import ALERTS, OBSERVATIONS, RECEPTIONS, REJECTS, STATICS, TRACKS, concat
from kuroshio.sensing.base import Decoded, Ledger, SourceDecoder
from kuroshio.units import US_PER_S

Entry = tuple[str, int, bytes]
OFFSETS_MAX = 64  # rows of one decoding that are asked for their clock
# times that are not the sender's clock at sending: the node's own, a file's, a person's word, and an unchecked tag
NOT_THE_SENDERS = frozenset({"arrival", "file", "person", "tag_block_unverified"})


@dataclass
class SourceResult:
    """What one source gave in a step."""

    ledger: Ledger = field(default_factory=Ledger)
    observations: int = 0
    size_bytes: int = 0
    repeats: int = 0
    rejects_unkept: int = 0
    offsets_s: list[npt.NDArray[np.float64]] = field(default_factory=list)


@dataclass
class Step:
    """Everything that came of one step."""

    now_us: int
    observations: pa.Table
    tracks: pa.Table
    unfused: pa.Table
    alerts: pa.Table
    links: pa.Table
    events: pa.Table
    reports: dict[str, pa.Table]
    sources: dict[str, SourceResult]
    counters: dict[str, int]


class Pipeline:
    """Decoders, tracker and behaviour engine of one node, stepped together.

    Parameters
    ----------
    sections
        Source sections by name.
    decoders
        One decoder a source.
    exercise
        True when the whole node runs an exercise: every observation is marked so. Else what is marked as of an exercise
        at its source is kept out and counted.
    deduplicate_s
        Window within which a transmission that several sources hear is one; 0 keeps every reception.
    """

    def __init__(
        self,
        sections: Mapping[str, SourceSection],
        decoders: Mapping[str, SourceDecoder],
        tracker: picture.Tracker,
        engine: behaviour.Engine,
        *,
        exercise: bool = False,
        deduplicate_s: float = 0.0,
    ) -> None:
        self._sections = sections
        self._decoders = decoders
        self.tracker = tracker
        self.engine = engine
        self._exercise = exercise
        self.kept_out_exercise = 0
        self._waiting: dict[str, int] = {}
        self._once = sensing.Deduplicator(window_s=deduplicate_s) if deduplicate_s > 0 else None
        self._repeats = Repeats()
        self._rejects: dict[str, tuple[int, int]] = {}
        self._alerts: list[pa.Table] = []  # of a clock set back
        self.late = LateReports({name: section.watermark_s for name, section in sections.items()})

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
        fed = ((name, self._decoders[name].feed(data, at_us), len(data)) for name, at_us, data in entries)
        flushed = ((name, self._decoders[name].flush(), 0) for name in ended)
        for name, decoded, size in itertools.chain(fed, flushed):
            observed = sensing.observe(decoded, exercise=self._exercise)  # all that was heard: a source's health
            self._waiting[name] = decoded.ledger.waiting
            result = results.setdefault(name, SourceResult())
            result.ledger.add(decoded.ledger)
            result.size_bytes += size
            result.observations += observed.num_rows
            result.rejects_unkept += self._bound_rejects(name, decoded, now_us)
            if observed.num_rows:
                result.repeats += self._repeats.count(observed["obs_id"].to_numpy(), now_us)
                result.offsets_s.append(offsets_s(observed))
            once = decoded if self._once is None else self._once.apply(decoded)
            if RECEPTIONS.name in once.tables:
                observed = sensing.observe(once, exercise=self._exercise)
            observed = self._of_this_world(observed)
            if observed.num_rows:
                observations.append(observed)
            decoded_all.append(once)
        joined = Decoded.join(decoded_all)
        rows = concat(OBSERVATIONS, observations)
        update = self.tracker.step(rows, now_us=now_us, statics=joined.table(STATICS.name), partners=partners)
        late = self.late.rows(rows, update, now_us)
        alerts = self.engine.step(
            concat(TRACKS, [update.tracks, late]) if late.num_rows else update.tracks, now_us=now_us
        )
        if self._alerts:
            alerts, self._alerts = concat(ALERTS, [*self._alerts, alerts]), []
        reports = {name: table for name, table in joined.tables.items() if name != OBSERVATIONS.name}
        return Step(
            now_us, rows, update.tracks, update.unfused, alerts, update.links, update.events, reports, results,
            {**update.counters, "kept_out_exercise": self.kept_out_exercise},
        )  # fmt: skip

    def _of_this_world(self, observed: pa.Table) -> pa.Table:
        """Rows for the picture this is: all marked as of an exercise in an exercise, none that are in a real one.

        A format may carry a mark of its own (``opex`` of Cursor on Target), and a decoder may leave it empty.
        """
        drill = pc.fill_null(observed["exercise"], False)
        if self._exercise:
            at = observed.schema.get_field_index("exercise")
            return observed.set_column(at, observed.schema.field(at), pa.array(np.ones(observed.num_rows, np.bool_)))
        if not pc.any(drill).as_py():
            return observed
        kept = observed.filter(pc.invert(drill))
        self.kept_out_exercise += observed.num_rows - kept.num_rows
        return kept

    def _bound_rejects(self, name: str, decoded: Decoded, now_us: int) -> int:
        """Keep no more reject rows of a source in a minute than it may; how many were let go (all were counted)."""
        rows = decoded.tables.get(REJECTS.name)
        if rows is None or name not in self._sections:
            return 0
        minute, kept = self._rejects.get(name, (0, 0))
        if now_us // (60 * US_PER_S) != minute:
            minute, kept = now_us // (60 * US_PER_S), 0
        room = max(0, self._sections[name].rejects_per_min_max - kept)
        self._rejects[name] = (minute, kept + min(room, rows.num_rows))
        if rows.num_rows > room:
            decoded.tables[REJECTS.name] = rows.slice(0, room)
        return max(0, rows.num_rows - room)

    def set_back(self, now_us: int) -> None:
        """The clock was ahead and is right again; what follows comes with the next step."""
        self.tracker.set_back(now_us)
        self._alerts.append(self.engine.set_back(now_us))

    # -- checkpoint

    def unsettled(self) -> list[str]:
        """Sources whose decoder holds something undecided that it cannot save: a checkpoint now would lose it."""
        return [n for n, d in self._decoders.items() if self._waiting.get(n) and not hasattr(d, "state")]

    @property
    def settled(self) -> bool:
        """True when a checkpoint loses nothing."""
        return not self.unsettled()

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
        (folder / "late.json").write_text(json.dumps(self.late.as_dict()))
        if self._once is not None:
            for name, held in self._once.state().items():
                (folder / f"receptions-{name}").write_bytes(held)

    def restore(self, folder: Path) -> None:
        """Take everything from a checkpoint; a source that was not there then starts anew."""
        self.tracker = picture.Tracker.load(
            folder / "tracker",
            sensors=self.tracker.sensors,
            registry=self.tracker.book.registry,
            land=self.tracker.coverage.land,
        )
        self.engine.load(folder / "behaviour")
        kept = folder / "late.json"
        self.late.load(json.loads(kept.read_text()) if kept.exists() else {})
        for name, state in json.loads((folder / "decoders.json").read_text()).items():
            decoder = self._decoders.get(name)
            if decoder is not None and hasattr(decoder, "restore"):
                decoder.restore({key: base64.b64decode(value) for key, value in state.items()})
        held = {path.name.removeprefix("receptions-"): path.read_bytes() for path in folder.glob("receptions-*")}
        if self._once is not None and held:
            self._once.restore(held)


def offsets_s(observed: pa.Table) -> npt.NDArray[np.float64]:
    """Received minus observed in seconds, of up to 64 rows spread over the table that have the sender's own time."""
    rows = np.unique(np.linspace(0, observed.num_rows - 1, min(observed.num_rows, OFFSETS_MAX)).astype(np.int64))
    some = observed.select(["observed_at", "received_at", "time_source"]).take(pa.array(rows))
    named = [name is not None and name not in NOT_THE_SENDERS for name in some["time_source"].to_pylist()]
    some = some.filter(pa.array(named, pa.bool_())).drop_columns("time_source").drop_null()
    times = [some[name].cast(pa.int64()).to_numpy() for name in ("received_at", "observed_at")]
    return (times[0] - times[1]) / US_PER_S
