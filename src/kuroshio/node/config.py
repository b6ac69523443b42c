"""The node file: one TOML document that declares a whole node.

What enters: a path. What leaves: a validated `NodeConfig` with every path made absolute against the file's folder.
Unknown keys are refused; an error names the place in the file and the offending value.
"""

from __future__ import annotations

import tomllib
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kuroshio import clock
from kuroshio.errors import ConfigError, InputError
from kuroshio.node import source_rules
from kuroshio.schema import TABLES

Party = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 3166 alpha-3 code")]
Port = Annotated[int, Field(ge=0, le=65_535)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Level = Literal["U", "R", "C", "S", "TS"]
LinkKind = Literal[
    "tcp", "tcp-listen", "udp", "gpsd", "file", "tail", "replay", "serial", "stdin", "push", "http", "websocket", "mqtt"
]
DELIVERY_S = {"terrestrial": 300.0, "satellite": 2_700.0, "store_and_forward": 86_400.0}
Mode = Literal["live", "replay", "simulated", "exercise"]


class Section(BaseModel):
    """A table of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(Section):
    """Who this node is."""

    party: Party
    name: str = Field(max_length=80)
    data: Path = Path("data")
    operations: str | None = Field(
        default=None,
        pattern=r"^postgresql\+psycopg://[^\s]+$",
        description="database of users, alerts, rules and consents, instead of operations.db in the data folder",
    )
    mode: Mode = "live"
    notice: str = ""
    deduplicate_s: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="window within which an AIS transmission heard again is one; 0 keeps all",
    )

    @model_validator(mode="after")
    def _no_password(self) -> NodeSection:
        if self.operations is not None and urlsplit(self.operations).password is not None:
            raise ValueError("operations must not hold a password: PGPASSFILE names a file with it")
        return self


class ClockSection(Section):
    """Clock of a simulated or replayed sea; live nodes use the wall clock."""

    start: str
    speed: float = Field(default=1.0, gt=0, le=3600)
    wall_start: str | None = Field(default=None, description="wall time of start; nodes of one simulation share it")

    @property
    def wall_start_us(self) -> int | None:
        """Wall time that belongs to the start."""
        return None if self.wall_start is None else clock.parse_rfc3339(self.wall_start)

    @property
    def start_us(self) -> int:
        """Start in UTC microseconds."""
        return clock.parse_rfc3339(self.start)

    @model_validator(mode="after")
    def _readable(self) -> ClockSection:
        try:
            clock.parse_rfc3339(self.start)
            if self.wall_start is not None:
                clock.parse_rfc3339(self.wall_start)
        except InputError as err:
            raise ValueError(err.message) from err
        return self


class SensorSection(Section):
    """What the sensor behind a source can see, for association, lifecycle and coverage."""

    kind: Literal["ais", "radar", "image", "vms", "human"]
    lat_deg: Latitude | None = None
    lon_deg: Longitude | None = None
    max_range_m: float | None = Field(default=None, gt=0)
    antenna_height_m: float | None = Field(default=None, ge=0)
    scan_s: float | None = Field(default=None, gt=0)
    pd: float | None = Field(default=None, gt=0, le=1)
    range_sigma_m: float | None = Field(default=None, gt=0)
    bearing_sigma_deg: float | None = Field(default=None, gt=0)
    false_plots_a_scan: float | None = Field(default=None, ge=0)


class SourceSection(Section):
    """One way in: the link that brings bytes, the format they are in, and the terms they are held under."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    format: str
    link: LinkKind
    host: str = "127.0.0.1"
    port: Port | None = None
    path: Path | None = None
    url: str | None = Field(default=None, description="mqtt, websocket and http: where the service is")
    group: str | None = None
    baud: int = Field(default=38_400, gt=0)
    speed: float = Field(default=1.0, ge=0)
    from_start: bool = Field(default=False, description="tail: what the file holds already is read too")
    topics: tuple[str, ...] = ()
    qos: Literal[0, 1] = 0
    client_id: str | None = Field(default=None, min_length=1, max_length=64)
    send: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    user: str | None = None
    key_file: Path | None = None
    key_env: str | None = None
    ca_file: Path | None = None
    interval_s: float = Field(default=60.0, ge=1.0)
    items: str | None = None
    clients_max: int = Field(default=32, ge=1, le=4096)
    idle_s_max: float = Field(default=600.0, ge=0)
    retry_s_max: float = Field(default=60.0, ge=1.0)
    message_bytes_max: int = Field(default=4_000_000, ge=1024, le=64_000_000)
    quiet_s_max: float = Field(default=120.0, gt=0, description="silence after which the feed is shown as silent")
    bytes_per_s_max: float = Field(default=4_000_000.0, gt=0)
    rejects_per_min_max: int = Field(default=6_000, ge=0, description="reject rows kept; all are counted")
    originator: Party | None = None
    level: Level = "U"
    options: dict[str, Any] = {}
    sensor: SensorSection | None = None
    delivery: Literal["terrestrial", "satellite", "store_and_forward"] = Field(
        default="terrestrial", description="how its reports come: after seconds, by satellite, or when a store is read"
    )
    lateness_s: float | None = Field(
        default=None,
        ge=10,
        le=604_800,
        description="how old a report of it may be on arrival; 5 minutes, 45 minutes or 24 hours by its delivery",
    )

    @property
    def watermark_s(self) -> float:
        """How far behind the present its watermark is."""
        return self.lateness_s if self.lateness_s is not None else DELIVERY_S[self.delivery]

    @property
    def silence_s(self) -> float:
        """Seconds without a message that are a silence; people report when they have something to report."""
        return inf if self.format == "sighting" and "quiet_s_max" not in self.model_fields_set else self.quiet_s_max

    @model_validator(mode="after")
    def _complete(self) -> SourceSection:
        fault = source_rules.fault_of(self)
        if fault:
            raise ValueError(fault)
        return self


class ApiSection(Section):
    """Where people and programs reach the node."""

    host: str = "127.0.0.1"
    port: Port = 8800
    certificate: Path | None = None
    key: Path | None = None
    sign_in: bool = True

    @model_validator(mode="after")
    def _guarded(self) -> ApiSection:
        if not self.sign_in and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("sign_in = false is allowed on loopback only")
        return self


class PeerSection(Section):
    """Where partners' nodes reach this one, by mutual TLS."""

    host: str = "127.0.0.1"
    port: Port = 9440


class PartnerSection(Section):
    """One partner: where it is, and how much the link to it carries."""

    party: Party
    url: str = Field(pattern=r"^(https|nats|tls)://", description="https: the node itself; nats, tls: a NATS server")
    bytes_per_s_max: float | None = Field(default=None, gt=0, description="of a thin link; parts and pauses follow it")
    credentials: Path | None = Field(default=None, description="NATS credentials, where its server wants them")
    quiet_s_max: float = Field(default=20.0, ge=5, le=600, description="silence after which a stream is begun again")
    tracklets: bool = Field(default=False, description="tell whole covariances and provenance with exact places")
    wire_version: int | None = Field(
        default=None, ge=2, le=3, description="that a partner reached by files alone speaks; streams agree on theirs"
    )
    carry_every_s: float | None = Field(
        default=None, ge=1, description="queue the picture this often while no link takes it, to be carried as a file"
    )
    carry_copies: int | None = Field(
        default=None, ge=1, le=1000, description="one way: a bundle waits no more once it was in so many files"
    )


class MapSection(Section):
    """Where the page opens."""

    center: tuple[Longitude, Latitude] = (121.5, 20.0)
    zoom: float = Field(default=6.0, ge=0, le=18)


class AccordsSection(Section):
    """Agreement files or folders; ``samples = true`` adds the shipped illustrative readings."""

    paths: tuple[Path, ...] = ()
    samples: bool = False
    purpose: str = "maritime_safety"


class BehaviourSection(Section):
    """Definitions of alerts: folders that override the shipped ones, rules of the watch, zones, and norms learned."""

    definitions: tuple[Path, ...] = ()
    rules: tuple[Path, ...] = ()
    zones: Path | None = None
    norms: Path | None = None


class PictureSection(Section):
    """What the picture knows beside its sensors: registers of ships (CSV or Parquet), land where no zone says it."""

    registries: tuple[Path, ...] = ()
    coarse_land: bool = True


Days = Annotated[int, Field(ge=2, le=36_600)]


class ArchiveSection(Section):
    """How many days rows are kept; all are where nothing is said. What partners told ends before that by its terms."""

    keep_days: Days | None = None
    keep_days_of: dict[str, Days] = Field(default={}, description="by table, instead of keep_days")

    def days_of(self, table: str) -> int | None:
        """For how many days rows of a table are kept; None keeps them."""
        return self.keep_days_of.get(table, self.keep_days)

    @model_validator(mode="after")
    def _known(self) -> ArchiveSection:
        for name in self.keep_days_of:
            if name not in TABLES:
                raise ValueError(f"no table {name!r} is kept")
        return self


class NodeConfig(Section):
    """A whole node."""

    node: NodeSection
    clock: ClockSection | None = None
    api: ApiSection = ApiSection()
    peer: PeerSection = PeerSection()
    map: MapSection = MapSection()
    accords: AccordsSection = AccordsSection()
    behaviour: BehaviourSection = BehaviourSection()
    picture: PictureSection = PictureSection()
    archive: ArchiveSection = ArchiveSection()
    keys: Path = Path("keys")
    sources: tuple[SourceSection, ...] = ()
    partners: tuple[PartnerSection, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> NodeConfig:
        names = [source.name for source in self.sources]
        double = {name for name in names if names.count(name) > 1}
        if double:
            raise ValueError(f"source name used twice: {sorted(double)[0]}")
        parties = [partner.party for partner in self.partners]
        if len(set(parties)) < len(parties):
            raise ValueError("a partner is listed twice")
        if self.node.party in parties:
            raise ValueError(f"{self.node.party} cannot be its own partner")
        if self.clock and self.node.mode == "live":
            raise ValueError("a clock section needs mode = simulated, replay or exercise")
        return self


def load(path: Path) -> NodeConfig:
    """Node of a file.

    Raises
    ------
    ConfigError
        When the file cannot be read, is not TOML, or says something a node cannot do; names the place.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"cannot read {path}: {err.strerror}", code="config.unreadable") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path} is not TOML: {err}", code="config.syntax") from err
    except RecursionError as err:
        raise ConfigError(f"{path} is nested too deeply", code="config.syntax") from err
    return from_dict(raw, base=path.resolve().parent, place=str(path))


def from_dict(raw: dict[str, Any], *, base: Path, place: str = "node file") -> NodeConfig:
    """Node of a parsed document, relative paths taken from ``base``."""
    try:
        config = NodeConfig.model_validate(raw)
    except ValidationError as err:
        raise ConfigError(f"{place}: {_first_fault(err)}", code="config.invalid") from err
    return _absolute(config, base)


def _first_fault(err: ValidationError) -> str:
    faults = []
    for fault in err.errors()[:5]:
        where = ""
        for part in fault["loc"]:
            where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
        value = fault.get("input")
        shown = "" if isinstance(value, dict | list) or value is None else f" (got {value!r})"
        text = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
        faults.append(f"{where or 'document'}: {text}{shown}")
    return "; ".join(faults)


def _absolute(config: NodeConfig, base: Path) -> NodeConfig:
    def place(path: Path | None) -> Path | None:
        return None if path is None else base / path

    return config.model_copy(
        update={
            "keys": base / config.keys,
            "node": config.node.model_copy(update={"data": base / config.node.data}),
            "api": config.api.model_copy(
                update={"certificate": place(config.api.certificate), "key": place(config.api.key)}
            ),
            "accords": config.accords.model_copy(update={"paths": tuple(base / p for p in config.accords.paths)}),
            "picture": config.picture.model_copy(
                update={"registries": tuple(base / p for p in config.picture.registries)}
            ),
            "behaviour": config.behaviour.model_copy(
                update={
                    "definitions": tuple(base / p for p in config.behaviour.definitions),
                    "rules": tuple(base / p for p in config.behaviour.rules),
                    "zones": place(config.behaviour.zones),
                    "norms": place(config.behaviour.norms),
                }
            ),
            "partners": tuple(p.model_copy(update={"credentials": place(p.credentials)}) for p in config.partners),
            "sources": tuple(
                s.model_copy(update={name: place(getattr(s, name)) for name in ("path", "key_file", "ca_file")})
                for s in config.sources
            ),
        }
    )
