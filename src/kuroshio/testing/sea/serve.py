"""The sea over sockets and into files: each source a TCP server or a stream of datagrams, at any speed.

What enters: a sea and where its sources speak. What leaves: bytes on sockets, paced, or the same bytes in files. A
client that reads too slowly loses whole emissions, counted, and never holds up the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kuroshio import clock
from kuroshio.errors import ConfigError, LinkError
from kuroshio.testing.sea.scenario import SourceSpec
from kuroshio.testing.sea.sea import Sea
from kuroshio.units import US_PER_S

CLIENT_BUFFER_BYTES = 1_000_000
MAX_CLIENTS = 32
TICK_S = 0.05
EXTENSIONS = {"aivdm": "nmea", "ttm": "nmea", "asterix": "ast", "detections_csv": "csv"}


@dataclass
class Served:
    """What serving has done so far."""

    emissions: int = 0
    data_bytes: int = 0
    dropped: int = 0
    refused_clients: int = 0
    behind_s: float = 0.0


@dataclass
class Outlet:
    """One source on a socket: TCP clients with bounded buffers, or one UDP address."""

    spec: SourceSpec
    host: str
    port: int
    counts: Served
    clients: set[asyncio.StreamWriter] = field(default_factory=set)
    server: asyncio.Server | None = None
    transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Listen, or open the datagram socket.

        Raises
        ------
        LinkError
            When the port cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            if self.spec.transport == "udp":
                self.transport, _ = await loop.create_datagram_endpoint(
                    asyncio.DatagramProtocol, remote_addr=(self.host, self.port)
                )
            else:
                self.server = await asyncio.start_server(self._client, self.host, self.port)
                self.port = int(self.server.sockets[0].getsockname()[1])
        except OSError as err:
            raise LinkError(f"source {self.spec.name}: {self.host}:{self.port}: {err}", code="sea.port") from err

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self.clients) >= MAX_CLIENTS:
            self.counts.refused_clients += 1
            writer.close()
            return
        writer.write(self.spec.preamble)
        self.clients.add(writer)
        try:
            while await reader.read(4096):  # what a client says is not for the sea; its end is
                pass
        except OSError:
            pass
        finally:
            self.clients.discard(writer)
            writer.close()

    def send(self, data: bytes) -> None:
        """Send one emission to all who listen; where a buffer is full that client loses this one."""
        self.counts.emissions += 1
        self.counts.data_bytes += len(data)
        if self.transport is not None:
            self.transport.sendto(data)
            return
        for writer in list(self.clients):
            if writer.is_closing():
                self.clients.discard(writer)
            elif writer.transport.get_write_buffer_size() + len(data) > CLIENT_BUFFER_BYTES:
                self.counts.dropped += 1
            else:
                writer.write(data)

    async def close(self) -> None:
        """Close the socket and its clients."""
        for writer in list(self.clients):
            writer.close()
        if self.transport is not None:
            self.transport.close()
        if self.server is not None:
            self.server.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.server.wait_closed(), 1.0)


async def open_outlets(sea: Sea, ports: Mapping[str, int], host: str = "127.0.0.1") -> dict[str, Outlet]:
    """Sockets of all sources named in `ports`; TCP port 0 takes a free one, readable in ``Outlet.port``.

    Raises
    ------
    ConfigError
        When a name is no source of the sea, or a UDP source has no port.
    LinkError
        When a port cannot be had.
    """
    specs = {spec.name: spec for spec in sea.scenario.sources}
    unknown = sorted(set(ports) - set(specs))
    if unknown:
        raise ConfigError(f"the sea has no source {unknown[0]!r}; it has {', '.join(specs)}", code="sea.source")
    counts = Served()
    outlets = {}
    try:
        for name, port in ports.items():
            if specs[name].transport == "udp" and port == 0:
                raise ConfigError(f"source {name}: datagrams need the port that listens", code="sea.port")
            outlet = Outlet(specs[name], host, port, counts)
            await outlet.open()
            outlets[name] = outlet
    except BaseException:
        for outlet in outlets.values():
            await outlet.close()
        raise
    return outlets


async def serve(
    sea: Sea,
    *,
    ports: Mapping[str, int],
    host: str = "127.0.0.1",
    speed: float = 1.0,
    until_us: int | None = None,
    wall_start_us: int | None = None,
    stop: asyncio.Event | None = None,
    ready: asyncio.Future[dict[str, int]] | None = None,
) -> Served:
    """Play a sea over sockets until its time `until_us`, or until `stop` is set.

    Parameters
    ----------
    ports
        By source name: TCP port to listen on (0 for a free one), or UDP port to send to. Sources left out are silent.
    speed
        Seconds of the sea in one second.
    until_us
        Time of the sea to end at; None goes on until stopped.
    wall_start_us
        Wall time that belongs to the sea's start, for nodes that share its clock; None is now. A moment in the past
        makes the sea catch up first.
    stop
        Ends it early.
    ready
        Receives the ports by source name when all sockets are open.

    Returns
    -------
    Served
        Emissions and bytes sent, emissions lost to slow clients, clients refused, and how far it ran behind.
    """
    if not 0.0 < speed <= 3600.0:
        raise ConfigError(f"speed {speed} is not within 0 to 3600", code="sea.speed")
    outlets = await open_outlets(sea, ports, host)
    counts = next(iter(outlets.values())).counts if outlets else Served()
    if ready is not None and not ready.done():
        ready.set_result({name: outlet.port for name, outlet in outlets.items()})
    zero_us = clock.now_us() if wall_start_us is None else wall_start_us
    halt = stop or asyncio.Event()
    try:
        while not halt.is_set():
            wall_us = clock.now_us()
            target_us = sea.start_us + int((wall_us - zero_us) * speed)
            if until_us is not None:
                target_us = min(target_us, until_us)
            for emission in sea.emissions(target_us):
                if emission.source in outlets:
                    outlets[emission.source].send(emission.data)
                if clock.now_us() - wall_us > TICK_S * US_PER_S:  # let sockets breathe while catching up
                    wall_us = clock.now_us()
                    await asyncio.sleep(0)
            counts.behind_s = max(counts.behind_s, (clock.now_us() - wall_us) / US_PER_S)
            if until_us is not None and target_us >= until_us:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(halt.wait(), TICK_S)
        for outlet in outlets.values():
            for writer in list(outlet.clients):
                with contextlib.suppress(OSError, TimeoutError):
                    await asyncio.wait_for(writer.drain(), 1.0)
    finally:
        for outlet in outlets.values():
            await outlet.close()
    return counts


def record(sea: Sea, until_us: int, folder: Path) -> dict[str, Any]:
    """Write every source's bytes to a file of its own, with the story, the truth and a manifest.

    Files: ``<source>.nmea``, ``.ast`` or ``.csv``; ``truth.parquet`` each 10 s; ``story.json``; ``sources.json`` with
    format and options of each source.

    Returns
    -------
    dict
        The manifest: by source the file's name, bytes and emissions.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    manifest: dict[str, Any] = {}
    truth = [sea.truth(sea.at_us)]
    next_truth_us = sea.at_us + 10 * US_PER_S
    with contextlib.ExitStack() as stack:
        files = {}
        for spec in sea.scenario.sources:
            place = folder / f"{spec.name}.{EXTENSIONS[spec.format]}"
            files[spec.name] = stack.enter_context(place.open("wb"))
            files[spec.name].write(spec.preamble)
            manifest[spec.name] = {
                "file": place.name,
                "party": spec.party,
                "format": spec.format,
                "options": dict(spec.options),
                "bytes": len(spec.preamble),
                "emissions": 0,
            }
        while next_truth_us <= until_us:
            for emission in sea.emissions(next_truth_us):
                files[emission.source].write(emission.data)
                manifest[emission.source]["bytes"] += len(emission.data)
                manifest[emission.source]["emissions"] += 1
            truth.append(sea.truth(next_truth_us))
            next_truth_us += 10 * US_PER_S
    pq.write_table(pa.concat_tables(truth), folder / "truth.parquet")
    (folder / "story.json").write_text(json.dumps(sea.story(), indent=2) + "\n", encoding="utf-8")
    (folder / "sources.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest
