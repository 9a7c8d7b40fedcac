"""What is quoted of the best line: the asked columns of a row, or a sentence with its neighbour."""

from collections.abc import Mapping, Sequence

from models.grounding.families import find_items
from models.line_reader.lines import Line

# A sentence nearly as good as its neighbour belongs to the answer: `P2 only cools. P1 feeds...`.
_MAX_BEHIND = 1.3
_MIN_CELLS = 3
_ITEMS = ("- ", "* ", "• ")


def join_neighbours(
    lines: Sequence[Line], scores: Mapping[int, float], best: int
) -> tuple[int, ...]:
    """Return the best line, with the sentence before or after it if it is nearly as good."""
    for other in sorted((best - 1, best + 1), key=lambda one: -scores.get(one, -1e9)):
        if (
            other in scores
            and scores[best] - scores[other] < _MAX_BEHIND
            and _is_sentence(lines[best])
            and _is_sentence(lines[other])
            and _section(lines[best]) == _section(lines[other])
        ):
            return (min(best, other), max(best, other))
    return (best,)


def quote_lines(question: str, lines: Sequence[Line]) -> str:
    """Return the text of neighbouring lines, of a row the columns that are asked for."""
    return " ".join(quote_columns(question, line) for line in lines)


def quote_columns(question: str, line: Line) -> str:
    """Return a row without the columns of other items: the VK7-22's, if the VK7-55 is asked for."""
    if len(line.cells) < _MIN_CELLS:
        return line.quoted
    asked = find_items(question)
    items = [find_items(name) for name, _ in line.cells]
    is_asked = [bool(one & asked) for one in items]
    if not any(is_asked[1:]):
        return line.quoted
    kept = [
        (name, cell)
        for index, (name, cell) in enumerate(line.cells)
        if index == 0 or is_asked[index] or not items[index]
    ]
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in kept)


def _is_sentence(line: Line) -> bool:
    return not line.cells and not line.text.startswith(_ITEMS)


def _section(line: Line) -> str:
    return line.shown.partition(" | ")[0]
