"""What predictions of one version of a model came to, once the true results are known.

pairs -> score with interval, coverage of intervals, calibration of probabilities, by week
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from models.observed.clusters import ClusterKind, plan_clusters
from models.observed.metrics import Floats, Indices, macro_f1, rmse
from models.observed.resampling import ScoreInterval, contest
from models.observed.shares import Share, share_of

# Fewer rows say too little about coverage or calibration.
MIN_ROWS = 30
_BINS = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """A prediction and the result that was observed: two numbers, or two classes.

    lower, upper and level: the interval of a number and its nominal coverage. probability: of the
    predicted class. machine: empty if it is not known. at: when it was predicted, in UTC.
    """

    predicted: float | str
    observed: float | str
    at: datetime
    machine: str = ""
    lower: float | None = None
    upper: float | None = None
    level: float | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows with a similar probability: its mean, and how often the class was right."""

    probability: float
    correct: Share


@dataclass(frozen=True, slots=True)
class Promise:
    """A share that was promised, on average over the rows, and the one that was observed.

    For numbers: rows whose interval contains the result. For classes: rows whose class is right,
    of which the probability promised a share.
    """

    nominal: float
    observed: Share

    @property
    def is_kept(self) -> bool | None:
        """Whether the promise is kept as far as chance can tell; None if there are few rows."""
        return None if self.observed.rows < MIN_ROWS else self.observed.high >= self.nominal


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """The rows that were predicted in the week from `start`, a Monday.

    error: mean of prediction less result, None for classes. share: covered, or right.
    """

    start: date
    rows: int
    score: float
    error: float | None
    share: float | None


@dataclass(frozen=True, slots=True)
class ObservedReport:
    """The figures of all pairs; `promise` is None if no pair has an interval or a probability."""

    rows: int
    clusters: ClusterKind
    metric: str
    higher_is_better: bool
    score: ScoreInterval
    error: float | None
    promise: Promise | None
    calibration: tuple[CalibrationBin, ...]
    weeks: tuple[WeekFigures, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Pairs as arrays, [rows] each; `hits` and `promised` are NaN where nothing was promised."""

    truth: Floats
    predicted: Floats
    hits: Floats
    promised: Floats
    clusters: Indices
    weeks: NDArray[np.int64]
    is_class: bool


@np.errstate(over="ignore", invalid="ignore")
def report_observed(pairs: Sequence[Pair]) -> ObservedReport | None:
    """Return the figures of pairs of one kind, None without any.

    Scores and errors of numbers that are too large for them are infinite or NaN.
    """
    if not pairs:
        return None
    kind, clusters = plan_clusters(_machines(pairs), None, len(pairs))
    rows = _arrays(pairs, clusters)
    metric = macro_f1 if rows.is_class else rmse
    found = contest(metric, rows.is_class, rows.truth, [rows.predicted], clusters)
    return ObservedReport(
        rows=len(pairs),
        clusters=kind,
        metric="macro-F1" if rows.is_class else "RMSE",
        higher_is_better=rows.is_class,
        score=found.scores[0],
        error=_mean_error(rows, np.ones(len(pairs), dtype=bool)),
        promise=_promise(rows),
        calibration=_calibration(rows) if rows.is_class else (),
        weeks=_weeks(rows),
    )


def _machines(pairs: Sequence[Pair]) -> list[str] | None:
    """Return the machine of each pair, None if one is not known."""
    names = [pair.machine for pair in pairs]
    return names if all(names) else None


def _arrays(pairs: Sequence[Pair], clusters: Indices) -> _Rows:
    """Return pairs as arrays; classes become whole numbers from 0."""
    is_class = isinstance(pairs[0].predicted, str)
    known = sorted({str(value) for pair in pairs for value in (pair.predicted, pair.observed)})
    codes = {name: float(number) for number, name in enumerate(known)} if is_class else {}

    def value_of(value: float | str) -> float:
        return codes[str(value)] if is_class else float(value)

    truth = np.array([value_of(pair.observed) for pair in pairs])
    predicted = np.array([value_of(pair.predicted) for pair in pairs])
    promised = np.array([_promised(pair, is_class) for pair in pairs])
    hits = (truth == predicted) if is_class else np.array([_is_covered(pair) for pair in pairs])
    weeks = np.array([_monday(pair.at).toordinal() for pair in pairs], dtype=np.int64)
    hits = np.where(np.isnan(promised), np.nan, hits.astype(np.float64))
    return _Rows(truth, predicted, hits, promised, clusters, weeks, is_class)


def _promised(pair: Pair, is_class: bool) -> float:
    """Return the share that a prediction promises, NaN if none."""
    if is_class:
        return np.nan if pair.probability is None else pair.probability
    has_interval = pair.lower is not None and pair.upper is not None
    return np.nan if pair.level is None or not has_interval else pair.level


def _is_covered(pair: Pair) -> bool:
    """Whether the result lies in the interval of the prediction."""
    if pair.lower is None or pair.upper is None:
        return False
    return pair.lower <= float(pair.observed) <= pair.upper


def _promise(rows: _Rows) -> Promise | None:
    """Return what was promised on average, and what was observed."""
    has_promise = ~np.isnan(rows.promised)
    if not has_promise.any():
        return None
    observed = share_of(rows.hits[has_promise] > 0, rows.clusters[has_promise])
    return Promise(float(rows.promised[has_promise].mean()), observed)


def _calibration(rows: _Rows) -> tuple[CalibrationBin, ...]:
    """Return the share of right classes by the tenth in which the probability lies."""
    bins = np.where(np.isnan(rows.promised), -1, np.minimum(_BINS - 1, rows.promised * _BINS))
    found = []
    for number in range(_BINS):
        chosen = bins.astype(np.intp) == number
        if chosen.any() and not np.isnan(rows.promised[chosen]).any():
            share = share_of(rows.hits[chosen] > 0, rows.clusters[chosen])
            found.append(CalibrationBin(float(rows.promised[chosen].mean()), share))
    return tuple(found)


def _weeks(rows: _Rows) -> tuple[WeekFigures, ...]:
    """Return the figures of each week with rows, in order."""
    metric = macro_f1 if rows.is_class else rmse
    found = []
    for week in np.unique(rows.weeks):
        chosen = rows.weeks == week
        promised = chosen & ~np.isnan(rows.promised)
        found.append(
            WeekFigures(
                date.fromordinal(int(week)),
                int(chosen.sum()),
                metric(rows.truth[chosen], rows.predicted[chosen]),
                _mean_error(rows, chosen),
                float(rows.hits[promised].mean()) if promised.any() else None,
            )
        )
    return tuple(found)


def _mean_error(rows: _Rows, chosen: NDArray[np.bool_]) -> float | None:
    """Return the mean of prediction less result, None for classes."""
    if rows.is_class:
        return None
    return float((rows.predicted[chosen] - rows.truth[chosen]).mean())


def _monday(moment: datetime) -> date:
    """Return the Monday of the week of a moment."""
    day = moment.date()
    return day - timedelta(days=day.weekday())
