"""Rows of the picture as the things an accord judges.

What enters: a TRACKS table and what its holder says of all of it. What leaves: ITEMS. A partner's track is the
partner's, and under which accord it came must be known: it stays null here, so that a person decides.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.schema import FLAG_DARK, ITEMS, TRACKS


def items_of_tracks(tracks: pa.Table, *, originator: str, level: str, purpose: str) -> pa.Table:
    """ITEMS of tracks: one row a track row, ``track:ID``, subject vessel or dark_vessel.

    Parameters
    ----------
    tracks
        TRACKS.
    originator
        Party whose sensors made the tracks that carry no ``partner``.
    level, purpose
        For all rows.
    """
    rows = TRACKS.conform(tracks)
    n = rows.num_rows
    dark = np.bitwise_and(pc.fill_null(rows.column("flags"), 0).to_numpy(), FLAG_DARK) != 0
    return ITEMS.build(
        {
            "item_id": pc.binary_join_element_wise("track", rows.column("track_id").cast(pa.string()), ":"),
            "kind": pa.array(["information"] * n, pa.string()).dictionary_encode(),
            "subject": pa.DictionaryArray.from_arrays(dark.astype(np.int32), ["vessel", "dark_vessel"]),
            "originator": pc.fill_null(rows.column("partner"), originator).dictionary_encode(),
            "level": pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [level]),
            "purpose": pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [purpose]),
            **{name: rows.column(name) for name in ("observed_at", "lat_deg", "lon_deg", "sensors", "exercise")},
        },
        rows=n,
    )
