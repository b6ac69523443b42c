"""Ways in and out for bytes: sockets, files, serial lines, services, and the link between two nodes.

What enters: addresses and paths. What leaves: bytes with their arrival time, handed to the node's ``deliver``. A link
never looks inside the bytes, except where messages that come whole must become lines (`links.framing`).
`links.tls` makes and reads certificates, `links.peer_http` carries a partner's session.
"""

from __future__ import annotations

from kuroshio.links.base import Backoff, Deliver, LineJoiner, Link, LinkState
from kuroshio.links.datagrams import Udp
from kuroshio.links.files import FileReader, Replay, Tail, open_bytes
from kuroshio.links.mqtt import Mqtt
from kuroshio.links.secret import Secret
from kuroshio.links.sockets import TcpClient, TcpServer
from kuroshio.links.streams import Serial, Stdin
from kuroshio.links.web import HttpPoll, WebSocketClient

__all__ = [
    "Backoff",
    "Deliver",
    "FileReader",
    "HttpPoll",
    "LineJoiner",
    "Link",
    "LinkState",
    "Mqtt",
    "Replay",
    "Secret",
    "Serial",
    "Stdin",
    "Tail",
    "TcpClient",
    "TcpServer",
    "Udp",
    "WebSocketClient",
    "open_bytes",
]
