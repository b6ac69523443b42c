"""The sea over sockets and into files: the same bytes as the sea gives, and no client holds up another."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kuroshio.errors import ConfigError
from kuroshio.testing.sea import PHILIPPINE_SEA, Sea, record, serve
from kuroshio.testing.sea import serve as serve_function
from kuroshio.testing.sea.serve import Outlet, Served
from kuroshio.units import US_PER_S

START = 1_780_000_000_000_000
UNTIL = START + 60 * US_PER_S


def expected(name: str, until: int = UNTIL) -> bytes:
    return b"".join(e.data for e in Sea(1, start_us=START).emissions(until) if e.source == name)


async def test_tcp_and_udp_carry_the_same_bytes_as_the_sea() -> None:
    got: list[bytes] = []

    class Catch(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            got.append(data)

    loop = asyncio.get_running_loop()
    receiver, _ = await loop.create_datagram_endpoint(Catch, local_addr=("127.0.0.1", 0))
    udp_port = receiver.get_extra_info("sockname")[1]
    ready: asyncio.Future[dict[str, int]] = loop.create_future()
    gate = asyncio.Event()
    sea = Sea(1, start_us=START)
    task = asyncio.create_task(
        serve(
            sea, ports={"phl-ais-basco": 0, "phl-radar-batanes": udp_port, "usa-sar": 0}, speed=60.0, until_us=UNTIL,
            ready=ready, stop=gate,
        )
    )  # fmt: skip
    ports = await asyncio.wait_for(ready, 10)
    reader, writer = await asyncio.open_connection("127.0.0.1", ports["phl-ais-basco"])
    image, image_writer = await asyncio.open_connection("127.0.0.1", ports["usa-sar"])
    text = await asyncio.wait_for(reader.read(-1), 30)
    counts = await asyncio.wait_for(task, 30)
    head = await asyncio.wait_for(image.read(-1), 10)
    await asyncio.sleep(0.05)
    for w in (writer, image_writer):
        w.close()
    receiver.close()
    assert expected("phl-ais-basco").endswith(text)
    assert len(text) > 0.8 * len(expected("phl-ais-basco"))  # what was sent before the client came is not repeated
    assert b"".join(got) == expected("phl-radar-batanes")
    assert head.startswith(b"detection_id,time,lat_deg")
    assert counts.emissions > 50
    assert counts.dropped == 0


async def test_stop_ends_it_and_frees_the_port() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[dict[str, int]] = loop.create_future()
    task = asyncio.create_task(serve(Sea(1, start_us=START), ports={"phl-ais-basco": 0}, stop=stop, ready=ready))
    port = (await ready)["phl-ais-basco"]
    stop.set()
    await asyncio.wait_for(task, 5)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


class _Stuck:
    """A client that never reads."""

    def __init__(self) -> None:
        self.held = 0
        self.transport = self

    def get_write_buffer_size(self) -> int:
        return self.held

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.held += len(data)


def test_a_client_that_does_not_read_loses_emissions_and_they_are_counted() -> None:
    outlet = Outlet(PHILIPPINE_SEA.sources[0], "127.0.0.1", 0, Served())
    stuck = _Stuck()
    outlet.clients.add(stuck)  # type: ignore[arg-type]
    for _ in range(30):
        outlet.send(b"x" * 100_000)
    assert stuck.held <= 1_000_000
    assert outlet.counts.dropped == 20


@pytest.mark.parametrize(
    ("ports", "speed"), [({"nobody": 0}, 1.0), ({"phl-radar-batanes": 0}, 1.0), ({"phl-ais-basco": 0}, 0.0)]
)
async def test_what_cannot_be_served_is_refused(ports: dict[str, int], speed: float) -> None:
    with pytest.raises(ConfigError):
        await serve_function(Sea(1, start_us=START), ports=ports, speed=speed)


def test_recording_writes_the_same_bytes_and_the_truth(tmp_path: Path) -> None:
    manifest = record(Sea(1, start_us=START), UNTIL, tmp_path)
    assert (tmp_path / "phl-ais-basco.nmea").read_bytes() == expected("phl-ais-basco")
    assert (tmp_path / "phl-radar-batanes.ast").read_bytes() == expected("phl-radar-batanes")
    assert json.loads((tmp_path / "story.json").read_text())["dark"]["ship_id"] == 0
    assert json.loads((tmp_path / "sources.json").read_text()) == manifest
    truth = pq.read_table(tmp_path / "truth.parquet")
    assert truth.num_rows == 7 * len(Sea(1, start_us=START).ships)
