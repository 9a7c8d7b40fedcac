"""The report of a soak: what must hold, also while that is not known; and told from its file."""

from dataclasses import replace
from pathlib import Path

import pytest

from load.soak.events import POSTGRES, ROLLING, Happened
from load.soak.final_checks import Hooks, Jobs, Recorded
from load.soak.memory_trend import Series
from load.soak.report import Soak, read_soak, report, verdicts


def soak() -> Soak:
    """One in which all holds."""
    steady = Series("gateway 1", [60.0 * n for n in range(61)], [200.0] * 61)
    return Soak(
        began_at="now",
        wanted_s=3600,
        saturation_s=500,
        rate_s=300,
        lasted_s=3600,
        answered=1000,
        failures=[(905.0, "database_unavailable")],
        happened=[Happened(POSTGRES, 900, 906, "away")],
        series=[steady],
        absences={"gateway 1, start 1": {"calls: no_answer": 3.0}},
        hooks_sent=10,
        recorded=Recorded(1000, 1000, 1000, 0, 1001),
        hooks=Hooks(10, 10),
        jobs=Jobs({"bill": "10:00:00"}, 0),
        reconciled={"differences": [], "open_calls": 0, "credit_held": "0.000000000"},
    )


class TestVerdicts:
    def test_all_holds(self) -> None:
        assert set(verdicts(soak()).values()) == {True}

    @pytest.mark.parametrize(
        "change",
        [
            {"recorded": Recorded(1000, 1000, 999, 1, 999)},
            {"recorded": Recorded(1000, 999, 1000, 0, 999)},
            {"recorded": Recorded(1000, 1000, 1000, 1, 1000)},
            {"happened": [*soak().happened, Happened(ROLLING, 1000, 1001, "failed: no answer")]},
            {"fallen": ["worker"]},
            {"hooks": Hooks(10, 9)},
            {"hooks": Hooks(9, 9)},
            {"hooks_sent": 11},
            {"failures": [(100.0, "x")] * 2},
            {"reconciled": {"differences": [{}], "open_calls": 0, "credit_held": "0.000000000"}},
            {"reconciled": {"differences": [], "open_calls": 1, "credit_held": "0.000000000"}},
            {"reconciled": {"differences": [], "open_calls": 0, "credit_held": "0.000000001"}},
            {"series": [Series("g", [60.0 * n for n in range(61)], [float(n) for n in range(61)])]},
        ],
    )
    def test_each_can_fail(self, change: dict[str, object]) -> None:
        held = verdicts(replace(soak(), **change))  # type: ignore[arg-type]
        assert list(held.values()).count(False) == 1
        assert report(replace(soak(), **change)).count("**no**") >= 1  # type: ignore[arg-type]

    def test_before_the_end_nothing_is_claimed(self) -> None:
        early = Soak("now", 3600)
        assert set(verdicts(early).values()) == {None}
        assert "under way" in report(early)


class TestReport:
    def test_it_is_told_again_from_its_file(self, tmp_path: Path) -> None:
        soak().write(tmp_path)
        again = read_soak(tmp_path / "soak.json")
        assert again == soak()
        assert (tmp_path / "report.md").read_text(encoding="utf-8") == report(again)

    def test_an_interrupted_one_says_so(self) -> None:
        assert "interrupted" in report(replace(soak(), interrupted=True)).splitlines()[0]

    def test_why_the_database_was_not_there_is_told(self) -> None:
        assert "| gateway 1, start 1 | calls: no_answer 3 |" in report(soak()).splitlines()
