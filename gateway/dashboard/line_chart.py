"""Line charts of readings as SVG: paths, axes and sparklines. Pure layout in pixels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 10, 10, 22
_TICKS = 4
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
SPARK_WIDTH, SPARK_HEIGHT = 120, 28
_SPARK_MARGIN = 2.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis: its place in pixels and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """A line over time with the marks of both axes, in an area of WIDTH by HEIGHT pixels."""

    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def draw_line(
    times: Sequence[int],
    values: Sequence[float],
    within: tuple[int, int],
    time_text: Callable[[int], str],
    number_text: Callable[[float], str],
) -> LineChart | None:
    """Return the chart of a series over a range of times; None without a finite value.

    NaN values interrupt the line.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high, ticks = _scale(min(finite), max(finite))
    x = _linear(within, (_LEFT, WIDTH - _RIGHT))
    y = _linear((low, high), (HEIGHT - _BOTTOM, _TOP))
    return LineChart(
        path=_path(times, values, x, y),
        x_ticks=tuple(Tick(round(x(at), 1), time_text(at)) for at in _times(within)),
        y_ticks=tuple(Tick(round(y(value), 1), number_text(value)) for value in ticks),
    )


def spark_path(times: Sequence[int], values: Sequence[float], within: tuple[int, int]) -> str:
    """Return the path of a small line without axes; empty with fewer than two finite values."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    low, high = min(finite), max(finite)
    if low == high:
        low, high = low - 1, high + 1
    x = _linear(within, (_SPARK_MARGIN, SPARK_WIDTH - _SPARK_MARGIN))
    y = _linear((low, high), (SPARK_HEIGHT - _SPARK_MARGIN, _SPARK_MARGIN))
    return _path(times, values, x, y)


def _path(
    times: Sequence[int],
    values: Sequence[float],
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> str:
    """Return the SVG path through the finite values."""
    parts: list[str] = []
    is_open = False
    for time, value in zip(times, values, strict=True):
        if not math.isfinite(value):
            is_open = False
            continue
        parts.append(f"{'L' if is_open else 'M'}{x(time):.1f} {y(value):.1f}")
        is_open = True
    if len(parts) == 1:
        return f"{parts[0]}h0.1"
    return "".join(parts)


def _linear(source: tuple[float, float], target: tuple[float, float]) -> Callable[[float], float]:
    """Return the linear function that maps one range to another."""
    factor = (target[1] - target[0]) / ((source[1] - source[0]) or 1)
    return lambda value: target[0] + (value - source[0]) * factor


def _scale(low: float, high: float) -> tuple[float, float, list[float]]:
    """Return a range of round numbers that contains both, and the marks in it."""
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * one for one in _STEPS if power * one >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [number * step for number in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def _times(within: tuple[int, int]) -> list[int]:
    """Return the times of the marks: at equal distances, the ends left out."""
    start, end = within
    return [start + (end - start) * number // 4 for number in (1, 2, 3)]
