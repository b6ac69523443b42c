"""Builds the link of a source section: the one place where settings of the node file become links.

What enters: a source section, clocks and chance. What leaves: a link, or None for a push source, which the API feeds;
and how messages that come whole become lines for the source's format.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kuroshio.errors import ConfigError
from kuroshio.links import (
    FileReader,
    HttpPoll,
    Link,
    Mqtt,
    Replay,
    Secret,
    Serial,
    Stdin,
    Tail,
    TcpClient,
    TcpServer,
    Udp,
    WebSocketClient,
)
from kuroshio.links.base import Chance, Now
from kuroshio.links.framing import Framing, frame
from kuroshio.links.web import fill_json
from kuroshio.node.config import SourceSection
from kuroshio.node.source_rules import BINARY

TABLES = ("marinecadastre", "dma_csv", "csv", "detections_csv")  # often sorted by ship, not by time
JSON = ("gpsd_json", "aiscatcher_json", "aisstream_json", "digitraffic_json", "signalk")
ENVELOPED = ("digitraffic_json",)
# name of the list in a document that holds the items, where the maker of the feed has one
ITEMS = {"aiscatcher_json": "msgs", "digitraffic_json": "features"}
INHERITED = {"aiscatcher_json": {"stationid": "station_id"}}
GPSD_PORT = 2947  # IANA
GPSD_WATCH = b'?WATCH={"enable":true,"json":true}\n'  # gpsd_json(5)
REPORT_END = b"---\n"


@dataclass(frozen=True)
class Terms:
    """How messages that come whole become lines of a source's format."""

    framing: Framing
    items: str | None
    inherit: Mapping[str, str]

    def apply(self, data: bytes) -> bytes:
        """Lines of one message."""
        return frame(data, self.framing, items=self.items, inherit=self.inherit)


def terms_of(section: SourceSection) -> Terms:
    """Framing of a source's messages, by its format and the name of its items."""
    name = section.format
    framing: Framing = "raw" if name in BINARY else "json" if name in JSON else "lines"
    return Terms(framing, section.items or ITEMS.get(name), INHERITED.get(name, {}))


def pushed(section: SourceSection, data: bytes) -> bytes:
    """Body of a push as its decoder takes it: a push is whole, so nothing in it waits for the next one."""
    lines = terms_of(section).apply(data)
    return lines + REPORT_END if section.format == "sighting" and not lines.endswith(REPORT_END) else lines


def build_link(
    section: SourceSection,
    *,
    now: Now,
    chance: Chance,
    time_of_line: Callable[[bytes], int | None],
    began: Callable[[int], None],
) -> Link | None:
    """Link of a source section; None for a push source.

    Raises
    ------
    ConfigError
        When a key or a file of authorities cannot be read; names the source.
    """
    try:
        if section.link in ("http", "websocket", "mqtt"):
            return _service(section, now=now, chance=chance)
        if section.link in ("tcp", "tcp-listen", "udp", "gpsd"):
            return _socket(section, now=now, chance=chance)
        return _local(section, now=now, chance=chance, time_of_line=time_of_line, began=began)
    except ConfigError as err:
        raise ConfigError(
            f"source {section.name}: {err.message}", code=err.error_code, advice=err.error_advice
        ) from err


def _local(
    section: SourceSection,
    *,
    now: Now,
    chance: Chance,
    time_of_line: Callable[[bytes], int | None],
    began: Callable[[int], None],
) -> Link | None:
    if section.link == "push":
        return None
    if section.link == "stdin":
        return Stdin(now=now, lines=section.format not in BINARY)
    assert section.path is not None
    if section.link == "serial":
        return Serial(str(section.path), now=now, chance=chance, baud=section.baud, retry_s_max=section.retry_s_max)
    if section.link == "file":
        return FileReader(section.path, now=now)
    if section.link == "tail":
        return Tail(section.path, now=now, from_start=section.from_start)
    ordered = section.format not in TABLES
    return Replay(section.path, now=now, time_of_line=time_of_line, speed=section.speed, began=began, ordered=ordered)


def _socket(section: SourceSection, *, now: Now, chance: Chance) -> Link:
    lines = section.format not in BINARY
    host, port, idle_s = section.host, section.port, section.idle_s_max
    if section.link == "udp":
        assert port is not None
        return Udp(host, port, now=now, group=section.group, lines=lines)
    if section.link == "tcp-listen":
        assert port is not None
        return TcpServer(host, port, now=now, lines=lines, clients_max=section.clients_max, idle_s_max=idle_s)
    secret = _secret(section)
    greeting = "".join(fill_json(text, secret) + "\r\n" for text in section.send).encode()
    if section.link == "gpsd":
        port, greeting = section.port or GPSD_PORT, GPSD_WATCH
    assert port is not None
    return TcpClient(
        host, port, now=now, chance=chance, lines=lines, idle_s_max=idle_s, greeting=greeting,
        retry_s_max=section.retry_s_max,
    )  # fmt: skip


def _service(section: SourceSection, *, now: Now, chance: Chance) -> Link:
    assert section.url is not None
    secret, tls, terms = _secret(section), _authorities(section), terms_of(section)
    if section.link == "mqtt":
        return Mqtt(
            section.url, section.topics, now=now, chance=chance, qos=section.qos, client_id=section.client_id,
            user=section.user, secret=secret, tls=tls, envelope=section.format in ENVELOPED, framing=terms.framing,
            message_bytes_max=section.message_bytes_max, retry_s_max=section.retry_s_max,
        )  # fmt: skip
    if section.link == "http":
        return HttpPoll(
            section.url, now=now, chance=chance, headers=section.headers, secret=secret, tls=tls,
            interval_s=section.interval_s, retry_s_max=section.retry_s_max, framing=terms.framing, items=terms.items,
            inherit=terms.inherit, message_bytes_max=section.message_bytes_max,
        )  # fmt: skip
    return WebSocketClient(
        section.url, now=now, chance=chance, send=section.send, headers=section.headers, secret=secret, tls=tls,
        framing=terms.framing, message_bytes_max=section.message_bytes_max, retry_s_max=section.retry_s_max,
        idle_s_max=section.idle_s_max,
    )  # fmt: skip


def _secret(section: SourceSection) -> Secret:
    return Secret.read(file=section.key_file, variable=section.key_env)


def _authorities(section: SourceSection) -> ssl.SSLContext | None:
    """Context that trusts the named authorities alone; None trusts the system's. Both verify."""
    if section.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=section.ca_file)
    except (OSError, ssl.SSLError) as err:
        raise ConfigError(f"ca_file {section.ca_file}: {err.strerror or err}", code="link.ca") from err
