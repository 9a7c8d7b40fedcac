"""`reasoning_effort` of a chat: what is sent to a model that can reason, and to one that cannot."""

import json
from typing import Any

import pytest

from gateway.call.errors import ParameterInvalid, ParameterUnsupported
from gateway.call.values import Operation, ParsedRequest
from tests.support.builders import CATALOG, CHAT
from tests.support.gateway.decoded import parsed
from tests.support.gateway.reasoning import THINKER

QUESTION: dict[str, Any] = {"model": CHAT, "messages": [{"role": "user", "content": "a"}]}


def asked(**values: Any) -> ParsedRequest:
    return parsed(Operation.CHAT, json.dumps({**QUESTION, **values}).encode(), THINKER)


def sent(**values: Any) -> dict[str, Any]:
    """What the model that can reason is sent beside the question."""
    body: dict[str, Any] = json.loads(asked(**values).body)
    return {name: value for name, value in body.items() if name not in QUESTION}


class TestModelThatCanReason:
    @pytest.mark.parametrize(
        "given", [{}, *({"reasoning_effort": one} for one in (None, "none", "minimal"))]
    )
    def test_reasoning_is_off_unless_requested(self, given: dict[str, Any]) -> None:
        assert sent(**given) == {"reasoning_effort": "none"}

    @pytest.mark.parametrize(("effort", "budget"), [("low", 8), ("medium", 64), ("high", 256)])
    def test_effort_sets_the_models_budget(self, effort: str, budget: int) -> None:
        assert sent(reasoning_effort=effort) == {
            "reasoning_effort": effort,
            "thinking_token_budget": budget,
        }

    @pytest.mark.parametrize("effort", ["xhigh", "max"])
    def test_effort_above_high_has_the_budget_of_high(self, effort: str) -> None:
        assert sent(reasoning_effort=effort) == sent(reasoning_effort="high")

    @pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
    def test_limited_output_leaves_a_quarter_for_the_answer(self, limit: str) -> None:
        assert sent(reasoning_effort="high", **{limit: 100})["thinking_token_budget"] == 75
        assert sent(reasoning_effort="low", **{limit: 100})["thinking_token_budget"] == 8
        assert sent(reasoning_effort="low", **{limit: 1})["thinking_token_budget"] == 0

    def test_shortened_answer_shortens_the_reasoning(self) -> None:
        request = asked(reasoning_effort="high", max_completion_tokens=1000)
        assert request.with_max_tokens is not None
        body = json.loads(request.with_max_tokens(40))
        assert (body["max_tokens"], body["thinking_token_budget"]) == (40, 30)
        plain = asked(max_completion_tokens=1000).with_max_tokens
        assert plain is not None
        assert "thinking_token_budget" not in json.loads(plain(40))

    def test_reasoning_counts_as_output_in_the_bounds(self) -> None:
        assert asked(reasoning_effort="high").output_bounds == asked().output_bounds


class TestModelThatCannotReason:
    def refused(self, effort: Any) -> dict[str, Any]:
        body = json.dumps({**QUESTION, "reasoning_effort": effort}).encode()
        request = parsed(Operation.CHAT, body, CATALOG.models[CHAT])
        answer: dict[str, Any] = json.loads(request.body)
        return answer

    @pytest.mark.parametrize("effort", ["none", "minimal", None])
    def test_effort_without_reasoning_is_accepted_and_not_sent(self, effort: str | None) -> None:
        assert self.refused(effort) == QUESTION

    @pytest.mark.parametrize("effort", ["low", "medium", "high"])
    def test_effort_that_needs_reasoning_is_rejected(self, effort: str) -> None:
        with pytest.raises(ParameterUnsupported, match=f"'{CHAT}' does not reason") as error:
            self.refused(effort)
        assert error.value.param == "reasoning_effort"

    @pytest.mark.parametrize("effort", ["highest", "", "Low", 3, ["low"]])
    def test_unknown_effort_is_rejected(self, effort: Any) -> None:
        with pytest.raises(ParameterInvalid) as error:
            self.refused(effort)
        assert error.value.param == "reasoning_effort"
        if isinstance(effort, str):
            assert (
                "must be one of none, minimal, low, medium, high, xhigh, max."
                in error.value.message
            )
