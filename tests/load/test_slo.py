"""Objectives: what holds, what does not, and that what was never called holds nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load import slo
from load.slo import CONSTANT, ENGINE, Measure, Slo, Verdict, judge, measured, objectives
from tests.load.percentiles import Calls


class TestMeasured:
    def test_percentiles(self) -> None:
        assert measured(Measure.P95, Calls(1)) == 95
        assert measured(Measure.P50, Calls(1)) == 50

    @given(st.integers(1, 10**6), st.integers(0, 10**6))
    def test_the_share_that_failed(self, calls: int, failed: int) -> None:
        share = measured(Measure.FAILED, Calls(calls, min(failed, calls)))
        assert share is not None
        assert 0 <= share <= 100
        assert (share == 0) == (failed == 0)

    @pytest.mark.parametrize("measure", list(Measure))
    def test_what_was_not_called_has_none(self, measure: Measure) -> None:
        assert measured(measure, Calls(0)) is None
        assert measured(measure, None) is None


class TestJudge:
    def test_a_bound_is_kept_up_to_itself(self) -> None:
        seen = {"chat": Calls(10)}
        verdicts = judge([Slo("chat", Measure.P95, bound) for bound in (94.9, 95, 96)], seen)
        assert [one.held for one in verdicts] == [False, True, True]

    def test_nothing_called_holds_nothing(self) -> None:
        assert not Verdict(Slo("chat", Measure.P95, 10), None).held
        assert not judge([Slo("chat", Measure.P95, 10)], {})[0].held


class TestObjectives:
    @pytest.mark.parametrize("table", [CONSTANT, ENGINE])
    def test_each_is_there_once_and_failures_are_bounded(self, table: tuple[Slo, ...]) -> None:
        assert len({(one.what, one.measure) for one in table}) == len(table)
        assert Slo(slo.ALL, Measure.FAILED, 0.0) in table

    def test_what_cannot_be_reached_is_not_asked(self) -> None:
        kinds = {one.what for one in objectives(True, dashboards=False, webhooks=False)}
        assert not kinds & {slo.PAGE, slo.SIGN_IN, slo.ROTATION, slo.WEBHOOK}
        assert slo.CHAT in kinds
        assert objectives(False, dashboards=True, webhooks=True) == ENGINE
