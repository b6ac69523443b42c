"""Services on the web: asked at an interval or subscribed to, TLS verified, bodies bounded, keys never told."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gzip
import ipaddress
import itertools
import json
import logging
import ssl

import pytest
from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kuroshio.errors import ConfigError, LinkError
from kuroshio.links import HttpPoll, Secret, WebSocketClient
from kuroshio.links.framing import frame, inflate, json_lines, one_line, pieces
from kuroshio.testing.links import Sink, running, until

KEY = "s3cret-key-of-a-service"


def now() -> int:
    return 1_000_000


def no_chance() -> float:
    return 0.0


@contextlib.asynccontextmanager
async def serving(handler, *, tls: ssl.SSLContext | None = None):
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def poll(port: int, *, scheme: str = "http", path: str = "/ais", **settings) -> HttpPoll:
    settings.setdefault("interval_s", 0.02)
    settings.setdefault("retry_s_max", 0.1)
    return HttpPoll(f"{scheme}://127.0.0.1:{port}{path}", now=now, chance=no_chance, **settings)


async def test_a_document_is_its_items_and_an_unchanged_one_is_not_sent_again():
    asked = []

    async def handler(request):
        asked.append(request.headers.get("If-None-Match"))
        if asked[-1] == '"1"':
            return web.Response(status=304)
        features = [{"mmsi": 1, "name": "a\nb"}, {"mmsi": 2}]
        return web.Response(text=json.dumps({"type": "x", "features": features}, indent=2), headers={"ETag": '"1"'})

    sink = Sink()
    async with serving(handler) as port:
        link = poll(port, framing="json", items="features")
        async with running(link, sink):
            await until(lambda: link.unchanged >= 3)
    assert [json.loads(line) for line in sink.lines] == [{"mmsi": 1, "name": "a\nb"}, {"mmsi": 2}]
    assert asked[:2] == [None, '"1"']
    assert link.state.connections == 1


async def test_a_body_over_the_limit_is_given_up_also_when_it_is_a_bomb():
    async def handler(request):
        if request.path == "/bomb":
            packed = gzip.compress(b"\0" * 50_000_000)
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        return web.Response(body=b"x" * 200_000)

    for path in ("/large", "/bomb"):
        sink = Sink()
        async with serving(handler) as port:
            link = poll(port, path=path, message_bytes_max=100_000)
            async with running(link, sink):
                await until(lambda link=link: link.state.failures >= 2)
        assert link.state.oversize_messages + link.state.failures >= 2
        assert not link.state.connected
        assert not sink.blocks


async def test_failures_are_counted_pauses_grow_and_retry_after_is_kept():
    answers = []

    async def handler(request):
        answers.append(asyncio.get_running_loop().time())
        if len(answers) < 4:
            return web.Response(status=503, headers={"Retry-After": "3600"})
        return web.Response(text="!AIVDM\r\n!AIVDM")

    sink = Sink()
    async with serving(handler) as port:
        link = poll(port, retry_s_max=0.3)
        async with running(link, sink):
            await until(lambda: sink.blocks)
    assert link.state.failures == 3
    assert all(b - a >= 0.28 for a, b in itertools.pairwise(answers[:4]))  # as long as ours allows
    assert sink.blocks[0] == b"!AIVDM\r\n!AIVDM\n"


async def test_a_key_is_sent_where_it_belongs_and_never_follows_a_redirect(caplog):
    caplog.set_level(logging.DEBUG)
    seen = []

    async def elsewhere(request):
        seen.append(("elsewhere", dict(request.headers)))
        return web.Response(text="!x")

    async def handler(request):
        seen.append(("service", request.headers["X-Key"]))
        raise web.HTTPFound(f"http://127.0.0.1:{other}/")

    async with serving(elsewhere) as other, serving(handler) as port:
        link = poll(port, headers={"X-Key": "Bearer {key}"}, secret=Secret(KEY), path="/{key}/ais")
        async with running(link, Sink()):
            await until(lambda: link.state.failures >= 2)
    assert set(seen) == {("service", f"Bearer {KEY}")}
    assert KEY not in link.state.last_error
    assert KEY not in caplog.text
    assert KEY not in repr(vars(link))


def certificate(folder):
    """Self-signed certificate of 127.0.0.1: a server context, and the file that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "cert.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem


async def test_a_certificate_nobody_vouches_for_is_refused_and_a_named_authority_is_trusted(tmp_path):
    async def handler(request):
        if request.path == "/ws":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str("{}")
            await socket.close()
            return socket
        return web.Response(text="!x")

    context, pem = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=pem)
    async with serving(handler, tls=context) as port:
        doubting = poll(port, scheme="https")
        async with running(doubting, sink := Sink()):
            await until(lambda: doubting.state.failures >= 1)
        assert "ertificate" in doubting.state.last_error
        assert not sink.blocks
        async with running(poll(port, scheme="https", tls=trusting), sink):
            await until(lambda: sink.blocks)
        doubting_ws = WebSocketClient(f"wss://127.0.0.1:{port}/ws", now=now, chance=no_chance)
        async with running(doubting_ws, sink := Sink()):
            await until(lambda: doubting_ws.state.failures >= 1)
        assert not sink.blocks
        trusting_ws = WebSocketClient(f"wss://127.0.0.1:{port}/ws", now=now, chance=no_chance, tls=trusting)
        async with running(trusting_ws, sink):
            await until(lambda: sink.blocks)


