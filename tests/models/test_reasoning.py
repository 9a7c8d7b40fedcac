"""Token budgets of a model that can reason, by effort."""

from typing import Any

import pytest

from models.reasoning import ReasoningEffort, parse_budgets

BUDGETS = {"low": 1_024, "medium": 4_096, "high": 16_384}


def test_budgets_are_read_by_effort() -> None:
    assert parse_budgets(dict(reversed(BUDGETS.items()))) == BUDGETS


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (4_096, "a token budget for each of low, medium, high"),
        ({"low": 1, "high": 3}, "a token budget for each of low, medium, high"),
        ({**BUDGETS, "extreme": 1}, "a token budget for each of low, medium, high"),
        ({**BUDGETS, "low": 0}, "must give `low` a whole number of tokens from 1"),
        ({**BUDGETS, "medium": True}, "must give `medium`"),
        ({**BUDGETS, "high": 1.5}, "must give `high`"),
        ({**BUDGETS, "high": 1 << 21}, "must give `high`"),
        ({**BUDGETS, "high": 100}, "a higher effort fewer tokens"),
    ],
)
def test_invalid_budgets_are_rejected_with_reason(entry: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_budgets(entry)


@pytest.mark.parametrize("effort", ReasoningEffort)
def test_none_and_minimal_effort_turn_reasoning_off(effort: ReasoningEffort) -> None:
    assert effort.reasons == (effort.value in BUDGETS)
