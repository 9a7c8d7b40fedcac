"""The drift of each variable: its index and level, and what changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.drift.psi import DriftLevel, chance_bound, level_of, population_stability
from models.drift.reference import Bins, CategoryBins, NumberBins, Reference

_SHOWN_VALUES = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """What a variable was like: in training, or while serving.

    mean: of a number, estimated from its bins; None without values. outside: the share beyond the
    trained range, or of values that are not frequent in training. shares: of a category's values.
    """

    mean: float | None
    missing: float
    outside: float
    shares: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class VariableDrift:
    """The drift of one variable; `then` is in training, `now` while serving."""

    name: str
    unit: str | None
    is_output: bool
    psi: float
    bound: float
    level: DriftLevel
    then: Summary
    now: Summary


def compare_counts(reference: Reference, counts: Sequence[int]) -> tuple[VariableDrift, ...]:
    """Return the drift of all variables from the counts of all slots, the largest PSI first."""
    variables = reference.variables
    found = [
        _compare(variable, actual, variable is reference.output, len(variables))
        for variable, actual in zip(variables, reference.split(counts), strict=True)
    ]
    return tuple(sorted(found, key=lambda one: -one.psi))


def highest_level(drifts: Sequence[VariableDrift]) -> DriftLevel:
    """Return the highest level of any variable."""
    return max((one.level for one in drifts), key=lambda level: level.rank, default=DriftLevel.NONE)


def _compare(
    variable: Bins, actual: tuple[int, ...], is_output: bool, variables: int
) -> VariableDrift:
    """Return the drift of a variable."""
    before, after = _bins_of(variable, variable.counts), _bins_of(variable, actual)
    index, bound = population_stability(before, after), chance_bound(before, after, variables)
    unit = variable.unit if isinstance(variable, NumberBins) else None
    then, now = _summarize(variable, variable.counts), _summarize(variable, actual)
    level = level_of(index, bound)
    return VariableDrift(variable.name, unit, is_output, index, bound, level, then, now)


def _bins_of(variable: Bins, counts: tuple[int, ...]) -> tuple[int, ...]:
    """Return the counts of the bins, in which values beyond the range are in the outer ones."""
    if isinstance(variable, CategoryBins):
        return counts
    below, *bins, above, missing = counts
    bins[0] += below
    bins[-1] += above
    return (*bins, missing)


def _summarize(variable: Bins, counts: tuple[int, ...]) -> Summary:
    """Return what a variable was like from its counts."""
    total = max(1, sum(counts))
    if isinstance(variable, CategoryBins):
        *of_values, others, missing = counts
        shares = sorted(
            (
                (value, count / total)
                for value, count in zip(variable.values, of_values, strict=True)
            ),
            key=lambda one: -one[1],
        )
        return Summary(None, missing / total, others / total, tuple(shares[:_SHOWN_VALUES]))
    *of_bins, missing = _bins_of(variable, counts)
    present = sum(of_bins)
    mean = (
        sum(count * mean for count, mean in zip(of_bins, variable.means, strict=True)) / present
        if present
        else None
    )
    return Summary(mean, missing / total, (counts[0] + counts[-2]) / total)
