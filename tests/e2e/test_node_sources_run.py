"""`kuroshio run` with every way in at once: each byte accounted for, each time from its clock, losses healed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import sys

import aiohttp
import pyarrow.compute as pc
import pytest
from aiohttp import web

from kuroshio import clock
from kuroshio.links import mqtt_packets as packets
from kuroshio.sensing.ais import encode_position
from kuroshio.store import Archive
from kuroshio.testing.broker import broker, mosquitto
from kuroshio.testing.demo import DemoNode, end, free_port, get, up

KEY = "a-key-that-nobody-may-see"
HEAD = """
keys = "keys"
[node]
party = "PHL"
name = "sources test"
[api]
port = {port}
sign_in = false
[peer]
port = 0
"""
SOURCES = """
[[sources]]
name = "tcp"
format = "aivdm"
link = "tcp"
port = {tcp}
[[sources]]
name = "listen"
format = "aivdm"
link = "tcp-listen"
port = {listen}
[[sources]]
name = "udp"
format = "aivdm"
link = "udp"
port = {udp}
[[sources]]
name = "tail"
format = "aivdm"
link = "tail"
path = "grow.log"
from_start = true
[[sources]]
name = "http"
format = "aivdm"
link = "http"
url = "http://127.0.0.1:{web}/ais"
interval_s = 1.0
[[sources]]
name = "stream"
format = "aisstream_json"
link = "websocket"
url = "ws://127.0.0.1:{web}/v0/stream"
send = ['{{"APIKey": "{{key}}", "BoundingBoxes": []}}']
key_env = "AIS_KEY"
[[sources]]
name = "gpsd"
format = "gpsd_json"
link = "gpsd"
port = {gpsd}
[[sources]]
name = "push"
format = "aivdm"
link = "push"
"""
MQTT = """
[[sources]]
name = "mqtt"
format = "digitraffic_json"
link = "mqtt"
url = "mqtt://127.0.0.1:{mqtt}"
topics = ["vessels-v2/#"]
qos = 1
client_id = "kuroshio-test"
retry_s_max = 1.0
"""


def nmea(first: int, count: int, *, tagged: bool = True) -> list[bytes]:
    at_s = clock.now_us() // 1_000_000
    lines = []
    for mmsi in range(first, first + count):
        lines.append(encode_position(
            mmsi=mmsi, msg_type=1, lat_deg=15.0 + (mmsi % 500) * 0.01, lon_deg=118.0, sog_mps=5.0, cog_deg=90.0,
            heading_deg=90.0, nav_status=0, utc_second=at_s % 60, tag_block={"c": at_s} if tagged else None,
        ).strip())  # fmt: skip
    return lines


async def start(folder, port, document: str) -> DemoNode:
    (folder / "node.toml").write_text(document)
    node = DemoNode("PHL", folder, port, 0)
    with (folder / "log.txt").open("ab") as log:
        node.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kuroshio", "run", str(folder / "node.toml"), "--verbose", stdout=log, stderr=log,
            env={**os.environ, "NUMBA_NUM_THREADS": "1", "AIS_KEY": KEY},
        )  # fmt: skip
    return node


async def feeds_until(session, node, condition, *, seconds: float = 30.0) -> dict[str, dict]:
    rows: dict[str, dict] = {}
    for _ in range(int(seconds / 0.1)):
        rows = {row["name"]: row for row in await get(session, node, "feeds")}
        if condition(rows):
            return rows
        await asyncio.sleep(0.1)
    raise AssertionError(f"never came about: {json.dumps(rows, indent=1)[:4000]}")


def balanced(row: dict) -> bool:
    return row["lines"] == row["messages"] + row["parts"] + row["comments"] + row["waiting"] + row["rejects"]


class Senders:
    """The other ends of the links, on free ports of loopback."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tcp_lines = nmea(201_000_001, 60)
        self.connections = 0

    async def tcp(self, reader, writer):
        """Half of the lines, cut in the middle of one; what the cut took is sent again at the next connection."""
        self.connections += 1
        part = self.tcp_lines[:30] if self.connections == 1 else self.tcp_lines[30:] if self.connections == 2 else []
        writer.write(b"\r\n".join(part) + b"\r\n")
        if self.connections == 1:
            writer.write(self.tcp_lines[30][:20])
        await writer.drain()
        if self.connections > 1:
            await reader.read()
        writer.close()

    async def gpsd(self, reader, writer):
        writer.write(b'{"class":"VERSION","release":"3.25","proto_major":3}\r\n')
        asked = await reader.readline()
        self.asked.append(asked.decode())
        if b'"enable":true' in asked:
            for mmsi in range(207_000_001, 207_000_021):
                value = {
                    "class": "AIS", "type": 1, "mmsi": mmsi, "scaled": True, "lat": 15.5, "lon": 118.5, "speed": 7.0,
                    "course": 90.0, "heading": 90, "status": 0, "turn": 0, "accuracy": True,
                }  # fmt: skip
                writer.write(json.dumps(value).encode() + b"\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    async def http(self, request):
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304)
        return web.Response(body=b"\n".join(nmea(205_000_001, 20, tagged=False)), headers={"ETag": '"1"'})

    async def stream(self, request):
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        self.asked.append((await answer.receive()).data)
        for mmsi in range(206_000_001, 206_000_021):
            at = clock.rfc3339(clock.now_us() // 1_000_000 * 1_000_000).replace("T", " ").replace("Z", " +0000 UTC")
            await answer.send_bytes(json.dumps({
                "MessageType": "PositionReport", "MetaData": {"MMSI": mmsi, "time_utc": at},
                "Message": {"PositionReport": {"UserID": mmsi, "MessageID": 1, "Latitude": 15.2, "Longitude": 118.2,
                                               "Sog": 9.0, "Cog": 90.0, "TrueHeading": 90}},
            }).encode())  # fmt: skip
        await answer.receive()
        return answer


async def publish(port: int, first: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(packets.connect("publisher", keep_alive_s=60, clean=True))
    await reader.readexactly(4)
    for mmsi in range(first, first + count):
        topic = f"vessels-v2/{mmsi}/location".encode()
        payload = json.dumps({"time": clock.now_us() // 1_000_000, "lon": 118.9, "lat": 15.9, "sog": 10.7, "cog": 326.6,
                              "heading": 325, "navStat": 0, "rot": 0, "posAcc": True}).encode()  # fmt: skip
        writer.write(packets.packet(packets.PUBLISH, struct.pack("!H", len(topic)) + topic + b"\x00\x07" + payload, 2))
        await writer.drain()
        await reader.readexactly(4)
    writer.close()


@contextlib.asynccontextmanager
async def serving(senders: Senders):
    tcp = await asyncio.start_server(senders.tcp, "127.0.0.1", 0)
    gpsd = await asyncio.start_server(senders.gpsd, "127.0.0.1", 0)
    app = web.Application()
    app.router.add_get("/ais", senders.http)
    app.router.add_get("/v0/stream", senders.stream)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield {"tcp": tcp.sockets[0].getsockname()[1], "gpsd": gpsd.sockets[0].getsockname()[1],
               "web": runner.addresses[0][1]}  # fmt: skip
    finally:
        tcp.close()
        gpsd.close()
        await runner.cleanup()


@pytest.mark.slow
@pytest.mark.servers
async def test_every_way_in_at_once(tmp_path):
    if mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    senders = Senders()
    port, mqtt = free_port(), free_port()
    (tmp_path / "grow.log").write_bytes(b"\r\n".join(nmea(204_000_001, 10)) + b"\r\n")
    timeout = aiohttp.ClientTimeout(total=20.0)
    (tmp_path / "broker").mkdir()
    async with serving(senders) as ports, aiohttp.ClientSession(timeout=timeout) as session:
        ports |= {"listen": free_port(), "udp": free_port(socket.SOCK_DGRAM), "mqtt": mqtt, "port": port}
        node = await start(tmp_path, port, (HEAD + SOURCES + MQTT).format(**ports))
        try:
            async with broker(tmp_path / "broker", mqtt) as process:
                await up(session, node, limit_s=180.0)
                await feeds_until(session, node, lambda rows: rows["mqtt"]["connected"])
                await publish(mqtt, 209_000_001, 15)
                with (tmp_path / "grow.log").open("ab") as file:
                    file.write(b"\r\n".join(nmea(204_000_011, 10)) + b"\r\n")
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    for line in nmea(203_000_001, 20):
                        sender.sendto(line, ("127.0.0.1", ports["udp"]))
                _, writer = await asyncio.open_connection("127.0.0.1", ports["listen"])
                writer.write(b"\n".join(nmea(202_000_001, 20)) + b"\nnot a sentence\n!AIVDM,1,1,,A,bad,0*00\n")
                await writer.drain()
                body = b"\n".join(nmea(208_000_001, 20))
                async with session.post(f"{node.address}api/v1/push/push", data=body,
                                        headers={"X-Kuroshio-Request": "1"}) as answer:  # fmt: skip
                    assert answer.status == 202
                await feeds_until(session, node, lambda rows: rows["mqtt"]["messages"] == 15)
                await asyncio.sleep(1.5)  # the broker writes its subscriptions once a second
                process.kill()
                await process.wait()
            await feeds_until(session, node, lambda rows: not rows["mqtt"]["connected"])
            async with broker(tmp_path / "broker", mqtt):
                await feeds_until(session, node, lambda rows: rows["mqtt"]["connected"])
                await publish(mqtt, 209_000_016, 15)
                sent = {"tcp": 61, "listen": 22, "udp": 20, "tail": 20, "http": 20, "stream": 20, "gpsd": 21,
                        "push": 20, "mqtt": 30}  # fmt: skip
                rows = await feeds_until(
                    session, node, lambda rows: all(rows[name]["lines"] >= count for name, count in sent.items())
                )
            info = await get(session, node, "info")
            writer.close()
        finally:
            await end(node)
    assert node.process is not None
    assert node.process.returncode == 0, (tmp_path / "log.txt").read_text()[-3000:]
    assert {name: rows[name]["lines"] for name in sent} == sent
    assert all(balanced(row) for row in rows.values()), rows
    observed = {name: rows[name]["observations"] for name in sent}
    assert observed == {"tcp": 60, "listen": 20, "udp": 20, "tail": 20, "http": 20, "stream": 20, "gpsd": 20,
                        "push": 20, "mqtt": 30}  # fmt: skip
    assert (rows["listen"]["rejects"], rows["tcp"]["rejects"]) == (2, 1)  # the line the loss of a connection cut
    assert rows["mqtt"]["reconnects"] == 1
    assert abs(rows["udp"]["clock_offset_s"]) < 30
    assert rows["http"]["clock_offset_s"] is None  # its times are those of arrival
    assert info["counts"]["feeds"] == 9
    assert senders.asked.count(json.dumps({"APIKey": KEY, "BoundingBoxes": []})) == 1
    assert any("?WATCH=" in asked for asked in senders.asked)
    assert KEY not in (tmp_path / "log.txt").read_text()
    archive = Archive(tmp_path / "data" / "archive")
    table = archive.read("observations", start_us=0, end_us=clock.now_us() + 86_400_000_000)
    archive.close()
    clocks = {name: set(table.filter(pc.equal(table["source"], name))["time_source"].to_pylist()) for name in sent}
    assert clocks == {name: {"tag_block"} for name in ("tcp", "listen", "udp", "tail", "push")} | {
        "http": {"arrival"}, "gpsd": {"arrival"}, "stream": {"feed"}, "mqtt": {"feed"},
    }  # fmt: skip
    assert {name: pc.sum(pc.equal(table["source"], name)).as_py() for name in sent} == observed


HOSTILE = """
[[sources]]
name = "flood"
format = "aivdm"
link = "tcp-listen"
port = {flood}
bytes_per_s_max = 500000.0
[[sources]]
name = "endless"
format = "aivdm"
link = "tcp-listen"
port = {endless}
[[sources]]
name = "quiet"
format = "aivdm"
link = "tcp-listen"
port = {quiet}
"""


@pytest.mark.slow
async def test_floods_slow_the_flooder_and_nobody_else(tmp_path):
    ports = {"flood": free_port(), "endless": free_port(), "quiet": free_port(), "port": free_port()}
    node = await start(tmp_path, ports["port"], (HEAD + HOSTILE).format(**ports))
    stop = asyncio.Event()
    flood_block = b"\n".join(nmea(210_000_001, 500)) + b"\n"

    async def flood(port: int, block: bytes) -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = 0
        with contextlib.suppress(OSError):
            while not stop.is_set():
                writer.write(block)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(writer.drain(), 0.5)
                    sent += len(block)
        writer.transport.abort()
        return sent

    timeout = aiohttp.ClientTimeout(total=20.0)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            await up(session, node, limit_s=180.0)
            tasks = [asyncio.create_task(flood(ports["flood"], flood_block)) for _ in range(3)]
            tasks.append(asyncio.create_task(flood(ports["endless"], b"x" * 65_536)))
            _, quiet = await asyncio.open_connection("127.0.0.1", ports["quiet"])
            await feeds_until(session, node, lambda rows: rows["flood"]["limits"].get("delayed_blocks", 0) > 0)
            for turn in range(20):
                quiet.write(b"\n".join(nmea(211_000_001 + turn * 5, 5)) + b"\n")
                await quiet.drain()
                # each is seen before the next is sent, whatever the others do
                rows = await feeds_until(session, node, lambda rows, n=turn: rows["quiet"]["messages"] == 5 * n + 5)
                assert all(row["held_bytes"] <= 8_200_000 for row in rows.values())
            stop.set()
            await asyncio.gather(*tasks)
            quiet.close()
        finally:
            await end(node, how=signal.SIGTERM)
    assert rows["endless"]["limits"]["cut_lines"] > 0
    assert rows["endless"]["rejects"] > 0
    assert rows["endless"]["messages"] == 0
    assert rows["flood"]["held_bytes"] > 0
    assert (rows["quiet"]["rejects"], rows["quiet"]["limits"], rows["quiet"]["state"]) == (0, {}, "ok")


@pytest.mark.slow
@pytest.mark.servers
async def test_a_real_gpsd_is_asked_to_watch_and_its_ais_comes(tmp_path):
    program = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("gpsd is not installed")
    lines = nmea(212_000_001, 40, tagged=False)
    leader, follower = os.openpty()
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program, "-N", "-n", "-b", "-S", str(port), os.ttyname(follower),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    from kuroshio.links import TcpClient
    from kuroshio.node.linking import GPSD_WATCH
    from kuroshio.sensing.formats import open_decoder
    from kuroshio.testing.links import Sink, running

    sink = Sink()
    link = TcpClient("127.0.0.1", port, now=clock.now_us, chance=float, retry_s_min=0.1, greeting=GPSD_WATCH)
    try:
        async with running(link, sink):
            for turn in range(200):
                os.write(leader, lines[turn % len(lines)] + b"\r\n")
                await asyncio.sleep(0.02)
                if sink.data.count(b'"class":"AIS"') >= 20:
                    break
    finally:
        process.terminate()
        await process.wait()
        os.close(leader)
        os.close(follower)
    decoded = open_decoder("gpsd_json", "gpsd", {}).feed(sink.data, clock.now_us())
    assert decoded.ledger.messages >= 20, sink.data[:2000]
    assert not decoded.ledger.rejected
