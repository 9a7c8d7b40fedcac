"""The diagram around an asset: the asset on the left, its neighbours in groups on the right (SVG).

Pure layout in pixels, narrow enough for a phone. The page lists all neighbours in a table too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.plant.graph.neighbourhood import Neighbour, Neighbourhood

MAX_DRAWN = 24
_GROUP_MOST = 6
_WIDTH = 348
_LEFT_WIDTH, _RIGHT_WIDTH = 104, 186
_HEIGHT, _GAP, _TITLE = 30, 6, 20
_MARGIN = 4
_LEFT_TEXT, _RIGHT_TEXT = 14, 24
_RIGHT_X = _WIDTH - _MARGIN - _RIGHT_WIDTH


@dataclass(frozen=True, slots=True)
class GraphBox:
    """A node: its place and size, short text, full name, kind, and the address of its page."""

    x: int
    y: int
    width: int
    text: str
    name: str
    kind: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Caption:
    """The predicate above a group."""

    x: int
    y: int
    text: str


@dataclass(frozen=True, slots=True)
class GraphDiagram:
    """Boxes with the asset first, the captions of groups, lines as SVG paths, and the size."""

    width: int
    height: int
    boxes: tuple[GraphBox, ...]
    captions: tuple[Caption, ...]
    lines: tuple[str, ...]
    box_height: int = _HEIGHT
    is_complete: bool = True


def draw_neighbourhood(found: Neighbourhood) -> GraphDiagram:
    """Return the diagram of what is around an asset."""
    groups = _groups(found.neighbours)
    captions: list[Caption] = []
    placed: list[GraphBox] = []
    y, drawn = _MARGIN, 0
    for predicate, nodes in groups:
        captions.append(Caption(_RIGHT_X, y + _TITLE // 2, predicate))
        y += _TITLE
        for node in nodes[: min(_GROUP_MOST, MAX_DRAWN - drawn)]:
            placed.append(_box(node, y))
            y += _HEIGHT + _GAP
            drawn += 1
        y += _GAP
    height = max(y, _MARGIN * 2 + _HEIGHT)
    middle = min(height - _HEIGHT - _MARGIN, max(_MARGIN, (height - _HEIGHT) // 2))
    center = GraphBox(
        _MARGIN, middle, _LEFT_WIDTH, shorten(found.code, _LEFT_TEXT), found.label, "asset"
    )
    lines = tuple(_line(center, one) for one in placed)
    is_complete = found.is_complete and drawn == len(found.neighbours)
    return GraphDiagram(
        _WIDTH, height, (center, *placed), tuple(captions), lines, is_complete=is_complete
    )


def shorten(text: str, most: int) -> str:
    """Return a text with at most so many columns; a Chinese character takes two."""
    columns = 0
    for at, one in enumerate(text):
        columns += 2 if one > "\u2e80" else 1
        if columns > most:
            return f"{text[: max(1, at - 1)]}…"
    return text


def _groups(
    neighbours: Sequence[Neighbour],
) -> list[tuple[str, list[Neighbour]]]:
    """Return the neighbours by predicate and direction, at most MAX_DRAWN of them."""
    groups: dict[str, list[Neighbour]] = {}
    for one in neighbours:
        arrow = "→" if one.outgoing else "←"
        groups.setdefault(f"{arrow} {one.predicate}", []).append(one)
    found, drawn = [], 0
    for predicate, nodes in groups.items():
        if drawn >= MAX_DRAWN:
            break
        drawn += min(len(nodes), _GROUP_MOST)
        found.append((predicate, nodes))
    return found


def _box(node: Neighbour, y: int) -> GraphBox:
    """Return the box of a neighbour."""
    details = ", ".join(node.details)
    text = f"{node.label} · {details}" if details else node.label
    link = f"/dashboard/plant/assets/{node.code}" if node.kind == "asset" else ""
    return GraphBox(
        _RIGHT_X, y, _RIGHT_WIDTH, shorten(text, _RIGHT_TEXT), f"{node.label} {details}", node.kind,
        link if "/" not in node.code else "",
    )  # fmt: skip


def _line(center: GraphBox, box: GraphBox) -> str:
    """Return a curve from the asset to a neighbour."""
    x1, y1 = center.x + center.width, center.y + _HEIGHT // 2
    x2, y2 = box.x, box.y + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
