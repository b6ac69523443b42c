"""Pushes over real sockets: slow ones, many at once, bombs, and AIS-catcher's own form."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json

import aiohttp
import pytest

from kuroshio.api import ApiSettings, create_app, intake
from kuroshio.api.passwords import digest_of
from kuroshio.api.serve import bind, serving
from kuroshio.node import config
from kuroshio.node.node import Node
from kuroshio.store import ROLES

FORM = {"X-Kuroshio-Request": "1"}
PUSH = "api/v1/push/catcher"
NMEA = "!AIVDM,1,1,,A,13`fL1PP140KCELMBO7SS?wH0@Jv,0*50"


@contextlib.asynccontextmanager
async def node_on(folder, *, settings: ApiSettings | None = None, **source):
    """A node with one push source, in this process."""
    document = {
        "node": {"party": "PHL", "name": "push test", "data": str(folder / "data")},
        "keys": str(folder / "keys"),
        "peer": {"port": 0},
        "sources": [{"name": "catcher", "format": "aiscatcher_json", "link": "push"} | source],
    }
    node = Node(config.from_dict(document, base=folder))
    service = await node.start()
    sock = bind("127.0.0.1", 0)
    app = create_app(service, node.parts.operations, settings=settings or ApiSettings(open_roles=ROLES))
    timeout = aiohttp.ClientTimeout(total=20.0)
    try:
        async with serving(app, sock) as address, aiohttp.ClientSession(address, timeout=timeout, headers=FORM) as web:
            yield node, app, web
    finally:
        await node.stop()


async def feed(web) -> dict:
    async with web.get("/api/v1/feeds") as answer:
        return (await answer.json())[0]


async def until_status(web, path, wanted, **request):
    for _ in range(200):
        async with web.post(f"/{path}", **request) as answer:
            if answer.status == wanted:
                return await answer.json()
        await asyncio.sleep(0.02)
    raise AssertionError(f"never {wanted}")


def catcher_body(count: int) -> bytes:
    """What AIS-catcher posts: pretty JSON whose messages are a line each (its documentation, HTTP output)."""
    message = {"class": "AIS", "rxuxtime": 1667409804, "nmea": [NMEA], "type": 1, "mmsi": 244030470}
    rows = ",\n\t\t".join(json.dumps(message | {"n": n}) for n in range(count))
    return ('{\n\t"protocol": "jsonaiscatcher",\n\t"encodetime": "20221102171325",\n\t"stationid": "MyStation",\n'
            f'\t"msgs": [ \n\t\t{rows}\n\t]\n}}\n').encode()  # fmt: skip


async def test_ais_catchers_own_post_is_taken_with_gzip_and_basic_credentials(tmp_path):
    async with node_on(tmp_path, settings=ApiSettings()) as (node, _, web):
        secret, operations = "kur_test", node.parts.operations
        operations.add_user("catcher", roles=("feed",), password_hash=None, now_us=0)
        operations.open_session(digest_of(secret), "catcher", now_us=0, expires_us=None, kind="token")
        body = catcher_body(3000)  # over a megabyte, far over a JSON line
        assert len(body) > 300_000
        basic = {"Authorization": "Basic " + base64.b64encode(f"catcher:{secret}".encode()).decode()}
        async with web.post(f"/{PUSH}", data=body, headers=basic) as answer:
            assert answer.status == 202, await answer.text()
        packed = gzip.compress(body)
        async with web.post(f"/{PUSH}", data=packed, headers=basic | {"Content-Encoding": "gzip"}) as answer:
            assert answer.status == 202
        for wrong in ("Basic " + base64.b64encode(b"catcher:kur_other").decode(), "Basic !!", "Bearer kur_other"):
            async with web.post(f"/{PUSH}", data=body, headers={"Authorization": wrong}) as answer:
                assert answer.status == 401
        async with web.get("/api/v1/info", headers=basic) as answer:
            assert answer.status == 401  # the password form is for pushes alone
        row = node.service.feeds()[0]
    assert (row["lines"], row["messages"], row["rejects"], row["waiting"]) == (6000, 6000, 0, 0)


async def test_a_bomb_a_wrong_encoding_and_a_large_body_are_refused_and_change_nothing(tmp_path):
    async with node_on(tmp_path) as (_, _, web):
        bomb = gzip.compress(b"\0" * 60_000_000)
        for body, encoding, wanted in ((bomb, "gzip", 413), (b"x", "br", 415), (b"x", "gzip", 415)):
            async with web.post(f"/{PUSH}", data=body, headers={"Content-Encoding": encoding}) as answer:
                assert answer.status == wanted, await answer.text()
        async with web.post(f"/{PUSH}", data=b"x" * 17_000_000) as answer:
            assert answer.status == 413
        row = await feed(web)
    assert row["lines"] == row["messages"] == 0


async def test_a_slow_body_is_given_up_and_counted_while_others_are_taken(tmp_path):
    settings = ApiSettings(open_roles=ROLES, push_body_s=0.5)
    async with node_on(tmp_path, settings=settings) as (_, app, web):
        host, port = web._base_url.host, web._base_url.port

        async def loris() -> bytes:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"POST /{PUSH} HTTP/1.1\r\nHost: {host}:{port}\r\nX-Kuroshio-Request: 1\r\n"
                         "Content-Length: 100000\r\n\r\n".encode())  # fmt: skip
            with contextlib.suppress(OSError):
                for _ in range(40):
                    writer.write(b"x")
                    await asyncio.sleep(0.05)
            head = await reader.read(100)
            writer.close()
            return head

        slow = [asyncio.create_task(loris()) for _ in range(30)]
        await asyncio.sleep(0.2)
        assert app.state.intake.pushes == 30
        async with web.post(f"/{PUSH}", data=catcher_body(2)) as answer:
            assert answer.status == 202
        assert all(b"408" in head for head in await asyncio.gather(*slow))
        assert app.state.counts["pushes_late"] == 30
        assert (app.state.intake.pushes, app.state.intake.held_bytes) == (0, 0)
        assert (await feed(web))["messages"] == 2


async def test_more_pushes_at_once_than_may_be_are_told_to_come_again(tmp_path):
    settings = ApiSettings(open_roles=ROLES, pushes_max=3, push_body_s=1.0)
    async with node_on(tmp_path, settings=settings) as (_, app, web):
        never = asyncio.Event()

        async def endless():
            yield b"x"
            await never.wait()
            yield b"y"

        held = [asyncio.create_task(web.post(f"/{PUSH}", data=endless())) for _ in range(3)]
        while app.state.intake.pushes < 3:
            await asyncio.sleep(0.01)
        async with web.post(f"/{PUSH}", data=catcher_body(1)) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
            assert (await answer.json())["code"] == "push.busy"
        never.set()
        await asyncio.gather(*held, return_exceptions=True)
        async with web.post(f"/{PUSH}", data=catcher_body(1)) as answer:
            assert answer.status == 202
        assert app.state.counts["pushes_refused"] == 1


async def test_a_source_over_its_rate_is_told_when_to_come_again(tmp_path):
    async with node_on(tmp_path, bytes_per_s_max=1000.0) as (_, _, web):
        body = catcher_body(100)
        async with web.post(f"/{PUSH}", data=body) as answer:
            assert answer.status == 202
        async with web.post(f"/{PUSH}", data=body) as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) > 5
        row = await feed(web)
    assert row["limits"] == {"refused_pushes": 1}
    assert row["messages"] == 100


async def test_connections_that_never_ask_are_closed_and_streams_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "REQUEST_HEAD_S", 0.3)
    async with node_on(tmp_path) as (_, _, web):
        host, port = web._base_url.host, web._base_url.port
        quiet = [await asyncio.open_connection(host, port) for _ in range(50)]
        reader, dripping = await asyncio.open_connection(host, port)
        async with web.ws_connect("/api/v1/stream") as stream:
            await stream.receive()
            dripping.write(b"GET /api/v1/info HTT")
            await dripping.drain()
            for reader_, writer in [*quiet, (reader, dripping)]:
                assert await asyncio.wait_for(reader_.read(), 5.0) == b""
                writer.close()
            await asyncio.sleep(0.4)
            assert not stream.closed
            kind = (await stream.receive(timeout=10.0)).type
            assert kind in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
        async with web.get("/api/v1/info") as answer:  # a connection that asked is kept for the next question
            assert answer.status == 200


async def test_a_pushed_report_of_a_person_does_not_wait_for_the_next_one(tmp_path):
    text = b"time: 2026-11-22T06:00:00Z\nposition: 15 30.0 N 118 00.0 E\nwhat: fishing boat"
    async with node_on(tmp_path, format="sighting") as (node, _, web):
        async with web.post(f"/{PUSH}", data=text) as answer:
            assert answer.status == 202
        row = node.service.feeds()[0]
    assert row["observations"] + row["rejects"] >= 1, row
    assert row["waiting"] == 0


@pytest.mark.parametrize("body", [b"", gzip.compress(b"", mtime=0)])
async def test_an_empty_push_is_refused(tmp_path, body):
    async with node_on(tmp_path) as (_, _, web):
        headers = {"Content-Encoding": "gzip"} if body else {}
        async with web.post(f"/{PUSH}", data=body, headers=headers) as answer:
            assert answer.status == 422
