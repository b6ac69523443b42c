"""Sensing: bytes -> observations.

What enters: bytes of sensors and receivers. What leaves: report tables, OBSERVATIONS with their error modelled, rejects
as rows, and a ledger that accounts for every line. It does not track, judge or share, and opens no link: `links` does.
"""

from __future__ import annotations

from kuroshio.sensing import ais
from kuroshio.sensing.base import Decoded, Ledger, SourceDecoder
from kuroshio.sensing.dedupe import Deduplicated, Deduplicator, deduplicate
from kuroshio.sensing.observe import observe

__all__ = [
    "Decoded",
    "Deduplicated",
    "Deduplicator",
    "Ledger",
    "SourceDecoder",
    "ais",
    "deduplicate",
    "observe",
    "warm_up",
]


def warm_up() -> None:
    """Compile or load the kernels of the room on tiny inputs."""
    from kuroshio.sensing import asterix_scan

    ais.warm_up()
    line = ais.encode_position(mmsi=1, lat_deg=0.0, lon_deg=0.0, tag_block={"c": 1_600_000_000})
    decoded = ais.decode(line)
    observe(decoded)
    Deduplicator(limit=1).apply(decoded)
    asterix_scan.warm_up()
