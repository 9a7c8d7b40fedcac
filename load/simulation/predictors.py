"""Predictors and failures of a simulated plant, to test the rule of payment (decision 0090).

Failures of each subject are uniform in time and at least `apart` away from each other. A predictor
makes ledger records; who warns at random, always or never knows nothing of the failures.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from billing.money import PPM
from billing.outcomes.predictions.alarms import Forecast, ObservedEvent, Period, WarningPolicy

START = datetime(2027, 1, 1, tzinfo=UTC)
HALF_YEAR = Period(START, START + timedelta(days=181))
POLICY = WarningPolicy(600_000, timedelta(hours=24), timedelta(hours=336), timedelta(hours=336))
SUBJECTS = tuple(f"P-{number}" for number in range(101, 111))
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Plant:
    """A seeded plant: its failures in the period, and the generator of its predictors."""

    failures: Sequence[ObservedEvent]
    generator: random.Random


Predictor = Callable[[Plant], list[Forecast]]


def simulate_plant(seed: int, failures: int) -> Plant:
    """Return a plant with this number of failures in half a year, on random subjects."""
    generator = random.Random(seed)  # a simulation, not a secret
    hours = int((HALF_YEAR.ends_at - HALF_YEAR.starts_at) / _HOUR)
    found: list[ObservedEvent] = []
    while len(found) < failures:
        subject = generator.choice(SUBJECTS)
        at = START + generator.randrange(24, hours) * _HOUR
        taken = (abs(one.happened_at - at) for one in found if one.subject == subject)
        if all(distance > POLICY.apart for distance in taken):
            found.append(ObservedEvent(f"e{len(found)}", subject, at))
    return Plant(found, generator)


def never(plant: Plant) -> list[Forecast]:
    """Say no every week."""
    return [_record(subject, at, 50_000) for subject in SUBJECTS for at in _every(168)]


def always(plant: Plant) -> list[Forecast]:
    """Warn every day."""
    return [_record(subject, at, 950_000) for subject in SUBJECTS for at in _every(24)]


def always_some(plant: Plant) -> list[Forecast]:
    """Warn every day of half of the subjects, chosen without knowledge."""
    chosen = plant.generator.sample(SUBJECTS, len(SUBJECTS) // 2)
    return [_record(subject, at, 950_000) for subject in chosen for at in _every(24)]


def at_random(share: float) -> Predictor:
    """Warn at random so often that alarms cover about this share of the time."""

    def predict(plant: Plant) -> list[Forecast]:
        window = POLICY.window - POLICY.lead
        length = HALF_YEAR.ends_at - HALF_YEAR.starts_at
        count = round(share * (length / window) * len(SUBJECTS))
        hours = int(length / _HOUR)
        return [
            _record(
                plant.generator.choice(SUBJECTS),
                START + plant.generator.randrange(-24, hours - 24) * _HOUR,
                plant.generator.randrange(600_000, PPM),
            )
            for _ in range(count)
        ]

    return predict


def in_stretches(plant: Plant) -> list[Forecast]:
    """Warn daily during random stretches of 30 days, three per subject."""
    records = []
    for subject in SUBJECTS:
        for _ in range(3):
            begin = plant.generator.randrange(0, 150)
            records += [
                _record(subject, START + timedelta(days=begin + day), 800_000) for day in range(30)
            ]
    return records


def skilled(precision: float, recall: float) -> Predictor:
    """Warn of this share of the failures, and falsely so often that this precision results."""

    def predict(plant: Plant) -> list[Forecast]:
        records = []
        for failure in plant.failures:
            if plant.generator.random() < recall:
                lead = plant.generator.randrange(30, 300) * _HOUR
                records.append(_record(failure.subject, failure.happened_at - lead, 800_000))
        hours = int((HALF_YEAR.ends_at - HALF_YEAR.starts_at) / _HOUR)
        wrong = sum(
            plant.generator.random() < recall * (1 - precision) / precision for _ in plant.failures
        )
        return records + [
            _record(
                plant.generator.choice(SUBJECTS),
                START + plant.generator.randrange(0, hours - 24) * _HOUR,
                700_000,
            )
            for _ in range(wrong)
        ]

    return predict


NO_SKILL: Mapping[str, Predictor] = {
    "never": never,
    "always": always,
    "always, half of the subjects": always_some,
    "random, 2 % of the time": at_random(0.02),
    "random, 10 % of the time": at_random(0.1),
    "random, 50 % of the time": at_random(0.5),
    "random stretches of 30 days": in_stretches,
}
SKILLED: Mapping[str, Predictor] = {
    "precision 0.7, recall 0.7": skilled(0.7, 0.7),
    "precision 0.8, recall 0.8": skilled(0.8, 0.8),
    "precision 0.9, recall 0.9": skilled(0.9, 0.9),
}


def _every(hours: int) -> list[datetime]:
    """Return times from a week before the period until its end."""
    first, steps = HALF_YEAR.starts_at - timedelta(days=7), 188 * 24 // hours
    return [first + number * timedelta(hours=hours) for number in range(steps)]


def _record(subject: str, at: datetime, probability_ppm: int) -> Forecast:
    """Return a record made at a time, with the longest horizon that counts."""
    verdict = "yes" if probability_ppm >= POLICY.probability_ppm else "no"
    until = at + POLICY.window
    return Forecast(f"{subject} {at}", subject, at, at, until, verdict, probability_ppm)
