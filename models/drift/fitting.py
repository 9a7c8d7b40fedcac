"""References of training rows: columns of a table, or means of windows of series."""

from collections.abc import Sequence

import numpy as np

from models.drift.reference import MAX_INPUTS, Bins, Values, fit_categories, fit_numbers
from models.tables.columns import Column


def fit_columns(columns: Sequence[Column], importances: Sequence[float]) -> tuple[Bins, ...]:
    """Return the bins of the most important columns, in the order of the columns."""
    return tuple(_fit_column(columns[position]) for position in _most_important(importances))


def fit_means(
    names: Sequence[tuple[str, str | None]], means: Values, importances: Sequence[float]
) -> tuple[Bins, ...]:
    """Return the bins of the most important columns of series, by their means, [rows, columns].

    names: name and unit of each column. A column without any value is left out.
    """
    return tuple(
        fit_numbers(*names[position], means[:, position])
        for position in _most_important(importances)
        if np.isfinite(means[:, position]).any()
    )


def _fit_column(column: Column) -> Bins:
    """Return the bins of one column."""
    if column.numbers is not None:
        return fit_numbers(column.name, column.unit, column.numbers)
    texts = column.texts if column.texts is not None else np.empty(0, dtype=object)
    return fit_categories(column.name, texts)


def _most_important(importances: Sequence[float]) -> list[int]:
    """Return the positions of the most important columns, ascending."""
    order = np.argsort(-np.asarray(importances, dtype=np.float64), kind="stable")
    return sorted(int(position) for position in order[:MAX_INPUTS])
