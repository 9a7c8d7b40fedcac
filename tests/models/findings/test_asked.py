"""Tests of the figures that a question asks for."""

import pytest

from models.findings import Finding, check_answer, compose, find_asked, read_finding, with_asked
from models.mechanisms import MECHANISMS

EFFECTIVENESS = {
    "oee": 0.829,
    "availability": 0.891,
    "effectiveness": 0.946,
    "quality_ratio": 0.983,
}
NEW_SPEED = {"new_flow": 60.3, "new_head": 19.32, "new_shaft_power": 4.23}


def finding_of(mechanism: str, predicted: dict[str, float]) -> Finding:
    """Return what a calculation with these outputs says."""
    one = MECHANISMS[mechanism]
    return read_finding(one.inputs, one.outputs, {}, predicted)


OEE, AFFINITY = finding_of("oee", EFFECTIVENESS), finding_of("pump_affinity", NEW_SPEED)


@pytest.mark.parametrize(
    ("finding", "question", "asked"),
    [
        (OEE, "OEE多少：应开440分钟，实际开机392分钟", {"oee"}),
        (OEE, "中班计划7.5小时，停机40分钟，求综合效率", {"oee"}),
        (OEE, "What was the availability? Planned 440 min, ran 392 min", {"availability"}),
        (OEE, "Planned 440 min, ran 392 min, 530 made", set()),
        (AFFINITY, "原流量70m³/h，原扬程26m，轴功率6.6kW，问新扬程", {"new_head"}),
        (AFFINITY, "flow of 70 m3/h at 1450 rpm, which flow at 1250 rpm?", {"new_flow"}),
        (AFFINITY, "26 m of head at 1450 rpm, how much power at 1250?", {"new_shaft_power"}),
    ],
)
def test_named_figures_without_a_reading_are_asked_for(
    finding: Finding, question: str, asked: set[str]
) -> None:
    assert with_asked(finding, find_asked(question)).asked == asked


def test_figures_that_are_asked_for_come_first() -> None:
    finding = with_asked(AFFINITY, find_asked("要的是新扬程"))
    assert [one.name for one in finding.figures] == ["new_head", "new_flow", "new_shaft_power"]
    assert compose(finding, "pump", "1", "zh").startswith("新扬程：19.32 m；新流量")


def test_finding_without_an_asked_figure_is_unchanged() -> None:
    assert with_asked(OEE, find_asked("How did the shift go?")) is OEE


def test_main_figure_of_a_calculation_is_what_it_is_named_after() -> None:
    mains = {name: one.outputs[0].name for name, one in MECHANISMS.items()}
    assert mains["oee"] == "oee"
    assert mains["process_capability"] == "cpk"
    assert mains["motor_efficiency"] == mains["pump_efficiency"] == "efficiency"
    assert mains["bearing_life"] == "basic_rating_time"


@pytest.mark.parametrize(
    ("question", "answer", "problems"),
    [
        ("OEE多少", "时间开动率为89.1%。", ("oee 0.829",)),
        ("OEE多少", "OEE为82.9%。", ()),
        ("时间开动率多少", "时间开动率为89.1%。", ()),
        ("How did the shift go?", "Availability was 89.1 %.", ("oee 0.829",)),
    ],
)
def test_answer_must_state_a_figure_that_is_asked_for(
    question: str, answer: str, problems: tuple[str, ...]
) -> None:
    assert check_answer(answer, [with_asked(OEE, find_asked(question))], [], [question]) == problems


def test_one_of_several_asked_figures_is_enough() -> None:
    finding = with_asked(AFFINITY, find_asked("新流量和新扬程会怎么变"))
    assert check_answer("新扬程为19.32 m。", [finding], [], []) == ()
