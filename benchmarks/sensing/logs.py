"""Logs to decode: a mix of message types as a coastal station hears them, from one seed, plain or tag-blocked."""

from __future__ import annotations

import numpy as np

from kuroshio import clock
from kuroshio.sensing import ais

BLOCK_SHIPS = 4000
START_S = 1_700_000_000
# share of messages by type, near to what DMA's and Kystverket's recorded feeds hold
SHARE = {1: 0.62, 3: 0.14, 18: 0.08, 5: 0.05, 24: 0.04, 4: 0.03, 21: 0.02, 8: 0.015, 20: 0.005}


def block(seed: int, tagged: bool) -> bytes:
    """About `BLOCK_SHIPS` messages in shuffled order, CR LF ended."""
    rng = clock.generator(seed)
    lines: list[bytes] = []
    for kind, share in SHARE.items():
        lines += _messages(kind, int(BLOCK_SHIPS * share), rng)
    groups: list[list[bytes]] = []
    for line in lines:
        if b",2,2," in line[:14]:
            groups[-1].append(line)
        else:
            groups.append([line])
    order = rng.permutation(len(groups))
    out = []
    for n, at in enumerate(order.tolist()):
        for line in groups[at]:
            head = ais.tag({"s": f"station-{n % 7}", "c": START_S + n // 50}) if tagged else b""
            out.append(head + line)
    return b"\r\n".join(out) + b"\r\n"


def _messages(kind: int, count: int, rng: np.random.Generator) -> list[bytes]:
    mmsi = rng.integers(201_000_000, 775_000_000, count)
    lat, lon = rng.uniform(10, 35, count), rng.uniform(115, 140, count)
    if kind in (1, 3, 18):
        columns = {
            "mmsi": mmsi, "lat_deg": lat, "lon_deg": lon, "sog_mps": rng.uniform(0, 12, count),
            "cog_deg": rng.uniform(0, 360, count), "heading_deg": rng.integers(0, 360, count),
            "utc_second": rng.integers(0, 60, count), "radio": rng.integers(0, 1 << 19, count),
        }  # fmt: skip
        return ais.encode_positions(columns, msg_type=kind, channel="B").split(b"\r\n")[:-1]
    lines = []
    for k in range(count):
        message: dict[str, object] = {"msg_type": kind, "mmsi": int(mmsi[k])}
        if kind in (4, 21):
            message |= {"lat_deg": float(lat[k]), "lon_deg": float(lon[k]), "fix_type": 7}
        if kind in (5, 21, 24):
            message |= {"name": f"SHIP {k} OF THE SEA"}
        if kind == 5:
            message |= {"imo": 9_000_000 + k, "call_sign": f"C{k}", "destination": "MANILA", "draught_m": 8.2}
        if kind == 8:
            message |= {"dac": 1, "fi": 31, "data": rng.bytes(38)}
        if kind == 20:
            message |= {"slot_offset1": 100, "slots1": 2, "timeout_min1": 7, "increment1": 225}
        lines += ais.encode(message, sequence=k % 10, channel="A")
    return lines


def log(sentences: int, *, tagged: bool) -> bytes:
    """A log of at least so many sentences: blocks of four seeds, repeated."""
    blocks = [block(seed, tagged) for seed in range(4)]
    size = sum(b.count(b"\n") for b in blocks)
    return b"".join(blocks) * -(-sentences // size)
