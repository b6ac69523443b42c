"""The API on a real socket: sign-in, a stream that a stuck reader cannot hold up, an end that ends it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.ipc
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from kuroshio.api import server_config
from kuroshio.testing.standin import PASSWORD, USER, StandIn, build

SMALL = 16_384
SEND = {"X-Kuroshio-Request": "1"}


class Node:
    """A stand-in served from a thread on a free port."""

    def __init__(self, folder: Path) -> None:
        self.standin = StandIn(ships=800)
        self.app = build(folder, self.standin)
        self.server = uvicorn.Server(server_config(self.app, host="127.0.0.1", port=0))
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)  # a thin line, full after a few frames
        self.port = listener.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, args=([listener],), daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started)

    def sign_in(self) -> httpx.Client:
        client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=SEND)
        answer = client.post("/api/v1/session", json={"user": USER, "password": PASSWORD})
        assert answer.status_code == 200
        return client

    def stream(self, client: httpx.Client, **more: object) -> ClientConnection:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        url = f"ws://127.0.0.1:{self.port}/api/v1/stream"
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        line.connect(("127.0.0.1", self.port))
        return connect(url, sock=line, additional_headers={"Cookie": cookie}, max_size=None, compression=None, **more)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        self.app.state.gate.operations.close()


def wait_for(condition: object, limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


def meta_of(frame: bytes) -> dict[str, str]:
    schema = pa.ipc.open_stream(frame).schema
    return {key.decode(): value.decode() for key, value in schema.metadata.items()}


def test_a_stuck_reader_is_dropped_to_a_snapshot_and_holds_up_nobody(node: Node) -> None:
    client = node.sign_in()
    with node.stream(client, max_queue=1) as stuck, node.stream(client) as quick:
        first = [meta_of(line.recv(timeout=10)) for line in (stuck, quick)]
        assert [meta["kind"] for meta in first] == ["snapshot", "snapshot"]
        live = node.app.state.live
        seen = int(first[1]["seq"])
        for _ in range(400):
            node.standin.advance()
            while seen < node.standin.tick:
                frame = quick.recv(timeout=10)
                if isinstance(frame, bytes):
                    meta = meta_of(frame)
                    assert meta["kind"] == "delta"
                    seen = int(meta["seq"])
            if live.counts()["channels"]["own"]["lapses"]:
                break
        counts = live.counts()["channels"]["own"]
        assert counts["lapses"] == 1
        kinds = []
        seq = int(first[0]["seq"])
        while seq < node.standin.tick:
            frame = stuck.recv(timeout=10)
            if isinstance(frame, bytes):
                meta = meta_of(frame)
                kinds.append(meta["kind"])
                assert meta["kind"] == "snapshot" or int(meta["seq"]) == seq + 1
                seq = int(meta["seq"])
        assert "snapshot" in kinds


def test_a_stream_ends_with_its_session(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuroshio.api.routes.stream.RECHECK_S", 0.0)
    client = node.sign_in()
    with node.stream(client) as line:
        assert isinstance(line.recv(timeout=10), bytes)
        client.delete("/api/v1/session")
        node.standin.advance()

        def read_on() -> None:
            for _ in range(100):
                line.recv(timeout=10)
                node.standin.advance()

        with pytest.raises(ConnectionClosed) as caught:
            read_on()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4401, "auth.session")


def test_a_client_that_goes_away_leaves_nothing_behind(node: Node) -> None:
    client = node.sign_in()
    for _ in range(3):
        with node.stream(client) as line:
            line.recv(timeout=10)
    live = node.app.state.live
    wait_for(lambda: live.counts()["channels"]["own"]["subscribers"] == 0)


def test_a_partner_view_over_the_wire_is_the_view(node: Node) -> None:
    client = node.sign_in()
    answer = client.get("/api/v1/tracks", params={"viewpoint": "JPN"})
    table = pa.ipc.open_stream(answer.content).read_all()
    shown = node.standin.snapshot("JPN")[1]
    assert table.column("track_id").to_pylist() == shown.column("track_id").to_pylist()
    assert answer.headers["x-sequence"] == str(node.standin.tick)
    assert "server" not in answer.headers
