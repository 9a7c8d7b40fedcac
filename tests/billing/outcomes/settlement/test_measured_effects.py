"""Measured effects: from contract and readings as text to the billed quantity."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from billing.outcomes.contracts.baselines import parse_fit_statistics
from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.terms import AttesterKind, OutcomeTerms
from billing.outcomes.evidence.series import CORRECTION
from billing.outcomes.measurement.errors import (
    BaselineFitFailed,
    MeasurementPlanInvalid,
    ReadingsInvalid,
)
from billing.outcomes.settlement.measured_effects import fit_contract_baseline, measure_effect
from tests.support.outcomes.castings import (
    FIRST,
    SCRAP,
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
from tests.support.outcomes.contract_texts import EVENT

NOVEMBER = date(2026, 11, 1)
DAYS = foundry(304)
BEFORE, OCTOBER = month(DAYS, FIRST, START), month(DAYS, START, NOVEMBER)
BASELINE = baseline(DAYS)
SENSOR, SYSTEM = AttesterKind.NEUTRAL_SENSOR, AttesterKind.CUSTOMER_SYSTEM


def terms(more: str, text: str = SCRAP) -> OutcomeTerms:
    """The contract with more in its [measure]."""
    return parse_contract_toml(text.replace("[measure]", f"[measure]\n{more}"))


def report(*days: Day, of: OutcomeTerms = TERMS, fitted: str = BASELINE) -> Any:
    return measure_effect(inputs([told(written(days))], of, fitted)).report


def number(found: Any, name: str = "saving") -> float:
    return float(found[name])


class TestBaselineFit:
    def test_fit_statistics_match_least_squares_and_cross_validation(self) -> None:
        """Compared with least squares and leave-one-month-out computed here: 273 days are nine
        months."""
        columns = np.array([[1.0, one.parts, one.hard] for one in BEFORE])
        rejects = np.array([one.rejects for one in BEFORE])
        effects, squares, *_ = np.linalg.lstsq(columns, rejects)
        cv = (squares[0] / (273 - 3)) ** 0.5 / rejects.mean()
        months, apart = np.arange(273) * 9 // 273, []
        for out in range(9):
            known = np.linalg.lstsq(columns[months != out], rejects[months != out])[0]
            month = months == out
            apart += [(rejects[month] - columns[month] @ known).mean()] * month.sum()
        nmbe = np.sqrt(np.mean(np.square(apart))) / rejects.mean()
        fit, kept = parse_fit_statistics(BASELINE), json.loads(BASELINE)
        assert fit.cv_rmse_ppm == pytest.approx(1e6 * cv, abs=1)
        assert fit.nmbe_ppm == pytest.approx(1e6 * nmbe, abs=1)
        assert (fit.missing_ppm, fit.days) == (0, 273)
        assert {name: float(effect) for name, effect in kept["effects"]} == pytest.approx(
            dict(zip(("constant", "parts", "hard"), effects, strict=True))
        )

    def test_default_period_runs_from_the_first_reading_to_the_start(self) -> None:
        open_ = parse_contract_toml(
            SCRAP.replace("before = { first = 2026-01-01, until = 2026-10-01 }", "")
        )
        late = told(written(DAYS[30:]))
        period = json.loads(fit_contract_baseline(open_, [late]))["period"]
        assert period == {"first": "2026-01-31", "until": "2026-10-01"}

    def test_readings_after_the_baseline_period_are_ignored(self) -> None:
        assert fit_contract_baseline(TERMS, [told(written(DAYS))]) == BASELINE

    @pytest.mark.parametrize(
        ("days", "fact", "what"),
        [
            ([], BaselineFitFailed, "no readings of the baseline period"),
            (OCTOBER, BaselineFitFailed, "no readings of the baseline period"),
            (BEFORE[:8], BaselineFitFailed, "8 complete days are too few"),
            (
                [replace(one, rejects=40) for one in BEFORE],
                BaselineFitFailed,
                "quantity has the same value",
            ),
            (
                [replace(one, hard=300) for one in BEFORE],
                BaselineFitFailed,
                "hard has the same value on all",
            ),
            (
                [replace(one, hard=2 * one.parts) for one in BEFORE],
                BaselineFitFailed,
                "hard is determined by parts",
            ),
        ],
    )
    def test_missing_or_degenerate_readings_are_rejected(
        self, days: list[Day], fact: type, what: str
    ) -> None:
        said = [told(written(days))] if days else []
        with pytest.raises(fact, match=what):
            fit_contract_baseline(TERMS, said)

    def test_contract_without_a_baseline_period_is_rejected(self) -> None:
        with pytest.raises(MeasurementPlanInvalid, match="about events"):
            fit_contract_baseline(parse_contract_toml(EVENT), [])
        weeks = SCRAP.replace("before = {", "# before = {")
        with pytest.raises(
            MeasurementPlanInvalid, match="blocks without the effect are the baseline"
        ):
            fit_contract_baseline(
                terms('design = "switchback"\nturns = {}', weeks), [told(written(BEFORE))]
            )


class TestMeasuredSaving:
    def test_lower_confidence_bound_of_the_saving_is_billed(self) -> None:
        found = measure_effect(inputs([told(written(OCTOBER))], baseline=BASELINE))
        true = sum(one.without - one.rejects for one in OCTOBER)
        of = found.report
        assert abs(number(of) - true) < 2 * number(of, "error")
        assert number(of, "bound") < number(of)
        assert found.micro == {SENSOR: round(number(of, "bound") * 1e6)}

    def test_same_inputs_give_the_same_measurement(self) -> None:
        text = inputs([told(written(OCTOBER))], baseline=BASELINE)
        assert measure_effect(text) == measure_effect(text)
        assert measure_effect(text).inputs == text

    def test_saving_is_divided_between_attesters_by_days(self) -> None:
        said = [told(written(OCTOBER[:21])), told(written(OCTOBER[21:]), SYSTEM)]
        whole = measure_effect(inputs([told(written(OCTOBER))], baseline=BASELINE)).micro[SENSOR]
        micro = measure_effect(inputs(said, baseline=BASELINE)).micro
        assert sum(micro.values()) == whole
        assert list(micro) == [SENSOR, SYSTEM]
        assert micro[SYSTEM] == pytest.approx(whole * 10 / 31, abs=1)

    def test_readings_in_a_compatible_unit_are_converted(self) -> None:
        kilo = measure_effect(inputs([told(written(OCTOBER, "kpcs", 0.001))], baseline=BASELINE))
        assert kilo.report["bound"] == report(*OCTOBER)["bound"]

    def test_correction_replaces_earlier_readings(self) -> None:
        worse = [replace(one, rejects=one.rejects + 1) for one in OCTOBER]
        said = [told(written(OCTOBER)), told(written(worse), kind=CORRECTION)]
        found = measure_effect(inputs(said, baseline=BASELINE)).report
        assert number(found) == pytest.approx(number(report(*OCTOBER)) - 31)

    def test_contested_reading_is_reported_and_the_first_value_is_used(self) -> None:
        said = [told(written(OCTOBER)), told(written([replace(OCTOBER[0], rejects=0)]))]
        found = measure_effect(inputs(said, baseline=BASELINE)).report
        assert (found["contested"], found["bound"]) == (1, report(*OCTOBER)["bound"])

    def test_negative_saving_is_not_billed(self) -> None:
        worse = [replace(one, rejects=one.without + 5) for one in OCTOBER]
        found = measure_effect(inputs([told(written(worse))], baseline=BASELINE))
        assert found.micro == {}
        assert number(found.report) < 0

    def test_month_with_too_many_missing_days_is_not_billed(self) -> None:
        """Three of 31 days (9.7 %) may be missing, four may not."""
        three, four = report(*OCTOBER[3:]), report(*OCTOBER[4:])
        assert number(three, "billable") == number(three, "bound") > 0
        assert number(four, "billable") == 0 < number(four, "bound")
        failed = [one["name"] for one in four["fitness"]["gates"] if not one["holds"]]
        assert failed == ["missing in the reporting period"]

    @pytest.mark.parametrize(
        ("said", "fitted", "code", "why"),
        [
            ([], BASELINE, "baseline_unfit", "The reporting period has no complete day"),
            ([told(written(OCTOBER))], "{}", "measure_invalid", "stored baseline is not valid"),
            ([told(written(OCTOBER))], None, "measure_invalid", "method: "),
        ],
    )
    def test_failed_measurement_bills_nothing_and_states_the_reason(
        self, said: Any, fitted: str | None, code: str, why: str
    ) -> None:
        found = measure_effect(inputs(said, baseline=fitted))
        assert (found.micro, found.report["refused"]) == ({}, code)
        assert why in found.report["why"]

    def test_confidence_bound_is_lower_with_more_settlements(self) -> None:
        """An error rate of 10 % over twelve settlements, as in the contract, and of 10 % for
        one."""
        text = SCRAP.replace("ends_at = 2027-10-01", "ends_at = 2026-11-01")
        once = report(*OCTOBER, of=parse_contract_toml(text))
        assert number(once, "bound") > number(report(*OCTOBER), "bound")


class TestNonRoutineAdjustments:
    def test_daily_adjustment_raises_or_lowers_the_saving(self) -> None:
        """The baseline is ten rejects a day higher, or lower, from 22 October on."""
        change = 'adjustments = [{ first = 2026-10-22, per_day = "10", reason = "new moulds"'
        more = report(*OCTOBER, of=terms(f"{change} }}]"))
        less = report(*OCTOBER, of=terms(f"{change}, less = true }}]"))
        plain = number(report(*OCTOBER))
        assert number(more) == pytest.approx(plain + 100)
        assert number(less) == pytest.approx(plain - 100)

    def test_excluded_days_save_nothing_and_are_not_missing(self) -> None:
        """Six days of a trial are excluded."""
        excluded = terms(
            'excluded = [{ first = 2026-10-05, until = 2026-10-11, reason = "trial" }]'
        )
        rest = [*OCTOBER[:4], *OCTOBER[10:]]
        found = report(*OCTOBER, of=excluded)
        assert found["bound"] == found["billable"] == report(*rest)["bound"]
        assert found["actual"] == f"{sum(one.rejects for one in rest):.3f}"

    def test_agreed_meter_replacement_converts_later_readings(self) -> None:
        """The new counter misses a tenth, with an agreed factor; it is replaced at midnight."""

        def named(days: list[Day], meter: str, factor: float = 1.0) -> str:
            head, *rows = written(days, factor=factor).split("\n")
            return "\n".join([f"{head},meter", *(f"{row},{meter}" for row in rows)])

        fitted = fit_contract_baseline(TERMS, [told(named(BEFORE, "old"))])
        said = [told(named(OCTOBER[:14], "old")), told(named(OCTOBER[14:], "new", 0.9))]
        refused = measure_effect(inputs(said, baseline=fitted)).report
        assert "no meter replacement is agreed" in refused["why"]
        swap = 'at = 2026-10-15T00:00:00, old = "old", new = "new", reason = "worn"'
        agreed = terms(f'swaps = [{{ {swap}, factor = "1.111111111" }}]')
        found = measure_effect(inputs(said, agreed, fitted)).report
        assert number(found) == pytest.approx(number(report(*OCTOBER)), abs=0.01)


class TestHoldoutDesigns:
    def test_machines_with_the_effect_are_compared_with_machines_without(self) -> None:
        """Two lines have the effect from October on, one does not."""
        lines = {
            name: foundry(304, effect, seed)
            for name, effect, seed in (("L1", 0.25, 1), ("L2", 0.25, 2), ("L3", 0.0, 3))
        }
        machines = 'design = "holdout"\nmachines = { having = ["L1", "L2"], lacking = ["L3"] }'
        agreed = terms(machines)

        def said(first: date, until: date) -> str:
            head = "at,value,unit,parts,hard,machine"
            rows = [
                f"{one.row()},{name}"
                for name, days in lines.items()
                for one in month(days, first, until)
            ]
            return "\n".join([head, *rows])

        fitted = fit_contract_baseline(agreed, [told(said(FIRST, START))])
        assert [one["machine"] for one in json.loads(fitted)["machines"]] == ["L1", "L2", "L3"]
        found = measure_effect(inputs([told(said(START, NOVEMBER))], agreed, fitted)).report
        true = sum(
            one.without - one.rejects
            for name in ("L1", "L2")
            for one in month(lines[name], START, NOVEMBER)
        )
        assert abs(number(found) - true) < 2 * number(found, "error")
        assert 0 < number(found, "billable") == number(found, "bound") < number(found)

    def test_switchback_compares_with_all_blocks_without_effect_since_start(self) -> None:
        """The fourth month's saving, compared with all blocks without the effect since the
        start."""
        text = SCRAP.replace("before = {", "# before = {").replace("days = 250", "days = 40")
        agreed = terms('design = "switchback"\nturns = { days = 8, washout = 1 }', text)
        days = [
            one if (one.day - START).days // 8 % 2 == 0 else replace(one, rejects=one.without)
            for one in foundry(396)
            if one.day >= START
        ]
        january = date(2027, 1, 1), date(2027, 2, 1)
        text = inputs([told(written(days))], agreed, None, january)
        found = measure_effect(text).report
        counted = [one for one in month(days, *january) if (one.day - START).days % 8 > 0]
        true = sum(one.without - one.rejects for one in counted)
        assert abs(number(found) - true) < 2 * number(found, "error")
        assert 0 < number(found, "billable") == number(found, "bound")


def test_reading_belongs_to_the_day_in_the_plant_time_zone() -> None:
    """A reading of 31 October, 23:00 in Shanghai, belongs to October whatever the date in UTC."""
    rows = [f"{one.day}T23:00:00+08:00,{one.row().partition(',')[2]}" for one in OCTOBER]
    said = "\n".join(["at,value,unit,parts,hard", *rows])
    found = measure_effect(inputs([told(said)], baseline=BASELINE))
    assert found.report["bound"] == report(*OCTOBER)["bound"]
    assert OCTOBER[-1].day == NOVEMBER - timedelta(days=1)


def test_second_reading_of_a_day_raises_readings_invalid() -> None:
    """The contract has one reading a day, these statements have two."""
    twice = [told(f"at,value,unit,parts,hard\n2026-10-01T0{at}:00,1,pcs,1,1") for at in (1, 2)]
    with pytest.raises(ReadingsInvalid):
        fit_contract_baseline(TERMS, [told(written(BEFORE)), *[one_of(twice, at) for at in (0, 1)]])


def one_of(said: list[Any], at: int) -> Any:
    return replace(said[at], said=said[at].said.replace("2026-10-01", "2026-05-05"))
