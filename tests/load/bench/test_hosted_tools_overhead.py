"""The benchmark of a loop's overhead: how long its loops are, and the cost of a step."""

from typing import Any

import pytest

from load.bench.hosted_tools.overhead import LengthFigures, render, step_cost_ms
from load.constant_upstream.tool_loop import ANSWER, answer_of

TOOLS: Any = [{"function": {"name": name}} for name in ("first", "second")]


def chat(steps: int, made: int, tools: Any = TOOLS) -> dict[str, Any]:
    messages = [{"role": "system", "content": f"steps={steps}"}, {"role": "user", "content": "?"}]
    results = [{"role": "tool", "content": "{}"}] * made
    return {"model": "m", "messages": [*messages, *results], "tools": tools}


@pytest.mark.parametrize(
    ("body", "called"),
    [
        (chat(2, 0), "first"),
        (chat(2, 1), "second"),
        (chat(2, 2), None),
        (chat(0, 0), None),
        (chat(2, 0, tools=None), None),
    ],
)
def test_model_calls_one_tool_after_another_and_then_answers(
    body: dict[str, Any], called: str | None
) -> None:
    message = answer_of(body)["choices"][0]["message"]
    names = [call["function"]["name"] for call in message.get("tool_calls", ())]
    assert names == ([] if called is None else [called])
    assert message["content"] == (ANSWER if called is None else None)


def test_cost_of_a_step_is_the_slope_over_the_lengths() -> None:
    figures = {n: LengthFigures(10, 10 * (2 * n + 1), 0.02 + 0.03 * n, [0.01]) for n in (0, 1, 2)}
    assert step_cost_ms(figures) == pytest.approx(1.5)
    assert "per step: 1.50 ms" in render(LengthFigures(10, 10, 0.01, [0.01]), figures)
