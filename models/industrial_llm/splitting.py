"""Parts that share no text, nor nearly one.

Work orders repeat: what was learned by heart would pass for understanding if one side held the
other's sentence with another asset number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.lazy_import import LazyModule
from models.industrial_llm.examples import Example, Parts, number_of

if TYPE_CHECKING:
    from scipy import sparse
else:
    sparse = LazyModule("scipy.sparse")

# Share of the trigrams of two texts that both have; `pump leaking` and `pump leaks` stay apart.
NEAR = 0.8
VALIDATION, TEST = 10, 20
"""Percent of the groups."""

_DIGITS, _OTHER = re.compile(r"\d+"), re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """What remains of a text when case, marks and numbers say nothing."""
    return _OTHER.sub(" ", _DIGITS.sub("0", text.casefold())).strip()


def near(first: Sequence[str], second: Sequence[str]) -> "sparse.csr_matrix":
    """[first, second], true where the texts are equal or nearly so."""
    seen = _Trigrams()
    left, right = seen.matrix(first), seen.matrix(second)
    width = max(left.shape[1], right.shape[1])
    left.resize(left.shape[0], width)
    right.resize(right.shape[0], width)
    shared = (left @ right.T).tocoo()
    sizes = left.sum(axis=1).A1[shared.row] + right.sum(axis=1).A1[shared.col] - shared.data
    close = shared.data >= NEAR * sizes
    places = (shared.row[close], shared.col[close])
    return sparse.csr_matrix((np.ones(close.sum(), bool), places), shape=shared.shape)


def apart(parts: Parts) -> Parts:
    """The same, without what is nearly judged by: the test keeps all, the validation what is not
    near the test, the training what is near neither."""
    validation = _far(parts.validation, parts.test)
    return Parts(_far(parts.train, (*validation, *parts.test)), validation, parts.test)


def divided(examples: Sequence[Example]) -> Parts:
    """Groups of nearly equal texts, each on one side whole; which is told by its texts alone."""
    places = [_place(group) for group in groups([one.text for one in examples], examples)]
    train, validation, test = (
        tuple(one for place, group in places if place == wanted for one in group)
        for wanted in ("train", "validation", "test")
    )
    # Chains are cut by groups, but one that is near only through a third would be kept: hence both.
    return apart(Parts(train, validation, test))


def folded(examples: Sequence[Example], fold: int, folds: int) -> Parts:
    """One fold as test, all others to learn from; every example is in the test of one fold."""
    # By place in an order without meaning: folds of equal size.
    shuffled = sorted(examples, key=lambda one: number_of(one.text))
    judged = set(shuffled[fold::folds])
    learned = tuple(one for one in examples if one not in judged)
    return apart(Parts(train=learned, test=tuple(one for one in examples if one in judged)))


def groups(texts: Sequence[str], examples: Sequence[Example]) -> list[list[Example]]:
    """Examples whose texts are nearly equal, together."""
    _, labels = sparse.csgraph.connected_components(near(texts, texts), directed=False)
    numbered = sorted(zip(labels.tolist(), range(len(examples)), strict=True))
    return [[examples[at] for _, at in some] for _, some in groupby(numbered, itemgetter(0))]


def _far(examples: tuple[Example, ...], judged: tuple[Example, ...]) -> tuple[Example, ...]:
    if not (examples and judged):
        return examples
    close: NDArray[np.bool_] = np.asarray(
        near([one.text for one in examples], [one.text for one in judged]).sum(axis=1)
    ).ravel()
    return tuple(one for one, is_near in zip(examples, close, strict=True) if not is_near)


def _place(group: list[Example]) -> tuple[str, list[Example]]:
    percent = number_of(min(one.text for one in group)) % 100
    if percent < TEST:
        return "test", group
    return ("validation" if percent < TEST + VALIDATION else "train"), group


@dataclass(slots=True)
class _Trigrams:
    """Numbers trigrams as they come; those of a text in its own words, whole at both ends."""

    columns: dict[str, int] = field(default_factory=dict)

    def matrix(self, texts: Sequence[str]) -> "sparse.csr_matrix":
        rows = [sorted({self._column(part) for part in _parts(text)}) for text in texts]
        ends = np.cumsum([0, *map(len, rows)])
        ones = np.ones(ends[-1], dtype=np.int32)
        at = np.array([column for row in rows for column in row], dtype=np.intp)
        return sparse.csr_matrix((ones, at, ends), shape=(len(texts), len(self.columns)))

    def _column(self, part: str) -> int:
        return self.columns.setdefault(part, len(self.columns))


def _parts(text: str) -> set[str]:
    padded = f"  {plain(text)}  "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}
