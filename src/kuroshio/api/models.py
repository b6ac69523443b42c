"""Shapes of the JSON that the API takes and gives, for its OpenAPI document and for the tests that hold a node to it.

What a node answers may carry more keys than these; requests may not. Times are RFC 3339 in UTC; absent is null.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Effect = Literal["permit", "oblige", "decide", "deny"]
Role = Literal["watch", "release", "policy", "logistics", "admin", "feed"]
Verdict = Literal["acknowledged", "true", "false", "duplicate", "silenced", "assigned"]
Note = Annotated[str, Field(max_length=4000)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


DEPTH_LIMIT = 32


def check_storable(value: Any, place: str = "", depth: int = 0) -> None:
    """ValueError with the place of anything in a request that no store can hold.

    That is a NUL character, half a surrogate pair, a number that is not finite, or nesting beyond `DEPTH_LIMIT`.
    """
    if depth > DEPTH_LIMIT:
        raise ValueError(f"nested deeper than {DEPTH_LIMIT} at {place[:80]}")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"a character that is no text at {place or 'the top'}")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a number that is not finite at {place or 'the top'}")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_storable(key, f"{place}/(key)", depth + 1)
            check_storable(item, f"{place}/{key}", depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            check_storable(item, f"{place}/{number}", depth + 1)


class Answer(BaseModel):
    """What the API gives."""

    model_config = ConfigDict(extra="allow")


class Request(BaseModel):
    """What the API takes; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", str_max_length=2_000_000)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        check_storable(value)
        return value


class Problem(BaseModel):
    """RFC 9457 problem with the stable code of the error and what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    advice: str
    errors: list[dict[str, Any]] | None = None


class SignIn(Request):
    """Name and password of a local user."""

    user: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class Who(Answer):
    """Who is signed in."""

    user: str
    roles: list[Role]
    expires_at: Time | None = None


class Info(Answer):
    """Identity and state of the node."""

    party: str
    name: str
    mode: Literal["live", "replay", "simulated", "exercise"]
    version: str
    now: Time
    center: Annotated[list[float], Field(min_length=2, max_length=2, description="[lon, lat] of the map at start")]
    zoom: float
    viewpoints: list[str]
    notice: str | None = None
    counts: dict[str, int] | None = None
    sightings: bool = Field(default=False, description="whether people's sightings are taken")
    agreements_fault: str | None = Field(default=None, description="why the agreement files as they are are not taken")
    later_versions: list[dict[str, Any]] = Field(
        default=[], description="agreements held back: accord, party that works by a later version, version, ours"
    )


class Health(Answer):
    """Whether the node serves; no more, for it is told to anyone."""

    status: Literal["ok"]


class TrackRow(Answer):
    """A track of the picture as JSON."""

    track_id: int
    lat_deg: float
    lon_deg: float
    sog_mps: float | None
    cog_deg: float | None
    heading_deg: float | None
    length_m: float | None
    ellipse_major_m: Annotated[float | None, Field(description="half axis of the 95 % ellipse")]
    ellipse_minor_m: Annotated[float | None, Field(description="half axis of the 95 % ellipse")]
    ellipse_angle_deg: Annotated[float | None, Field(description="of the major axis, clockwise from north")]
    observed_at: Time
    status: Literal["tentative", "confirmed", "coasted", "ended"]
    sensors: list[str]
    flags: Annotated[int, Field(description="1 dark, 2 uncorroborated, 4 conflict, 8 drag")]
    mmsi: int | None
    ship_type: int | None
    name: str | None
    partner: str | None
    grid_m: Annotated[float, Field(description="0 exact, else size of the cell the position is blurred to")]
    p_exists: float | None
    exercise: bool


class TrackList(Answer):
    """The picture at one sequence number."""

    seq: int
    now: Time
    tracks: list[TrackRow]


class CardValue(Answer):
    """One value of a target card with where it comes from."""

    name: str
    value: Any
    unit: str = ""
    source: str | None = None
    observed_at: Time | None = None


class Card(Answer):
    """Target card: all that is known of one track, each value with its source and time."""

    track_id: int
    values: list[CardValue]
    sensors: list[dict[str, Any]]
    identity: list[dict[str, Any]]
    releases: list[dict[str, Any]]
    decisions: list[dict[str, Any]] = []
    history: Annotated[list[list[Any]], Field(description="[lon, lat, at], oldest first")]
    alerts: list[str] = []


class Alert(Answer):
    """Alert with its evidence and the verdicts on it; columns of the ALERTS table."""

    alert_id: str
    definition: str
    version: str
    severity: Literal["info", "caution", "warning", "alarm"]
    track_ids: list[int]
    start_at: Time
    end_at: Time | None
    known_at: Time
    lat_deg: float | None
    lon_deg: float | None
    summary: str
    evidence: dict[str, Any]
    verdicts: list[dict[str, Any]]


class Judgement(Request):
    """A person's verdict on an alert."""

    verdict: Verdict
    note: Note = ""
    until: Annotated[str | None, Field(description="RFC 3339, for silenced", max_length=64)] = None


