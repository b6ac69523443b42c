"""Borders of messages: a message that comes whole (a body, a frame, a payload) becomes whole lines.

What enters: the bytes of one message. What leaves: lines, each ended. It moves borders and nothing else: what the lines
mean is for the decoder, and a document it cannot take apart goes on as it came, to be a reject row with its bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from kuroshio.errors import LinkError
from kuroshio.links.base import READ_BYTES

Framing = Literal["lines", "json", "raw"]
_TO_SPACE = bytes.maketrans(b"\r\n", b"  ")


def whole_lines(data: bytes) -> bytes:
    """The bytes, ended by a line feed where they have none."""
    return data if not data or data.endswith(b"\n") else data + b"\n"


def one_line(data: bytes) -> bytes:
    """A JSON text as one line: outside of strings a line break is white space, inside it cannot stand (RFC 8259)."""
    return data.strip().translate(_TO_SPACE) + b"\n" if data.strip() else b""


def json_lines(data: bytes, *, items: str | None = None, inherit: Mapping[str, str] | None = None) -> bytes:
    """One line for each item of a JSON document.

    Parameters
    ----------
    data
        A JSON document, or lines of JSON, which stay as they are.
    items
        Name of the list in the document that holds the items; None, or a document without it, is one item. A document
        that is a list is its own items.
    inherit
        Names in the document, and the names under which items get their values where they have none.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return whole_lines(data)
    listed: Any = document if isinstance(document, list) else None
    if isinstance(document, dict) and items is not None:
        listed = document.get(items)
    if not isinstance(listed, list):
        return one_line(data)
    shared: dict[str, Any] = {}
    if isinstance(document, dict):
        shared = {new: document[old] for old, new in (inherit or {}).items() if old in document}
    rows = [{**shared, **item} if shared and isinstance(item, dict) else item for item in listed]
    return b"".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n"
                    for row in rows)  # fmt: skip


def frame(
    data: bytes, framing: Framing, *, items: str | None = None, inherit: Mapping[str, str] | None = None
) -> bytes:
    """Bytes of one message as its source's decoder takes them."""
    if framing == "json":
        return json_lines(data, items=items, inherit=inherit)
    return whole_lines(data) if framing == "lines" else data


def pieces(data: bytes, *, size: int = READ_BYTES) -> Iterator[bytes]:
    """Lines in blocks of about a size, so that a long message takes its turn in a tick like any other bytes."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", min(start + size, len(data)) - 1) + 1 or len(data)
        yield data[start:end]
        start = end


def inflate(data: bytes, encoding: str, *, limit_bytes: int) -> bytes:
    """Body of an HTTP request without its Content-Encoding, never more than a limit.

    Raises
    ------
    LinkError
        ``link.encoding`` for an encoding other than gzip and deflate or a damaged body, ``link.inflated`` when it
        would be larger than the limit; nothing beyond the limit is ever held.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return data
    if name not in ("gzip", "x-gzip", "deflate"):
        raise LinkError(f"content encoding {encoding[:40]!r}", code="link.encoding", advice="Send gzip, or plain.")
    engine = zlib.decompressobj(wbits=47)  # gzip or zlib, told by their first bytes (zlib manual, inflateInit2)
    try:
        out = engine.decompress(data, limit_bytes + 1)
    except zlib.error as err:
        raise LinkError(f"the {name} body is damaged: {err}", code="link.encoding", advice="Send it again.") from err
    if len(out) > limit_bytes:
        raise LinkError(f"the body inflates to more than {limit_bytes} bytes", code="link.inflated",
                        advice="Send less at once.")  # fmt: skip
    if not engine.eof or engine.unused_data:
        raise LinkError(f"the {name} body is cut short or has more after it", code="link.encoding",
                        advice="Send one whole stream.")  # fmt: skip
    return out
