"""The report of a soak test: verdicts, also before the end, and rendering from its file."""

from dataclasses import replace
from pathlib import Path

import pytest

from load.soak.events import POSTGRES, ROLLING, EventRecord
from load.soak.final_checks import RecordedCalls, WebhookCounts, WorkerJobs
from load.soak.memory_trend import MemorySeries
from load.soak.report import SoakResult, read_soak, render_report, verdicts


def soak() -> SoakResult:
    """A soak result that meets all objectives."""
    run_at_rate = MemorySeries("gateway 1", [60.0 * n for n in range(61)], [200.0] * 61)
    return SoakResult(
        started_at="now",
        planned_s=3600,
        saturation_s=500,
        rate_s=300,
        elapsed_s=3600,
        answered=1000,
        failures=[(905.0, "database_unavailable")],
        event_records=[EventRecord(POSTGRES, 900, 906, "away")],
        series=[run_at_rate],
        unavailability={"gateway 1, start 1": {"calls: no_answer": 3.0}},
        webhooks_sent=10,
        recorded=RecordedCalls(1000, 1000, 1000, 0, 1001),
        webhooks=WebhookCounts(10, 10),
        jobs=WorkerJobs({"bill": "10:00:00"}, 0),
        reconciled={"differences": [], "open_calls": 0, "credit_held": "0.000000000"},
    )


class TestSoakVerdicts:
    def test_successful_soak_meets_all_objectives(self) -> None:
        assert set(verdicts(soak()).values()) == {True}

    @pytest.mark.parametrize(
        "change",
        [
            {"recorded": RecordedCalls(1000, 1000, 999, 1, 999)},
            {"recorded": RecordedCalls(1000, 999, 1000, 0, 999)},
            {"recorded": RecordedCalls(1000, 1000, 1000, 1, 1000)},
            {
                "event_records": [
                    *soak().event_records,
                    EventRecord(ROLLING, 1000, 1001, "failed: no answer"),
                ]
            },
            {"crashed": ["worker"]},
            {"webhooks": WebhookCounts(10, 9)},
            {"webhooks": WebhookCounts(9, 9)},
            {"webhooks_sent": 11},
            {"failures": [(100.0, "x")] * 2},
            {"reconciled": {"differences": [{}], "open_calls": 0, "credit_held": "0.000000000"}},
            {"reconciled": {"differences": [], "open_calls": 1, "credit_held": "0.000000000"}},
            {"reconciled": {"differences": [], "open_calls": 0, "credit_held": "0.000000001"}},
            {
                "series": [
                    MemorySeries("g", [60.0 * n for n in range(61)], [float(n) for n in range(61)])
                ]
            },
        ],
    )
    def test_each_failed_objective_is_reported(self, change: dict[str, object]) -> None:
        held = verdicts(replace(soak(), **change))  # type: ignore[arg-type]
        assert list(held.values()).count(False) == 1
        assert render_report(replace(soak(), **change)).count("**no**") >= 1  # type: ignore[arg-type]

    def test_running_soak_has_no_verdicts(self) -> None:
        early = SoakResult("now", 3600)
        assert set(verdicts(early).values()) == {None}
        assert "under way" in render_report(early)


class TestSoakReport:
    def test_report_is_rendered_again_from_the_result_file(self, tmp_path: Path) -> None:
        soak().write(tmp_path)
        again = read_soak(tmp_path / "soak.json")
        assert again == soak()
        assert (tmp_path / "report.md").read_text(encoding="utf-8") == render_report(again)

    def test_interrupted_soak_is_marked_in_the_title(self) -> None:
        assert "interrupted" in render_report(replace(soak(), interrupted=True)).splitlines()[0]

    def test_reasons_of_database_unavailability_are_listed(self) -> None:
        assert "| gateway 1, start 1 | calls: no_answer 3 |" in render_report(soak()).splitlines()