async def test_a_websocket_is_subscribed_to_with_a_key_and_found_again_when_it_closes(caplog):
    caplog.set_level(logging.DEBUG)
    asked = []

    async def handler(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        message = await socket.receive()
        assert message.type == WSMsgType.TEXT
        asked.append(json.loads(message.data))
        await socket.send_str(f'{{\n"n": {2 * len(asked)}\n}}')
        await socket.send_bytes(b'{"n": %d}' % (2 * len(asked) + 1))
        await socket.close()
        return socket

    sink = Sink()
    key = 'a"quoted\\key'
    async with serving(handler) as port:
        link = WebSocketClient(
            f"ws://127.0.0.1:{port}/v0/stream", now=now, chance=no_chance, framing="json", secret=Secret(key),
            send=['{"APIKey": "{key}", "BoundingBoxes": [[[-90, -180], [90, 180]]]}'], retry_s_min=0.02,
        )  # fmt: skip
        async with running(link, sink):
            await until(lambda: len(sink.lines) >= 6)
    assert asked[0] == {"APIKey": key, "BoundingBoxes": [[[-90, -180], [90, 180]]]}
    assert [json.loads(line)["n"] for line in sink.lines[:6]] == [2, 3, 4, 5, 6, 7]
    assert link.state.connections >= 3
    assert key not in caplog.text + repr(vars(link))


async def test_a_frame_over_the_limit_ends_the_connection_and_is_counted():
    async def handler(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("x" * 100_000)
        await socket.receive()
        return socket

    sink = Sink()
    async with serving(handler) as port:
        link = WebSocketClient(
            f"ws://127.0.0.1:{port}/", now=now, chance=no_chance, message_bytes_max=50_000, retry_s_min=0.02
        )
        async with running(link, sink):
            await until(lambda: link.state.oversize_messages >= 2)
    assert not sink.blocks


async def test_a_websocket_that_says_nothing_is_opened_anew():
    async def handler(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        return socket

    async with serving(handler) as port:
        link = WebSocketClient(f"ws://127.0.0.1:{port}/", now=now, chance=no_chance, idle_s_max=0.05, retry_s_min=0.02)
        async with running(link, Sink()):
            await until(lambda: link.state.connections >= 2)
    assert link.state.failures >= 1


def test_keys_are_read_from_closed_files_and_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        Secret.read(file=path)
    path.chmod(0o600)
    assert Secret.read(file=path).reveal() == KEY
    monkeypatch.setenv("A_KEY", KEY)
    assert Secret.read(variable="A_KEY").reveal() == KEY
    for wrong in ({"file": tmp_path / "absent"}, {"variable": "NOT_SET_ANYWHERE"}):
        with pytest.raises(ConfigError, match=r"absent|NOT_SET_ANYWHERE"):
            Secret.read(**wrong)
    path.write_text(" \n")
    with pytest.raises(ConfigError, match="holds no key"):
        Secret.read(file=path)
    assert repr(Secret(KEY)) == "Secret(***)"
    assert KEY not in f"{Secret(KEY)}"


def test_borders_of_messages_become_lines():
    assert one_line(b'{\r\n "a": 1\n}\n') == b'{   "a": 1 }\n'
    assert one_line(b" \n") == b""
    assert json_lines(b'[{"a":1},{"a":2}]') == b'{"a":1}\n{"a":2}\n'
    assert json_lines(b'{"a":1}\n{"a":2}') == b'{"a":1}\n{"a":2}\n'  # lines stay as they are
    assert json_lines(b'{"msgs":[{"a":1},{"s":2}],"id":7}', items="msgs", inherit={"id": "s"}) == (
        b'{"s":7,"a":1}\n{"s":2}\n'
    )
    assert json_lines(b"[" * 100_000) == b"[" * 100_000 + b"\n"  # nested beyond reason: the decoder refuses it
    assert frame(b"\x00\n\x01", "raw") == b"\x00\n\x01"
    assert frame(b"!a", "lines") == b"!a\n"
    data = b"".join(b"%d\n" % n for n in range(10_000))
    assert b"".join(pieces(data, size=1000)) == data
    assert all(piece.endswith(b"\n") and len(piece) < 1010 for piece in pieces(data, size=1000))
    assert list(pieces(b"no end", size=2)) == [b"no end"]


def test_a_gzip_bomb_never_becomes_more_than_the_limit():
    bomb = gzip.compress(b"\0" * 100_000_000)
    assert len(bomb) < 200_000
    with pytest.raises(LinkError, match="more than 1000000 bytes"):
        inflate(bomb, "gzip", limit_bytes=1_000_000)
    assert inflate(gzip.compress(b"x" * 1000), "GZIP", limit_bytes=1000) == b"x" * 1000
    for body, encoding in ((gzip.compress(b"x")[:-3], "gzip"), (b"not gzip", "gzip"), (b"x", "br"),
                           (gzip.compress(b"x") + b"more", "gzip")):  # fmt: skip
        with pytest.raises(LinkError) as refused:
            inflate(body, encoding, limit_bytes=1000)
        assert refused.value.error_code == "link.encoding"
    assert inflate(b"plain", "", limit_bytes=10) == b"plain"
