"""The plan of the next slots as SVG: prices, level within its limits, and pumps. Pure layout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.scheduling.basis import levels_of
from gateway.agents.scheduling.planning import Plan
from gateway.dashboard.line_chart import Tick

WIDTH, HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP = 64, 10, 12
_LEVEL_BOTTOM, _PUMPS_TOP, _PUMPS_BOTTOM = 160, 176, 232
_PRICE_CLASSES = 4
_MARKS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels. kind: its class, such as the price level. text: what it says."""

    x: float
    y: float
    width: float
    height: float
    kind: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class ScheduleChart:
    """Prices as background, the level as a line within `band`, running pumps as bars below."""

    prices: tuple[Box, ...]
    band: Box
    pumps: tuple[Box, ...]
    path: str
    usual: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    pump_ticks: tuple[Tick, ...]
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    width: int = WIDTH
    height: int = HEIGHT


def draw_schedule(
    step: ScheduleStep,
    plan: Plan,
    usual: Plan,
    begin: float,
    time_text: Callable[[datetime], str],
    number_text: Callable[[float], str],
) -> ScheduleChart:
    """Return the chart of a plan and of two-level control. begin: the level now, in m³."""
    limits = levels_of(step)
    slot = timedelta(seconds=step.slot_s)
    starts = [one.start for one in plan.slots]
    ends = [*starts[1:], starts[-1] + slot]
    levels = [begin, *(one.level for one in plan.slots), *(one.level for one in usual.slots)]
    low, high = min(0.0, *levels), max(limits.highest * 1.05, *levels)
    x = _scale((starts[0].timestamp(), ends[-1].timestamp()), (_LEFT, WIDTH - _RIGHT))
    y = _scale((low, high), (_LEVEL_BOTTOM, _TOP))
    edges = [x(time.timestamp()) for time in (*starts, ends[-1])]
    top, bottom = y(limits.highest), y(limits.lowest)
    marks = starts[:: max(1, len(starts) // _MARKS)][1:]
    return ScheduleChart(
        prices=_prices(step, plan, edges),
        band=Box(_LEFT, top, WIDTH - _RIGHT - _LEFT, round(bottom - top, 1)),
        pumps=_pumps(step, plan, edges),
        path=_path(edges, [begin, *(one.level for one in plan.slots)], y),
        usual=_path(edges, [begin, *(one.level for one in usual.slots)], y),
        x_ticks=tuple(Tick(round(x(at.timestamp()), 1), time_text(at)) for at in marks),
        y_ticks=tuple(
            Tick(round(y(level), 1), number_text(level))
            for level in (limits.lowest, limits.highest)
        ),
        pump_ticks=tuple(
            Tick(round(_pump_y(step, number), 1), number_text(float(number)))
            for number in (0, len(step.pumps))
        ),
    )


def _prices(step: ScheduleStep, plan: Plan, edges: Sequence[float]) -> tuple[Box, ...]:
    """Return slots of one price in a row as one box each, darker where energy is dearer."""
    known = sorted({round(period.price, 6) for period in step.tariff.periods})
    span = (known[-1] - known[0]) or 1.0
    found: list[Box] = []
    for slot, left, right in zip(plan.slots, edges[:-1], edges[1:], strict=True):
        share = min(1.0, max(0.0, (slot.price - known[0]) / span))
        kind = f"price{min(_PRICE_CLASSES - 1, int(share * _PRICE_CLASSES))}"
        text = f"{slot.price:.4g} {step.tariff.currency}/kWh"
        if found and (found[-1].kind, found[-1].text) == (kind, text):
            last = found.pop()
            left = last.x
        height = _PUMPS_BOTTOM - _TOP
        found.append(Box(round(left, 1), _TOP, round(right - left, 1), height, kind, text))
    return tuple(found)


def _pumps(step: ScheduleStep, plan: Plan, edges: Sequence[float]) -> tuple[Box, ...]:
    """Return a bar for each slot in which pumps run."""
    return tuple(
        Box(
            round(left, 1),
            round(_pump_y(step, slot.pumps), 1),
            round(max(1.0, right - left - 1), 1),
            round(_PUMPS_BOTTOM - _pump_y(step, slot.pumps), 1),
        )
        for slot, left, right in zip(plan.slots, edges[:-1], edges[1:], strict=True)
        if slot.pumps
    )


def _pump_y(step: ScheduleStep, number: int) -> float:
    """Return the height of a number of pumps."""
    return _PUMPS_BOTTOM - (_PUMPS_BOTTOM - _PUMPS_TOP) * number / len(step.pumps)


def _path(edges: Sequence[float], levels: Sequence[float], y: Callable[[float], float]) -> str:
    """Return the line through levels at the limits of the slots."""
    points = [f"{at:.1f} {y(level):.1f}" for at, level in zip(edges, levels, strict=True)]
    return "M" + "L".join(points)


def _scale(source: tuple[float, float], target: tuple[float, float]) -> Callable[[float], float]:
    """Return the linear function that maps one range to another."""
    factor = (target[1] - target[0]) / ((source[1] - source[0]) or 1.0)
    return lambda value: target[0] + (value - source[0]) * factor
