"""The formats a source may be in, by name: find out which one a file is in, and open its decoder.

What enters: a format's name and its options as a configuration file gives them, or the first bytes of a file. What
leaves: a decoder, or an error that names the option and those that exist. It reads no more than the head of a file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from kuroshio import clock
from kuroshio.errors import ConfigError, InputError
from kuroshio.sensing.base import SourceDecoder
from kuroshio.sensing.formats_sniff import sniff_bytes

HEAD_BYTES = 65_536


@dataclass(frozen=True)
class Format:
    """One format: what it is, and the class in which module decodes it, with settings fixed by the format."""

    name: str
    doc: str
    module: str
    target: str
    fixed: Mapping[str, Any] | None = None

    @property
    def decoder(self) -> Callable[..., SourceDecoder]:
        """The decoder's class, imported on first use."""
        found: Callable[..., SourceDecoder] = getattr(import_module(self.module), self.target)
        return found

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options a source of this format may set."""
        names = [n for n in inspect.signature(self.decoder).parameters if n != "source"]
        return tuple(n for n in names if n not in (self.fixed or {}))


_TABLES = "kuroshio.sensing.tables"
_KNOWN_LAYOUT = {"columns": None, "time_format": "iso", "speed_unit": "kn", "sensor": "ais", "sigma_m": 100.0,
                 "confidence": None}  # fmt: skip
_AS_MARINECADASTRE = {"layout": "marinecadastre", **_KNOWN_LAYOUT}
_AS_DMA = {"layout": "dma_csv", **_KNOWN_LAYOUT}
_DETECTIONS = "kuroshio.sensing.detections"
_FEEDS = "kuroshio.sensing.feeds_ais"
_ALL = (
    Format("aivdm", "AIS sentences (VDM, VDO), plain, tag-blocked or wrapped", "kuroshio.sensing.ais", "Decoder"),
    Format("ttm", "Radar sentences (NMEA 0183 TTM, TLL, TTD, OSD)", "kuroshio.sensing.radar", "TtmDecoder"),
    Format("asterix", "ASTERIX data blocks", "kuroshio.sensing.asterix", "AsterixDecoder"),
    Format("pcap", "Captured UDP traffic holding another format", "kuroshio.sensing.formats_pcap", "PcapDecoder"),
    Format("marinecadastre", "MarineCadastre, CSV", _TABLES, "PositionTableDecoder", _AS_MARINECADASTRE),
    Format("dma_csv", "Danish Maritime Authority AIS, CSV", _TABLES, "PositionTableDecoder", _AS_DMA),
    Format("csv", "Any table with a declared column map", _TABLES, "PositionTableDecoder", {"layout": None}),
    Format("parquet", "Any table in Parquet", "kuroshio.sensing.tables_files", "TableFileDecoder"),
    Format("arrow", "Any table in an Arrow file or stream", "kuroshio.sensing.tables_files", "TableFileDecoder"),
    Format("detections_csv", "Satellite detections, CSV", _DETECTIONS, "DetectionTableDecoder"),
    Format("detections_geojson", "Satellite detections, GeoJSON", _DETECTIONS, "DetectionGeoJsonDecoder"),
    Format("gpsd_json", "AIS of gpsd, JSON", _FEEDS, "GpsdDecoder"),
    Format("aiscatcher_json", "AIS of AIS-catcher, JSON", _FEEDS, "AisCatcherDecoder"),
    Format("aisstream_json", "AIS of aisstream.io, JSON", "kuroshio.sensing.feeds_aisstream", "AisStreamDecoder"),
    Format("digitraffic_json", "AIS of Digitraffic, MQTT payloads in JSON", _FEEDS, "DigitrafficDecoder"),
    Format("signalk", "Signal K deltas", "kuroshio.sensing.feeds_signalk", "SignalKDecoder"),
    Format("cot", "Cursor on Target events", "kuroshio.sensing.cot", "CotDecoder"),
    Format("sighting", "Sightings by people, in lines of name: value", "kuroshio.sensing.sighting", "SightingDecoder"),
)  # fmt: skip
FORMATS: dict[str, Format] = {f.name: f for f in _ALL}


def open_decoder(format: str, source: str, options: Mapping[str, Any]) -> SourceDecoder:
    """Decoder of a format for a source.

    Parameters
    ----------
    format
        A name of `FORMATS`.
    source
        Name of the source, written to every row.
    options
        By name, as the format's decoder has them; ``reference`` (RFC 3339) may stand for ``reference_us``.

    Raises
    ------
    ConfigError
        On an unknown format or option, a missing option, or a value the decoder refuses; names what exists.
    """
    found = FORMATS.get(format)
    if found is None:
        raise ConfigError(
            f"source {source}: unknown format {format!r}; known are {', '.join(sorted(FORMATS))}", code="format.unknown"
        )
    known, given = found.options, dict(options)
    if "reference" in given and "reference_us" in known:
        given["reference_us"] = _reference(source, given.pop("reference"))
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigError(
            f"source {source}: format {format} has no option {unknown[0]!r}; known are {', '.join(known) or 'none'}",
            code="format.option",
        )
    parameters = inspect.signature(found.decoder).parameters
    missing = [n for n in known if n not in given and parameters[n].default is inspect.Parameter.empty]
    if missing:
        raise ConfigError(f"source {source}: format {format} needs option {missing[0]!r}", code="format.missing")
    try:
        return found.decoder(source, **given, **(found.fixed or {}))
    except (TypeError, ValueError) as err:
        raise ConfigError(f"source {source}: format {format}: {err}", code="format.value") from err


def sniff(path: str | Path) -> str:
    """Format a file is in, from its first 64 KiB; ``.gz`` is looked into.

    Raises
    ------
    InputError
        When the file cannot be read, or looks like none of the formats.
    """
    place = Path(path)
    try:
        if place.suffix == ".gz":
            import gzip

            with gzip.open(place, "rb") as packed:
                head = packed.read(HEAD_BYTES)
        else:
            with place.open("rb") as plain:
                head = plain.read(HEAD_BYTES)
    except (OSError, EOFError) as err:
        raise InputError(f"cannot read {place}: {err}", code="input.unreadable") from err
    found = sniff_bytes(head)
    if found is None or found not in FORMATS:
        raise InputError(
            f"{place}: not recognised; begins with {head[:24]!r}",
            code="input.format",
            advice=f"Name the format: {', '.join(sorted(FORMATS))}.",
        )
    return found


def _reference(source: str, value: Any) -> int:
    try:
        return clock.parse_rfc3339(str(value))
    except InputError as err:
        raise ConfigError(f"source {source}: reference: {err.message}", code="format.value") from err
