"""From a study to what may be billed: gates, bad data, and each of the three methods."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.outcomes.measurement.agreed import Limits, Machines, Method, Span, Swap, Weeks
from billing.outcomes.measurement.evidence import Study
from billing.outcomes.measurement.faults import BaselineUnfit, MeasureInvalid, ReadingsInvalid
from billing.outcomes.measurement.measured import Fitness, Note
from billing.outcomes.measurement.measuring import fitness_of, measure
from billing.outcomes.measurement.readings import Amount, Reading
from tests.billing.outcomes.measurement.making import (
    AFTER,
    AGREED,
    BEFORE,
    FIRST,
    TURN,
    agreeing,
    changed,
    readings,
    start_of,
    study,
    table,
)

SAVED = study(saving=0.15)
DAY = FIRST + timedelta(days=10)
PRESS = replace(
    AGREED, variables=(), method=Method.MACHINES, machines=Machines(("press",), ("mill",))
)


def failed(fitness: Fitness) -> list[str]:
    return [gate.name for gate in fitness.gates if not gate.holds]


class TestMeasure:
    def test_bills_the_lower_bound(self) -> None:
        measured = measure(SAVED)
        assert measured.unit == "kWh"
        assert measured.baseline - measured.actual == pytest.approx(measured.saving)
        assert measured.low < measured.bound < measured.saving < measured.high
        assert measured.billable == measured.bound > 0
        assert measured.fitness.holds
        assert measured.evidence == SAVED.digest()

    def test_bills_nothing_below_nothing(self) -> None:
        measured = measure(study(saving=-0.1))
        assert measured.bound < 0 == measured.billable

    def test_is_in_steps_of_the_resolution(self) -> None:
        coarse = measure(agreeing(SAVED, resolution=Decimal("1E+2")))
        assert coarse.billable % 100 == 0
        assert coarse.billable <= measure(SAVED).billable < coarse.billable + 100

    def test_surer_or_looked_at_more_often_is_less(self) -> None:
        usual = measure(SAVED)
        surer = measure(agreeing(SAVED, confidence=990_000))
        often = measure(agreeing(SAVED, looks=5))  # 5 % over five settlements: 99 % each
        assert surer.bound == often.bound < usual.bound
        assert surer.saving == usual.saving

    def test_days_outside_both_periods_do_not_count(self) -> None:
        later = replace(SAVED.agreed, reporting=Span(TURN, TURN + timedelta(days=AFTER - 10)))
        cut = Study(later, SAVED.readings[: BEFORE + AFTER - 10])
        assert measure(replace(SAVED, agreed=later)).saving == measure(cut).saving


class TestGates:
    def test_of_a_baseline_alone(self) -> None:
        fitness = fitness_of(SAVED)
        assert fitness.holds
        assert (fitness.days, fitness.terms) == (BEFORE, ("constant", "parts"))
        assert fitness == fitness_of(replace(SAVED, readings=SAVED.readings[:BEFORE]))

    @pytest.mark.parametrize(
        ("limits", "names"),
        [
            (Limits(), ["days"]),
            (Limits(most_cv=1_000, least_days=1), ["cv_rmse"]),
            (Limits(most_bias=-1, least_days=1), ["nmbe"]),
        ],
    )
    def test_say_which_failed_and_bill_nothing(self, limits: Limits, names: list[str]) -> None:
        strict = agreeing(SAVED, limits=limits)
        assert failed(fitness_of(strict)) == names
        measured = measure(strict)
        assert failed(measured.fitness) == names
        assert measured.billable == 0 < measured.bound

    def test_missing_days_of_each_period(self) -> None:
        few = replace(SAVED, readings=SAVED.readings[13:-7])
        names = ["missing in the baseline period", "missing in the reporting period"]
        assert failed(measure(few).fitness) == names
        assert measure(few).billable == 0
        assert failed(fitness_of(few)) == names[:1]

    def test_weeks_have_none_before(self) -> None:
        weeks = agreeing(SAVED, baseline=None, method=Method.SWITCHBACK, weeks=Weeks())
        with pytest.raises(MeasureInvalid, match="weeks have no time before"):
            fitness_of(weeks)


class TestBadData:
    def test_nothing_at_all(self) -> None:
        with pytest.raises(BaselineUnfit, match="0 whole days are too few"):
            measure(replace(SAVED, readings=()))

    def test_doubled_and_out_of_order_is_the_same(self) -> None:
        twice = replace(SAVED, readings=SAVED.readings[::-1] + SAVED.readings[:3])
        measured = measure(twice)
        assert measured.saving == measure(SAVED).saving
        assert measured.fitness.notes == (Note("doubled", 3),)

    def test_doubled_and_different_is_refused(self) -> None:
        other = replace(SAVED.readings[3], amount=Amount(1.0, "kWh"))
        with pytest.raises(ReadingsInvalid, match="differ"):
            measure(replace(SAVED, readings=(*SAVED.readings, other)))

    def test_missing_is_left_out_on_both_sides(self) -> None:
        gone = changed(SAVED, BEFORE + 5, lambda _: None)
        whole, part = measure(SAVED), measure(gone)
        reading = SAVED.readings[BEFORE + 5].amount.value
        assert float(whole.actual - part.actual) == pytest.approx(reading, abs=0.002)
        assert float(whole.baseline - part.baseline) == pytest.approx(reading / 0.85, rel=0.2)

    def test_lacking_a_variable_is_left_out_and_said(self) -> None:
        bare = changed(SAVED, 10, lambda was: replace(was, variables={}))
        measured = measure(bare)
        assert measured.fitness.notes == (Note("lacking a variable", 1, (DAY,)),)
        assert measured.saving == measure(changed(SAVED, 10, lambda _: None)).saving

    def test_another_unit_is_converted(self) -> None:
        def in_mwh(was: Reading) -> Reading:
            return replace(was, amount=Amount(was.amount.value / 1000, "MWh"))

        assert measure(changed(SAVED, 10, in_mwh)).saving == measure(SAVED).saving

    def test_another_time_zone_is_the_same_instant(self) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        told = tuple(replace(one, at=one.at.astimezone(berlin)) for one in SAVED.readings)
        assert measure(replace(SAVED, readings=told)) == measure(SAVED)

    def test_a_swap_as_agreed(self) -> None:
        at = start_of(DAY) + timedelta(hours=9)
        swap = Swap(at, "", "new", ("plant", "us"), factor=10.0)

        def swapped(was: Reading) -> Reading:
            if was.at < at:
                return was
            return replace(was, meter="new", amount=Amount(was.amount.value / 10, "kWh"))

        told = replace(SAVED, readings=tuple(swapped(one) for one in SAVED.readings))
        with pytest.raises(ReadingsInvalid, match="no swap is agreed"):
            measure(told)
        measured = measure(agreeing(told, swaps=(swap,)))
        assert measured.fitness.notes == (Note("meter swapped", 1, (DAY,)),)
        assert measured.saving == measure(changed(SAVED, 10, lambda _: None)).saving

    def test_of_an_unknown_machine_is_refused(self) -> None:
        other = replace(SAVED.readings[0], machine="mill")
        with pytest.raises(ReadingsInvalid, match="Nothing is agreed of mill"):
            measure(replace(SAVED, readings=(*SAVED.readings, other)))


class TestHoldouts:
    def test_by_weeks(self) -> None:
        span = Span(FIRST, FIRST + timedelta(days=BEFORE + AFTER))
        limits = Limits(least_days=70)
        agreed = replace(
            AGREED,
            baseline=None,
            reporting=span,
            method=Method.SWITCHBACK,
            weeks=Weeks(days=7, washout=1),
            limits=limits,
        )
        measured = measure(Study(agreed, tuple(readings(table()))))
        assert measured.fitness.days == 6 * 12 + 4  # without: twelve weeks less a day, and a rest
        assert abs(measured.saving) < 3 * measured.error
        assert [gate.name for gate in measured.fitness.gates][-1] == (
            "missing in the reporting period"
        )

    def test_by_machines(self) -> None:
        press, mill = (
            tuple(readings(table(seed, saving=saving), machine))
            for seed, saving, machine in ((1, 0.3, "press"), (2, 0.0, "mill"))
        )
        bare = tuple(replace(one, variables={}) for one in (*press, *mill))
        measured = measure(Study(PRESS, bare))
        assert float(measured.saving) == pytest.approx(0.3 * 1100 * AFTER, rel=0.4)
        assert measured.billable > 0

    def test_a_day_that_one_machine_lacks_is_missing(self) -> None:
        press, mill = (
            tuple(readings(table(seed), name)) for seed, name in ((1, "press"), (2, "mill"))
        )
        told = Study(PRESS, (*press[15:], *mill))
        assert failed(measure(told).fitness) == ["missing in the baseline period"]
        notes = measure(Study(PRESS, (*press, *mill, press[0]))).fitness.notes
        assert notes == (Note("doubled of press", 1),)
