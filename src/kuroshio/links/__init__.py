"""Ways in and out for bytes: sockets, files, serial lines, and the link between two nodes.

What enters: addresses and paths. What leaves: bytes with their arrival time, handed to the node's ``deliver``. A link
never looks inside the bytes. `links.tls` makes and reads certificates, `links.peer_http` carries a partner's session.
"""

from __future__ import annotations

from kuroshio.links.base import Deliver, LineJoiner, Link, LinkState
from kuroshio.links.files import FileReader, Replay, Serial, Tail, open_bytes
from kuroshio.links.sockets import TcpClient, TcpServer, Udp

__all__ = [
    "Deliver",
    "FileReader",
    "LineJoiner",
    "Link",
    "LinkState",
    "Replay",
    "Serial",
    "Tail",
    "TcpClient",
    "TcpServer",
    "Udp",
    "open_bytes",
]