class Feed(Answer):
    """Health of a source."""

    name: str
    kind: str | None = None
    sensor: str | None = None
    state: Literal["ok", "low", "late", "silent", "failed", "off"]
    alarm: bool | None = None
    since: Time | None = None
    changes: list[dict[str, str]] | None = None
    last_at: Time | None
    rate_per_min: float | None = None
    norm_per_min: float | None = None
    messages: int | None = None
    rejects: int | None = None
    rejects_by_reason: dict[str, int] | None = None
    reject_share: float | None = None
    repeats: int | None = None
    bytes_per_s: float | None = None
    clock_offset_s: float | None = None
    clock_spread_s: float | None = None
    limits: dict[str, int] | None = None
    dropped: int | None = None
    detail: str | None = None


class Partner(Answer):
    """Health of one direction to one partner."""

    party: str
    direction: Literal["out", "in"]
    state: Literal["ok", "late", "silent", "refused", "off"]
    last_at: Time | None
    undelivered: int | None = None
    unconfirmed: int | None = None
    link_bytes_per_s: int | None = None
    thinned: int | None = None
    clock_offset_s: float | None = None
    alarm: bool = False
    detail: str | None = None


class Accord(Answer):
    """An agreement with its status history, conflicts in what is reported of it, and clauses."""

    accord: str
    title: str
    parties: list[str]
    status: str
    history: list[dict[str, Any]]
    conflicts: list[dict[str, Any]]
    clauses: list[dict[str, Any]]


class Why(Answer):
    """Trace of a decision on one item for one party."""

    item: str
    to: str
    effect: Effect
    clause: str
    role: str | None = None
    obligations: dict[str, Any]
    reasons: list[dict[str, Any]]


class DryRun(Answer):
    """What would flow under a draft."""

    counts: dict[str, int]
    by_party: list[dict[str, Any]]
    by_clause: list[dict[str, Any]]
    by_terms: list[dict[str, Any]] = []
    examples: list[dict[str, Any]]


class Withheld(Answer):
    """An item missing or blurred in a party's view, and why."""

    item_id: str
    effect: Effect
    kind: Literal["missing", "blurred"]
    accord: str
    clause: str
    text: str


class Features(Answer):
    """GeoJSON FeatureCollection (RFC 7946)."""

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]


class RecordStatus(Answer):
    """State of the release record."""

    size: int
    root: str
    checkpoint_at: Time | None = None
    cosignatures: list[dict[str, Any]] = []
    self_check: dict[str, Any] | None = None


class Pushed(Answer):
    """Receipt for bytes that are durable now."""

    source: str
    bytes: int


class NewUser(Request):
    """A user to add; without a password it can only hold tokens."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    roles: list[Role]
    password: Annotated[str | None, Field(min_length=12, max_length=1024)] = None


class UserChange(Request):
    """Roles or password to change."""

    roles: list[Role] | None = None
    password: Annotated[str | None, Field(min_length=12, max_length=1024)] = None


class UserRow(Answer):
    """A user, without secrets."""

    name: str
    roles: list[Role]
    has_password: bool
    created_at: Time


class AuditRow(Answer):
    """One line of the audit log."""

    number: int
    at: Time
    who: str
    what: str
    outcome: str
    peer: str
    detail: dict[str, Any]


class Counters(Answer):
    """Counts by part of the node since it started."""

    api: dict[str, int]
    sign_in: dict[str, int]
    live: dict[str, Any]
    operations: dict[str, int]


class Done(Answer):
    """What an action came to."""
