"""Objectives: what holds, what does not, and that what was never called holds nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load import slo
from load.slo import CONSTANT, ENGINE, Measure, Objective, Verdict, judge, objectives, value_of
from tests.load.percentiles import Calls


class TestMeasured:
    def test_percentiles(self) -> None:
        assert value_of(Measure.P95, Calls(1)) == 95
        assert value_of(Measure.P50, Calls(1)) == 50

    @given(st.integers(1, 10**6), st.integers(0, 10**6))
    def test_the_share_that_failed(self, calls: int, failed: int) -> None:
        share = value_of(Measure.FAILED, Calls(calls, min(failed, calls)))
        assert share is not None
        assert 0 <= share <= 100
        assert (share == 0) == (failed == 0)

    @pytest.mark.parametrize("measure", list(Measure))
    def test_what_was_not_called_has_none(self, measure: Measure) -> None:
        assert value_of(measure, Calls(0)) is None
        assert value_of(measure, None) is None


class TestJudge:
    def test_a_bound_is_kept_up_to_itself(self) -> None:
        stats = {"chat": Calls(10)}
        verdicts = judge([Objective("chat", Measure.P95, bound) for bound in (94.9, 95, 96)], stats)
        assert [one.is_met for one in verdicts] == [False, True, True]

    def test_nothing_called_holds_nothing(self) -> None:
        assert not Verdict(Objective("chat", Measure.P95, 10), None).is_met
        assert not judge([Objective("chat", Measure.P95, 10)], {})[0].is_met


class TestObjectives:
    @pytest.mark.parametrize("table", [CONSTANT, ENGINE])
    def test_each_is_there_once_and_failures_are_bounded(
        self, table: tuple[Objective, ...]
    ) -> None:
        assert len({(one.name, one.measure) for one in table}) == len(table)
        assert Objective(slo.ALL, Measure.FAILED, 0.0) in table

    def test_what_cannot_be_reached_is_not_asked(self) -> None:
        kinds = {one.name for one in objectives(True, dashboards=False, webhooks=False)}
        assert not kinds & {slo.PAGE, slo.SIGN_IN, slo.ROTATION, slo.WEBHOOK}
        assert slo.CHAT in kinds
        assert objectives(False, dashboards=True, webhooks=True) == ENGINE
