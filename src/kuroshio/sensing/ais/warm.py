"""Compile or load the kernels of the room: on first use half of them in a process beside this one.

What enters: nothing. What leaves: kernels in memory and in the cache beside the code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from kuroshio.compiling import other_half
from kuroshio.sensing.ais import columns, files
from kuroshio.sensing.ais import records as scan
from kuroshio.sensing.ais.cut import scratch
from kuroshio.sensing.ais.encode import encode
from kuroshio.sensing.ais.encode_batch import encode_positions
from kuroshio.sensing.ais.lanes import LANES
from kuroshio.sensing.ais.layouts import LAYOUTS

_CHARS = 90  # more than any layout's numbers need


def warm_up(told: Callable[[], None] | None = None) -> None:
    """Compile or load every kernel on a tiny input: seconds at first use, a moment from the cache.

    Parameters
    ----------
    told
        Called when there is something to compile.
    """
    with other_half("from kuroshio.sensing.ais import warm; warm.warm_columns()", told) as wait:
        files.decode(b"no sentence\n")  # lines and parts
        wait()
        files.decode(b"\n".join(_lines()))
        encode_positions({"mmsi": [1], "lat_deg": [0.0], "lon_deg": [0.0]}, station="x", time_us=[0])


def _lines() -> list[bytes]:
    return [
        *encode({"msg_type": 1, "mmsi": 1, "lat": 0, "lon": 0}, tag_block={"c": 1, "s": "x"}),
        *encode({"msg_type": 4, "mmsi": 2}),
        *encode({"msg_type": 5, "mmsi": 1, "name": "X"}),
        *encode({"msg_type": 24, "mmsi": 1, "part": 0, "name": "X"}),
        *encode({"msg_type": 24, "mmsi": 1, "part": 1}),
        *encode({"msg_type": 21, "mmsi": 1, "name": "X"}),
        *encode({"msg_type": 14, "mmsi": 1, "text": "X"}),
        *encode({"msg_type": 8, "mmsi": 1, "dac": 1, "fi": 31, "data": bytes(38)}),
        *encode({"msg_type": 10, "mmsi": 1, "dest_mmsi1": 2}),
    ]


def warm_columns() -> None:
    """Compile or load the kernels that make columns, without those that read lines."""
    from kuroshio.sensing.ais.join24 import Join24

    count = len(LAYOUTS)
    buf = np.full(_CHARS + 2 * LANES, ord("0"), np.uint8)
    rec = np.zeros((count, scan.RECORD), np.int64)
    rec[:, scan.CHARS], rec[:, scan.STATION], rec[:, scan.CHANNEL] = _CHARS, 1, ord("A")
    messages = np.stack([np.arange(count), np.arange(count)], axis=1).astype(np.int64)
    batch = columns.Batch(
        buf, rec, messages, count, pa.array(["x"]), np.full(1 << 16, -1, np.int32), scratch(count)
    )  # fmt: skip
    statics = columns.tables(batch)["statics"]
    Join24().apply(statics)
    encode_positions({"mmsi": [1], "lat_deg": [0.0], "lon_deg": [0.0]}, station="x", time_us=[0])
