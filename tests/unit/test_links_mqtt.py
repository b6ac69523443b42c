"""MQTT against a real mosquitto: every message while connected, again after the broker is killed, never too much."""

from __future__ import annotations

import asyncio
import json
import shutil
import struct
import subprocess

import pytest

from kuroshio.errors import LinkError
from kuroshio.links import Mqtt, Secret
from kuroshio.links import mqtt_packets as packets
from kuroshio.testing.broker import broker, mosquitto, mosquitto_user
from kuroshio.testing.demo import free_port
from kuroshio.testing.links import Sink, running, until

real = pytest.mark.skipif(mosquitto() is None, reason="mosquitto is not installed")
servers = pytest.mark.servers


def now() -> int:
    return 1_000_000


def no_chance() -> float:
    return 0.0


def subscriber(port: int, topics=("vessels-v2/#",), **settings) -> Mqtt:
    url = settings.pop("url", f"mqtt://127.0.0.1:{port}")
    return Mqtt(url, topics, now=now, chance=no_chance, retry_s_min=0.05, retry_s_max=0.2, **settings)


class Publisher:
    """Says things to a broker with the packets of this package, and waits for nothing."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(packets.connect("publisher", keep_alive_s=60, clean=True))
        kind = (await self.reader.readexactly(4))[0] >> 4
        assert kind == packets.CONNACK
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def say(self, topic: str, payload: bytes, *, qos: int = 0) -> None:
        name = topic.encode()
        number = struct.pack("!H", 7) if qos else b""
        self.writer.write(
            packets.packet(packets.PUBLISH, struct.pack("!H", len(name)) + name + number + payload, flags=qos << 1)
        )
        await self.writer.drain()
        if qos:
            await self.reader.readexactly(4)


@servers
@real
@pytest.mark.parametrize("way", ["mqtt", "ws"])
async def test_messages_of_the_topics_come_in_envelopes(tmp_path, way):
    port, web = free_port(), free_port()
    sink = Sink()
    url = f"mqtt://127.0.0.1:{port}" if way == "mqtt" else f"ws://127.0.0.1:{web}/mqtt"
    link = subscriber(port, url=url, envelope=True)
    async with broker(tmp_path, port, websocket_port=web), running(link, sink):
        await until(lambda: link.state.connected)
        async with Publisher(port) as publisher:
            for mmsi in range(230_000_000, 230_000_200):
                await publisher.say(f"vessels-v2/{mmsi}/location", b'{\n "time": 1,\n "lon": 25.0, "lat": 60.1\n}')
            await publisher.say("other/topic", b"{}")
            await until(lambda: len(sink.lines) == 200)
    values = [json.loads(line) for line in sink.lines]
    assert [v["topic"] for v in values] == [f"vessels-v2/{m}/location" for m in range(230_000_000, 230_000_200)]
    assert all(v["payload"] == {"time": 1, "lon": 25.0, "lat": 60.1} for v in values)


@servers
@real
async def test_a_killed_broker_is_found_again_and_what_it_kept_is_brought(tmp_path):
    port = free_port()
    sink = Sink()
    link = subscriber(port, ("ais/#",), qos=1, client_id="node-1")
    async with running(link, sink):
        async with broker(tmp_path, port) as process:
            await until(lambda: link.state.connected)
            async with Publisher(port) as publisher:
                await publisher.say("ais/a", b"!one", qos=1)
            await until(lambda: sink.lines == [b"!one"])
            await asyncio.sleep(1.5)  # the broker writes its subscriptions once a second
            process.kill()
            await process.wait()
        await until(lambda: not link.state.connected and link.state.failures >= 2)
        assert link.state.last_error
        async with broker(tmp_path, port):
            await until(lambda: link.state.connected)
            async with Publisher(port) as publisher:
                await publisher.say("ais/a", b"!two", qos=1)
            await until(lambda: b"!two" in sink.lines)
    # while the node is away, the broker keeps what is said
    async with broker(tmp_path, port):
        again = subscriber(port, ("ais/#",), qos=1, client_id="node-1")
        async with running(again, sink):
            await until(lambda: again.state.connected)
        async with Publisher(port) as publisher:
            await publisher.say("ais/a", b"!three", qos=1)
        async with running(again, sink):
            await until(lambda: b"!three" in sink.lines)
    assert sink.lines == [b"!one", b"!two", b"!three"]


@servers
@real
async def test_a_busy_node_does_not_read_the_broker_and_loses_nothing_of_qos_1(tmp_path):
    port = free_port()
    sink = Sink()
    link = subscriber(port, ("ais/#",), qos=1, keep_alive_s=5)
    async with broker(tmp_path, port), running(link, sink):
        await until(lambda: link.state.connected)
        sink.gate.clear()
        async with Publisher(port) as publisher:
            for number in range(300):
                await publisher.say("ais/a", b"%d" % number, qos=1)
            await asyncio.sleep(0.2)
            assert link.state.received_blocks <= 21  # mosquitto sends 20 unacknowledged messages
            sink.gate.set()
            await until(lambda: len(sink.lines) == 300)
    assert sink.lines == [b"%d" % number for number in range(300)]


@servers
@real
async def test_a_message_over_the_limit_is_read_past_and_counted(tmp_path):
    port = free_port()
    sink = Sink()
    link = subscriber(port, ("a",), message_bytes_max=10_000)
    async with broker(tmp_path, port), running(link, sink):
        await until(lambda: link.state.connected)
        async with Publisher(port) as publisher:
            await publisher.say("a", b"x" * 5_000_000)
            await publisher.say("a", b"small")
            await until(lambda: sink.lines == [b"small"])
    assert link.state.oversize_messages == 1
    assert link.state.connections == 1


@servers
@real
async def test_a_key_is_the_password_of_its_user_and_is_not_told(tmp_path):
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not installed")
    port = free_port()
    try:
        passwords = mosquitto_user(tmp_path, "node", "s3cret-key")
    except subprocess.CalledProcessError as err:
        pytest.fail(f"mosquitto_passwd: {err.stderr!r}")
    async with broker(tmp_path, port, passwords=passwords):
        good = subscriber(port, ("a",), user="node", secret=Secret("s3cret-key"))
        async with running(good, Sink()):
            await until(lambda: good.state.connected)
        bad = subscriber(port, ("a",), user="node", secret=Secret("wrong-key"))
        async with running(bad, Sink()):
            await until(lambda: bad.state.failures >= 2)
        assert "refuses" in bad.state.last_error
        assert "wrong-key" not in bad.state.last_error + repr(vars(bad))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x02\x00\x05",
        b"\x20\xff\xff\xff\xff\x7f",
        b"\x20\x02\x00\x00\x90\x03\x00\x01\x80",
        b"\x20\x02\x00\x00\x30\x01\x00",
        b"\x20\x02\x00\x00\x36\x05\x00\x01a\x00\x01",
        b"",
    ],
    ids=["not-a-broker", "not-authorised", "length", "topic-refused", "short", "qos-3", "hangs-up"],
)
async def test_a_broker_that_talks_nonsense_is_a_failure_that_is_counted(answer):
    async def serve(reader, writer):
        await reader.read(100)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = subscriber(server.sockets[0].getsockname()[1])
    sink = Sink()
    async with server, running(link, sink) as task:
        await until(lambda: link.state.failures >= 2)
        assert not task.done()
    assert link.state.last_error
    assert not sink.blocks


def test_lengths_of_packets_are_the_standards():
    """MQTT 3.1.1, table 2.4: where one more byte of length begins."""
    sizes = {0: b"\x00", 127: b"\x7f", 128: b"\x80\x01", 16_383: b"\xff\x7f", 16_384: b"\x80\x80\x01"}
    for size, length in sizes.items():
        made = packets.packet(packets.PINGREQ, b"x" * size)
        assert made[1 : -size or None] == length


def test_a_publish_is_read_with_its_number():
    assert packets.read_publish(0, b"\x00\x01ahello") == packets.Publish("a", b"hello", 0)
    assert packets.read_publish(2, b"\x00\x01a\x00\x07hello") == packets.Publish("a", b"hello", 7)
    with pytest.raises(LinkError):
        packets.read_publish(2, b"\x00\x01a")
