"""Findings from outputs, their sentences, and the check of a language model's words."""

from typing import Any

import pytest

from models.findings import Finding, Stated, Verdict, check_answer, compose, read_finding
from models.findings.dialogue import ask_for
from models.findings.verification import Known
from models.mechanisms import MECHANISMS
from models.signature import InputField, OutputField
from models.tabular.answers import number_outputs

INPUTS = (
    InputField("torque", "FP32", "N·m", "At the spindle", 0, 500, trained=(3.8, 76.6)),
    InputField("type", "BYTES", values=("L", "M")),
)
OUTPUTS = (
    OutputField("failure_probability", "FP32", "1"),
    OutputField("failure", "INT64", "1"),
    OutputField("reasons", "BYTES", series=True),
    OutputField("contributions", "FP32", "1", series=True),
)
PREDICTED = {
    "failure_probability": 0.9312,
    "failure": 1,
    "reasons": ["torque", "tool_wear"],
    "contributions": [2.0, 1.0],
}
LIFE = Finding(Verdict.VALUE, Verdict.VALUE, (Stated("remaining_life", 45.3, None, 31.0, 62.0),))
FAILS = read_finding(INPUTS, OUTPUTS, {"torque": 65.0, "type": "L"}, PREDICTED)


def test_decision_has_verdict_probability_and_reasons() -> None:
    assert (FAILS.verdict, FAILS.probability) == (Verdict.YES, 0.9312)
    assert FAILS.reasons == ("torque", "tool_wear")
    assert FAILS.outside == ()


@pytest.mark.parametrize(("failure", "verdict"), [(0, Verdict.NO), (-1, Verdict.UNCERTAIN)])
def test_other_decisions_are_no_and_uncertain(failure: int, verdict: Verdict) -> None:
    predicted = {**PREDICTED, "failure": failure}
    assert read_finding(INPUTS, OUTPUTS, {"torque": 40.0}, predicted).verdict is verdict


def test_input_outside_the_trained_range_makes_the_verdict_uncertain() -> None:
    finding = read_finding(INPUTS, OUTPUTS, {"torque": 120.0}, PREDICTED)
    assert (finding.verdict, finding.decided) == (Verdict.UNCERTAIN, Verdict.YES)
    assert finding.outside == (("torque", "3.8–76.6 N·m"),)
    assert "Outside the trained range: torque (trained 3.8–76.6 N·m)" in compose(
        finding, "m", "1", "en"
    )


def test_own_model_that_reports_inputs_outside_its_training_is_uncertain() -> None:
    predicted = {"value": 5.0, "lower": 4.0, "upper": 6.5, "reasons": ["a"], "outside": "a; b"}
    finding = read_finding((), number_outputs("wear", "mm"), {}, predicted)
    assert finding.verdict is Verdict.UNCERTAIN
    assert [name for name, _ in finding.outside] == ["a", "b"]
    assert finding.figures == (Stated("value", 5.0, "mm", 4.0, 6.5),)


def test_calculation_has_all_its_figures_with_units() -> None:
    mechanism = MECHANISMS["pump_affinity"]
    predicted = {"new_flow": 81.6, "new_head": 24.65, "new_shaft_power": 8.36}
    finding = read_finding(mechanism.inputs, mechanism.outputs, {}, predicted)
    assert finding.verdict is Verdict.VALUE
    assert compose(finding, "pump", "1", "zh") == (
        "新流量：81.6 m³/h；新扬程：24.65 m；新轴功率：8.36 kW。来源：pump，版本 1。"
    )


def test_flags_of_a_chart_name_the_points_that_signal() -> None:
    mechanism = MECHANISMS["control_chart"]
    predicted: dict[str, Any] = {one.name: [False, False, True] for one in mechanism.outputs[:1]}
    predicted |= {one.name: [False] * 3 for one in mechanism.outputs[1:]}
    finding = read_finding(mechanism.inputs, mechanism.outputs, {}, predicted)
    assert finding.verdict is Verdict.YES
    text = compose(finding, "chart", "1", "en")
    assert text.startswith("The chart signals.")
    assert "beyond 3 sigma: points 3" in text
    assert "eight on one side: none" in text


