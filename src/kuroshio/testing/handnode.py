"""Nodes whose bundles are handed over by the caller: the shipped worker, desk, record and mailroom without a socket.

What enters: bytes for the sources and the bundles of other such nodes, at times the caller names. What leaves: bundles
for each partner and the picture. For tests of what goes round between nodes; sessions and links are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from kuroshio import exchange, record
from kuroshio.links.tls import KeyFolder
from kuroshio.node import assemble, config
from kuroshio.node.core import Outcome
from kuroshio.node.mailroom import Mailroom
from kuroshio.node.sharing import Sharing
from kuroshio.node.trust import Trust
from kuroshio.schema import TRACKS, concat
from kuroshio.testing.nodes import trusting_keys

ROOM_BYTES = 8_000_000


class HandNode:
    """One node.

    Parameters
    ----------
    folder
        Its folder, with its keys in ``keys`` (see `trusting`).
    document
        Node file as a mapping; partners in it need any https address.
    """

    def __init__(self, folder: Path, document: Mapping[str, Any]) -> None:
        self.config = self.config_of(folder, document)
        self.party = self.config.node.party
        self.forms = {p.party: 2 for p in self.config.partners if p.tracklets}  # as a stream would agree them
        self.parts = assemble.build(self.config)
        keys = KeyFolder(self.config.keys)
        trust = Trust(keys)
        data = self.config.node.data
        self._log = record.open_log(data / "record", trust, secret=keys.secret)
        self.ledger = exchange.Ledger(str(data / "releases.db"))
        self.desk = exchange.Desk(
            trust,
            secret=keys.secret,
            record=self._log,
            ledger=self.ledger,
            keys=trust.ring,
            verify_receipt=lambda release, now_us: self.room.verify(release, now_us),
            form=lambda party: self.forms.get(party, 1),
        )
        self.partners = [p.party for p in self.config.partners]
        self.parcels: list[exchange.Parcel] = []
        self.sharing = Sharing(
            self.parts.decider,
            desk=self.desk,
            secret=keys.secret,
            record=self._log,
            partners=self.partners,
            post=self._post,
            room=lambda party: ROOM_BYTES,
        )
        self.room = Mailroom(self.party, trust=trust, sharing=self.sharing, parts=self.parts)
        self.parts.core.recover()
        self._changed: list[Outcome] = []

    @staticmethod
    def config_of(folder: Path, document: Mapping[str, Any]) -> config.NodeConfig:
        """Configuration of a node file given as a mapping."""
        return config.from_dict(dict(document), base=folder)

    def _post(self, parcel: exchange.Parcel) -> Callable[[], None]:
        """Keep a parcel for `tell`, durable at once."""
        self.parcels.append(parcel)
        return lambda: None

    def step(self, entries: Sequence[tuple[str, int, bytes]], *, now_us: int) -> None:
        """One cycle of the worker."""
        core = self.parts.core
        core.partner_rows.extend(self.room.take_tracks())
        self._changed.append(core.cycle(entries, now_us=now_us))

    def tell(self, *, now_us: int) -> list[exchange.Parcel]:
        """Bundles with what changed since the last call, for all partners."""
        core = self.parts.core
        changed = concat(TRACKS, [o.tracks for o in self._changed]), concat(TRACKS, [o.own for o in self._changed])
        self._changed = []
        self.sharing.share(changed, core.picture, own=core.shared(core.picture), now_us=now_us)
        told = list(self.parcels)
        self.parcels.clear()
        return told

    def hear(self, parcel: exchange.Parcel, giver: str, *, now_us: int) -> None:
        """Take a partner's bundle; raises where the shipped code refuses it."""
        self.room.take(giver, parcel.data, now_us=now_us)

    def snapshot(self, now_us: int) -> pa.Table:
        """TRACKS, one row a live track, as the picture has it now."""
        return self.parts.core._pipeline.tracker.snapshot(now_us)

    def close(self) -> None:
        """Checkpoint, and let go of the stores."""
        self.parts.core.close()
        self.ledger.close()

    def crash(self) -> None:
        """Let go of the stores without a checkpoint: what was only in memory is lost."""
        for store in (self.parts.journal, self.parts.archive, self.parts.operations, self.ledger):
            store.close()


def trusting(folder: Path, parties: Sequence[str], *, now_us: int) -> None:
    """Key folders of parties below a folder, each with the others' keys as trusted."""
    trusting_keys({p: folder / p for p in parties}, now_us=now_us)
