"""A bad link between two nodes: a TCP proxy with a rate, a delay, lost segments and outages.

What enters: connections. What leaves: the same bytes, late. TCP hides loss from its users and pays in time: a segment
that is lost goes again after a timeout, and nothing behind it arrives before. That is what is done here, segment by
segment, so that no privilege is needed; the seed makes the same losses again.
"""

from __future__ import annotations

import asyncio
import contextlib

from kuroshio import clock

SEGMENT_BYTES = 1400
RETRANSMIT_S_MIN = 0.2  # RFC 6298 has 1 s; Linux uses 200 ms above the round trip
BUFFER_BYTES = 16 << 10


class Shaper:
    """Proxy in front of one listener.

    Parameters
    ----------
    target_port
        Port on loopback that is reached through it.
    bits_per_s, round_trip_s, loss
        The link: rate each way, delay there and back, share of segments lost.
    seed
        Of the losses.

    Attributes
    ----------
    bytes_there, bytes_back
        Carried so far, TLS and all.
    down
        True refuses and cuts every connection.
    """

    def __init__(
        self, target_port: int, *, bits_per_s: float, round_trip_s: float = 0.0, loss: float = 0.0, seed: int = 1
    ) -> None:
        self.target_port, self.rate, self.round_trip_s, self.loss = target_port, bits_per_s / 8, round_trip_s, loss
        self._rng = clock.generator(seed)
        self.bytes_there = self.bytes_back = 0
        self.down = False
        self.lost = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._free_s = [0.0, 0.0]

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=BUFFER_BYTES)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Cut everything."""
        self.cut()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection, as an outage does."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port, limit=BUFFER_BYTES)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        ways = [self._carry(reader, far_writer, 0), self._carry(far_reader, writer, 1)]
        for task in [asyncio.ensure_future(way) for way in ways]:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: int) -> None:
        """One way of one connection; the rate is shared by all connections of a way."""
        loop = asyncio.get_running_loop()
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        sender = asyncio.create_task(self._deliver(line, writer))
        arrive_s = 0.0
        try:
            while data := await reader.read(SEGMENT_BYTES):
                start_s = max(loop.time(), self._free_s[way])
                self._free_s[way] = start_s + len(data) / self.rate
                await asyncio.sleep(max(0.0, self._free_s[way] - loop.time()))
                late_s, timeout_s = self.round_trip_s / 2, max(RETRANSMIT_S_MIN, self.round_trip_s)
                while self._rng.random() < self.loss and late_s < 20.0:
                    self.lost += 1
                    late_s += timeout_s
                    self._free_s[way] += len(data) / self.rate  # it takes its time on the line again
                arrive_s = max(arrive_s, loop.time() + late_s)  # nothing overtakes what was lost
                await line.put((arrive_s, data))
                if way:
                    self.bytes_back += len(data)
                else:
                    self.bytes_there += len(data)
        except (ConnectionError, OSError):
            pass
        finally:
            await line.put((loop.time(), b""))
            await asyncio.gather(sender, return_exceptions=True)

    async def _deliver(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError, OSError):
            while True:
                at_s, data = await line.get()
                if not data:
                    break
                await asyncio.sleep(max(0.0, at_s - loop.time()))
                writer.write(data)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()
