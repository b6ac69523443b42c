"""What a release carries, read back from its own payload: for the releaser's ledger and screen.

What enters: a release. What leaves: its rows or references. Nothing is verified here: `receive` does that.
"""

from __future__ import annotations

import pyarrow as pa

from kuroshio.schema.release import Release


def rows_of(release: Release) -> pa.Table:
    """Rows of a release of tracks or alerts, as its receiver reads them."""
    size = int(release.fields["payload_bytes"])
    with pa.ipc.open_stream(pa.decompress(release.payload, decompressed_size=size, codec="zstd")) as reader:
        return reader.read_all()


def refs_of(release: Release) -> list[str]:
    """References of the tracks a release shows; none for other kinds."""
    return [str(ref) for ref in rows_of(release)["ref"].to_pylist()] if release.kind == "tracks" else []
