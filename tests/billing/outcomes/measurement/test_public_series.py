"""Baseline fit on public measurements: daily load of an electricity transformer.

ETTh1 (ETDataset, CC BY-ND 4.0) is not in this repository: the test reads it from shared/data beside
the checkout and is skipped if it is absent.
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
    """The high load of each hour (as kWh), partly explained by the low load."""
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


def test_baseline_of_public_series_has_expected_fit_statistics(fitness: BaselineFitReport) -> None:
    assert fitness.days == 365
    assert fitness.cv == pytest.approx(231_000, abs=5_000)
    assert fitness.rho == pytest.approx(423_000, abs=20_000)
    assert fitness.terms[:2] == ("constant", "low")


def test_baseline_of_public_series_fails_the_nmbe_gate(fitness: BaselineFitReport) -> None:
    # The fit is good in sample; only cross-validation shows that it predicts badly.
    assert fitness.bias == pytest.approx(162_000, abs=5_000)
    assert [gate.name for gate in fitness.gates if not gate.holds] == ["nmbe"]


def test_load_shift_in_public_series_is_measured_but_not_billed(study: MeasurementStudy) -> None:
    # Load was moved to another transformer in the second year. Regression cannot tell this
    # from a saving, but the baseline fails a gate, so such a contract could not start.
    measured = measure_savings(study)
    assert measured.bound > 0 == measured.billable
    assert measured.fitness.notes == ()
