"""Generate images of bare printed circuit boards with one defect each, for measuring only.

No licensed images of boards are at hand, so these are drawn: copper tracks and pads on a substrate,
with uneven light, blur and noise. They show how the model does on small shapes instead of texture;
a real line may be easier or harder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIDE = 128
# Drawn at a multiple of the size, so that edges are as soft as a camera's.
_SCALE = 2
_TRACK, _PITCH = 9, 22
_PAD, _HOLE = 9, 4
_NOISE = 4.0

Random = np.random.Generator
Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Board:
    """A board being drawn: copper is white on black; tracks run from left to right.

    rows: the tracks' middles, in pixels. column, track: the place of the defect.
    """

    draw: ImageDraw.ImageDraw
    random: Random
    rows: tuple[int, ...]
    column: int
    track: int

    def dot(self, x: float, y: float, radius: float, copper: bool) -> None:
        """Draw a slightly uneven disc of copper, or of no copper."""
        wide, high = (radius * _SCALE * self.random.uniform(0.85, 1.15) for _ in range(2))
        box = (x * _SCALE - wide, y * _SCALE - high, x * _SCALE + wide, y * _SCALE + high)
        self.draw.ellipse(box, fill=255 if copper else 0)

    def bar(self, left: float, top: float, right: float, bottom: float, copper: bool) -> None:
        """Draw a rectangle of copper, or of no copper."""
        box = tuple(at * _SCALE for at in (left, top, right, bottom))
        self.draw.rectangle(box, fill=255 if copper else 0)


def _open_circuit(board: _Board) -> None:
    """Interrupt a track."""
    gap, row = board.random.uniform(4, 9), board.rows[board.track]
    board.bar(board.column - gap / 2, row - _TRACK, board.column + gap / 2, row + _TRACK, False)


def _short_circuit(board: _Board) -> None:
    """Join two tracks."""
    width, row = board.random.uniform(3, 8), board.rows[board.track]
    board.bar(board.column, row, board.column + width, row + _PITCH, True)


def _mouse_bite(board: _Board) -> None:
    """Take copper from the edge of a track."""
    edge = board.rows[board.track] + board.random.choice([-1, 1]) * _TRACK / 2
    board.dot(board.column, edge, board.random.uniform(2.5, 4), False)


def _spur(board: _Board) -> None:
    """Add copper to the edge of a track."""
    side = board.random.choice([-1, 1])
    edge = board.rows[board.track] + side * _TRACK / 2
    for step in range(3):
        board.dot(board.column, edge + side * step * 1.5, 2.6 - step * 0.6, True)


def _spurious_copper(board: _Board) -> None:
    """Add copper between two tracks."""
    middle = board.rows[board.track] + _PITCH / 2
    board.dot(board.column, middle, board.random.uniform(2, 3.5), True)


def _missing_hole(board: _Board) -> None:
    """Fill the hole of a pad."""
    board.dot(board.column, board.rows[board.track], _PAD, True)


DEFECTS: Mapping[str, Callable[[_Board], None]] = MappingProxyType(
    {
        "missing_hole": _missing_hole,
        "mouse_bite": _mouse_bite,
        "open_circuit": _open_circuit,
        "short_circuit": _short_circuit,
        "spur": _spur,
        "spurious_copper": _spurious_copper,
    }
)


def draw_board(defect: str, seed: int) -> Grey:
    """Return an image of a board with a defect, [SIDE, SIDE]; the same seed gives the same one."""
    random = np.random.default_rng([seed, list(DEFECTS).index(defect)])
    image = Image.new("L", (SIDE * _SCALE, SIDE * _SCALE), 0)
    first = int(random.integers(6, 16))
    rows = tuple(range(first, SIDE, _PITCH))
    column, track = int(random.integers(40, SIDE - 40)), int(random.integers(1, len(rows) - 2))
    board = _Board(ImageDraw.Draw(image), random, rows, column, track)
    for row in rows:
        board.bar(0, row - _TRACK / 2, SIDE, row + _TRACK / 2, True)
    for _ in range(3):
        x, y = random.integers(10, SIDE - 10), rows[int(random.integers(len(rows)))]
        if abs(x - column) > 2 * _PAD or y != rows[track]:
            _draw_pad(board, float(x), float(y))
    DEFECTS[defect](board)
    return _photograph(image, random)


def _draw_pad(board: _Board, x: float, y: float) -> None:
    """Draw a pad with its hole."""
    board.dot(x, y, _PAD, True)
    board.dot(x, y, _HOLE, False)


def _photograph(image: Image.Image, random: Random) -> Grey:
    """Return the drawing as a camera sees it: slightly turned, blurred, unevenly lit, noisy."""
    angle = float(random.uniform(-3, 3))
    turned = image.rotate(angle, Image.Resampling.BILINEAR)
    small = turned.filter(ImageFilter.GaussianBlur(1)).resize((SIDE, SIDE), Image.Resampling.BOX)
    copper = np.asarray(small, dtype=np.float64) / 255
    fall = np.linspace(0, random.uniform(-25, 25), SIDE)
    grey = 60 + 110 * copper + fall[:, np.newaxis] + fall[np.newaxis, ::-1]
    return np.asarray(np.clip(grey + random.normal(0, _NOISE, copper.shape), 0, 255), np.uint8)
