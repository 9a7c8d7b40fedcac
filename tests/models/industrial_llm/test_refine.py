"""Tests of the examples for the further training of the industry adapter."""

import json
from typing import TYPE_CHECKING

from infra.lazy_import import LazyModule
from models.industrial_llm.examples import DatasetSplit, Example
from models.industrial_llm.tasks.tool_choice import render_tool_call
from tests.support.heavy import NEEDS_PEFT

if TYPE_CHECKING:
    from models.industrial_llm import refine
else:
    refine = LazyModule("models.industrial_llm.refine")

pytestmark = NEEDS_PEFT


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


class TestSelect:
    def test_so_many_requests_of_each_kind_are_selected(self) -> None:
        answers = [json.loads(one.answer) for one in refine.select(SPLIT).train]
        tools = [answer["tool"] for answer in answers]
        assert (tools.count(None), tools.count("pump")) == (112, 176)
        assert sum(bool(answer["arguments"]) for answer in answers) == 120

    def test_selection_is_independent_of_the_order(self) -> None:
        reversed_split = DatasetSplit(SPLIT.train[::-1])
        assert set(refine.select(reversed_split).train) == set(refine.select(SPLIT).train)

    def test_other_parts_are_unchanged(self) -> None:
        assert refine.select(SPLIT).validation == SPLIT.validation
