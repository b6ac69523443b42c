"""What a release carries, read back from its own payload: for the ledgers and the releaser's screen.

What enters: a release. What leaves: its rows or references. Nothing is verified here: `receive` does that.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

from kuroshio.exchange.columns import row_bytes
from kuroshio.schema.release import RELEASED_ALERTS, Release


def rows_of(release: Release) -> pa.Table:
    """Rows of a release of tracks or alerts, as its receiver reads them."""
    size = int(release.fields["payload_bytes"])
    with pa.ipc.open_stream(pa.decompress(release.payload, decompressed_size=size, codec="zstd")) as reader:
        return reader.read_all()


def refs_of(release: Release) -> list[str]:
    """References of the tracks a release shows; none for other kinds."""
    return [str(ref) for ref in rows_of(release)["ref"].to_pylist()] if release.kind == "tracks" else []


def content_ids(alerts: pa.Table) -> list[bytes]:
    """Content id of each row of RELEASED_ALERTS: 16 bytes of a hash of what it says, whoever sealed it and when."""
    return [hashlib.sha256(row).digest()[:16] for row in row_bytes(alerts, RELEASED_ALERTS)]
