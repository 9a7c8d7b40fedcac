"""The requests and the scoring rule of the hosted tools' benchmark."""

from typing import Any

import pytest

from load.bench.hosted_tools.data_rows import engine_request
from load.bench.hosted_tools.held_out import read_held_out
from load.bench.hosted_tools.requests import BenchRequest, Expected, milling_request, read_requests
from load.bench.hosted_tools.scoring import Score, agrees, score, wilson

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


def test_two_specialists_are_right_if_both_decide_with_their_inputs() -> None:
    others = {"oee": {"planned_busy_time": 480.0}}
    both = BenchRequest(MILL.task, Expected.DECISION, "?", MILL.inputs, others=others)
    given = answer("93 %")
    assert not score(both, given, DIRECT).specialist
    oee = {"task": "oee", "inputs": {"planned_busy_time": {"value": 480}}}
    given["x_maas_decisions"].append(oee)
    assert score(both, given, DIRECT) == Score(True, True, True)
    oee["inputs"] = {"planned_busy_time": {"value": 4}}
    assert score(both, given, DIRECT) == Score(True, False, False)


def test_long_series_is_compared_by_its_length() -> None:
    series = BenchRequest(MILL.task, Expected.DECISION, "?", {"T24": (1.0,) * 60})
    given = answer("93 %", inputs={"T24": {"value": "60 values"}})
    assert score(series, given, DIRECT).inputs
    given = answer("93 %", inputs={"T24": {"value": "59 values"}})
    assert not score(series, given, DIRECT).inputs


def test_interval_of_a_share_is_wilsons() -> None:
    low, high = wilson(51, 54)
    assert (round(low, 3), round(high, 3)) == (0.849, 0.981)
    assert wilson(54, 54)[1] == 1.0


def test_held_out_requests_are_in_both_languages_and_have_two_specialists_too() -> None:
    requests = read_held_out()
    assert len(requests) == 455
    assert sum(bool(one.others) for one in requests) == 11
    chinese = sum(any("一" <= letter <= "鿿" for letter in one.text) for one in requests)
    assert chinese == 225


def test_history_of_an_engine_is_asked_as_a_table_or_as_series() -> None:
    history = [[str(column + cycle / 10) for column in range(26)] for cycle in range(20)]
    table, series = (engine_request(history, number) for number in (0, 2))
    assert table.inputs == series.inputs
    assert len(table.inputs["T24"]) == 20  # type: ignore[arg-type]
    assert "T24\tT30" in table.text
    assert "T24: 6.0, 6.1" in series.text


@pytest.mark.parametrize(
    ("text", "direct", "expected"),
    [
        ("Yes.", {"failure": 1}, True),
        ("No.", {"failure": 1}, False),
        ("About 95 cycles", {"remaining_life": 90, "lower": 80, "upper": 100}, True),
        ("About 120 cycles", {"remaining_life": 90, "lower": 80, "upper": 100}, False),
        ("I cannot say.", {"remaining_life": 90, "lower": 80, "upper": 100}, False),
    ],
)
def test_answer_of_the_model_alone_agrees_or_not(
    text: str, direct: dict[str, Any], expected: bool
) -> None:
    assert agrees(text, direct) is expected


@pytest.mark.parametrize(
    ("text", "unit", "is_right"),
    [
        ("OEE is 82.9%.", "1", True),
        ("OEE is 0.829.", "1", True),
        ("The life is 82.9%.", "h", False),
        ("82.9 pieces", "1", False),
    ],
)
def test_ratio_is_right_as_percent_too(text: str, unit: str, is_right: bool) -> None:
    ratio = BenchRequest("oee", Expected.DECISION, "?", {})
    figures = [{"name": "oee", "value": 0.8294, "unit": unit}]
    given = answer(text, task="oee", inputs={}, figures=figures, probability=None)
    assert score(ratio, given, {"oee": 0.8294}).final is is_right
