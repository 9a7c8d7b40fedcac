"""The distribution of a model's inputs and predictions in training, in bins.

Numbers are binned by quantiles (open at both ends), with slots for values beyond the trained range
and for missing ones; categories by their most frequent values. Rows are counted into these slots,
and only counts leave the model: no values are kept.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Counts = NDArray[np.int64]

# Inputs that are watched, the most important first: counts travel in one header of a response.
MAX_INPUTS = 64
_MAX_BINS = 10
# Fewer rows per bin would make the expected shares a matter of chance.
_MIN_ROWS_PER_BIN = 20
_MAX_VALUES = 10


class NumberBins(msgspec.Struct, frozen=True, tag="number"):
    """The bins of a number.

    edges: between the bins, [bins - 1]. minimum, maximum: the trained range. counts: of the
    training rows in each slot: below the range, each bin, above it, missing; those beyond the range
    are 0. means: of the training values in each bin.
    """

    name: str
    unit: str | None
    edges: tuple[float, ...]
    minimum: float
    maximum: float
    counts: tuple[int, ...]
    means: tuple[float, ...]

    @property
    def slots(self) -> int:
        """The number of slots."""
        return len(self.counts)

    def slots_of(self, values: Values) -> NDArray[np.intp]:
        """Return the slot of each value, NaN for missing ones."""
        return _number_slots(values, self.edges, self.minimum, self.maximum)


class CategoryBins(msgspec.Struct, frozen=True, tag="category"):
    """The frequent values of a category.

    counts: of the training rows in each slot: the values in order, all others, missing.
    """

    name: str
    values: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def slots(self) -> int:
        """The number of slots."""
        return len(self.counts)

    def slots_of(self, values: Values) -> NDArray[np.intp]:
        """Return the slot of each value, an empty text for missing ones."""
        others = len(self.values)
        position = {"": others + 1, **{value: slot for slot, value in enumerate(self.values)}}
        return np.array([position.get(str(value), others) for value in values], dtype=np.intp)


Bins = NumberBins | CategoryBins


class Reference(msgspec.Struct, frozen=True):
    """The distributions of the watched inputs and of the prediction in training."""

    inputs: tuple[Bins, ...]
    output: Bins

    @property
    def variables(self) -> tuple[Bins, ...]:
        """The inputs, then the prediction: the order of the slots in a list of counts."""
        return (*self.inputs, self.output)

    @property
    def slots(self) -> int:
        """The number of slots of all variables."""
        return sum(variable.slots for variable in self.variables)

    def count(self, inputs: Mapping[str, Values], output: Values) -> Counts:
        """Return how many rows fall into each slot of each variable, [slots]."""
        values = [*(inputs[variable.name] for variable in self.inputs), output]
        return np.concatenate(
            [
                np.bincount(variable.slots_of(of), minlength=variable.slots)
                for variable, of in zip(self.variables, values, strict=True)
            ]
        ).astype(np.int64)

    def split(self, counts: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Return the counts of each variable from those of all slots."""
        ends = np.cumsum([variable.slots for variable in self.variables]).tolist()
        starts = [0, *ends[:-1]]
        return tuple(tuple(counts[start:end]) for start, end in zip(starts, ends, strict=True))


class _WithReference(msgspec.Struct):
    """The part of an artefact that is read here."""

    reference: Reference | None = None


def read_reference(artefact: bytes) -> Reference | None:
    """Return the reference of an artefact, None if it has none or is of another kind."""
    try:
        return msgspec.msgpack.decode(artefact, type=_WithReference).reference
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def fit_numbers(name: str, unit: str | None, values: Values) -> NumberBins:
    """Return the bins of numbers, NaN where missing; at least one must be finite."""
    numbers = _as_sent(values)
    present = numbers[np.isfinite(numbers)]
    bins = int(np.clip(len(present) // _MIN_ROWS_PER_BIN, 2, _MAX_BINS))
    # Edges are values that occur, so that no bin is empty: each holds its lower edge.
    quantiles = np.quantile(present, np.linspace(0, 1, bins + 1)[1:-1], method="lower")
    edges = tuple(float(edge) for edge in np.unique(quantiles) if edge > present.min())
    minimum, maximum = float(present.min()), float(present.max())
    slots = _number_slots(numbers, edges, minimum, maximum)
    counts = np.bincount(slots, minlength=len(edges) + 4)
    means = [float(numbers[slots == slot].mean()) for slot in range(1, len(edges) + 2)]
    return NumberBins(
        name, unit, edges, minimum, maximum, tuple(int(count) for count in counts), tuple(means)
    )


def fit_categories(name: str, values: Values) -> CategoryBins:
    """Return the slots of categories, empty texts where missing."""
    occurring = Counter(str(value) for value in values if str(value))
    frequent = tuple(sorted(value for value, _ in occurring.most_common(_MAX_VALUES)))
    of_frequent = [occurring[value] for value in frequent]
    missing = len(values) - occurring.total()
    others = occurring.total() - sum(of_frequent)
    return CategoryBins(name, frequent, (*of_frequent, others, missing))


def _number_slots(
    values: Values, edges: tuple[float, ...], minimum: float, maximum: float
) -> NDArray[np.intp]:
    """Return the slot of each value: 0 below the range, then the bins, above it, missing."""
    numbers = _as_sent(values)
    margin = 1e-6 * max(abs(minimum), abs(maximum))
    slots = np.digitize(numbers, edges) + 1
    with np.errstate(invalid="ignore"):
        slots = np.where(numbers < minimum - margin, 0, slots)
        slots = np.where(numbers > maximum + margin, len(edges) + 2, slots)
    return np.where(np.isfinite(numbers), slots, len(edges) + 3).astype(np.intp)


def _as_sent(values: Values) -> NDArray[np.float64]:
    """Return numbers in the precision of calls.

    0.7 of a training file would else be above 0.7 of a call, and every call in another bin.
    """
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32).astype(np.float64)
