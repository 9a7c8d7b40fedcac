"""Stored baseline: one text from which a later month is measured to the same digit."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.outcomes.measurement.baseline import fit_terms
from billing.outcomes.measurement.errors import MeasurementPlanInvalid, ReadingsInvalid
from billing.outcomes.measurement.plan import (
    DateRange,
    ExcludedPeriod,
    IndependentVariable,
    VariableForm,
)
from billing.outcomes.measurement.savings_measurement import fit_baseline_of_study, measure_savings
from billing.outcomes.measurement.stored_baseline import StoredBaseline, parse_stored_baseline
from tests.billing.outcomes.measurement.making import (
    AGREED,
    BEFORE,
    FIRST,
    TURN,
    agreeing,
    changed,
    study,
)

SAVED = study(saving=0.15)
KEPT = fit_baseline_of_study(SAVED)
LATER = replace(SAVED, readings=SAVED.readings[BEFORE:], kept=KEPT)


def test_stored_baseline_text_parses_to_the_same_baseline() -> None:
    assert parse_stored_baseline(KEPT.canonical_json()) == KEPT
    assert parse_stored_baseline(KEPT.canonical_json()).canonical_json() == KEPT.canonical_json()
    assert KEPT.canonical_json().startswith('{"cv_rmse_ppm":')


@pytest.mark.parametrize("text", ["", "{}", "[]"])
def test_invalid_stored_baseline_text_is_rejected(text: str) -> None:
    with pytest.raises(MeasurementPlanInvalid, match="The stored baseline is not valid"):
        parse_stored_baseline(text)


def test_stored_baseline_gives_the_same_saving_as_the_readings() -> None:
    whole, later = (
        measure_savings(SAVED),
        measure_savings(replace(LATER, kept=parse_stored_baseline(KEPT.canonical_json()))),
    )
    assert replace(later, evidence="") == replace(whole, evidence="")
    assert later.evidence != whole.evidence


def test_stored_baseline_keeps_its_balance_points() -> None:
    # For this shape, a new fit would choose other balance points; the stored ones stay.
    agreed = replace(
        AGREED, variables=(IndependentVariable("parts", "pcs", shape=VariableForm.DEGREES),)
    )
    kept = fit_baseline_of_study(replace(SAVED, agreed=agreed))
    moved = replace(kept.terms.balances[0][1], heating=250.0, cooling=None)
    other = replace(kept, terms=replace(kept.terms, balances=(("parts", moved),)))
    assert fit_terms(other.tables[""], other.terms).names == ("constant", "parts below")
    later = replace(SAVED, agreed=agreed, readings=SAVED.readings[BEFORE:])
    assert (
        measure_savings(replace(later, kept=other)).saving
        != measure_savings(replace(later, kept=kept)).saving
    )


def test_stored_baseline_ignores_readings_of_the_baseline_period() -> None:
    edited = changed(
        replace(SAVED, kept=KEPT), 3, lambda was: replace(was, amount=replace(was.amount, value=9))
    )
    assert measure_savings(edited).saving == measure_savings(LATER).saving


def test_stored_baseline_rejects_readings_of_another_meter() -> None:
    named = replace(LATER, readings=tuple(replace(one, meter="new") for one in LATER.readings))
    with pytest.raises(ReadingsInvalid, match="without a name"):
        measure_savings(named)


class TestExcludedPeriods:
    SPAN = DateRange(TURN + timedelta(days=5), TURN + timedelta(days=15))
    AGREED = agreeing(LATER, excluded=(ExcludedPeriod(SPAN, "a trial"),))

    def test_excluded_days_count_neither_as_saving_nor_as_missing(self) -> None:
        gone = tuple(one for one in LATER.readings if not self.is_within(one.at.date()))
        fewer, excluded = replace(LATER, readings=gone), measure_savings(self.AGREED)
        assert excluded.saving == measure_savings(fewer).saving
        missing = {gate.name: gate.found for gate in excluded.fitness.gates}
        assert missing["missing in the reporting period"] == 0

    def is_within(self, utc: object) -> bool:
        # Midnight in Shanghai is on the day before in UTC.
        return self.SPAN.contains(utc + timedelta(days=1))  # type: ignore[operator]

    def test_excluded_days_of_the_baseline_period_are_not_missing(self) -> None:
        span = DateRange(FIRST + timedelta(days=2), FIRST + timedelta(days=12))
        kept: StoredBaseline = fit_baseline_of_study(
            agreeing(SAVED, excluded=(ExcludedPeriod(span, "a strike"),))
        )
        assert (kept.days, kept.missing_ppm) == (BEFORE - 10, 0)

    def test_excluding_the_whole_reporting_period_is_rejected(self) -> None:
        everything = ExcludedPeriod(SAVED.agreed.reporting, "shut")
        with pytest.raises(Exception, match="The reporting period has no complete day"):
            measure_savings(agreeing(LATER, excluded=(everything,)))

    def test_excluded_period_without_a_reason_is_rejected(self) -> None:
        with pytest.raises(MeasurementPlanInvalid, match="each entry needs a reason"):
            ExcludedPeriod(self.SPAN, "")
