"""Builds the parts of a node from its file: the only place that knows every room's constructors.

What enters: a `NodeConfig`. What leaves: `Parts`, opened and consistent, or a ConfigError that names what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

import kuroshio
from kuroshio import accord, behaviour, clock, picture, sensing
from kuroshio.behaviour.rules import load_rules
from kuroshio.errors import ConfigError
from kuroshio.geo.coastline import Coastline
from kuroshio.geo.layers import layer_files, read_layer
from kuroshio.geo.zones import Zones, load_zones
from kuroshio.links import Link
from kuroshio.node.agreements import Agreements
from kuroshio.node.books import LedgerDesk
from kuroshio.node.config import DELIVERY_S, NodeConfig, SourceSection
from kuroshio.node.core import Core
from kuroshio.node.deciding import Decider
from kuroshio.node.intake import Sources
from kuroshio.node.items import Holdings
from kuroshio.node.linking import build_link
from kuroshio.node.live import Channel
from kuroshio.node.packs import PackDesk
from kuroshio.node.past import Past
from kuroshio.node.pipeline import Pipeline
from kuroshio.node.rules import RuleDesk
from kuroshio.node.sources import Source
from kuroshio.node.time import NodeClock
from kuroshio.schema import STATICS
from kuroshio.sensing import formats
from kuroshio.sensing.line_time import time_of_line
from kuroshio.store import Archive, Journal, Operations, url_of

RADAR_FORMATS = ("ttm", "asterix")


@dataclass
class Parts:
    """A node's parts, before its links are started."""

    config: NodeConfig
    time: NodeClock
    sources: Sources
    core: Core
    decider: Decider
    operations: Operations
    archive: Archive
    journal: Journal
    own: Channel
    ledger: LedgerDesk
    rules: RuleDesk
    packs: PackDesk
    zones: Mapping[str, Any] | None


def build(config: NodeConfig) -> Parts:
    """Parts of a node, its stores opened.

    Raises
    ------
    ConfigError
        When a source, zone or definition cannot be used.
    AccordError
        When an agreement file is not valid.
    StoreError
        When the data folder is locked or damaged.
    """
    time = node_clock(config)
    began = time.begin if config.node.mode == "replay" else _ignore
    sections = {section.name: section for section in config.sources}
    decoders = {section.name: decoder_of(section) for section in config.sources}
    chance = clock.generator(clock.now_us()).random  # of pauses between attempts only: nodes must not knock as one

    def link_of(section: SourceSection) -> Link | None:
        return build_link(section, now=time.now_us, chance=chance, time_of_line=time_of_line, began=began)

    sources = Sources([Source(section, link_of(section)) for section in config.sources], chance=chance)
    zones, document = zones_of(config.behaviour.zones)
    tracker = picture.Tracker(
        sensors=[sensor_of(s) for s in config.sources if s.sensor is not None],
        registry=picture.load_registries(config.picture.registries),
        land=land_of(zones, coarse=config.picture.coarse_land),
    )
    definitions = behaviour.load_definitions(list(config.behaviour.definitions) or None)
    norms = behaviour.load_norms(config.behaviour.norms) if config.behaviour.norms is not None else None
    lateness_s = {section.name: section.watermark_s for section in config.sources}
    quickest_s = min(lateness_s.values(), default=DELIVERY_S["terrestrial"])
    engine = behaviour.Engine(definitions, zones=zones, norms=norms, lateness_s=quickest_s, sources_s=lateness_s)
    pipeline = Pipeline(
        sections, decoders, tracker, engine,
        exercise=config.node.mode == "exercise", deduplicate_s=config.node.deduplicate_s,
    )  # fmt: skip
    folder = config.node.data
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "journal")
    archive = Archive(folder / "archive")
    past = Past(archive, config.archive)
    operations = Operations(config.node.operations or url_of(folder / "operations.db"), now_us=clock.now_us())
    own = Channel()
    given = [rule for path in config.behaviour.rules for rule in load_rules(path)]

    def statics(start_us: int, end_us: int) -> pa.Table:
        return archive.read(STATICS.name, start_us=start_us, end_us=end_us, columns=["mmsi", "ship_type"])

    rules = RuleDesk(definitions, zones, given, operations=operations, statics=statics, now_us=time.now_us)
    holdings = Holdings(
        config.node.party,
        {s.name: s.level for s in config.sources},
        {s.name: s.originator or config.node.party for s in config.sources},
        config.accords.purpose,
        exercise=config.node.mode == "exercise",
    )
    core = Core(
        folder,
        pipeline=pipeline,
        sources=sources,
        journal=journal,
        archive=archive,
        past=past,
        holdings=holdings,
        operations=operations,
        own=own,
        rules=rules,
    )
    packs = PackDesk(operations, past.read, definitions, zones, norms)
    decider = Decider(config.node.party, agreements_of(config), holdings)
    ledger = LedgerDesk(config.node.party, lambda: decider.book, operations, now_us=time.now_us)
    return Parts(
        config, time, sources, core, decider, operations, archive, journal, own, ledger, rules, packs, document
    )


