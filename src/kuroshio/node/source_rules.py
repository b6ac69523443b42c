"""What a source section must and must not say: which settings belong to which link, and which formats a link carries.

What enters: a source section. What leaves: the first fault, in words that name the setting, or none. Both tables are
the only place where links and formats are joined.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from kuroshio.node.config import SourceSection

NEEDS = {
    "tcp": ("port",), "tcp-listen": ("port",), "udp": ("port",), "file": ("path",), "tail": ("path",),
    "replay": ("path",), "serial": ("path",), "http": ("url",), "websocket": ("url",), "mqtt": ("url", "topics"),
}  # fmt: skip
# settings that mean something for some links only; said for another they are a misunderstanding
BELONGS = {
    "host": ("tcp", "tcp-listen", "udp", "gpsd"),
    "port": ("tcp", "tcp-listen", "udp", "gpsd"),
    "path": ("file", "tail", "replay", "serial"),
    "url": ("http", "websocket", "mqtt"),
    "group": ("udp",),
    "baud": ("serial",),
    "speed": ("replay",),
    "from_start": ("tail",),
    "topics": ("mqtt",),
    "qos": ("mqtt",),
    "client_id": ("mqtt",),
    "user": ("mqtt",),
    "send": ("tcp", "websocket"),
    "headers": ("http", "websocket"),
    "key_file": ("http", "websocket", "mqtt", "tcp"),
    "key_env": ("http", "websocket", "mqtt", "tcp"),
    "ca_file": ("http", "websocket", "mqtt"),
    "interval_s": ("http",),
    "items": ("http", "push"),
    "clients_max": ("tcp-listen",),
    "idle_s_max": ("tcp", "tcp-listen", "gpsd", "websocket"),
    "retry_s_max": ("tcp", "gpsd", "serial", "http", "websocket", "mqtt"),
    "message_bytes_max": ("http", "websocket", "mqtt"),
}
SCHEMES = {
    "http": ("http", "https"), "websocket": ("ws", "wss"), "mqtt": ("mqtt", "mqtts", "ws", "wss"),
}  # fmt: skip
BINARY = ("asterix", "pcap", "parquet", "arrow")
# formats that only some links can carry, and why
CARRIED = {
    "asterix": (("udp", "tcp", "tcp-listen", "file", "stdin", "push"), "it is binary, without lines"),
    "pcap": (("file", "stdin", "push"), "it is one binary file"),
    "parquet": (("file", "stdin"), "it is one binary file"),
    "arrow": (("file", "stdin"), "it is one binary file"),
    "marinecadastre": (("file", "tail", "replay", "stdin", "push"), "its first line names the columns"),
    "dma_csv": (("file", "tail", "replay", "stdin", "push"), "its first line names the columns"),
    "csv": (("file", "tail", "replay", "stdin", "push"), "its first line names the columns"),
    "detections_csv": (("tcp", "file", "tail", "replay", "stdin", "push"), "its first line names the columns"),
    "detections_geojson": (("file", "stdin", "push", "http"), "it is one document"),
}
ONLY = {"gpsd": "gpsd_json"}


def fault_of(section: SourceSection) -> str | None:
    """First thing a source section says that cannot be, or None."""
    checks: tuple[Callable[[SourceSection], str | None], ...] = (_needs, _belongs, _carried, _url, _group, _key)
    for check in checks:
        fault = check(section)
        if fault:
            return fault
    return None


def _needs(section: SourceSection) -> str | None:
    for name in NEEDS.get(section.link, ()):
        if getattr(section, name) in (None, ()):
            return f"link {section.link!r} needs {'a ' if not name.endswith('s') else ''}{name}"
    if section.link == "udp" and section.port == 0:
        return "link 'udp' needs a port that senders know; 0 is none"
    return None


def _belongs(section: SourceSection) -> str | None:
    for name in sorted(section.model_fields_set & set(BELONGS)):
        if section.link not in BELONGS[name]:
            return f"{name} means nothing for link {section.link!r}; it belongs to {', '.join(BELONGS[name])}"
    return None


def _carried(section: SourceSection) -> str | None:
    links, why = CARRIED.get(section.format, ((section.link,), ""))
    if section.link not in links:
        return f"format {section.format!r} cannot come by link {section.link!r}: {why}; use {', '.join(links)}"
    only = ONLY.get(section.link)
    if only is not None and section.format != only:
        return f"link {section.link!r} brings format {only!r}, not {section.format!r}"
    return None


def _url(section: SourceSection) -> str | None:
    if section.url is None:
        return None
    try:
        parts = urlsplit(section.url)
        port = parts.port
    except ValueError as err:
        return f"url is not one: {err}"
    schemes = SCHEMES[section.link]
    if parts.scheme not in schemes or not parts.hostname:
        return f"url of link {section.link!r} begins with {' or '.join(f'{s}://' for s in schemes)} and names a host"
    if parts.username or parts.password:
        return "url carries a name or password; put the key in key_file or key_env"
    return "url has port 0" if port == 0 else None


def _group(section: SourceSection) -> str | None:
    if section.group is None:
        return None
    try:
        group = ipaddress.ip_address(section.group)
    except ValueError:
        return f"group {section.group!r} is not an address"
    return (
        None if group.is_multicast else f"group {section.group!r} is not a multicast address (224.0.0.0/4 or ff00::/8)"
    )


def _key(section: SourceSection) -> str | None:
    if section.key_file is not None and section.key_env is not None:
        return "key_file and key_env are both given; say one"
    places = (*section.send, *section.headers.values(), section.url or "")
    asked = any("{key}" in text for text in places)
    has = section.key_file is not None or section.key_env is not None
    if asked and not has:
        return "{key} is used, but neither key_file nor key_env says where it is"
    if has and not asked and section.link != "mqtt":
        return "a key is given, but {key} stands nowhere in send, headers or url"
    if section.link == "mqtt" and has and section.user is None:
        return "MQTT sends a key as the password of a user; say user"
    return None
