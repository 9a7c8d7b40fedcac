"""Expected values of single days, compared with the textbook formula."""

from datetime import date

import msgspec
import numpy as np
import pytest
from scipy.stats import t as student

from billing.outcomes.settlement.bundle import EffectMeasurement
from billing.outcomes.settlement.measured_effects import measure_effect
from tests.support.outcomes.castings import (
    FIRST,
    START,
    TERMS,
    Day,
    baseline,
    foundry,
    inputs,
    month,
    told,
    written,
)

DAYS = foundry(320)
OCTOBER = month(DAYS, START, date(2026, 11, 1))


def measured(days: list[Day]) -> EffectMeasurement:
    return measure_effect(inputs([told(written(days))], TERMS, baseline(DAYS)))


def columns(days: list[Day]) -> np.ndarray:
    return np.array([[1.0, one.parts, one.hard] for one in days])


def test_daily_report_matches_the_textbook_prediction_interval() -> None:
    before = month(DAYS, FIRST, START)
    known, asked = columns(before), columns(OCTOBER)
    effects, squares, *_ = np.linalg.lstsq(known, np.array([one.rejects for one in before]))
    free = len(before) - 3
    found = measured(OCTOBER).report["days"]
    assert [one["day"] for one in found] == [one.day.isoformat() for one in OCTOBER]
    for at, one in enumerate(found):
        spread = 1 + asked[at] @ np.linalg.solve(known.T @ known, asked[at])
        off = student.ppf(0.95, free) * np.sqrt(squares[0] / free * spread)
        expected = float(asked[at] @ effects)
        assert float(one["actual"]) == OCTOBER[at].rejects
        assert float(one["expected"]) == pytest.approx(expected, abs=6e-4)
        assert float(one["low"]) == pytest.approx(expected - off, abs=6e-4)
        assert float(one["high"]) == pytest.approx(expected + off, abs=6e-4)


def test_daily_report_is_absent_if_the_measurement_fails() -> None:
    assert "days" not in measured([]).report


def test_daily_report_values_are_decimal_strings() -> None:
    found = msgspec.to_builtins(measured(OCTOBER).report)["days"][0]
    assert all(isinstance(one, str) for one in found.values())
