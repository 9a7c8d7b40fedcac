"""The table of the language model's quality measurements."""

import json
from pathlib import Path

from load.bench.industrial_llm.quality import BASE, render_table
from load.bench.industrial_llm.training import FAULT_FOLDS

SOLD = "sold"


def lines(tmp_path: Path, metrics: object) -> dict[str, list[str]]:
    """The cells of the table by measurement."""
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps(metrics), encoding="utf-8")
    render_rows = [
        [cell.strip() for cell in row.split("|")[1:-1]] for row in render_table(SOLD, file)
    ]
    assert len({row[0] for row in render_rows}) == len(render_rows)
    return {row[0]: row[1:] for row in render_rows}


def tools(accuracy: float) -> dict[str, dict[str, dict[str, float]]]:
    return {"tool_choice": {"own_requests": {"examples": 200, "accuracy": accuracy}}}


def test_quality_table_reports_whether_the_required_accuracy_is_met(tmp_path: Path) -> None:
    for accuracy, held in ((0.95, "yes"), (0.945, "**no**")):
        measurements = lines(tmp_path, {SOLD: tools(accuracy), BASE: tools(0.125)})
        assert measurements["tool of 200 requests"] == [f"{accuracy:.1%}", "12.5%", "95%", held]


def test_quality_table_shows_a_dash_for_missing_measurements(tmp_path: Path) -> None:
    measurements = lines(tmp_path, {SOLD: tools(0.97)})
    assert measurements["tool of 200 requests"] == ["97.0%", "–", "95%", "yes"]
    assert measurements["MaintIE's entities, five classes"] == ["–", "–", "70%", "–"]


def test_quality_table_averages_folds_only_when_complete(tmp_path: Path) -> None:
    def of(right: float) -> dict[str, dict[str, dict[str, float]]]:
        return {"fault_system": {"camb_faults": {"examples": 10, "accuracy": right}}}

    metrics = {one.name: of(0.4 if place % 2 else 0.7) for place, one in enumerate(FAULT_FOLDS)}
    assert lines(tmp_path, metrics)["fault to system, ten folds"] == ["55.0%", "–", "50%", "yes"]
    del metrics[FAULT_FOLDS[0].name]
    assert lines(tmp_path, metrics)["fault to system, ten folds"] == ["–", "–", "50%", "–"]
