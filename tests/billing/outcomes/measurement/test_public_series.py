"""Our baseline on public measurements: an electricity transformer's load by the day.

ETTh1 (ETDataset, CC BY-ND 4.0) is not in this repository: the test reads it beside the checkout,
in shared/data, and is skipped where it is not there.
"""

import csv
import gzip
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from billing.outcomes.measurement.evidence import MeasurementStudy
from billing.outcomes.measurement.plan import (
    DateRange,
    GateLimits,
    IndependentVariable,
    MeasurementPlan,
)
from billing.outcomes.measurement.readings import MeterReading, Quantity
from billing.outcomes.measurement.results import BaselineFitReport
from billing.outcomes.measurement.savings_measurement import baseline_fit_report, measure_savings

ROOT = Path(__file__).parents[4]
PLACES = [folder / "shared/data/ett/ETTh1.csv.gz" for folder in (ROOT, ROOT.parent)]
SERIES = next((place for place in PLACES if place.exists()), None)
SHANGHAI = ZoneInfo("Asia/Shanghai")

pytestmark = pytest.mark.skipif(SERIES is None, reason="shared/data/ett is not here")

AGREED = MeasurementPlan(
    unit="kWh",
    zone="Asia/Shanghai",
    every=3600,
    baseline=DateRange(date(2016, 7, 1), date(2017, 7, 1)),
    reporting=DateRange(date(2017, 7, 1), date(2018, 6, 26)),
    variables=(IndependentVariable("low", "kWh"),),
    limits=GateLimits(most_cv=250_000),
)


def load() -> Iterator[MeterReading]:
    """The high load of each hour (as kWh), which the low load explains in part."""
    assert SERIES is not None
    with gzip.open(SERIES, "rt") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["date"]).replace(tzinfo=SHANGHAI)
            yield MeterReading(
                at,
                Quantity(float(row["HUFL"]), "kWh"),
                {"low": Quantity(float(row["LUFL"]), "kWh")},
            )


@pytest.fixture(scope="module")
def study() -> MeasurementStudy:
    return MeasurementStudy(AGREED, tuple(load()))


@pytest.fixture(scope="module")
def fitness(study: MeasurementStudy) -> BaselineFitReport:
    return baseline_fit_report(study)


def test_a_baseline_fits(fitness: BaselineFitReport) -> None:
    assert fitness.days == 365
    assert fitness.cv == pytest.approx(231_000, abs=5_000)
    assert fitness.rho == pytest.approx(423_000, abs=20_000)
    assert fitness.terms[:2] == ("constant", "low")


def test_a_month_that_it_has_not_seen_is_too_far_off(fitness: BaselineFitReport) -> None:
    # In sample it fits well, so only months that are left out tell that it predicts badly.
    assert fitness.bias == pytest.approx(162_000, abs=5_000)
    assert [gate.name for gate in fitness.gates if not gate.holds] == ["nmbe"]


def test_a_change_that_nobody_caused_is_found_and_not_billed(study: MeasurementStudy) -> None:
    # Load was moved to another transformer in the second year. No regression knows that it was
    # no saving; but this one misses a gate, so it could not start.
    measured = measure_savings(study)
    assert measured.bound > 0 == measured.billable
    assert measured.fitness.notes == ()
