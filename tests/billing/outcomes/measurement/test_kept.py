"""The kept baseline: one text, from which a later month is measured to the same digit."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.outcomes.measurement.agreed import Excluded, Shape, Span, Variable
from billing.outcomes.measurement.baseline import fitted
from billing.outcomes.measurement.faults import MeasureInvalid, ReadingsInvalid
from billing.outcomes.measurement.kept import Kept, read_kept
from billing.outcomes.measurement.measuring import fit, measure
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
KEPT = fit(SAVED)
LATER = replace(SAVED, readings=SAVED.readings[BEFORE:], kept=KEPT)


def test_there_and_back() -> None:
    assert read_kept(KEPT.text()) == KEPT
    assert read_kept(KEPT.text()).text() == KEPT.text()
    assert KEPT.text().startswith('{"cv_rmse_ppm":')


@pytest.mark.parametrize("text", ["", "{}", "[]"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(MeasureInvalid, match="The baseline cannot be read"):
        read_kept(text)


def test_is_measured_against_to_the_digit() -> None:
    whole, later = measure(SAVED), measure(replace(LATER, kept=read_kept(KEPT.text())))
    assert replace(later, evidence="") == replace(whole, evidence="")
    assert later.evidence != whole.evidence


def test_holds_its_terms_whatever_others_would_fit_now() -> None:
    # Of this shape balance points would be chosen anew; those that were kept stay.
    agreed = replace(AGREED, variables=(Variable("parts", "pcs", shape=Shape.DEGREES),))
    kept = fit(replace(SAVED, agreed=agreed))
    moved = replace(kept.terms.balances[0][1], heating=250.0, cooling=None)
    other = replace(kept, terms=replace(kept.terms, balances=(("parts", moved),)))
    assert fitted(other.tables[""], other.terms).names == ("constant", "parts below")
    later = replace(SAVED, agreed=agreed, readings=SAVED.readings[BEFORE:])
    assert measure(replace(later, kept=other)).saving != measure(replace(later, kept=kept)).saving


def test_what_was_read_before_does_not_matter_any_more() -> None:
    edited = changed(
        replace(SAVED, kept=KEPT), 3, lambda was: replace(was, amount=replace(was.amount, value=9))
    )
    assert measure(edited).saving == measure(LATER).saving


def test_its_meter_is_the_one_that_tells_later() -> None:
    named = replace(LATER, readings=tuple(replace(one, meter="new") for one in LATER.readings))
    with pytest.raises(ReadingsInvalid, match="without a name"):
        measure(named)


class TestExcluded:
    SPAN = Span(TURN + timedelta(days=5), TURN + timedelta(days=15))
    AGREED = agreeing(LATER, excluded=(Excluded(SPAN, "a trial"),))

    def test_days_count_on_neither_side(self) -> None:
        gone = tuple(one for one in LATER.readings if not self.is_within(one.at.date()))
        fewer, excluded = replace(LATER, readings=gone), measure(self.AGREED)
        assert excluded.saving == measure(fewer).saving
        missing = {gate.name: gate.found for gate in excluded.fitness.gates}
        assert missing["missing in the reporting period"] == 0

    def is_within(self, utc: object) -> bool:
        # Shanghai's midnight is the day before in UTC.
        return self.SPAN.holds(utc + timedelta(days=1))  # type: ignore[operator]

    def test_before_the_start_as_well(self) -> None:
        span = Span(FIRST + timedelta(days=2), FIRST + timedelta(days=12))
        kept: Kept = fit(agreeing(SAVED, excluded=(Excluded(span, "a strike"),)))
        assert (kept.days, kept.missing_ppm) == (BEFORE - 10, 0)

    def test_all_of_it_is_nothing_to_measure(self) -> None:
        everything = Excluded(SAVED.agreed.reporting, "shut")
        with pytest.raises(Exception, match="No day of the reporting period"):
            measure(agreeing(LATER, excluded=(everything,)))

    def test_have_a_reason(self) -> None:
        with pytest.raises(MeasureInvalid, match="one has no reason"):
            Excluded(self.SPAN, "")
