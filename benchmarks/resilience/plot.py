"""Requests per second of each client against the outage, as SVG, drawn here: no library needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.resilience.figures import per_second
from benchmarks.resilience.scenarios import SCENARIOS
from benchmarks.resilience.trial import Trial, run_simulated

__all__ = ["Panel", "draw", "panel", "plot", "plotted"]

PLOTTED: Final = ("no retry", "naive tenacity", "botocore quota", "ccxt, 3 retries", "outlast")
COLOURS: Final = ("#888888", "#d55e00", "#0072b2", "#cc79a7", "#009e73")
SHOWN: Final = ("S1", "S2-60")
MEAN_OF_S: Final = 5

WIDTH: Final = 900
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 46, 34
PANEL_HEIGHT: Final = 250
LEGEND_HEIGHT: Final = 30


class Panel(NamedTuple):
    """What one scenario's part of the plot shows."""

    title: str
    from_s: float
    until_s: float
    lines: Mapping[str, Sequence[float]]
    """By client: requests per second, the mean of each `MEAN_OF_S` in turn."""


def plotted(missed: Mapping[str, str]) -> list[str]:
    """The clients of the plot, those that are missing left out."""
    return [client for client in PLOTTED if client not in missed]


def plot(file: Path, clients: Sequence[str]) -> None:
    """Run each of `SHOWN` once with each client, and draw it."""
    panels = []
    for name in SHOWN:
        trials = {client: run_simulated(SCENARIOS[name], client, 1) for client in clients}
        panels.append(panel(f"{name}: {SCENARIOS[name].title}", trials))
    file.write_text(draw(panels), encoding="utf-8")


def panel(title: str, trials: Mapping[str, Trial]) -> Panel:
    one = next(iter(trials.values()))
    lines = {}
    for client, trial in trials.items():
        counts = per_second(trial)
        starts = range(0, len(counts) - MEAN_OF_S + 1, MEAN_OF_S)
        lines[client] = [sum(counts[at : at + MEAN_OF_S]) / MEAN_OF_S for at in starts]
    return Panel(title, one.from_s, one.until_s, lines)


def draw(panels: Sequence[Panel]) -> str:
    height = LEGEND_HEIGHT + PANEL_HEIGHT * len(panels)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_legend(list(panels[0].lines)),
    ]
    for number, shown in enumerate(panels):
        parts.append(f'<g transform="translate(0 {LEGEND_HEIGHT + PANEL_HEIGHT * number})">')
        parts += _panel(shown)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _legend(clients: Sequence[str]) -> list[str]:
    parts, x = [], LEFT
    for client in clients:
        parts.append(_path([(x, 18.0), (x + 22, 18.0)], client))
        parts.append(f'<text x="{x + 28}" y="22">{escape(client)}</text>')
        x += 52 + 7 * len(client)
    return parts


def _panel(shown: Panel) -> list[str]:
    length_s = MEAN_OF_S * max(len(line) for line in shown.lines.values())
    most = max(max(line) for line in shown.lines.values())
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 1e9) if most / s <= 6)
    top = step * (int(most / step) + 1)
    wide, high = WIDTH - LEFT - RIGHT, PANEL_HEIGHT - TOP - BOTTOM

    def x(at_s: float) -> float:
        return LEFT + at_s / length_s * wide

    def y(per_s: float) -> float:
        return TOP + (1 - per_s / top) * high

    width = x(shown.until_s) - x(shown.from_s)
    parts = [
        f'<text x="{LEFT}" y="{TOP - 26}" font-weight="bold">{escape(shown.title)}</text>',
        f'<text x="{LEFT}" y="{TOP - 9}" fill="#555">requests per second</text>',
        (
            f'<rect x="{x(shown.from_s):.1f}" y="{TOP}" width="{width:.1f}" height="{high}" '
            'fill="#ececec"/>'
        ),
    ]
    for tick in range(int(top / step) + 1):
        at = y(tick * step)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        label = f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick * step}</text>'
        parts.append(label)
    for at_s in range(0, int(length_s) + 1, 60):
        label = f"{at_s} s" if at_s else "0"
        parts.append(
            f'<text x="{x(at_s):.1f}" y="{TOP + high + 18}" text-anchor="middle">{label}</text>'
        )
    for client, line in shown.lines.items():
        middle = MEAN_OF_S / 2
        points = [(x(n * MEAN_OF_S + middle), y(per_s)) for n, per_s in enumerate(line)]
        parts.append(_path(points, client))
    return parts


def _path(points: Sequence[tuple[float, float]], client: str) -> str:
    colour = COLOURS[PLOTTED.index(client) % len(COLOURS)] if client in PLOTTED else "#000000"
    width = 2.6 if client == "outlast" else 1.3
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{steps}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
