"""Satellite detections to observations: CSV with named columns, and GeoJSON features.

What enters: bytes of a detection list from radar images, cameras, radio location or night lights. What leaves:
observations of sensor ``image`` with the error each detection declares, or the source's default. An image knows no
identity: an MMSI that a provider has matched is not taken over, for association is the picture's work.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import ConfigError, InputError
from kuroshio.schema import OBSERVATIONS
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.footprints import footprint_table, outline_of
from kuroshio.sensing.formats_lines import Outcome
from kuroshio.sensing.radar_plots import constant, content_ids, polar_covariance
from kuroshio.sensing.tables import PositionTableDecoder
from kuroshio.sensing.tables_layouts import Layout, error_scale

MAX_DOCUMENT_BYTES = 64_000_000
MAX_FEATURES = 500_000
DEFAULT_SIGMA_M = 150.0
_JSON_STRING = re.compile(rb'"(?:\\.|[^"\\])*"')
# the names providers use; the first that a table has is taken
DETECTION_COLUMNS: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "detect_timestamp", "acquired_at", "datetime"),
    "lat_deg": ("lat_deg", "lat", "latitude"),
    "lon_deg": ("lon_deg", "lon", "longitude"),
    "sigma_m": ("sigma_m", "position_error_m", "uncertainty_m"),
    "length_m": ("length_m", "length", "vessel_length_m"),
    "heading_deg": ("heading_deg",),
    "sog": ("sog_mps", "speed_mps"),
    "cog_deg": ("cog_deg", "course_deg"),
    "station": ("image_id", "scene_id", "station"),
    "error_major_m": ("error_major_m", "semi_major_m", "semimajor_m"),
    "error_minor_m": ("error_minor_m", "semi_minor_m", "semiminor_m"),
    "error_orientation_deg": ("error_orientation_deg", "orientation_deg", "orientation"),
}
_ELLIPSE = ("error_major_m", "error_minor_m", "error_orientation_deg")


class DetectionTableDecoder(PositionTableDecoder):
    """Decoder of detections in CSV (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    columns
        Target to header name, where the table's own names are not among `DETECTION_COLUMNS`.
    sigma_m
        One-sigma error of each axis for detections that declare none.
    sensor
        ``image``, or the kind to file them under.
    confidence
        Probability that a stated error circle or ellipse holds the ship; None where one sigma is stated.
    """

    def __init__(
        self,
        source: str,
        *,
        columns: Mapping[str, Any] | None = None,
        sigma_m: float = DEFAULT_SIGMA_M,
        sensor: str = "image",
        delimiter: str = ",",
        time_format: str = "iso",
        confidence: float | None = None,
        exercise: bool | None = None,
    ) -> None:
        unknown = sorted(set(columns or {}) - set(DETECTION_COLUMNS))
        if unknown:
            raise ConfigError(
                f"source {source}: columns: no target {unknown[0]!r}; known are {', '.join(DETECTION_COLUMNS)}",
                code="tables.column",
            )
        _check_sigma(source, sigma_m)
        names = DETECTION_COLUMNS | {k: (str(v),) for k, v in (columns or {}).items()}
        layout = Layout(
            "detections", names, time_format, "mps", sensor, float(sigma_m), named=tuple(columns or ()),
            error_scale=error_scale(confidence),
        )  # fmt: skip
        super().__init__(source, layout=layout, delimiter=delimiter, exercise=exercise)


class DetectionGeoJsonDecoder:
    """Decoder of detections in GeoJSON (implements `sensing.base.SourceDecoder`): a document, or a feature a line.

    Parameters
    ----------
    source
        Name of the source.
    sigma_m
        One-sigma error of each axis for detections that declare none.
    sensor
        ``image``, or the kind to file them under.
    confidence
        Probability that a stated error circle or ellipse holds the ship; None where one sigma is stated.

    Notes
    -----
    A Polygon or MultiPolygon is the outline of an image: a row of `footprints`, since what an image did not show counts
    only where it looked. A FeatureCollection is decoded when it is whole, at the latest at `flush`; it may have 64 MB.
    Newline-delimited features are decoded line by line. Source: RFC 7946 (GeoJSON), RFC 8142 (sequences).
    """

    def __init__(
        self,
        source: str,
        *,
        sigma_m: float = DEFAULT_SIGMA_M,
        sensor: str = "image",
        confidence: float | None = None,
        exercise: bool | None = None,
    ) -> None:
        _check_sigma(source, sigma_m)
        self._scale = error_scale(confidence)
        self.source, self.sigma_m, self.sensor, self.exercise = source, float(sigma_m), sensor, exercise
        self._rest = bytearray()  # an unfinished line
        self._document: list[bytes] = []  # lines of an unfinished document
        self._held_bytes = self._depth = self._count = 0

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Observations of the documents that end within these bytes."""
        outcome, rows = Outcome(self.source, received_at_us), list[dict[str, Any]]()
        self._rest.extend(data)
        if b"\n" in data:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
            for line in lines:
                self._line(line, outcome, rows)
        if len(self._rest) > MAX_DOCUMENT_BYTES:
            self._line(bytes(self._rest), outcome, rows)
            self._rest.clear()
        waiting = int(bool(self._document or self._rest))
        return self._finish(outcome, rows, waiting, received_at_us)

    def flush(self) -> Decoded:
        """Observations of what is held; a document that is not whole is a reject."""
        outcome, rows = Outcome(self.source), list[dict[str, Any]]()
        if self._rest:
            self._line(bytes(self._rest), outcome, rows)
            self._rest.clear()
        if self._document:
            self._close(outcome, rows)
        return self._finish(outcome, rows, 0, None)

    def _finish(self, outcome: Outcome, rows: list[dict[str, Any]], waiting: int, received_us: int | None) -> Decoded:
        seen = [row for row in rows if "outline" not in row]
        outlines = footprint_table(self.source, [row for row in rows if "outline" in row], received_us, self.exercise)
        return outcome.finish(waiting, observations=self._table(seen, received_us), footprints=outlines)

    def _line(self, line: bytes, outcome: Outcome, rows: list[dict[str, Any]]) -> None:
        """Add a line to the document; where its brackets are closed, the document is whole."""
        text = line.strip(b" \t\r\x1e\xef\xbb\xbf")
        if not text:
            return
        bare = _JSON_STRING.sub(b"", text)  # a JSON string cannot hold a line end
        self._depth += sum(bare.count(c) for c in (b"{", b"[")) - sum(bare.count(c) for c in (b"}", b"]"))
        self._document.append(text)
        self._held_bytes += len(text)
        if self._depth <= 0 or self._held_bytes > MAX_DOCUMENT_BYTES:
            self._close(outcome, rows)

    def _close(self, outcome: Outcome, rows: list[dict[str, Any]]) -> None:
        whole, size = b"\n".join(self._document), self._held_bytes
        self._document, self._held_bytes, self._depth = [], 0, 0
        if size > MAX_DOCUMENT_BYTES:
            self._reject(outcome, "oversize", f"document above {MAX_DOCUMENT_BYTES} bytes", whole)
            return
        try:
            document = json.loads(whole)
        except (ValueError, RecursionError) as err:
            self._reject(outcome, "not_json", str(err)[:200], whole)
            return
        self._take(document, whole, outcome, rows)

    def _reject(self, outcome: Outcome, reason: str, detail: str, raw: bytes) -> None:
        self._count += 1
        outcome.decoded.ledger.lines += 1
        outcome.reject(self._count, reason, detail, raw)

    def _take(self, document: Any, raw: bytes, outcome: Outcome, rows: list[dict[str, Any]]) -> None:
        features = document.get("features") if isinstance(document, dict) else None
        if not isinstance(features, list):
            features = [document]
        for feature in features[:MAX_FEATURES]:  # a pass has hundreds of detections
            found = self._row(feature)
            if isinstance(found, str):
                self._reject(outcome, found, "detection feature", json.dumps(feature).encode())
                continue
            self._count += 1
            outcome.decoded.ledger.lines += 1
            outcome.decoded.ledger.messages += 1
            rows.append(found)
        if len(features) > MAX_FEATURES:
            self._reject(outcome, "oversize", f"{len(features)} features, at most {MAX_FEATURES}", raw)

    def _row(self, feature: Any) -> dict[str, Any] | str:
        """Values of a feature, or the reason why it is no detection."""
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            return "not_a_feature"
        geometry, properties = feature.get("geometry"), feature.get("properties") or {}
        if not isinstance(geometry, dict) or not isinstance(properties, dict):
            return "no_position"
        found = {target: next((properties[n] for n in names if n in properties), None)
                 for target, names in DETECTION_COLUMNS.items()}  # fmt: skip
        outline = geometry.get("type") in ("Polygon", "MultiPolygon")
        place = outline_of(geometry) if outline else _point(geometry)
        if isinstance(place, str):
            return place
        try:
            at = clock.parse_rfc3339(str(found["time"]))
        except InputError:
            return "bad_time"
        common = {"time": at, "station": None if found["station"] is None else str(found["station"])[:64]}
        if outline:
            return common | {"outline": place}
        sigma, (lon, lat) = _number(found["sigma_m"]), place
        major, minor, turn = (_number(found[name]) for name in _ELLIPSE)
        stated = major is not None and minor is not None and turn is not None and min(major, minor) > 0.0
        return common | {
            "lat": lat,
            "lon": lon,
            "sigma": sigma / self._scale if sigma is not None and 0.0 < sigma < 1e6 else self.sigma_m,
            "ellipse": (major, minor, turn) if stated else None,
            "length": _number(found["length_m"]),
            "heading": _number(found["heading_deg"]),
            "sog": _number(found["sog"]),
            "cog": _number(found["cog_deg"]),
        }

    def _table(self, rows: list[dict[str, Any]], received_at_us: int | None) -> pa.Table | None:
        if not rows:
            return None
        count = len(rows)

        def column(name: str) -> np.ndarray:
            return np.array([np.nan if r[name] is None else r[name] for r in rows], np.float64)

        times = np.array([r["time"] for r in rows], np.int64)
        lat, lon, cov = column("lat"), column("lon"), self._errors(rows)
        ids = content_ids(self.source, times, np.rint(lat * 1e7).astype(np.int64), np.rint(lon * 1e7).astype(np.int64))
        sog, cog, heading, length = column("sog"), column("cog"), column("heading"), column("length")
        moving = (sog >= 0.0) & (cog >= 0.0) & (cog < 360.0)
        arrays: dict[str, Any] = {
            "obs_id": ids,
            "observed_at": times,
            "time_source": constant("file", count),
            "source": constant(self.source, count),
            "station": pa.array([r["station"] for r in rows], pa.string()).dictionary_encode(),
            "sensor": constant(self.sensor, count),
            "lat_deg": lat,
            "lon_deg": lon,
            "cov_ee_m2": cov[0],
            "cov_en_m2": cov[1],
            "cov_nn_m2": cov[2],
            "sog_mps": np.where(moving, sog, np.nan),
            "cog_deg": np.where(moving, cog, np.nan),
            "vel_sigma_mps": np.where(moving, 2.0, np.nan),
            "heading_deg": np.where((heading >= 0.0) & (heading < 360.0), heading, np.nan),
            "length_m": np.where(length > 0.0, length, np.nan),
        }
        if received_at_us is not None:
            arrays["received_at"] = np.full(count, received_at_us)
        if self.exercise is not None:
            arrays["exercise"] = np.full(count, self.exercise)
        return OBSERVATIONS.build(arrays, count)

    def _errors(self, rows: list[dict[str, Any]]) -> tuple[Any, Any, Any]:
        """(east, east-north, north) covariance of each row: of its ellipse, else of its circle."""
        given = [
            (r["ellipse"][0] / self._scale, r["ellipse"][1] / self._scale, r["ellipse"][2])
            if r["ellipse"]
            else (r["sigma"], r["sigma"], 0.0)
            for r in rows
        ]
        along, across, turn = np.array(given, np.float64).T
        lat, lon = (np.array([r[n] for r in rows]) for n in ("lat", "lon"))
        return polar_covariance(lat, lon, lat, lon, turn, np.square(along), np.square(across))


def _point(geometry: Mapping[str, Any]) -> tuple[float, float] | str:
    """(longitude, latitude) of a point, or why it is none."""
    place = geometry.get("coordinates")
    if geometry.get("type") != "Point" or not isinstance(place, list) or len(place) < 2:
        return "no_position"
    lon, lat = _number(place[0]), _number(place[1])
    if lon is None or lat is None:
        return "no_position"
    return "out_of_range" if abs(lat) > 90.0 or abs(lon) > 180.0 else (lon, lat)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _check_sigma(source: str, sigma_m: float) -> None:
    if not 0.0 < sigma_m < 1e6:
        raise ConfigError(f"source {source}: sigma_m {sigma_m} is not a length", code="tables.sigma")
