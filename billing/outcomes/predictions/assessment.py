"""The rule of payment, version 1: whether the records of a period show skill above chance.

    skill      = hit rate - share of time under alarm at the events' subjects
    chance     = probability of at least so many hits if alarms knew nothing of the events
    paid if      chance <= 1 - confidence, and precision and recall reach the agreed minimums

Without skill, an event of a subject is covered with the probability that the subject is under alarm
(its share of the period), so the number of hits has a Poisson binomial distribution, computed
exactly. Who always warns is always under alarm: every hit has probability 1, chance is 1 and skill
0. Who never warns has no hits, chance 1 and skill 0. Who warns at random passes with at most the
probability 1 - confidence (docs/decisions/0090-prediction-ledger.md has figures). Pure;
additions and multiplications of floats only, so that every machine gets the same result.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from billing.money import PPM, rounded
from billing.outcomes.contracts.prediction_rules import PredictionRules
from billing.outcomes.contracts.terms import EventEffect
from billing.outcomes.predictions.alarms import (
    Alarm,
    Forecast,
    ObservedEvent,
    Period,
    WarningPolicy,
    alarm_fraction,
    alarm_of,
    count_warnings,
    distinct_events,
)

_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a period must reach, in ppm."""

    confidence_ppm: int
    precision_ppm: int
    recall_ppm: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """The figures of a period; ratios in ppm, `lead_hours` the median lead of the hits.

    `skill_lower_ppm` is the lower bound of the skill at the confidence. `failed` names what is
    below the requirements: `skill`, `precision`, `recall`; a period is paid if it is empty.
    """

    events: int
    hits: int
    warnings: int
    true_warnings: int
    alarm_ppm: int
    chance_ppm: int
    skill_ppm: int
    skill_lower_ppm: int
    precision_ppm: int
    recall_ppm: int
    lead_hours: float | None
    failed: tuple[str, ...]

    @property
    def is_paid(self) -> bool:
        """Whether the outcomes of the period are paid."""
        return not self.failed


def policy_of(rules: PredictionRules, effect: EventEffect) -> WarningPolicy:
    """Return which records are warnings under a contract, and when they count."""
    return WarningPolicy(
        rules.probability_ppm,
        timedelta(hours=effect.lead_hours),
        timedelta(hours=effect.window_hours),
        timedelta(hours=effect.apart_hours),
    )


def requirements_of(rules: PredictionRules) -> Requirements:
    """Return what a period must reach under a contract."""
    return Requirements(rules.confidence_ppm, rules.precision_ppm, rules.recall_ppm)


def assess(
    policy: WarningPolicy,
    required: Requirements,
    subjects: Iterable[str],
    period: Period,
    forecasts: Iterable[Forecast],
    events: Iterable[ObservedEvent],
) -> Assessment:
    """Assess the records and events of a period; those of other subjects do not count."""
    alarms: dict[str, list[Alarm]] = {subject: [] for subject in subjects}
    for forecast in forecasts:
        alarm = alarm_of(policy, forecast)
        if alarm is not None and forecast.subject in alarms:
            alarms[forecast.subject].append(alarm)
    happened = distinct_events(
        policy,
        (one for one in events if one.subject in alarms and period.contains(one.happened_at)),
    )
    return _assess_subjects(policy, required, period, alarms, happened)


def chance_of(hits: int, probabilities: Sequence[float]) -> float:
    """Return the probability of at least `hits` successes in independent trials."""
    distribution = [1.0]
    for p in probabilities:
        miss = 1.0 - p
        distribution = [
            (distribution[at] * miss if at < len(distribution) else 0.0)
            + (distribution[at - 1] * p if at else 0.0)
            for at in range(len(distribution) + 1)
        ]
    return min(1.0, sum(distribution[hits:]))


def _assess_subjects(
    policy: WarningPolicy,
    required: Requirements,
    period: Period,
    alarms: Mapping[str, Sequence[Alarm]],
    happened: Mapping[str, Sequence[ObservedEvent]],
) -> Assessment:
    """Count hits and warnings by subject, and compare the totals with the requirements."""
    hits = warnings = true_warnings = 0
    fractions: list[float] = []
    trials: list[float] = []
    leads: list[timedelta] = []
    for subject, raised in alarms.items():
        fraction = alarm_fraction(raised, period)
        times = [one.happened_at for one in happened.get(subject, ())]
        fractions.append(fraction)
        trials += [fraction] * len(times)
        found = [lead for lead in (_lead(raised, at) for at in times) if lead is not None]
        hits, leads = hits + len(found), leads + found
        total, true = count_warnings(raised, times, period, policy.window)
        warnings, true_warnings = warnings + total, true_warnings + true
    return _figures(required, (hits, warnings, true_warnings), trials, fractions, leads)


def _figures(
    required: Requirements,
    counts: tuple[int, int, int],
    trials: Sequence[float],
    fractions: Sequence[float],
    leads: Sequence[timedelta],
) -> Assessment:
    """Return the figures of a period from its hits, warnings and true warnings."""
    hits, warnings, true_warnings = counts
    events = len(trials)
    chance = chance_of(hits, trials)
    expected = sum(trials) / events if events else 0.0
    alpha = 1 - required.confidence_ppm / PPM
    precision, recall = _ratio(true_warnings, warnings), _ratio(hits, events)
    checks = {
        "skill": events > 0 and chance <= alpha,
        "precision": precision >= required.precision_ppm,
        "recall": recall >= required.recall_ppm,
    }
    return Assessment(
        events=events,
        hits=hits,
        warnings=warnings,
        true_warnings=true_warnings,
        alarm_ppm=_ppm(sum(fractions) / len(fractions) if fractions else 0.0),
        chance_ppm=_ppm(chance),
        skill_ppm=_ppm(hits / events - expected) if events else 0,
        skill_lower_ppm=_ppm(_lowest_rate(hits, events, alpha) - expected),
        precision_ppm=precision,
        recall_ppm=recall,
        lead_hours=_median_hours(leads),
        failed=tuple(name for name, reached in checks.items() if not reached),
    )


def _lead(alarms: Iterable[Alarm], at: datetime) -> timedelta | None:
    """Return the time from the first warning that covers an event to the event, None if none."""
    covering = [one.recorded_at for one in alarms if one.covers(at)]
    return at - min(covering) if covering else None


def _lowest_rate(hits: int, events: int, alpha: float) -> float:
    """Return the lowest hit rate that has at least `hits` hits with probability alpha.

    This is the lower bound of Clopper and Pearson; 0 without hits.
    """
    if hits == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if chance_of(hits, [middle] * events) < alpha:
            low = middle
        else:
            high = middle
    return low


def _median_hours(leads: Sequence[timedelta]) -> float | None:
    """Return the median in hours, rounded to a tenth; None without leads."""
    if not leads:
        return None
    ordered = sorted(leads)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return round(middle / timedelta(hours=1), 1)


def _ratio(part: int, whole: int) -> int:
    """Return part / whole in ppm, 0 of nothing."""
    return rounded(Fraction(part * PPM, whole)) if whole else 0


def _ppm(value: float) -> int:
    """Return a ratio in ppm."""
    return round(value * PPM)
