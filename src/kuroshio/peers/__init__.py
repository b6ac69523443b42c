"""The conversation with one partner, sans-IO: event in, instructions out; catch-up, acknowledgement, health.

Enters: sealed bundles from `exchange` (as bytes), frames from a link. Leaves: frames, items to take, notices. It never
looks inside a bundle, decides nothing and opens no socket: `links.peer_http` carries the streams, `node` joins them.

``Session(me, partner, outbox, may_send, limits=None)`` with ``offer``, ``withdraw``, ``wants_state``, ``up``,
``down``, ``frame``, ``taken``, ``failed``, ``tick``, ``health``; ``PeerDriver(session, accept, *, now, notice=None)``
drives it in asyncio, and ``driver.handler(direction)`` is what a link is given; ``Sqlite(path, partner, *, epoch)`` is
its durable outbox, one file a partner; ``Limits`` bounds it.
"""

from __future__ import annotations

from kuroshio.peers.driver import PeerDriver, Stream
from kuroshio.peers.frames import TRACK_FORM_OF, Frame, Lane, Type
from kuroshio.peers.instructions import LOST_MEMORY, Close, Deliver, Direction, Instruction, Limits, Send, Told
from kuroshio.peers.outbox import Item, Memory, Outbox, Sqlite
from kuroshio.peers.session import Session, lane_of

__all__ = [
    "LOST_MEMORY",
    "TRACK_FORM_OF",
    "Close",
    "Deliver",
    "Direction",
    "Frame",
    "Instruction",
    "Item",
    "Lane",
    "Limits",
    "Memory",
    "Outbox",
    "PeerDriver",
    "Send",
    "Session",
    "Sqlite",
    "Stream",
    "Told",
    "Type",
    "lane_of",
]
