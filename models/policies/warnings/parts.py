"""Parts of histories that are left out in turn: whole ones, or stretches of a long one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.policies.warnings.history import Floats, MachineHistory

Positions = NDArray[np.intp]

# Parts are left out one by one up to this many events, in groups with more.
_MOST_ONE_BY_ONE, _FOLDS = 14, 5


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a history, with the normal ticks of it in front.

    source: position of the history. rows: ticks of the source, [ticks]. fold: parts of the same
    fold are left out together.
    """

    history: MachineHistory
    source: int
    rows: Positions
    fold: int

    def cut(self, score: Floats) -> Floats:
        """Return the ticks of the part of a score of its source, [ticks]."""
        return np.asarray(score[self.rows])


def parts_of(histories: Sequence[MachineHistory]) -> tuple[Part, ...]:
    """Return whole histories, or of a single one the stretch around each event."""
    events = sum(len(history.events) for history in histories)
    if len(histories) > 1:
        groups = _groups(len(histories), events)
        return tuple(
            Part(histories[index], int(index), np.arange(histories[index].ticks), fold)
            for fold, group in enumerate(groups)
            for index in group
        )
    (history,) = histories
    ends = [(one[1] + other[0]) // 2 + 1 for one, other in pairwise(history.events)]
    stretches = list(pairwise([history.normal, *ends, history.ticks]))
    groups = _groups(len(stretches), events)
    return tuple(
        _stretch(history, stretches[index], fold)
        for fold, group in enumerate(groups)
        for index in group
    )


def folds_of(parts: Sequence[Part]) -> NDArray[np.intp]:
    """Return the fold of each part, [parts]."""
    return np.array([part.fold for part in parts], dtype=np.intp)


def kept_histories(
    histories: Sequence[MachineHistory], parts: Sequence[Part], fold: int
) -> list[MachineHistory]:
    """Return the histories without the parts of a fold; empty if nothing is left."""
    if len(histories) > 1:
        return [histories[part.source] for part in parts if part.fold != fold]
    (history,) = histories
    kept = np.zeros(history.ticks, dtype=bool)
    kept[: history.normal] = True
    for part in parts:
        if part.fold != fold:
            kept[part.rows] = True
    if kept.sum() <= history.normal:
        return []
    return [_cut(history, np.flatnonzero(kept))]


def _groups(count: int, events: int) -> list[Positions]:
    """Return the positions of parts that are left out together."""
    folds = count if events <= _MOST_ONE_BY_ONE else min(_FOLDS, count)
    return np.array_split(np.arange(count), folds)


def _stretch(history: MachineHistory, ticks: tuple[int, int], fold: int) -> Part:
    """Return the ticks from the first to before the second one as a part."""
    rows = np.concatenate([np.arange(history.normal), np.arange(*ticks)])
    return Part(_cut(history, rows), 0, rows, fold)


def _cut(history: MachineHistory, rows: Positions) -> MachineHistory:
    """Return the ticks `rows` of a history with the events in them."""
    position = np.full(history.ticks, -1)
    position[rows] = np.arange(len(rows))
    events = tuple(
        (int(position[one]), int(position[other]))
        for one, other in history.events
        if position[one] >= 0 and position[other] >= 0
    )
    return replace(history, readings=history.readings[rows], events=events)
