"""Score the predictions of several models on the same rows: a pure function of its inputs.

The metrics and intervals are those of the acceptance test (models/observed/).
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.call.errors import ParameterInvalid
from gateway.evaluations.comparisons.labelled_table import MIN_ROWS
from models.evaluation.statistics import Verdict
from models.observed.metrics import Floats, Indices, macro_f1, rmse
from models.observed.resampling import ScoreInterval, contest
from models.observed.shares import Share, share_of
from models.tables.table import Texts

Predictions = Sequence[Mapping[str, Any]]
# The outputs of models of own columns, of which the first one that a model has is compared.
_RESULTS = ("class", "value", "label")


@dataclass(frozen=True, slots=True)
class Contender:
    """A model's predictions, [rows], and the output of it that is compared.

    labels: its classes by the names of the table's, where they differ.
    """

    model: str
    predictions: Predictions
    output: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ContenderReport:
    """How a model did. `verdict` says how the first model compares with it, None for the first."""

    model: str
    output: str
    score: ScoreInterval
    difference: ScoreInterval
    verdict: Verdict | None
    coverage: Share | None


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """The reports of the models in their order, with the metric."""

    metric: str
    higher_is_better: bool
    contenders: tuple[ContenderReport, ...]


def choose_output(predictions: Predictions, wanted: str | None, model: str) -> str:
    """Return the output to compare: the wanted one, else that of own models, else the first.

    Raises ParameterInvalid if the model has no such output, or only lists.
    """
    first = predictions[0]
    if wanted is not None and wanted not in first:
        names = ", ".join(f"`{name}`" for name in list(first)[:20])
        raise ParameterInvalid(
            f"{model!r} has no output {wanted[:100]!r}. It has: {names}.", param="outputs"
        )
    usual = (name for name in (*_RESULTS, *first) if name in first)
    chosen = wanted or next((name for name in usual if not isinstance(first[name], list)), None)
    if chosen is None or isinstance(first[chosen], list):
        raise ParameterInvalid(
            f"{model!r} gives several values for a row, which cannot be compared with one result.",
            param="models",
        )
    return chosen


def is_class_output(contender: Contender) -> bool:
    """Whether the compared output is a class: a text or a truth value, or a named class."""
    value = contender.predictions[0][contender.output]
    return isinstance(value, bool | str) or bool(contender.labels)


def compare_classes(
    written: Texts, trained: Texts, contenders: Sequence[Contender], clusters: Indices
) -> ComparisonReport:
    """Compare classes with the results, [rows], by the macro-F1; unknown results are empty.

    written, trained: the results as the table has them, and as a training reads them. Raises
    ParameterInvalid if few results are known.
    """
    named = [[_class_of(one, row[one.output]) for row in one.predictions] for one in contenders]
    truth, spellings = _as_predicted(written, trained, {one for names in named for one in names})
    known = np.flatnonzero(truth != "")
    if len(known) < MIN_ROWS:
        raise ParameterInvalid("Too few rows have known results.", param="target")
    named = [[spellings.get(names[row], names[row]) for row in known] for names in named]
    classes = sorted({*truth[known], *(name for names in named for name in names)})
    codes = {name: float(number) for number, name in enumerate(classes)}
    results = np.array([codes[name] for name in truth[known]])
    predicted = [np.array([codes[name] for name in names]) for names in named]
    found = contest(macro_f1, True, results, predicted, clusters[known])
    nothing = [None] * len(contenders)
    return _report("macro-F1", True, contenders, found.scores, found.differences, nothing)


def _as_predicted(
    written: Texts, trained: Texts, predicted: Set[str]
) -> tuple[Texts, Mapping[str, str]]:
    """Return the results as the models spell classes, and that spelling of other ones.

    A model trained with `category` in `schema.kinds` knows the code `01`, others know `1`.
    """
    spelled = {str(one) for one in written[written != trained]}
    if not spelled & predicted:
        return trained, {}
    names: dict[str, set[str]] = {}
    for name, number in zip(written, trained, strict=True):
        names.setdefault(str(number), set()).add(str(name))
    return written, {number: min(of) for number, of in names.items() if len(of) == 1}


def compare_numbers(
    results: Floats, contenders: Sequence[Contender], clusters: Indices
) -> ComparisonReport:
    """Compare numbers with the results, [rows], by the RMSE; unknown results are NaN.

    Raises ParameterInvalid for an output that is no number, and if few results are known.
    """
    known = np.flatnonzero(np.isfinite(results))
    if len(known) < MIN_ROWS:
        raise ParameterInvalid("Too few rows have known results.", param="target")
    results, clusters = results[known], clusters[known]
    predicted = [_numbers_of(one)[known] for one in contenders]
    found = contest(rmse, False, results, predicted, clusters)
    of_known = [[one.predictions[row] for row in known] for one in contenders]
    coverage = [_coverage_of(predictions, results, clusters) for predictions in of_known]
    return _report("RMSE", False, contenders, found.scores, found.differences, coverage)


def _report(
    metric: str,
    higher_is_better: bool,
    contenders: Sequence[Contender],
    scores: Sequence[ScoreInterval],
    differences: Sequence[ScoreInterval],
    coverage: Sequence[Share | None],
) -> ComparisonReport:
    """Return the report of all models."""
    return ComparisonReport(
        metric,
        higher_is_better,
        tuple(
            ContenderReport(
                one.model,
                one.output,
                scores[number],
                differences[number],
                verdict_of(differences[number]) if number else None,
                coverage[number],
            )
            for number, one in enumerate(contenders)
        ),
    )


def verdict_of(difference: ScoreInterval) -> Verdict:
    """Return how the first model compares, by the interval of the difference."""
    if difference.low > 0:
        return Verdict.BETTER
    return Verdict.WORSE if difference.high < 0 else Verdict.NO_DIFFERENCE_SHOWN


def _class_of(contender: Contender, value: Any) -> str:
    """Return a predicted class by the name that the table has for it."""
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return contender.labels.get(text, text)


def _numbers_of(contender: Contender) -> Floats:
    """Return the compared output as numbers. Raises ParameterInvalid."""
    values = [row[contender.output] for row in contender.predictions]
    if not all(isinstance(value, int | float) for value in values):
        raise ParameterInvalid(
            f"The output `{contender.output}` of {contender.model!r} is no number.", param="outputs"
        )
    return np.array(values, dtype=np.float64)


def _coverage_of(predictions: Predictions, results: Floats, clusters: Indices) -> Share | None:
    """Return how often intervals contain the result; None without intervals."""
    bounds = [(row.get("lower"), row.get("upper")) for row in predictions]
    if not all(isinstance(bound, int | float) for pair in bounds for bound in pair):
        return None
    lower, upper = np.array(bounds, dtype=np.float64).T
    return share_of((lower <= results) & (results <= upper), clusters)
