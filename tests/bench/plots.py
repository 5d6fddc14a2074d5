"""Draws curves as SVG."""

import math
from collections.abc import Callable, Sequence
from html import escape

from tests.bench.results import Plot, show

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 20, 44, 84
_COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#787774")
_NAMESPACE = "http://www.w3.org/2000/svg"
_FONT = 'font-family="sans-serif" font-size="12"'
_TICKS = 5
_ROUND = (1, 2, 2.5, 5, 10)

Scale = Callable[[float], float]
"""From a figure to its place, from 0 to 1."""


def draw(plot: Plot) -> str:
    """Return the SVG document of a plot."""
    points = [point for curve in plot.curves.values() for point in curve]
    x_ticks, x_scale = _axis([x for x, _ in points], plot.is_log)
    y_ticks, y_scale = _axis([y for _, y in points], plot.is_log)
    parts = [
        f'<svg xmlns="{_NAMESPACE}" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_WIDTH / 2, 22, plot.title, 'text-anchor="middle" font-size="15"'),
        *(_grid_across(tick, y_scale) for tick in y_ticks),
        *(_grid_down(tick, x_scale) for tick in x_ticks),
        _text(_WIDTH / 2, _HEIGHT - 44, plot.x_label, 'text-anchor="middle"'),
        _text(14, _middle(), plot.y_label, f'text-anchor="middle" {_turned(14, _middle())}'),
    ]
    for number, (name, curve) in enumerate(plot.curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(_x(x_scale(x)), _y(y_scale(y))) for x, y in curve]
        parts += [_line(places, colour), *(_dot(*place, colour) for place in places)]
        parts += _legend(number, len(plot.curves), name, colour)
    return "\n".join([*parts, "</svg>", ""])


def _axis(figures: Sequence[float], is_log: bool) -> tuple[list[float], Scale]:
    """Return where the ticks of an axis are, and its scale."""
    if is_log:
        low = math.floor(math.log10(min(figures)))
        high = max(math.ceil(math.log10(max(figures))), low + 1)
        ticks = [10.0**power for power in range(low, high + 1)]
        return ticks, lambda figure: (math.log10(figure) - low) / (high - low)
    step = _step(max(figures) or 1.0)
    top = step * math.ceil((max(figures) or 1.0) / step)
    count = round(top / step)
    return [step * number for number in range(count + 1)], lambda figure: figure / top


def _step(highest: float) -> float:
    rough = highest / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in _ROUND if factor * power >= rough * 0.999)


def _x(place: float) -> float:
    return _LEFT + place * (_WIDTH - _LEFT - _RIGHT)


def _y(place: float) -> float:
    return _HEIGHT - _BOTTOM - place * (_HEIGHT - _TOP - _BOTTOM)


def _middle() -> float:
    return _y(0.5)


def _turned(x: float, y: float) -> str:
    return f'transform="rotate(-90 {x:.0f} {y:.0f})"'


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'


def _grid_across(tick: float, scale: Scale) -> str:
    y = _y(scale(tick))
    line = f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
    return line + _text(_LEFT - 6, y + 4, _tick(tick), 'text-anchor="end"')


def _grid_down(tick: float, scale: Scale) -> str:
    x = _x(scale(tick))
    line = f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#eee"/>'
    return line + _text(x, _HEIGHT - _BOTTOM + 16, _tick(tick), 'text-anchor="middle"')


def _tick(figure: float) -> str:
    return show(round(figure)) if figure == round(figure) else f"{figure:g}"


def _line(places: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'


def _legend(number: int, count: int, name: str, colour: str) -> list[str]:
    x = _LEFT + number * (_WIDTH - _LEFT - _RIGHT) / count
    y = _HEIGHT - 16
    return [_dot(x + 4, y - 4, colour), _text(x + 14, y, name, "")]
