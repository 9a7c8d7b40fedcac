"""The table of all specialists with their targets and measured figures."""

import json
from pathlib import Path

import pytest

from models.specialists import BARS, REMAINING_LIFE, STEPS, Bar, main, read_figure, render_table

ROOT = Path(__file__).parents[2] / "models"


class TestSpecialistTable:
    @pytest.mark.parametrize("bar", BARS, ids=lambda bar: f"{bar.specialist}: {bar.what}")
    def test_every_target_has_a_measured_figure(self, bar: Bar) -> None:
        metrics = json.loads((ROOT / bar.specialist / "metrics.json").read_text("utf-8"))
        read_figure(bar, metrics)
        assert bar.specialist in STEPS

    def test_missed_target_is_marked(self, tmp_path: Path) -> None:
        for name in STEPS:
            (tmp_path / name).mkdir()
            text = (ROOT / name / "metrics.json").read_text("utf-8")
            (tmp_path / name / "metrics.json").write_text(text, "utf-8")
        rul = json.loads((tmp_path / REMAINING_LIFE / "metrics.json").read_text("utf-8"))
        rul["single_seeds"]["mean"] = 13.0
        (tmp_path / REMAINING_LIFE / "metrics.json").write_text(json.dumps(rul), "utf-8")
        (missed,) = [line for line in render_table(tmp_path).splitlines() if "| 13 |" in line]
        assert "**missed**" in missed
        assert "≤ 12" in missed

    def test_command_prints_the_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["--table"])
        assert capsys.readouterr().out.count("\n") == len(BARS) + 2