def test_composed_sentences_say_verdict_probability_reasons_and_source() -> None:
    assert compose(FAILS, "milling-model", "2", "en") == (
        "A failure is expected (probability 93.1 %). Main reasons: torque, tool wear. "
        "Source: milling-model, version 2."
    )
    assert compose(FAILS, "milling-model", "2", "zh") == (
        "预计会发生故障（概率 93.1%）。主要原因：扭矩、刀具磨损时间。来源：milling-model，版本 2。"
    )
    assert "remaining life: 45.3 cycles (interval 31 to 62)" in compose(
        LIFE, "life-model", "1", "en"
    )


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        (
            "A failure is likely, with a probability of 93 %, mostly due to the torque of 65 Nm.",
            True,
        ),
        ("很可能故障，概率93.1%，主要因为扭矩 65 N·m。", True),
        ("A failure is likely, with a probability of 95 %.", False),
        ("A failure is likely.", False),
        ("No failure is expected, with a probability of 93 %.", False),
        ("概率93.1%，不会发生故障。", False),
        ("Probability 93 %. Change the tool within 30 minutes.", False),
        ("A failure is likely (93.1 %). Source: <sensitive>", False),
        ("A failure of [MACHINE NAME] is likely (93.1 %).", False),
        ("A failure is likely (p > 0.9, < 1): 93.1 %.", True),
        ("", False),
    ],
)
def test_words_are_used_only_with_the_findings_figures(answer: str, is_right: bool) -> None:
    problems = check_answer(answer, [FAILS], [Known(65.0, "N·m")], [])
    assert (not problems) is is_right, problems


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("About 45 cycles remain, between 31 and 62.", True),
        ("还剩约45.3个循环（31到62）。", True),
        ("About 50 cycles remain.", False),
        ("About 45 cycles remain, at most 70.", False),
        ("Some cycles remain.", False),
    ],
)
def test_main_figure_must_be_said_and_rounded_rightly(answer: str, is_right: bool) -> None:
    assert (not check_answer(answer, [LIFE], [], [])) is is_right


def test_converted_figure_is_the_same_and_another_unit_is_not() -> None:
    finding = Finding(Verdict.VALUE, Verdict.VALUE, (Stated("basic_rating_time", 11111.1, "h"),))
    assert check_answer("It lasts 11,111 h.", [finding], [], []) == ()
    assert check_answer("It lasts 463 days.", [finding], [], []) == ()
    assert check_answer("It lasts 11,111 days.", [finding], [], []) != ()


def test_uncertain_result_must_be_called_uncertain() -> None:
    finding = read_finding(INPUTS, OUTPUTS, {"torque": 120.0}, PREDICTED)
    inputs = [Known(120.0, "N·m")]
    sure = "A failure is likely, with 93.1 %."
    assert "that the result is uncertain" in check_answer(sure, [finding], inputs, [])
    assert check_answer(f"{sure} This is uncertain.", [finding], inputs, []) == ()


def test_numbers_of_the_question_and_list_markers_may_be_repeated() -> None:
    answer = "1. Machine 7: a failure is likely (93.1 %).\n2. Check the tool."
    assert check_answer(answer, [FAILS], [], ["Will machine no. 7 fail?"]) == ()


@pytest.mark.parametrize(
    ("addition", "foreign"),
    [
        ("/dom_constraint_index、uptime_factor", ("dom_constraint_index", "uptime_factor")),
        ("Replace bearing SKF6205 of P-205.", ("SKF6205", "P-205")),
        ("按 ISO9001 记录。", ("ISO9001",)),
        ("The torque of P-204 and good quantity decide, CO2 does not.", ()),
        ("决定因素是 tool_wear 和 GOOD_QUANTITY（P-204）。", ()),
    ],
)
def test_names_that_nobody_gave_are_foreign(addition: str, foreign: tuple[str, ...]) -> None:
    asked, columns = ["Will P204 fail?"], ["tool_wear", "good_quantity"]
    answer = f"Failure is expected with 93.1 %. {addition}"
    problems = check_answer(answer, [FAILS], [], asked, columns)
    assert set(problems) == set(foreign)


def test_missing_columns_are_asked_for_with_meaning_unit_and_limits() -> None:
    asked = ask_for("m", INPUTS, [], "en", INPUTS)
    assert "torque (At the spindle, 0–500 N·m)" in asked
    assert "one of L, M" in asked
    chinese = ask_for("m", INPUTS, [], "zh", INPUTS)
    assert "扭矩（0–500 N·m）" in chinese
    assert "质量等级（可选 L, M）" in chinese


def test_huge_texts_of_a_specialist_are_cut() -> None:
    outputs = (OutputField("cause", "BYTES"), OutputField("reasons", "BYTES", series=True))
    predicted = {"cause": "x" * 10_000_000, "reasons": ["y" * 1_000_000] * 1_000}
    finding = read_finding((), outputs, {}, predicted)
    assert finding.main is not None
    assert len(str(finding.main.value)) == len(finding.reasons[0]) == 400
    assert len(finding.reasons) == 50
