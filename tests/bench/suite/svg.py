# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG: lines over a logarithmic or linear axis, and bars. Legible on light and dark pages."""
from __future__ import annotations

import math
from typing import NamedTuple, Optional, Sequence
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP = 720, 70, 20, 48
BARS_WIDTH, BARS_LEFT = 900, 450
COLOURS = ("#2f6fde", "#d9730d", "#2a9d6f", "#b0479b", "#8a6d1d", "#5b6770")
# A ground of its own: what the page behind has is not known here.
STYLE = """<style>
.ground { fill: #ffffff } text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-size: 15px; font-weight: 600 }
.axis { stroke: #6e7781; stroke-width: 1 } .grid { stroke: #6e7781; stroke-opacity: .25; stroke-width: 1 }
.goal { stroke: #d1242f; stroke-width: 1.5; stroke-dasharray: 5 4 } .note { fill: #59636e }
@media (prefers-color-scheme: dark) { .ground { fill: #0d1117 } text { fill: #e6edf3 } .note { fill: #9198a1 }
.goal { stroke: #f85149 } }
</style>"""


class Series(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


class Bar(NamedTuple):
    name: str
    value: float
    text: str
    goal: Optional[float] = None


def _document(width: int, height: int, title: str, body: list[str]) -> str:
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{escape(title)}">')
    ground = f'<rect class="ground" width="{width}" height="{height}" rx="6"/>'
    caption = f'<text class="title" x="14" y="24">{escape(title)}</text>'
    return "\n".join([head, STYLE, ground, caption, *body, "</svg>"]) + "\n"


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from `low` to the first that is not below `high`."""
    if high <= low:
        high = low + 1
    step = 10 ** math.floor(math.log10((high - low) / wanted))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= wanted:
            step *= factor
            break
    count = math.ceil((high - low) / step - 1e-9)
    return [low + i * step for i in range(count + 1)]


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def lines(title: str, x_label: str, y_label: str, series: Sequence[Series],
          level: Optional[tuple[float, str]] = None) -> str:
    """Both axes start at zero, so that what is proportional is a straight line through the corner."""
    height, bottom = 360, 300
    right = WIDTH - RIGHT
    x_marks = ticks(0, max(x for s in series for x, _ in s.points))
    tallest = max(y for s in series for _, y in s.points)
    y_marks = ticks(0, max(tallest, level[0] if level else 0) * 1.02)

    def px(x: float) -> float:
        return LEFT + x / x_marks[-1] * (right - LEFT)

    def py(y: float) -> float:
        return bottom - y / y_marks[-1] * (bottom - TOP)
    body = []
    for mark in y_marks:
        body.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{py(mark):.1f}" y2="{py(mark):.1f}"/>')
        body.append(f'<text x="{LEFT - 8}" y="{py(mark) + 4:.1f}" text-anchor="end">{number(mark)}</text>')
    for mark in x_marks:
        body.append(f'<text x="{px(mark):.1f}" y="{bottom + 18}" text-anchor="middle">{number(mark)}</text>')
    body.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    body.append(f'<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{bottom}"/>')
    body.append(f'<text x="{right}" y="{bottom + 36}" text-anchor="end">{escape(x_label)}</text>')
    body.append(f'<text class="note" x="{LEFT + 4}" y="{TOP - 4}">{escape(y_label)}</text>')
    if level:
        body.append(f'<line class="goal" x1="{LEFT}" x2="{right}" y1="{py(level[0]):.1f}" y2="{py(level[0]):.1f}"/>')
        body.append(f'<text x="{right}" y="{py(level[0]) - 5:.1f}" text-anchor="end">{escape(level[1])}</text>')
    for place, s in enumerate(series):
        body.extend(_curve(s, COLOURS[place % len(COLOURS)], px, py))
        body.extend(_legend(s.name, COLOURS[place % len(COLOURS)], place, bottom + 54))
    return _document(WIDTH, height + 20 * ((len(series) - 1) // 3), title, body)


def _curve(series: Series, colour: str, px, py) -> list[str]:
    dash = ' stroke-dasharray="6 4"' if series.dashed else ""
    path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in series.points)
    dots = [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in series.points]
    return [f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{path}"/>', *dots]


def _legend(name: str, colour: str, place: int, y: int) -> list[str]:
    x = LEFT + place % 3 * 215
    y += 20 * (place // 3)
    return [f'<rect x="{x}" y="{y - 9}" width="16" height="8" fill="{colour}"/>',
            f'<text x="{x + 22}" y="{y}">{escape(name)}</text>']


def bars(title: str, axis: str, entries: Sequence[Bar]) -> str:
    """Horizontal bars on a logarithmic axis from 0.1; a stroke shows the goal of each."""
    left, row = BARS_LEFT, 30
    top, bottom = TOP + 24, TOP + 24 + row * len(entries)
    right = BARS_WIDTH - 70
    last = math.ceil(math.log10(max([max(e.value, e.goal or 0) for e in entries] + [10])))

    def px(value: float) -> float:
        return left + (math.log10(max(value, 0.1)) + 1) / (last + 1) * (right - left)
    body = [f'<text class="note" x="{left}" y="{TOP + 6}">{escape(axis)}</text>']
    for power in range(-1, last + 1):
        x = px(10.0 ** power)
        body.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
        body.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{number(10.0 ** power)}</text>')
    for place, entry in enumerate(entries):
        y = top + row * place + 5
        body.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(entry.name)}</text>')
        body.append(f'<rect x="{left}" y="{y}" width="{max(px(entry.value) - left, 1):.1f}" height="{row - 10}" '
                    f'fill="{COLOURS[0]}" rx="2"/>')
        beside = px(entry.value)
        if entry.goal and 0 < px(entry.goal) - beside < 50:
            beside = px(entry.goal)  # not across the stroke
        body.append(f'<text x="{beside + 6:.1f}" y="{y + 14}">{escape(entry.text)}</text>')
        if entry.goal:
            x = px(entry.goal)
            body.append(f'<line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 3}" y2="{y + row - 7}"/>')
    return _document(BARS_WIDTH, bottom + 30, title, body)
