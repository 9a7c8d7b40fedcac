"""From a study to the billable saving: gates, invalid data and the three methods."""

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


class TestBillableSaving:
    def test_billable_saving_is_the_lower_bound(self) -> None:
        measured = measure_savings(SAVED)
        assert measured.unit == "kWh"
        assert measured.baseline - measured.actual == pytest.approx(measured.saving)
        assert measured.low < measured.bound < measured.saving < measured.high
        assert measured.billable == measured.bound > 0
        assert measured.fitness.passes
        assert measured.evidence == SAVED.digest()

    def test_billable_saving_is_zero_if_the_bound_is_negative(self) -> None:
        measured = measure_savings(study(saving=-0.1))
        assert measured.bound < 0 == measured.billable

    def test_billable_saving_is_rounded_down_to_the_resolution(self) -> None:
        coarse = measure_savings(agreeing(SAVED, resolution=Decimal("1E+2")))
        assert coarse.billable % 100 == 0
        assert coarse.billable <= measure_savings(SAVED).billable < coarse.billable + 100

    def test_bound_is_lower_with_more_confidence_or_more_looks(self) -> None:
        usual = measure_savings(SAVED)
        surer = measure_savings(agreeing(SAVED, confidence=990_000))
        often = measure_savings(agreeing(SAVED, looks=5))  # 5 % over five settlements: 99 % each
        assert surer.bound == often.bound < usual.bound
        assert surer.saving == usual.saving

    def test_days_outside_both_periods_are_ignored(self) -> None:
        later = replace(SAVED.agreed, reporting=DateRange(TURN, TURN + timedelta(days=AFTER - 10)))
        cut = MeasurementStudy(later, SAVED.readings[: BEFORE + AFTER - 10])
        assert measure_savings(replace(SAVED, agreed=later)).saving == measure_savings(cut).saving


class TestBaselineGates:
    def test_baseline_alone_can_be_reported(self) -> None:
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
    def test_failed_gate_is_named_and_nothing_is_billed(
        self, limits: GateLimits, names: list[str]
    ) -> None:
        strict = agreeing(SAVED, limits=limits)
        assert failed(baseline_fit_report(strict)) == names
        measured = measure_savings(strict)
        assert failed(measured.fitness) == names
        assert measured.billable == 0 < measured.bound

    def test_missing_days_fail_the_gate_of_their_period(self) -> None:
        few = replace(SAVED, readings=SAVED.readings[13:-7])
        names = ["missing in the baseline period", "missing in the reporting period"]
        assert failed(measure_savings(few).fitness) == names
        assert measure_savings(few).billable == 0
        assert failed(baseline_fit_report(few)) == names[:1]

    def test_switchback_has_no_baseline_report(self) -> None:
        weeks = agreeing(
            SAVED, baseline=None, method=MeasurementMethod.SWITCHBACK, weeks=SwitchbackSchedule()
        )
        with pytest.raises(
            MeasurementPlanInvalid, match="the switchback design has no baseline period"
        ):
            baseline_fit_report(weeks)


class TestInvalidReadings:
    def test_study_without_readings_is_rejected(self) -> None:
        with pytest.raises(BaselineFitFailed, match="0 complete days are too few"):
            measure_savings(replace(SAVED, readings=()))

    def test_duplicate_or_unsorted_readings_give_the_same_saving(self) -> None:
        twice = replace(SAVED, readings=SAVED.readings[::-1] + SAVED.readings[:3])
        measured = measure_savings(twice)
        assert measured.saving == measure_savings(SAVED).saving
        assert measured.fitness.notes == (DataQualityNote("doubled", 3),)

    def test_conflicting_readings_of_a_time_are_rejected(self) -> None:
        other = replace(SAVED.readings[3], amount=Quantity(1.0, "kWh"))
        with pytest.raises(ReadingsInvalid, match="differ"):
            measure_savings(replace(SAVED, readings=(*SAVED.readings, other)))

    def test_missing_day_is_excluded_from_baseline_and_actual(self) -> None:
        gone = changed(SAVED, BEFORE + 5, lambda _: None)
        whole, part = measure_savings(SAVED), measure_savings(gone)
        reading = SAVED.readings[BEFORE + 5].amount.value
        assert float(whole.actual - part.actual) == pytest.approx(reading, abs=0.002)
        assert float(whole.baseline - part.baseline) == pytest.approx(reading / 0.85, rel=0.2)

    def test_day_without_a_variable_is_excluded_and_noted(self) -> None:
        bare = changed(SAVED, 10, lambda was: replace(was, variables={}))
        measured = measure_savings(bare)
        assert measured.fitness.notes == (DataQualityNote("lacking a variable", 1, (DAY,)),)
        assert measured.saving == measure_savings(changed(SAVED, 10, lambda _: None)).saving

    def test_reading_in_another_unit_is_converted(self) -> None:
        def in_mwh(was: MeterReading) -> MeterReading:
            return replace(was, amount=Quantity(was.amount.value / 1000, "MWh"))

        assert measure_savings(changed(SAVED, 10, in_mwh)).saving == measure_savings(SAVED).saving

    def test_reading_in_another_time_zone_counts_at_the_same_instant(self) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        told = tuple(replace(one, at=one.at.astimezone(berlin)) for one in SAVED.readings)
        assert measure_savings(replace(SAVED, readings=told)) == measure_savings(SAVED)

    def test_meter_replacement_needs_an_agreement_and_omits_its_day(self) -> None:
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

    def test_reading_of_an_unknown_machine_is_rejected(self) -> None:
        other = replace(SAVED.readings[0], machine="mill")
        with pytest.raises(ReadingsInvalid, match="The contract does not name the machines mill"):
            measure_savings(replace(SAVED, readings=(*SAVED.readings, other)))


class TestHoldoutDesigns:
    def test_switchback_without_an_effect_measures_no_significant_saving(self) -> None:
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
        # Days without the effect: six of each of twelve blocks, and four of the last block.
        assert measured.fitness.days == 6 * 12 + 4
        assert abs(measured.saving) < 3 * measured.error
        assert [gate.name for gate in measured.fitness.gates][-1] == (
            "missing in the reporting period"
        )

    def test_machine_groups_measure_the_saving_without_variables(self) -> None:
        press, mill = (
            tuple(readings(table(seed, saving=saving), machine))
            for seed, saving, machine in ((1, 0.3, "press"), (2, 0.0, "mill"))
        )
        bare = tuple(replace(one, variables={}) for one in (*press, *mill))
        measured = measure_savings(MeasurementStudy(PRESS, bare))
        assert float(measured.saving) == pytest.approx(0.3 * 1100 * AFTER, rel=0.4)
        assert measured.billable > 0

    def test_day_missing_for_one_machine_is_missing_for_all(self) -> None:
        press, mill = (
            tuple(readings(table(seed), name)) for seed, name in ((1, "press"), (2, "mill"))
        )
        told = MeasurementStudy(PRESS, (*press[15:], *mill))
        assert failed(measure_savings(told).fitness) == ["missing in the baseline period"]
        notes = measure_savings(MeasurementStudy(PRESS, (*press, *mill, press[0]))).fitness.notes
        assert notes == (DataQualityNote("doubled of press", 1),)
