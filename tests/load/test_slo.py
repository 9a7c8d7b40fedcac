"""Objectives: measured values, bounds, and operations without calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load import slo
from load.slo import CONSTANT, ENGINE, Measure, Objective, Verdict, judge, objectives, value_of
from tests.load.percentiles import Calls


class TestMeasuredValues:
    def test_percentile_measures_return_the_percentile(self) -> None:
        assert value_of(Measure.P95, Calls(1)) == 95
        assert value_of(Measure.P50, Calls(1)) == 50

    @given(st.integers(1, 10**6), st.integers(0, 10**6))
    def test_failed_share_is_a_percentage(self, calls: int, failed: int) -> None:
        share = value_of(Measure.FAILED, Calls(calls, min(failed, calls)))
        assert share is not None
        assert 0 <= share <= 100
        assert (share == 0) == (failed == 0)

    @pytest.mark.parametrize("measure", list(Measure))
    def test_value_without_calls_is_none(self, measure: Measure) -> None:
        assert value_of(measure, Calls(0)) is None
        assert value_of(measure, None) is None


class TestObjectiveVerdicts:
    def test_value_equal_to_the_bound_meets_the_objective(self) -> None:
        stats = {"chat": Calls(10)}
        verdicts = judge([Objective("chat", Measure.P95, bound) for bound in (94.9, 95, 96)], stats)
        assert [one.is_met for one in verdicts] == [False, True, True]

    def test_objective_without_calls_is_not_met(self) -> None:
        assert not Verdict(Objective("chat", Measure.P95, 10), None).is_met
        assert not judge([Objective("chat", Measure.P95, 10)], {})[0].is_met


class TestObjectiveTables:
    @pytest.mark.parametrize("table", [CONSTANT, ENGINE])
    def test_objectives_are_unique_and_limit_failures(self, table: tuple[Objective, ...]) -> None:
        assert len({(one.name, one.measure) for one in table}) == len(table)
        assert Objective(slo.ALL, Measure.FAILED, 0.0) in table

    def test_objectives_of_unreachable_parts_are_omitted(self) -> None:
        kinds = {one.name for one in objectives(True, dashboards=False, webhooks=False)}
        assert not kinds & {slo.PAGE, slo.SIGN_IN, slo.ROTATION, slo.WEBHOOK}
        assert slo.CHAT in kinds
        assert objectives(False, dashboards=True, webhooks=True) == ENGINE
