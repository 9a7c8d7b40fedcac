"""The diagram of a trace: items in columns by their distance, and lines between them (SVG).

Pure layout in pixels. Only the nearest items are drawn; the page lists all of them in a table.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.plant.epcis.trace import Direction, LinkKind, Trace

MAX_DRAWN = 60
_WIDTH, _HEIGHT = 170, 40
_GAP_X, _GAP_Y = 70, 16
_MARGIN = 10
_MAX_TEXT = 22


@dataclass(frozen=True, slots=True)
class Box:
    """An item: its place, short text, full name, and whether a model call inspected it."""

    x: int
    y: int
    text: str
    name: str
    is_start: bool
    is_inspected: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A link from one box to another as an SVG path."""

    path: str
    is_assembly: bool


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes and lines, with the size of the whole and of a box."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    box_width: int = _WIDTH
    box_height: int = _HEIGHT
    is_complete: bool = True


def draw_trace(found: Trace) -> Diagram:
    """Return the diagram of a trace: time goes from left to right in both directions."""
    columns: dict[int, list[str]] = defaultdict(list)
    for item in found.items[:MAX_DRAWN]:
        columns[item.depth].append(item.epc)
    places = _places(columns, found.direction)
    inspected = {one.item for one in found.inspections if one.request_id}
    boxes = tuple(
        Box(x, y, short_name(name), name, name == found.start, name in inspected)
        for name, (x, y) in places.items()
    )
    lines = tuple(
        Line(_path(places[link.source], places[link.target]), link.kind is LinkKind.ASSEMBLY)
        for link in found.links
        if link.source in places and link.target in places
    )
    tallest = max(len(names) for names in columns.values())
    return Diagram(
        2 * _MARGIN + len(columns) * (_WIDTH + _GAP_X) - _GAP_X,
        2 * _MARGIN + tallest * (_HEIGHT + _GAP_Y) - _GAP_Y,
        boxes,
        lines,
        is_complete=found.is_complete and len(found.items) <= MAX_DRAWN,
    )


def short_name(name: str) -> str:
    """Return the end of a long item name, which tells items apart."""
    return name if len(name) <= _MAX_TEXT else f"…{name[-_MAX_TEXT + 1 :]}"


def _places(
    columns: Mapping[int, list[str]], direction: Direction
) -> Mapping[str, tuple[int, int]]:
    """Return the top left corner of each item's box."""
    last = max(columns)
    return {
        name: (
            _MARGIN
            + (last - depth if direction is Direction.UPSTREAM else depth) * (_WIDTH + _GAP_X),
            _MARGIN + row * (_HEIGHT + _GAP_Y),
        )
        for depth, names in columns.items()
        for row, name in enumerate(names)
    }


def _path(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return a curve from the right side of one box to the left side of another."""
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