def warm_up() -> None:
    """Load the compiled kernels of every stage, or compile them at the first start after an installation."""
    for room in (sensing, picture, behaviour):
        room.warm_up()


def node_clock(config: NodeConfig) -> NodeClock:
    """Clock of the node: the wall, a simulation's, or a replay's that starts with its first line."""
    if config.clock is not None:
        return NodeClock(config.clock.start_us, config.clock.speed, config.clock.wall_start_us)
    if config.node.mode == "replay":
        speeds = [s.speed for s in config.sources if s.link == "replay"]
        return NodeClock(None, speeds[0] if speeds else 1.0, waits=bool(speeds))
    return NodeClock()


def decoder_of(section: SourceSection) -> Any:
    """Decoder of a source, its sensor's place and errors passed on where the format takes them.

    Raises
    ------
    ConfigError
        On an unknown format or option; names the source.
    """
    options = dict(section.options)
    sensor = section.sensor
    if sensor is not None and section.format in RADAR_FORMATS:
        for name in ("lat_deg", "lon_deg", "range_sigma_m", "bearing_sigma_deg"):
            value = getattr(sensor, name)
            if value is not None:
                options.setdefault(name, value)
    try:
        return formats.open_decoder(section.format, section.name, options)
    except ConfigError as err:
        raise ConfigError(f"source {section.name}: {err.message}", code=err.error_code) from err


def sensor_of(section: SourceSection) -> picture.SensorModel:
    """Model of what a source can see, for the tracker."""
    sensor = section.sensor
    assert sensor is not None
    given = {
        "lat_deg": sensor.lat_deg,
        "lon_deg": sensor.lon_deg,
        "max_range_m": sensor.max_range_m,
        "antenna_height_m": sensor.antenna_height_m,
        "scan_s": sensor.scan_s,
        "pd": sensor.pd,
        "false_plots_per_scan": sensor.false_plots_a_scan,
        "range_sigma_m": sensor.range_sigma_m,
        "bearing_sigma_deg": sensor.bearing_sigma_deg,
    }
    return picture.SensorModel(
        source=section.name, kind=sensor.kind, **{k: v for k, v in given.items() if v is not None}
    )


def zones_of(path: Path | None) -> tuple[Zones | None, Mapping[str, Any] | None]:
    """Zones of a layer file or folder, and one document for the page."""
    if path is None:
        return None, None
    features: list[Any] = []
    for file in layer_files(path):
        document = read_layer(file)
        features += document["features"] if document.get("type") == "FeatureCollection" else [document]
    whole = {"type": "FeatureCollection", "features": features}
    return load_zones(whole), whole


def agreements_of(config: NodeConfig) -> Agreements:
    """Agreements of a node: its own files, and the samples where asked for."""
    paths = list(config.accords.paths)
    if config.accords.samples:
        paths += accord.sample_paths()
    return Agreements(config.node.party, paths, config.node.data / "agreements.json")


def land_of(zones: Zones | None, *, coarse: bool) -> Zones | Coastline | None:
    """Land that no radar sees through: the operator's zones, else the page's coarse coastline where it is built."""
    if zones is not None and zones.mask(["land"]).any():
        return zones
    shipped = Path(kuroshio.__file__).parent / "api" / "page" / "basemap" / "land.pmtiles"
    return Coastline(shipped) if coarse and shipped.is_file() else None


def _ignore(at_us: int) -> None:
    del at_us
