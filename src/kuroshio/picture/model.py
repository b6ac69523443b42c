"""What the tracker believes of its sensors and of ships: models with units and sources.

What enters: nothing. What leaves: `SensorModel` and `TrackerConfig`, values that every other module of the room
reads. It holds no state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from kuroshio.errors import ConfigError
from kuroshio.geo import radio_horizon_m

SENSOR_KINDS = ("ais", "radar", "image", "vms", "human", "partner", "other")
AIS, RADAR, IMAGE, VMS, HUMAN, PARTNER, OTHER = range(len(SENSOR_KINDS))
SHIP_HEIGHT_M = 10.0  # height of reflecting superstructure or whip antenna assumed for a horizon
LOW_SHIP_HEIGHT_M = 3.0  # of the lowest craft that carries AIS: nearer than its horizon, a radar misses none for it
DEFAULT_RANGE_M = {"ais": 74_000.0, "radar": 50_000.0}  # 40 nm and 27 nm where nothing else is known


# least, most, and whether they are excluded
_BOUNDS = {
    "lat_deg": (-90.0, 90.0, False),
    "lon_deg": (-180.0, 180.0, False),
    "max_range_m": (0.0, math.inf, True),
    "antenna_height_m": (0.0, math.inf, False),
    "scan_s": (0.0, math.inf, True),
    "pd": (0.0, 1.0, True),
    "false_plots_per_scan": (0.0, math.inf, False),
    "clutter_per_m2": (0.0, math.inf, False),
    "range_sigma_m": (0.0, math.inf, False),
    "bearing_sigma_deg": (0.0, math.inf, False),
}
_NEEDED = ("pd", "false_plots_per_scan", "range_sigma_m", "bearing_sigma_deg")


@dataclass(frozen=True)
class SensorModel:
    """Where a source looks, how often it sees and how wrong it is.

    Parameters
    ----------
    source
        Name as in the observations' ``source`` column.
    kind
        ais, radar, image, vms, human, partner or other.
    lat_deg, lon_deg
        Place of the antenna, WGS 84; None when it moves or is not known (then it has no coverage and counts no miss).
    max_range_m
        Instrumented range; the radio horizon limits it further where ``antenna_height_m`` is given.
    antenna_height_m
        Height above the sea.
    scan_s
        Period of a revolution, seconds.
    pd
        Probability that a ship inside the coverage gives a plot in a scan.
    false_plots_per_scan
        Mean number of false plots over the whole coverage in a scan.
    clutter_per_m2
        Density of false plots a scan; None to derive it from ``false_plots_per_scan`` and the coverage.
    range_sigma_m, bearing_sigma_deg
        Random error of a polar plot, one sigma; documents the model, the rows carry their own covariance.

    Raises
    ------
    ConfigError
        On a kind or a value outside its range.
    """

    source: str
    kind: str = "radar"
    lat_deg: float | None = None
    lon_deg: float | None = None
    max_range_m: float | None = None
    antenna_height_m: float | None = None
    scan_s: float | None = None
    pd: float = 0.9
    false_plots_per_scan: float = 20.0
    clutter_per_m2: float | None = None
    range_sigma_m: float = 50.0
    bearing_sigma_deg: float = 0.3

    def __post_init__(self) -> None:
        if self.kind not in SENSOR_KINDS:
            raise ConfigError(f"sensor {self.source}: kind {self.kind!r} is not one of {', '.join(SENSOR_KINDS)}")
        if not isinstance(self.source, str):
            raise ConfigError(f"sensor {self.source!r}: the source is no name")
        for name, (least, most, open_) in _BOUNDS.items():
            value = getattr(self, name)
            if value is None and name not in _NEEDED:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not least <= value <= most or (open_ and value in (least, most)):
                said = f"sensor {self.source}: {name} {value!r} is no number "
                raise ConfigError(said + (f"over {least:g}" if most == math.inf else f"from {least:g} to {most:g}"))
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ConfigError(f"sensor {self.source}: give both lat_deg and lon_deg, or neither")

    @property
    def kind_code(self) -> int:
        """Index of the kind in `SENSOR_KINDS`."""
        return SENSOR_KINDS.index(self.kind)

    @property
    def coverage_m(self) -> float:
        """Radius in which a ship can be seen: instrumented range or horizon; -1 when the place is not known."""
        if self.lat_deg is None:
            return -1.0
        reach = self.max_range_m or DEFAULT_RANGE_M.get(self.kind, -1.0)
        if reach > 0 and self.antenna_height_m is not None:
            reach = min(reach, float(radio_horizon_m(self.antenna_height_m, SHIP_HEIGHT_M)))
        return reach

    @property
    def sure_m(self) -> float:
        """Radius in which even a low craft is above the horizon: there, not to be seen says something."""
        if self.antenna_height_m is None:
            return self.coverage_m
        return min(self.coverage_m, float(radio_horizon_m(self.antenna_height_m, LOW_SHIP_HEIGHT_M)))

    @property
    def log_clutter(self) -> float:
        """Natural logarithm of the density of false plots, per square metre and scan."""
        if self.clutter_per_m2 is not None:
            return math.log(max(self.clutter_per_m2, 1e-15))
        reach = self.coverage_m if self.coverage_m > 0 else DEFAULT_RANGE_M["radar"]
        return math.log(max(self.false_plots_per_scan, 0.05) / (math.pi * reach * reach))


@dataclass(frozen=True)
class TrackerConfig:
    """Every threshold of the tracker.

    Parameters
    ----------
    q_cruise_m2s3, q_manoeuvre_m2s3
        Power density of white acceleration of the two constant-velocity models (Bar-Shalom, Li, Kirubarajan,
        Estimation with Applications to Tracking and Navigation, 6.2.2), of a ship of 5 m/s or more (`motion.agility`).
        A turn of 0.35 degree/s at 7 m/s for 70 s is 0.1; measured best of 0.1, 0.3 and 1 on simulated traffic.
    sojourn_cruise_s, sojourn_manoeuvre_s
        Mean time in each model.
    birth_speed_sigma_mps
        One sigma of each velocity component of a track born from a position alone.
    gate_d2
        Squared Mahalanobis distance beyond which a plot is no candidate (chi-square, 2 degrees: 25 is 4e-6).
    keyed_gate_d2
        The same for a report whose MMSI is bound to the track.
    bind_gate_d2
        The same for binding a new MMSI to a track held by radar alone.
    confirm_llr, confirm_hits
        Log-likelihood ratio and hits that confirm a track of plots.
    llr_max
        Cap of the ratio, so that a ship that leaves is dropped after a bounded number of scans.
    tentative_end_llr, confirmed_end_llr
        Ratios below which a track of plots ends.
    tentative_cost
        Handicap (in log likelihood) of a tentative track against a confirmed one for the same plot.
    ais_end_intervals, ais_end_min_s, ais_end_max_s
        An AIS-only track ends after so many of its usual intervals, within these bounds.
    tentative_ais_end_s, plot_end_s
        End of a track of one AIS report, and of a track of plots from sensors with unknown coverage.
    merge_d2, merge_passes, merge_radius_m
        Two tracks become one when their four-dimensional d2 stays under this in so many passes running.
    dark_min_s, dark_intervals
        Radar-held and without AIS for max(dark_min_s, dark_intervals x usual interval), inside AIS coverage, while AIS
        was heard from anybody; where that many intervals are longer than ``dark_slow_s``, three are enough.
    dark_slow_mps, dark_slow_s
        Below this speed an AIS unit may report only every 180 s, so silence counts from ``dark_slow_s``.
    radar_held_s
        Radar holds a track when its last plot is not older than this.
    uncorroborated_misses, uncorroborated_s
        Scans in radar coverage without a plot, and time without one, after which an AIS-only track is flagged.
    conflict_s
        Time for which a track stays flagged after its MMSI last reported from two places.
    ais_alive_s
        An AIS source is alive when it gave a report in this time.
    coast_s
        A confirmed track not updated for max(this, 3 usual intervals) is coasted.
    tick_s, merge_every_ticks
        Housekeeping interval in data time, and how many of them make a merge pass.
    slot_s
        Plots of one source within one slot of data time are assigned together.
    out_of_sequence_s
        A late plot is replayed; where the track's memory does not reach back to it, one up to this much older than the
        track's state is moved along the track.
    late_s
        A report older than the picture's clock by more than this is rejected as ancient.
    future_s
        A report younger than ``now`` by more than this is rejected as future.
    replay_mb
        Memory that reports kept for replay may take, all tracks together; each is kept for ``late_s``. Where that is
        not enough the oldest are given up, and later reports that belong before them are refused as too old.
    unknown_length_m
        Length assumed while no static report came: the antenna is a quarter of it off the centre, one sigma.
    dedupe_capacity
        Report identities remembered to drop repeats.
    max_tracks
        Limit of live tracks; births beyond it are refused and counted.
    """

    q_cruise_m2s3: float = 1e-3
    q_manoeuvre_m2s3: float = 0.1
    sojourn_cruise_s: float = 900.0
    sojourn_manoeuvre_s: float = 60.0
    birth_speed_sigma_mps: float = 8.0
    gate_d2: float = 25.0
    keyed_gate_d2: float = 37.0
    bind_gate_d2: float = 16.0
    confirm_llr: float = 10.0
    confirm_hits: int = 3
    llr_max: float = 16.0
    tentative_end_llr: float = -2.5
    confirmed_end_llr: float = 0.0
    tentative_cost: float = 4.0
    ais_end_intervals: float = 8.0
    ais_end_min_s: float = 200.0
    ais_end_max_s: float = 900.0
    tentative_ais_end_s: float = 400.0
    plot_end_s: float = 90.0
    merge_d2: float = 13.3
    merge_passes: int = 3
    merge_radius_m: float = 1500.0
    dark_min_s: float = 60.0
    dark_intervals: float = 6.0
    dark_slow_mps: float = 1.5
    dark_slow_s: float = 420.0
    radar_held_s: float = 30.0
    uncorroborated_misses: int = 8
    uncorroborated_s: float = 60.0
    conflict_s: float = 900.0
    ais_alive_s: float = 120.0
    coast_s: float = 60.0
    tick_s: float = 5.0
    merge_every_ticks: int = 2
    slot_s: float = 1.0
    out_of_sequence_s: float = 1.5
    late_s: float = 1800.0
    future_s: float = 30.0
    replay_mb: float = 256.0
    unknown_length_m: float = 40.0
    dedupe_capacity: int = 1 << 20
    max_tracks: int = 1_000_000

    def __post_init__(self) -> None:
        if not self.replay_mb >= 1.0:
            raise ConfigError(f"replay_mb {self.replay_mb} is less than a megabyte")
        if self.slot_s <= 0 or self.tick_s <= 0 or round(self.tick_s / self.slot_s, 6) % 1:
            raise ConfigError(f"tick_s {self.tick_s} is not a multiple of slot_s {self.slot_s}")


class Motion(NamedTuple):
    """Constants of the motion model, as kernels take them."""

    q0: float
    q1: float
    tau0_s: float
    tau1_s: float


def motion_of(config: TrackerConfig) -> Motion:
    """Motion constants of a configuration."""
    return Motion(
        float(config.q_cruise_m2s3),
        float(config.q_manoeuvre_m2s3),
        float(config.sojourn_cruise_s),
        float(config.sojourn_manoeuvre_s),
    )
