"""Find columns that reveal the target: they would not be known when the model is asked.

Examples are a column with the repair's code beside the target "failed", a copy of the target in
another unit, or a serial number that was given after the inspection.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from models.sentences import sentence
from models.tables.columns import Column
from models.tabular.data import Floats, Goal, TabularData, Target
from models.tabular.revealing import MIN_ACCURACY_GAIN, MIN_EXPLAINED
from models.tabular.splits import Split

_MAX_DEPTH = 6
_MAX_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Leak:
    """A column that reveals the target; `share` is how much of what is to predict it explains."""

    column: str
    share: float

    @property
    def sentence(self) -> str:
        """Return the warning for the customer."""
        return sentence(
            "{column} alone predicts {share:.1%} of the target. If it is only known afterwards, "
            "leave it out: name it in `schema.ignored`.",
            column=repr(self.column),
            share=self.share,
        )


def find_leaks(data: TabularData, split: Split) -> tuple[Leak, ...]:
    """Return the columns that alone predict the held-out rows of a split, most telling first."""
    training, held_out = split.training[:_MAX_ROWS], split.held_out[:_MAX_ROWS]
    if not len(training) or not len(held_out):
        return ()
    leaks = []
    for column in data.inputs:
        values = _as_numbers(column)[:, np.newaxis]
        share = _explained(data.target, values, training, held_out)
        limit = MIN_ACCURACY_GAIN if data.target.goal is Goal.CLASS else MIN_EXPLAINED
        if share >= limit:
            leaks.append(Leak(column.name, share))
    return tuple(sorted(leaks, key=lambda leak: -leak.share))


def _as_numbers(column: Column) -> Floats:
    """Return a column as numbers: categories by their code, missing values below all others."""
    if column.numbers is not None:
        present = column.numbers[np.isfinite(column.numbers)]
        below = float(present.min()) - 1.0 if len(present) else 0.0
        return np.where(np.isnan(column.numbers), below, column.numbers)
    texts = column.texts if column.texts is not None else np.empty(0, dtype=object)
    codes = {text: code for code, text in enumerate(sorted(set(texts)))}
    return np.array([codes[text] for text in texts], dtype=np.float64)


def _explained(target: Target, values: Floats, training: np.ndarray, held_out: np.ndarray) -> float:
    """Return which share of the held-out rows' uncertainty one column explains, at most 1."""
    truth = target.values[held_out]
    if target.goal is Goal.NUMBER:
        tree = DecisionTreeRegressor(max_depth=2 * _MAX_DEPTH, min_samples_leaf=2, random_state=0)
        predicted = tree.fit(values[training], target.values[training]).predict(values[held_out])
        spread = float(np.sum((truth - truth.mean()) ** 2))
        return 1.0 - float(np.sum((truth - predicted) ** 2)) / spread if spread else 0.0
    classifier = DecisionTreeClassifier(max_depth=_MAX_DEPTH, min_samples_leaf=2, random_state=0)
    classifier.fit(values[training], target.indices[training])
    accuracy = float(np.mean(classifier.predict(values[held_out]) == target.indices[held_out]))
    share = float(np.bincount(target.indices[held_out]).max() / len(held_out))
    # Beyond the most frequent class: with 98 % good parts, any column is 98 % accurate.
    return (accuracy - share) / (1 - share) if share < 1 else 0.0
