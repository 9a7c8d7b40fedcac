"""What a log shows and what it never shows: numbers of pumps, and levels of the tank."""

from dataclasses import dataclass

import numpy as np

from models.policies.scheduling.log import FEWEST_STEPS, OperationLog
from models.policies.scheduling.pumping import Levels

BANDS = 10


@dataclass(frozen=True, slots=True)
class LevelBand:
    """A part of the tank in m³, and how many steps began in it."""

    low: float
    high: float
    steps: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """steps: by number of pumps, of those in which no pump was switched. outside: of the levels."""

    days: int
    steps: tuple[int, ...]
    bands: tuple[LevelBand, ...]
    outside: int

    @property
    def unseen_actions(self) -> tuple[int, ...]:
        """Numbers of pumps with too few steps to know their flow."""
        return tuple(action for action, count in enumerate(self.steps) if count < FEWEST_STEPS)

    @property
    def unseen_bands(self) -> tuple[LevelBand, ...]:
        """Parts of the tank in which no step began."""
        return tuple(band for band in self.bands if not band.steps)


def cover(log: OperationLog, pure: OperationLog, levels: Levels, actions: int) -> Coverage:
    """Return what a log of whole days shows. pure: its steps in which no pump was switched."""
    edges = np.linspace(levels.lowest, levels.highest, BANDS + 1)
    counts, _ = np.histogram(log.levels, edges)
    steps = np.bincount(pure.actions, minlength=actions)[:actions]
    inside = (log.levels >= levels.lowest) & (log.levels <= levels.highest)
    slots = int(log.slots.max()) + 1 if len(log.slots) else 1
    return Coverage(
        days=len(log.slots) // slots,
        steps=tuple(int(count) for count in steps),
        bands=tuple(
            LevelBand(float(low), float(high), int(count))
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ),
        outside=int((~inside).sum()),
    )
