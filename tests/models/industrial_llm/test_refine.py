"""Tests of the examples for the second training of the industry adapter."""

import json

from models.industrial_llm.examples import DatasetSplit, Example
from models.industrial_llm.refine import balanced
from models.industrial_llm.tasks.tool_choice import render_tool_call


def requests(count: int, tool: str | None, *, arguments: bool = False) -> tuple[Example, ...]:
    """Return requests with the same tool, with or without an argument."""
    answer = render_tool_call(tool, {"speed": 1450} if arguments else {})
    return tuple(
        Example("tool_choice", "own", "en", f"request {number} for {tool} {arguments}", answer)
        for number in range(count)
    )


SPLIT = DatasetSplit(
    requests(330, None) + requests(600, "pump") + requests(900, "pump", arguments=True),
    validation=requests(3, "pump"),
)


class TestBalanced:
    def test_half_of_the_requests_have_no_tool(self) -> None:
        tools = [json.loads(one.answer)["tool"] for one in balanced(SPLIT).train]
        assert (tools.count(None), tools.count("pump")) == (330, 330)

    def test_requests_with_arguments_are_among_them(self) -> None:
        answers = [json.loads(one.answer) for one in balanced(SPLIT).train]
        assert sum(bool(one["arguments"]) for one in answers) == 80

    def test_selection_is_independent_of_the_order(self) -> None:
        reversed_split = DatasetSplit(SPLIT.train[::-1])
        assert set(balanced(reversed_split).train) == set(balanced(SPLIT).train)

    def test_other_parts_are_unchanged(self) -> None:
        assert balanced(SPLIT).validation == SPLIT.validation
