"""A map of a score: true ways, tracks, what was missed and what was false, as one SVG text.

What enters: a `metrics.Matching` with its `Score`. What leaves: SVG, at most some hundred kilobytes however many
ships there are: lines and marks are thinned, and the legend says so.
"""

from __future__ import annotations

import numpy as np

from kuroshio.geo import metres_per_degree
from kuroshio.testing.metrics import Matching, Score
from kuroshio.units import FloatArray, IntArray

WIDTH, MARGIN = 900.0, 30.0
POINTS_MAX, POINTS_A_SHIP, MARKS_MAX = 5000, 25, 1500
COLOURS = {"truth": "#9aa5b1", "track": "#1769aa", "missed": "#d9480f", "false": "#ae1e8d"}
NICE_M = (1.0, 2.0, 5.0)


class _Frame:
    """Degrees to drawing units: equal metres each way."""

    def __init__(self, lat: FloatArray, lon: FloatArray) -> None:
        self.lat0, self.lon0 = float(lat.max()), float(lon.min())
        east, north = metres_per_degree(float(lat.mean()))
        span_e, span_n = max(float(np.ptp(lon)) * east, 1.0), max(float(np.ptp(lat)) * north, 1.0)
        self.m_per_unit = max(span_e, span_n) / (WIDTH - 2 * MARGIN)
        self.east, self.north = east / self.m_per_unit, north / self.m_per_unit
        self.width = span_e / self.m_per_unit + 2 * MARGIN
        self.height = span_n / self.m_per_unit + 2 * MARGIN + 60.0

    def xy(self, lat: FloatArray, lon: FloatArray) -> FloatArray:
        """(rows, 2) drawing units."""
        return np.column_stack([MARGIN + (lon - self.lon0) * self.east, MARGIN + (self.lat0 - lat) * self.north]).round(
            1
        )


def draw(pairs: Matching, score: Score, title: str = "Score") -> str:
    """SVG of a matching with its figures."""
    lat, lon = np.concatenate([pairs.true_lat, pairs.lat]), np.concatenate([pairs.true_lon, pairs.lon])
    frame = _Frame(lat, lon) if len(lat) else _Frame(np.zeros(1), np.zeros(1))
    truth, shown = frame.xy(pairs.true_lat, pairs.true_lon), frame.xy(pairs.lat, pairs.lon)
    missed, false = np.ones(len(truth), np.bool_), np.ones(len(shown), np.bool_)
    missed[pairs.pairs[:, 0]] = False
    false[np.concatenate([pairs.pairs[:, 1], pairs.extra[:, 1]])] = False
    height, width = frame.height, max(frame.width, 640.0)
    ships, numbers = pairs.gt.ident[pairs.true_row], pairs.tr.ident[pairs.shown_row]
    some = np.unique(ships)[:: _every(len(truth), len(np.unique(ships)))]
    drawn = np.isin(ships, some)
    paired = numbers[pairs.pairs[:, 1]]
    of_some = np.isin(numbers, paired[drawn[pairs.pairs[:, 0]]])
    stray = np.setdiff1d(numbers, paired)
    stray = stray[:: max(1, -(-int(np.isin(numbers, stray).sum()) // (POINTS_MAX // 4)))]
    use = of_some | np.isin(numbers, stray)
    ways = _lines(truth[drawn], ships[drawn], pairs.true_at[drawn])
    tracks = _lines(shown[use], numbers[use], pairs.shown_at[use])
    text = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif">',
        f"<title>{title}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        f'<path d="{ways}" fill="none" stroke="{COLOURS["truth"]}" stroke-width="3"/>',
        f'<path d="{tracks}" fill="none" stroke="{COLOURS["track"]}" stroke-width="1"/>',
        f'<path d="{_marks(truth[missed])}" stroke="{COLOURS["missed"]}" stroke-width="1.5"/>',
        f'<path d="{_marks(shown[false])}" stroke="{COLOURS["false"]}" stroke-width="1.5"/>',
        *_legend(frame, score, title, int(missed.sum()), int(false.sum())),
        "</svg>",
    ]
    return "\n".join(text) + "\n"


def _every(points: int, ships: int) -> int:
    """Of how many ships one is drawn: `POINTS_A_SHIP` points each, `POINTS_MAX` in all."""
    return max(1, -(-ships * min(POINTS_A_SHIP, points // max(ships, 1)) // POINTS_MAX))


def _lines(xy: FloatArray, who: IntArray, instant: IntArray) -> str:
    """Path data of all ways, thinned in time where they have more than `POINTS_A_SHIP` points each."""
    names, code = np.unique(who, return_inverse=True)
    use = instant % max(1, round(len(xy) / max(len(names), 1) / POINTS_A_SHIP)) == 0
    order = np.lexsort((instant[use], code[use]))
    xy, code = xy[use][order], code[use][order]
    first = np.diff(code, prepend=-1) != 0
    return " ".join(
        f"{'M' if new else 'L'}{x:g} {y:g}" for new, (x, y) in zip(first.tolist(), xy.tolist(), strict=True)
    )


def _marks(xy: FloatArray) -> str:
    """Path data of small crosses, at most `MARKS_MAX`."""
    thin = xy[:: max(1, -(-len(xy) // MARKS_MAX))]
    return " ".join(f"M{x - 3:g} {y:g}h6M{x:g} {y - 3:g}v6" for x, y in thin.tolist())


def _legend(frame: _Frame, score: Score, title: str, missed: int, false: int) -> list[str]:
    y = frame.height - 38.0
    words = [
        ("truth", "true ways"),
        ("track", "tracks"),
        ("missed", f"{missed} ship instants missed"),
        ("false", f"{false} track instants of no ship"),
    ]
    out, x = [], MARGIN
    for key, word in words:
        out.append(f'<rect x="{x:.0f}" y="{y - 8:.0f}" width="14" height="8" fill="{COLOURS[key]}"/>')
        out.append(f'<text x="{x + 18:.0f}" y="{y:.0f}" font-size="12">{word}</text>')
        x += 40 + 6.6 * len(word)
    anees = "-" if score.anees is None else f"{score.anees:.2f}"
    said = (
        f"{title}: GOSPA {score.gospa_mean_m:.0f} m, completeness {score.completeness:.4f}, "
        f"spurious {score.spuriousness:.4f}, ANEES {anees}"
    )
    out.append(f'<text x="{MARGIN:.0f}" y="{y + 20:.0f}" font-size="12">{said}</text>')
    length_m = next(
        n * 10.0**k for k in range(9, -2, -1) for n in NICE_M[::-1] if n * 10.0**k <= 200.0 * frame.m_per_unit
    )
    length = length_m / frame.m_per_unit
    out.append(f'<path d="M{MARGIN:.0f} 14h{length:.1f}" stroke="#000" stroke-width="2"/>')
    label = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    out.append(f'<text x="{MARGIN + length + 6:.0f}" y="18" font-size="12">{label}</text>')
    return out
