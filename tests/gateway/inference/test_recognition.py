"""Which specialists are recognised: by text, inputs and sentences; and the held-out requests."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.collaboration import plan
from gateway.collaboration.plan import Question, direct_tools, tool_to_ask_for
from gateway.collaboration.tools import MAX_TOOLS, SpecialistTool, rank_tools
from gateway.inference.hosted_tools.recognition import recognise
from load.bench.hosted_tools.held_out import Part, read_held_out
from load.bench.hosted_tools.requests import BenchRequest, Expected
from models.arguments import extract
from models.languages import language_of
from models.routing.classifier import RouteClassifier
from models.routing.sentences import split_sentences
from models.signature import Signature
from tests.support.builders import CATALOG
from tests.support.models.columns import FIELDS
from tests.support.nightly import at_length

CLASSIFIER = RouteClassifier.load()
TOOLS = [
    SpecialistTool(
        one.id, one.description, Signature(FIELDS[one.route.task], (), "1"), "1", one.route.task
    )
    for one in CATALOG.models.values()
    if one.route is not None and one.route.task in FIELDS
]
PUMP = "80 m3/h, 30 m, 998 kg/m3, 9 kW shaft power"
MOTOR = "400 V, 17 A, power factor 0.85, 61 Nm, 1450 rpm"


def question(text: str) -> Question:
    prediction = CLASSIFIER.predict(text)
    tools = rank_tools(TOOLS, prediction.confidences, text, MAX_TOOLS)
    extractions = {tool.model: extract((text,), tool.fields) for tool in tools}
    plain = Question((text,), language_of(text), tools, extractions, frozenset())
    return recognise(plain, prediction, CLASSIFIER.predict)


def called(text: str) -> dict[str, dict[str, Any]]:
    asked = question(text)
    return {
        str(tool.task): {
            name: one.value for name, one in asked.extractions[tool.model].first.items()
        }
        for tool in direct_tools(asked, 4)
    }


def test_sentences_for_two_tasks_call_both_specialists_with_their_own_numbers() -> None:
    found = called(f"Pump: {PUMP}, efficiency? And its motor: {MOTOR}, efficiency?")
    assert found.keys() == {"pump_efficiency", "motor_efficiency"}
    two = called(
        "①球轴承C=30kN、P=3kN、1450rpm的L10h；②电机380V、20A、功率因数0.85、60Nm、980rpm的效率。"
    )
    assert two["bearing_life"]["rotational_speed"] == 1450
    assert two["motor_efficiency"]["rotational_speed"] == 980


def test_second_task_without_its_inputs_does_not_hinder_the_first() -> None:
    assert called(f"Pump efficiency: {PUMP}? And what about the bearing's life?").keys() == {
        "pump_efficiency"
    }


def test_other_task_with_all_inputs_is_meant_if_the_likeliest_lacks_some() -> None:
    text = "VFD drops the pump from 48 rev/s to 40 rev/s; 35 m3/h, 48 m, 6.2 kW shaft. Power then?"
    assert called(text).keys() == {"pump_affinity"}


@pytest.mark.parametrize(
    ("newest", "asks_now", "calls"),
    [("Thanks!", False, 0), ("And at 70 m3/h?", False, 1), ("Its efficiency?", True, 1)],
)
def test_readings_of_an_earlier_message_are_used_if_the_newest_asks_or_adds_one(
    newest: str, asks_now: bool, calls: int
) -> None:
    asked = question(f"Pump: {PUMP}, efficiency?")
    later = replace(asked, texts=(*asked.texts, newest), asks_now=asks_now)
    assert len(direct_tools(later, 4)) == calls


def test_newest_message_is_read_once_for_all_who_ask_what_it_adds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = question(f"Pump: {PUMP}, efficiency?")
    later = replace(asked, texts=(*asked.texts, "Thanks!"), asks_now=False)
    read: list[str] = []

    def counted(texts: tuple[str, ...], fields: Any) -> Any:
        read.extend(texts)
        return extract(texts, fields)

    monkeypatch.setattr(plan, "extract", counted)
    for _ in range(3):  # whether to offer a tool, what to hold, what to call
        assert direct_tools(later, 4) == ()
    assert len(read) == len(later.tools)


@pytest.mark.parametrize(
    "text", [f"Please translate: {PUMP}", f"请翻译：流量80m³/h，扬程30m，{PUMP}"]
)
def test_readings_to_be_translated_call_nothing(text: str) -> None:
    assert direct_tools(question(text), 4) == ()
    assert tool_to_ask_for(question(text)) is None


def test_long_texts_have_a_bounded_number_of_sentences() -> None:
    assert len(split_sentences("How much is it? " * 40)) == 8


# Requests with the expected calls, of all; the last part, by another author, never repaired a rule.
FLOOR = {Part.FIRST: 129, Part.SECOND: 130, Part.THIRD: 74, Part.FOURTH: 51, Part.OTHERS: 57}
COUNT = {Part.FIRST: 130, Part.SECOND: 130, Part.THIRD: 76, Part.FOURTH: 54, Part.OTHERS: 65}


@pytest.mark.parametrize("part", at_length(list(Part), [Part.FIRST, Part.OTHERS]))
def test_held_out_requests_give_the_expected_calls(part: Part) -> None:
    requests = read_held_out(part)
    assert len(requests) == COUNT[part]
    assert sum(map(is_right, requests)) >= FLOOR[part]


def is_right(request: BenchRequest) -> bool:
    found = called(request.text)
    if request.expected in (Expected.NOTHING, Expected.QUESTION):
        return not found
    expected: Mapping[str, Mapping[str, Any]] = {request.task: request.inputs, **request.others}
    return found.keys() == expected.keys() and all(
        found[task].keys() == inputs.keys()
        and all(is_same(value, found[task][name]) for name, value in inputs.items())
        for task, inputs in expected.items()
    )


def is_same(expected: Any, got: Any) -> bool:
    if isinstance(expected, tuple):
        return len(expected) == len(got) and all(map(is_same, expected, got))
    if isinstance(expected, str):
        return bool(expected == got)
    return math.isclose(expected, got, rel_tol=1e-4)
