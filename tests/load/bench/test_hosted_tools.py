"""The requests and the scoring rule of the hosted tools' benchmark."""

from typing import Any

import pytest

from load.bench.hosted_tools.requests import BenchRequest, Expected, milling_request, read_requests
from load.bench.hosted_tools.scoring import Score, score

MILL = BenchRequest("machine_failure", Expected.DECISION, "?", {"type": "L", "torque": 65.0})
DIRECT = {"failure": 1, "failure_probability": 0.93}


def answer(text: str, **changes: Any) -> dict[str, Any]:
    decision = {
        "task": "machine_failure",
        "verdict": "yes",
        "probability": 0.93,
        "figures": [{"name": "failure", "value": 1.0}],
        "inputs": {"type": {"value": "L"}, "torque": {"value": 65}},
        **changes,
    }
    return {
        "choices": [{"message": {"content": text}}],
        "x_maas_answer": "verified",
        "x_maas_decisions": [decision],
    }


def test_file_has_a_hundred_requests_for_one_specialist_and_thirty_mixed_ones() -> None:
    requests = read_requests()
    assert [one.is_mixed for one in requests].count(False) == 100
    assert [one.is_mixed for one in requests].count(True) == 30
    assert all("[" not in one.text and "|" not in one.text for one in requests)
    first = requests[0]
    assert (first.task, first.inputs["dynamic_load_rating"]) == ("bearing_life", 33500.0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer("It fails, 93 %."), Score(True, True, True)),
        (answer("It fails."), Score(True, True, False)),
        (answer("93 %", inputs={"type": {"value": "L"}}), Score(True, False, False)),
        (answer("93 %", task="oee"), Score(False, False, False)),
        (answer("93 %", figures=[{"name": "failure", "value": 0.0}]), Score(True, True, False)),
    ],
)
def test_decision_is_scored_by_specialist_inputs_and_figures(
    given: dict[str, Any], expected: Score
) -> None:
    assert score(MILL, given, DIRECT) == expected


def test_question_and_plain_answer_are_right_without_a_decision() -> None:
    nothing = BenchRequest("", Expected.NOTHING, "?", {})
    plain = {"choices": [{"message": {"content": "Grease."}}]}
    assert score(nothing, plain, {}) == Score(True, True, True)
    assert not score(nothing, answer("93 %"), {}).specialist
    asked = BenchRequest("oee", Expected.QUESTION, "?", {})
    assert score(asked, {**plain, "x_maas_answer": "asked", "x_maas_missing": ["x"]}, {}).final
    assert not score(asked, plain, {}).specialist


def test_row_of_the_data_is_asked_in_both_languages() -> None:
    row = {
        "Type": "M",
        "Air temperature [K]": "298.1",
        "Process temperature [K]": "308.6",
        "Rotational speed [rpm]": "1551",
        "Torque [Nm]": "42.8",
        "Tool wear [min]": "0",
    }
    english, chinese = (milling_request(row, flag) for flag in (False, True))
    assert english.inputs == chinese.inputs
    assert "torque 42.8 Nm" in english.text
    assert "扭矩42.8牛米" in chinese.text
