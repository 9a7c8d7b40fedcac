"""The report of a mixed day: verdict of each objective, figures of each kind of call."""

from load.mixed_day.report import RunInfo, render_report
from load.slo import ALL, Measure, Objective, judge
from tests.load.percentiles import Calls


class TestMixedDayReport:
    def test_report_marks_missed_objectives(self) -> None:
        seen = {"chat": Calls(40, 1), ALL: Calls(40, 1)}
        wanted = [Objective("chat", Measure.P95, 100), Objective("page", Measure.P95, 100)]
        wanted.append(Objective(ALL, Measure.FAILED, 0))
        text = render_report(RunInfo(8, 20, "an engine", "now"), seen, judge(wanted, seen))
        assert "1 of 3 objectives held" in text
        assert "| chat | 40 | 2.0 | 1 | 50.0 | 95.0 | 99.0 |" in text
        assert "| page | p95 | not called | 100 ms | **no** |" in text
        assert "| all | failed | 2.5 % | 0 % | **no** |" in text
