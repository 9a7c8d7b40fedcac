"""Score answers: right specialist, right inputs, right final answer.

A specialist is right if the answer has decisions of the expected tasks and of no other, or none
where none is expected. Inputs are right if they are the marked ones and no others, to one part in
10,000. A final answer is right if specialist and inputs are, if the decision's main figure and
probability are those of the specialist asked directly, and if the text has one of them, rounded; a
ratio also as percent.
A question for missing inputs is right if it names a column and no specialist was called.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from load.bench.hosted_tools.requests import BenchRequest, Expected, Value

_TOLERANCE = 1e-4
_Z = 1.96
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_PERCENT = re.compile(rf"({_NUMBER.pattern})\s*[%％]")


@dataclass(frozen=True, slots=True)
class Score:
    """What was right about one answer."""

    specialist: bool
    inputs: bool
    final: bool


def score(request: BenchRequest, answer: Mapping[str, Any], direct: Mapping[str, Any]) -> Score:
    """Return the score of a chat completion.

    direct: the outputs of the specialist for the request's inputs, asked directly; empty if it is
    not asked.
    """
    decisions = answer.get("x_maas_decisions") or []
    text = str(answer["choices"][0]["message"]["content"])
    if request.expected is Expected.NOTHING:
        return Score(not decisions, True, not decisions and bool(text.strip()))
    if request.expected is Expected.QUESTION:
        is_asked = answer.get("x_maas_answer") == "asked" and not decisions
        return Score(is_asked, is_asked, is_asked and bool(answer.get("x_maas_missing")))
    expected = {request.task: request.inputs, **request.others}
    if {one["task"] for one in decisions} != expected.keys():
        return Score(False, False, False)
    inputs = all(_are_equal(expected[one["task"]], one.get("inputs", {})) for one in decisions)
    first = next(one for one in decisions if one["task"] == request.task)
    return Score(True, inputs, inputs and _is_right(request, first, direct, text))


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson's score interval)."""
    share, z2 = right / count, _Z**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    width = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return max(0.0, centre - width), min(1.0, centre + width)


def _are_equal(expected: Mapping[str, Value], got: Mapping[str, Any]) -> bool:
    """Return whether the specialist got the expected inputs and no others."""
    return expected.keys() == got.keys() and all(
        _is_same(value, got[name]["value"]) for name, value in expected.items()
    )


def _is_same(expected: Value, got: Any) -> bool:
    """Return whether two values are equal but for rounding."""
    if isinstance(expected, tuple) and isinstance(got, str):  # a long one; the figures show it
        return bool(got == f"{len(expected)} values")
    if isinstance(expected, tuple):
        is_list = isinstance(got, list) and len(got) == len(expected)
        return is_list and all(map(_is_same, expected, got))
    if isinstance(expected, str):
        return bool(expected == got)
    return isinstance(got, int | float) and math.isclose(expected, got, rel_tol=_TOLERANCE)


def _is_right(
    request: BenchRequest, decision: Mapping[str, Any], direct: Mapping[str, Any], text: str
) -> bool:
    """Return whether a decision is the specialist's and stands in the text."""
    if request.expected is Expected.UNCERTAIN:
        return bool(decision["verdict"] == "uncertain")
    probability = decision.get("probability")
    figures = [probability * 100] if probability is not None else []
    for figure in decision["figures"][:1]:
        value, truth = figure["value"], direct.get(figure["name"])
        if isinstance(value, str):
            return value == truth and value in text
        if isinstance(value, list):
            flagged = [n for n, flag in enumerate(truth or [], start=1) if flag]
            return [int(one) for one in value] == flagged
        if not _is_same(float(truth), value):  # type: ignore[arg-type]
            return False
        if figure.get("unit") == "1" and _has_one([value * 100], _PERCENT.findall(text)):
            return True
        figures.append(value)
    return _has_one(figures, _NUMBER.findall(text))


def _has_one(figures: Sequence[float], numbers: Sequence[str]) -> bool:
    """Return whether one of the figures is among numbers, to three significant digits."""
    stated = [float(number.replace(",", "")) for number in numbers]
    return any(
        math.isclose(figure, one, rel_tol=6e-3, abs_tol=0.06)
        for figure in figures
        for one in stated
    )


def agrees(text: str, direct: Mapping[str, Any]) -> bool:
    """Return whether an answer of a language model alone says what the specialist says.

    For a failure: yes or no. For a remaining life: the first number lies in the specialist's
    interval.
    """
    if "failure" in direct:
        lowered = text.lower()
        says_yes = "yes" in lowered or ("会" in lowered and "不会" not in lowered)
        return says_yes == bool(direct["failure"])
    numbers = _NUMBER.findall(text)
    if not numbers or "lower" not in direct:
        return False
    return bool(direct["lower"] <= float(numbers[0].replace(",", "")) <= direct["upper"])
