"""`kuroshio cot`: the node's own picture to a TAK server or display, as Cursor on Target.

It asks the node as the person or program whose token it holds, by the same export as the page: what that one may not
see is not sent, and the node notes each question. It is for a display of one's own. A partner is sent releases, by
the node's one door, and nothing by this.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import typer

from kuroshio.cli import output
from kuroshio.errors import InputError, LinkError

app = typer.Typer(add_completion=False)

TOKEN_VARIABLE = "KUROSHIO_TOKEN"  # noqa: S105  (the name of a variable)
MAX_BYTES = 64_000_000  # of one picture
MAX_DATAGRAM = 8_000
PATIENCE_S = 20.0
_EVENT = re.compile(rb"<event\b.*?</event>\n", re.DOTALL)


@dataclass(frozen=True)
class Target:
    """Where events go: tcp, tls or udp, host and port."""

    scheme: str
    host: str
    port: int
    context: ssl.SSLContext | None = None

    async def send(self, events: list[bytes]) -> None:
        """Send events, one a datagram, or all on one connection.

        Raises
        ------
        LinkError
            When they cannot be sent.
        """
        try:
            if self.scheme == "udp":
                await self._datagrams(events)
            else:
                await asyncio.wait_for(self._stream(events), PATIENCE_S)
        except (OSError, TimeoutError) as err:
            raise LinkError(f"cannot send to {self.host}:{self.port}: {err or 'no answer'}", code="cot.send") from err

    async def _datagrams(self, events: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(self.host, self.port), allow_broadcast=True
        )
        try:
            for event in events:
                transport.sendto(event)
                await asyncio.sleep(0)
        finally:
            transport.close()

    async def _stream(self, events: list[bytes]) -> None:
        _, writer = await asyncio.open_connection(self.host, self.port, ssl=self.context)
        try:
            for event in events:
                writer.write(event)
                await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


def target_of(text: str, certificate: Path | None, key: Path | None, ca: Path | None) -> Target:
    """Target of ``tcp://host:port``, ``tls://host:port`` or ``udp://host:port``.

    Raises
    ------
    InputError
        When it is none of these, or a file of TLS cannot be read.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in ("tcp", "tls", "udp"):
        raise InputError(f"--to {text!r} is not tcp://, tls:// or udp://host:port", code="cot.target")
    context = None
    if parts.scheme == "tls":
        try:
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
            if certificate is not None:
                context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as err:
            raise InputError(f"cannot use the certificate files: {err}", code="cot.tls") from err
    return Target(parts.scheme, host, port, context)


async def picture(session: aiohttp.ClientSession, url: str) -> list[bytes]:
    """Events of the node's picture.

    Raises
    ------
    LinkError
        When the node does not answer, refuses, or answers too much.
    """
    try:
        async with session.get(url) as answer:
            data = await answer.content.read(MAX_BYTES + 1)
            while len(data) <= MAX_BYTES and (more := await answer.content.read(MAX_BYTES)):
                data += more
    except (aiohttp.ClientError, TimeoutError) as err:
        raise LinkError(f"the node does not answer: {err}", code="cot.node") from err
    if answer.status != 200:
        raise LinkError(f"the node refuses ({answer.status}): {data[:300].decode('utf-8', 'replace')}", code="cot.node")
    if len(data) > MAX_BYTES:
        raise LinkError(f"a picture above {MAX_BYTES} bytes", code="cot.node", advice="Filter it with --query.")
    return _EVENT.findall(data)


async def _run(url: str, target: Target, token: str, every_s: float, once: bool) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        while True:
            try:
                events = await picture(session, url)
                fitting = [e for e in events if target.scheme != "udp" or len(e) <= MAX_DATAGRAM]
                await target.send(fitting)
                left = f", {len(events) - len(fitting)} too long for a datagram" if len(fitting) < len(events) else ""
                output.say(f"{len(fitting)} events{left}")
            except LinkError as err:
                if once:
                    raise
                output.say(f"{err.message}; tried again in {every_s:g} s")
            if once:
                return
            await asyncio.sleep(every_s)


@app.command()
def cot(
    node: str = typer.Argument(..., help="Address of the node, such as http://127.0.0.1:8800/."),
    to: str = typer.Option(..., "--to", help="tcp://host:port, tls://host:port or udp://host:port."),
    query: str = typer.Option("", "--query", help="Filter of the picture, such as box=120,19,123,22&flag=dark."),
    every_s: float = typer.Option(30.0, "--every", min=5.0, max=3600.0, help="Seconds between two pictures."),
    once: bool = typer.Option(False, "--once", help="Send one picture and end."),
    certificate: Path | None = typer.Option(None, "--certificate", help="Own certificate, for tls."),
    key: Path | None = typer.Option(None, "--key", help="Its key."),
    ca: Path | None = typer.Option(None, "--ca", help="Authority that the server's certificate is of."),
) -> None:
    """Send the node's own picture to a TAK server or display; the token is taken from KUROSHIO_TOKEN."""
    if urlsplit(node).scheme not in ("http", "https"):
        raise InputError(f"{node!r} is no address of a node", code="cot.node")
    target = target_of(to, certificate, key, ca)
    url = f"{node.rstrip('/')}/api/v1/export/tracks.cot{'?' + query if query else ''}"
    asyncio.run(_run(url, target, os.environ.get(TOKEN_VARIABLE, ""), every_s, once))
