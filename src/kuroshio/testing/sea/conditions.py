"""What makes a scene hard: harbours, islands, offsets, losses, lies and late reports, as values.

What leaves: values only. The defaults make none of it, so that a plain scene stays plain.
"""

from __future__ import annotations

from dataclasses import dataclass

from kuroshio.errors import ConfigError


@dataclass(frozen=True)
class Conditions:
    """Conditions of a scene.

    Parameters
    ----------
    moored_share, swing
        Ships at anchor besides those at rest, and whether they swing about it (20-120 m in 10-30 minutes).
    harbours, harbour_share, harbour_radius_m
        So many harbours hold this share of the ships: six in ten moored, the others slow and turning every 150 s.
    islands
        Round islands of 3-9 km radius; ships turn away, radars do not see behind them.
    manoeuvre_every_s
        Mean time between turns of a ship under way.
    gnss_wander
        Error of a position as receivers have it: most of it wanders with a time constant of 600 s, and it is smaller
        than the report claims.
    antenna_offsets
        The AIS antenna stands where the static report says, not at the ship's centre; reports carry headings.
    radar_extent
        A plot lies anywhere on the ship: one sigma of a sixth of the length, each way.
    ais_bursts_per_h, ais_burst_s
        Times in which no AIS is heard, and their mean length.
    silent_share, silent_s
        Ships that switch their AIS off once, and for how long.
    duplicates
        Pairs of ships with one MMSI.
    jump_share, jump_m
        Ships that report themselves elsewhere from some moment on, and how far: least and greatest, log-uniform.
    drag_share, drag_mps
        Ships whose reported place moves off at this speed: least and greatest.
    spoof_from
        When lies begin, as shares of the duration: earliest and latest.
    late_share, late_max_s
        Share of the reports that arrive late, by up to so much; rows then come in the order of arrival.
    ramp_s
        Ships begin within this time; 0 is a mass start.
    """

    moored_share: float = 0.0
    swing: bool = False
    harbours: int = 0
    harbour_share: float = 0.0
    harbour_radius_m: float = 2500.0
    islands: int = 0
    manoeuvre_every_s: float = 900.0
    gnss_wander: bool = False
    antenna_offsets: bool = False
    radar_extent: bool = False
    ais_bursts_per_h: float = 0.0
    ais_burst_s: float = 40.0
    silent_share: float = 0.0
    silent_s: float = 900.0
    duplicates: int = 0
    jump_share: float = 0.0
    jump_m: tuple[float, float] = (300.0, 20_000.0)
    drag_share: float = 0.0
    drag_mps: tuple[float, float] = (0.5, 2.0)
    spoof_from: tuple[float, float] = (0.3, 0.5)
    late_share: float = 0.0
    late_max_s: float = 1800.0
    ramp_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("moored_share", "harbour_share", "silent_share", "jump_share", "drag_share", "late_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} {getattr(self, name)} is not a share", code="sea.share")
        if self.harbour_share > 0.0 and self.harbours < 1:
            raise ConfigError("a share of ships in harbours needs harbours", code="sea.harbours")


PLAIN = Conditions()
