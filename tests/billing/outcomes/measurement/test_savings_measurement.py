"""From a study to what may be billed: gates, bad data, and each of the three methods."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.outcomes.measurement.errors import (
    BaselineFitFailed,
    MeasurementPlanInvalid,
    ReadingsInvalid,
)
from billing.outcomes.measurement.evidence import MeasurementStudy
from billing.outcomes.measurement.plan import (
    DateRange,
    GateLimits,
    MachineGroups,
    MeasurementMethod,
    MeterReplacement,
    SwitchbackSchedule,
)
from billing.outcomes.measurement.readings import MeterReading, Quantity
from billing.outcomes.measurement.results import BaselineFitReport, DataQualityNote
from billing.outcomes.measurement.savings_measurement import baseline_fit_report, measure_savings
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
    AGREED,
    variables=(),
    method=MeasurementMethod.MACHINES,
    machines=MachineGroups(("press",), ("mill",)),
)


def failed(fitness: BaselineFitReport) -> list[str]:
    return [gate.name for gate in fitness.gates if not gate.holds]


class TestMeasure:
    def test_bills_the_lower_bound(self) -> None:
        measured = measure_savings(SAVED)
        assert measured.unit == "kWh"
        assert measured.baseline - measured.actual == pytest.approx(measured.saving)
        assert measured.low < measured.bound < measured.saving < measured.high
        assert measured.billable == measured.bound > 0
        assert measured.fitness.passes
        assert measured.evidence == SAVED.digest()

    def test_bills_nothing_below_nothing(self) -> None:
        measured = measure_savings(study(saving=-0.1))
        assert measured.bound < 0 == measured.billable

    def test_is_in_steps_of_the_resolution(self) -> None:
        coarse = measure_savings(agreeing(SAVED, resolution=Decimal("1E+2")))
        assert coarse.billable % 100 == 0
        assert coarse.billable <= measure_savings(SAVED).billable < coarse.billable + 100

    def test_surer_or_looked_at_more_often_is_less(self) -> None:
        usual = measure_savings(SAVED)
        surer = measure_savings(agreeing(SAVED, confidence=990_000))
        often = measure_savings(agreeing(SAVED, looks=5))  # 5 % over five settlements: 99 % each
        assert surer.bound == often.bound < usual.bound
        assert surer.saving == usual.saving

    def test_days_outside_both_periods_do_not_count(self) -> None:
        later = replace(SAVED.agreed, reporting=DateRange(TURN, TURN + timedelta(days=AFTER - 10)))
        cut = MeasurementStudy(later, SAVED.readings[: BEFORE + AFTER - 10])
        assert measure_savings(replace(SAVED, agreed=later)).saving == measure_savings(cut).saving


class TestGates:
    def test_of_a_baseline_alone(self) -> None:
        fitness = baseline_fit_report(SAVED)
        assert fitness.passes
        assert (fitness.days, fitness.terms) == (BEFORE, ("constant", "parts"))
        assert fitness == baseline_fit_report(replace(SAVED, readings=SAVED.readings[:BEFORE]))

    @pytest.mark.parametrize(
        ("limits", "names"),
        [
            (GateLimits(), ["days"]),
            (GateLimits(most_cv=1_000, least_days=1), ["cv_rmse"]),
            (GateLimits(most_bias=-1, least_days=1), ["nmbe"]),
        ],
    )
    def test_say_which_failed_and_bill_nothing(self, limits: GateLimits, names: list[str]) -> None:
        strict = agreeing(SAVED, limits=limits)
        assert failed(baseline_fit_report(strict)) == names
        measured = measure_savings(strict)
        assert failed(measured.fitness) == names
        assert measured.billable == 0 < measured.bound

    def test_missing_days_of_each_period(self) -> None:
        few = replace(SAVED, readings=SAVED.readings[13:-7])
        names = ["missing in the baseline period", "missing in the reporting period"]
        assert failed(measure_savings(few).fitness) == names
        assert measure_savings(few).billable == 0
        assert failed(baseline_fit_report(few)) == names[:1]

    def test_weeks_have_none_before(self) -> None:
        weeks = agreeing(
            SAVED, baseline=None, method=MeasurementMethod.SWITCHBACK, weeks=SwitchbackSchedule()
        )
        with pytest.raises(
            MeasurementPlanInvalid, match="the switchback design has no baseline period"
        ):
            baseline_fit_report(weeks)


class TestBadData:
    def test_nothing_at_all(self) -> None:
        with pytest.raises(BaselineFitFailed, match="0 complete days are too few"):
            measure_savings(replace(SAVED, readings=()))

    def test_doubled_and_out_of_order_is_the_same(self) -> None:
        twice = replace(SAVED, readings=SAVED.readings[::-1] + SAVED.readings[:3])
        measured = measure_savings(twice)
        assert measured.saving == measure_savings(SAVED).saving
        assert measured.fitness.notes == (DataQualityNote("doubled", 3),)

    def test_doubled_and_different_is_refused(self) -> None:
        other = replace(SAVED.readings[3], amount=Quantity(1.0, "kWh"))
        with pytest.raises(ReadingsInvalid, match="differ"):
            measure_savings(replace(SAVED, readings=(*SAVED.readings, other)))

    def test_missing_is_left_out_on_both_sides(self) -> None:
        gone = changed(SAVED, BEFORE + 5, lambda _: None)
        whole, part = measure_savings(SAVED), measure_savings(gone)
        reading = SAVED.readings[BEFORE + 5].amount.value
        assert float(whole.actual - part.actual) == pytest.approx(reading, abs=0.002)
        assert float(whole.baseline - part.baseline) == pytest.approx(reading / 0.85, rel=0.2)

    def test_lacking_a_variable_is_left_out_and_said(self) -> None:
        bare = changed(SAVED, 10, lambda was: replace(was, variables={}))
        measured = measure_savings(bare)
        assert measured.fitness.notes == (DataQualityNote("lacking a variable", 1, (DAY,)),)
        assert measured.saving == measure_savings(changed(SAVED, 10, lambda _: None)).saving

    def test_another_unit_is_converted(self) -> None:
        def in_mwh(was: MeterReading) -> MeterReading:
            return replace(was, amount=Quantity(was.amount.value / 1000, "MWh"))

        assert measure_savings(changed(SAVED, 10, in_mwh)).saving == measure_savings(SAVED).saving

    def test_another_time_zone_is_the_same_instant(self) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        told = tuple(replace(one, at=one.at.astimezone(berlin)) for one in SAVED.readings)
        assert measure_savings(replace(SAVED, readings=told)) == measure_savings(SAVED)

    def test_a_swap_as_agreed(self) -> None:
        at = start_of(DAY) + timedelta(hours=9)
        swap = MeterReplacement(at, "", "new", ("plant", "us"), factor=10.0)

        def swapped(was: MeterReading) -> MeterReading:
            if was.at < at:
                return was
            return replace(was, meter="new", amount=Quantity(was.amount.value / 10, "kWh"))

        told = replace(SAVED, readings=tuple(swapped(one) for one in SAVED.readings))
        with pytest.raises(ReadingsInvalid, match="no meter replacement is agreed"):
            measure_savings(told)
        measured = measure_savings(agreeing(told, swaps=(swap,)))
        assert measured.fitness.notes == (DataQualityNote("meter swapped", 1, (DAY,)),)
        assert measured.saving == measure_savings(changed(SAVED, 10, lambda _: None)).saving

    def test_of_an_unknown_machine_is_refused(self) -> None:
        other = replace(SAVED.readings[0], machine="mill")
        with pytest.raises(ReadingsInvalid, match="The contract does not name the machines mill"):
            measure_savings(replace(SAVED, readings=(*SAVED.readings, other)))


class TestHoldouts:
    def test_by_weeks(self) -> None:
        span = DateRange(FIRST, FIRST + timedelta(days=BEFORE + AFTER))
        limits = GateLimits(least_days=70)
        agreed = replace(
            AGREED,
            baseline=None,
            reporting=span,
            method=MeasurementMethod.SWITCHBACK,
            weeks=SwitchbackSchedule(days=7, washout=1),
            limits=limits,
        )
        measured = measure_savings(MeasurementStudy(agreed, tuple(readings(table()))))
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
        measured = measure_savings(MeasurementStudy(PRESS, bare))
        assert float(measured.saving) == pytest.approx(0.3 * 1100 * AFTER, rel=0.4)
        assert measured.billable > 0

    def test_a_day_that_one_machine_lacks_is_missing(self) -> None:
        press, mill = (
            tuple(readings(table(seed), name)) for seed, name in ((1, "press"), (2, "mill"))
        )
        told = MeasurementStudy(PRESS, (*press[15:], *mill))
        assert failed(measure_savings(told).fitness) == ["missing in the baseline period"]
        notes = measure_savings(MeasurementStudy(PRESS, (*press, *mill, press[0]))).fitness.notes
        assert notes == (DataQualityNote("doubled of press", 1),)
