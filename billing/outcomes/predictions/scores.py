"""Scores of a model's or agent's records: Brier score, calibration, lead time, precision, recall.

Definitions. A record with a probability p is resolved when its horizon is over or the event came;
o is 1 if an event of its subject came within the horizon after the record was made, else 0.

    Brier score       mean of (p - o)^2 over resolved records; 0 is best
    reference         o'(1 - o'), the Brier score of always stating the observed frequency o'
    Brier skill       1 - Brier score / reference
    calibration       records in ten equal bins of p: mean p and observed frequency

The other figures are those of a contract's assessment (assessment.py). Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.money import PPM
from billing.outcomes.predictions.alarms import Forecast, ObservedEvent, Period, WarningPolicy
from billing.outcomes.predictions.assessment import Assessment, Requirements, assess

_BINS = 10
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Records whose probability lies in [lower, upper): how many, mean p, observed frequency."""

    lower: float
    upper: float
    records: int
    mean_probability: float
    observed_frequency: float


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a set of records; Brier figures are None without resolved records."""

    records: int
    resolved: int
    brier: float | None
    brier_reference: float | None
    brier_skill: float | None
    calibration: tuple[CalibrationBin, ...]
    assessment: Assessment


def score(
    policy: WarningPolicy,
    required: Requirements,
    subjects: Iterable[str],
    period: Period,
    forecasts: Sequence[Forecast],
    events: Sequence[ObservedEvent],
    now: datetime,
) -> Scores:
    """Score records made in or reaching into a period against the events of their subjects."""
    pairs = _resolved(forecasts, events, now)
    brier = reference = skill = None
    if pairs:
        brier = sum((p - o) ** 2 for p, o in pairs) / len(pairs)
        frequency = sum(o for _, o in pairs) / len(pairs)
        reference = frequency * (1 - frequency)
        skill = round(1 - brier / reference, _DECIMALS) if reference else None
    return Scores(
        records=len(forecasts),
        resolved=len(pairs),
        brier=None if brier is None else round(brier, _DECIMALS),
        brier_reference=None if reference is None else round(reference, _DECIMALS),
        brier_skill=skill,
        calibration=_calibration(pairs),
        assessment=assess(policy, required, subjects, period, forecasts, events),
    )


def _resolved(
    forecasts: Sequence[Forecast], events: Sequence[ObservedEvent], now: datetime
) -> list[tuple[float, int]]:
    """Return (p, o) of the records that have a probability and are resolved."""
    times: dict[str, list[datetime]] = {}
    for event in events:
        times.setdefault(event.subject, []).append(event.happened_at)
    pairs = []
    for one in forecasts:
        if one.probability_ppm is None:
            continue
        since = max(one.since, one.recorded_at)
        came = any(since <= at <= one.until for at in times.get(one.subject, ()))
        if came or one.until <= now:
            pairs.append((one.probability_ppm / PPM, int(came)))
    return pairs


def _calibration(pairs: Sequence[tuple[float, int]]) -> tuple[CalibrationBin, ...]:
    """Return the bins that have records, in order of probability."""
    bins: dict[int, list[tuple[float, int]]] = {}
    for pair in pairs:
        bins.setdefault(min(int(pair[0] * _BINS), _BINS - 1), []).append(pair)
    return tuple(
        CalibrationBin(
            lower=at / _BINS,
            upper=(at + 1) / _BINS,
            records=len(found),
            mean_probability=round(sum(p for p, _ in found) / len(found), _DECIMALS),
            observed_frequency=round(sum(o for _, o in found) / len(found), _DECIMALS),
        )
        for at, found in sorted(bins.items())
    )
