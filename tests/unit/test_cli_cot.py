"""`kuroshio cot`: the filtered export of a node reaches a display over TCP and UDP; failures are said in words."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from typer.testing import CliRunner

from kuroshio.cli import cot
from kuroshio.cli.main import app
from kuroshio.errors import InputError
from kuroshio.sensing.cot import CotDecoder, cot_event

AT = 1_780_000_000_000_000
EVENTS = b"".join(
    cot_event(
        f"PHL.track.{n}", at_us=AT, stale_s=120.0, lat_deg=20.0, lon_deg=122.0, callsign="A <b>\n&", ce_m=30.0
    ).encode()
    for n in range(3)
)


class Node:
    """A node's export as far as the command asks it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.status = 200
        self.loop = asyncio.new_event_loop()
        self.port = 0
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        assert self.ready.wait(10)

    def _serve(self) -> None:
        async def answer(request: web.Request) -> web.Response:
            self.asked.append((request.path_qs, request.headers.get("Authorization", "")))
            return web.Response(body=EVENTS if self.status == 200 else b"no", status=self.status)

        async def start() -> None:
            application = web.Application()
            application.router.add_get("/{path:.*}", answer)
            runner = web.AppRunner(application)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            self.ready.set()

        self.loop.run_until_complete(start())
        self.loop.run_forever()


@pytest.fixture(scope="module")
def serving() -> Iterator[Node]:
    node = Node()
    yield node
    node.loop.call_soon_threadsafe(node.loop.stop)
    node.thread.join(5)


@pytest.fixture
def node(serving: Node) -> Node:
    serving.asked.clear()
    serving.status = 200
    return serving


def run(*arguments: str, token: str = "kur_x") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["cot", *arguments], env={"KUROSHIO_TOKEN": token})
    return result.exit_code, result.output + str(getattr(result.exception, "message", ""))


def received(listener: socket.socket, data: list[bytes]) -> None:
    with contextlib.suppress(TimeoutError):
        connection, _ = listener.accept()
        with connection:
            while part := connection.recv(65_536):
                data.append(part)


def test_a_picture_reaches_a_tak_server_over_tcp(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        data: list[bytes] = []
        reader = threading.Thread(target=received, args=(listener, data))
        reader.start()
        to = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        code, said = run(f"http://127.0.0.1:{node.port}/", "--to", to, "--once", "--query", "flag=dark")
        reader.join(10)
    assert code == 0, said
    assert b"".join(data) == EVENTS
    assert node.asked == [("/api/v1/export/tracks.cot?flag=dark", "Bearer kur_x")]
    back = CotDecoder("back").feed(b"".join(data), AT).table("observations")
    assert back["station"].to_pylist() == [f"PHL.track.{n}" for n in range(3)]
    assert back["cov_ee_m2"].to_pylist() == [900.0] * 3


def test_over_udp_an_event_is_a_datagram(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as display:
        display.bind(("127.0.0.1", 0))
        display.settimeout(10)
        to = f"udp://127.0.0.1:{display.getsockname()[1]}"
        assert run(f"http://127.0.0.1:{node.port}", "--to", to, "--once", token="")[0] == 0
        assert b"".join(display.recv(65_536) for _ in range(3)) == EVENTS
    assert node.asked[0][1] == ""
    monkeypatch.setattr(cot, "MAX_DATAGRAM", 10)
    code, said = run(f"http://127.0.0.1:{node.port}", "--to", to, "--once")
    assert code == 0
    assert "too long" in said


def test_a_refusal_and_a_deaf_server_are_said(node: Node) -> None:
    node.status = 403
    code, said = run(f"http://127.0.0.1:{node.port}", "--to", "udp://127.0.0.1:9", "--once")
    assert code != 0
    assert "403" in said
    node.status = 200
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        to = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        code, said = run(f"http://127.0.0.1:{node.port}", "--to", to, "--once")
    assert code != 0
    assert "cannot send" in said


@pytest.mark.parametrize("to", ["", "127.0.0.1:5", "ftp://a:5", "tcp://a", "tcp://a:x", "tcp://:5", "tls://[a:5"])
def test_a_target_that_is_none_is_refused(to: str) -> None:
    with pytest.raises(InputError):
        cot.target_of(to, None, None, None)


def test_certificate_files_are_checked_at_once(tmp_path: Path) -> None:
    assert cot.target_of("tls://tak.example:8089", None, None, None).context is not None
    with pytest.raises(InputError):
        cot.target_of("tls://tak.example:8089", tmp_path / "no.pem", None, None)
    assert run("ftp://127.0.0.1", "--to", "tcp://127.0.0.1:5", "--once")[0] != 0
