"""Small pictures of results as SVG text: lines over an axis, and bars side by side."""

from __future__ import annotations

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640.0, 300.0, 64.0, 16.0, 34.0, 44.0
COLOURS = ("#1769aa", "#d9480f", "#2b8a3e", "#ae1e8d", "#9aa5b1")


def _head(title: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#fff"/>',
        f'<text x="{LEFT:g}" y="16" font-size="13">{title}</text>',
    ]


def _ticks(low: float, high: float, log: bool) -> list[float]:
    if log:
        return [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-9) / 2.0))
    step *= next(n for n in (1, 2, 5, 10) if (high - low) / (step * n) <= 6)
    return [low + k * step for k in range(math.floor((high - low) / step) + 1)]


def _label(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def lines(
    title: str, x_name: str, y_name: str, series: dict[str, list[tuple[float, float]]], *, log: bool = False
) -> str:
    """Chart of lines; with ``log`` both axes are logarithmic, else y begins at 0."""
    xs = [x for s in series.values() for x, _ in s]
    ys = [y for s in series.values() for _, y in s]
    x_ticks, y_ticks = (_ticks(min(v) if log else 0.0, max(v), log) for v in (xs, ys))
    low_x, high_x = (x_ticks[0], x_ticks[-1]) if log else (min(xs), max(max(xs), min(xs) + 1e-9))
    low_y, high_y = y_ticks[0], max(y_ticks[-1], max(ys))

    def across(v: float, low: float, high: float) -> float:
        if log:
            v, low, high = math.log10(v), math.log10(low), math.log10(high)
        return (v - low) / max(high - low, 1e-12)

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + across(x, low_x, high_x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - across(y, low_y, high_y) * (HEIGHT - TOP - BOTTOM),
        )

    out = _head(title)
    for tick in y_ticks:
        y = at(low_x, tick)[1]
        out.append(f'<path d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}" stroke="#e3e7eb"/>')
        out.append(f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{_label(tick)}</text>')
    for tick in [t for t in x_ticks if low_x <= t <= high_x]:
        x = at(tick, low_y)[0]
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16:g}" text-anchor="middle">{_label(tick)}</text>')
    for number, (name, points) in enumerate(series.items()):
        path = " ".join(f"{'L' if k else 'M'}{at(*p)[0]:.1f} {at(*p)[1]:.1f}" for k, p in enumerate(points))
        colour = COLOURS[number % len(COLOURS)]
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{LEFT + 8 + 170 * number:g}" y="{TOP - 4:g}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{WIDTH / 2:g}" y="{HEIGHT - 8:g}" text-anchor="middle">{x_name}</text>')
    out.append(f'<text x="12" y="{HEIGHT / 2:g}" transform="rotate(-90 12 {HEIGHT / 2:g})">{y_name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def bars(title: str, y_name: str, groups: dict[str, dict[str, float]], *, line: float | None = None) -> str:
    """Bars side by side in groups; ``line`` is drawn across, as a goal or an ideal."""
    names = list(dict.fromkeys(n for g in groups.values() for n in g))
    top = max([v for g in groups.values() for v in g.values()] + [line or 0.0]) * 1.08
    out = _head(title)

    def y_of(v: float) -> float:
        return HEIGHT - BOTTOM - v / top * (HEIGHT - TOP - BOTTOM)

    for tick in _ticks(0.0, top, log=False):
        out.append(f'<path d="M{LEFT:g} {y_of(tick):.1f}H{WIDTH - RIGHT:g}" stroke="#e3e7eb"/>')
        out.append(f'<text x="{LEFT - 6:g}" y="{y_of(tick) + 4:.1f}" text-anchor="end">{_label(tick)}</text>')
    wide = (WIDTH - LEFT - RIGHT) / max(len(groups), 1)
    for number, (group, values) in enumerate(groups.items()):
        for k, name in enumerate(names):
            if name in values:
                x = LEFT + number * wide + 4 + k * (wide - 8) / len(names)
                y = y_of(values[name])
                out.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{(wide - 8) / len(names) - 1:.1f}" '
                    f'height="{HEIGHT - BOTTOM - y:.1f}" fill="{COLOURS[k % len(COLOURS)]}"/>'
                )
        middle = LEFT + (number + 0.5) * wide
        out.append(f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 15:g}" text-anchor="middle">{group}</text>')
    for k, name in enumerate(names):
        out.append(f'<text x="{LEFT + 8 + 130 * k:g}" y="{TOP - 4:g}" fill="{COLOURS[k % len(COLOURS)]}">{name}</text>')
    if line is not None:
        out.append(f'<path d="M{LEFT:g} {y_of(line):.1f}H{WIDTH - RIGHT:g}" stroke="#000" stroke-dasharray="4 3"/>')
    out.append(f'<text x="12" y="{HEIGHT / 2:g}" transform="rotate(-90 12 {HEIGHT / 2:g})">{y_name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
