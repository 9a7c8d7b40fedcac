"""Tests of training batches whose requests offer functions."""

import json
import random

from models.industrial_llm.examples import Example
from models.industrial_llm.function_dialogues import (
    BatchContents,
    FunctionDialogue,
    PlannedBatch,
    build_function_batches,
    plan_batches,
    render_call,
)
from models.industrial_llm.tasks.tool_choice import render_tool_call
from models.industrial_llm.tasks.tools import list_tools

TOOLS = list_tools()
CONTENTS = BatchContents(batches=8, filled=4, bare=2, other=3, absent=1)


def request(text: str, tool: str | None, *, filled: bool = False) -> Example:
    """Return a request whose tool has one argument, or none."""
    answer = render_tool_call(tool, {"speed": 1450} if filled else {})
    return Example("tool_choice", "own", "en", text, answer)


EXAMPLES = (
    *(request(f"{tool.id} {kind} {n}", tool.id, filled=kind == "filled")
      for tool in TOOLS for n in range(9) for kind in ("bare", "filled")),
    *(request(f"other {n}", None) for n in range(30)),
)  # fmt: skip


def tool_of(example: Example) -> str | None:
    tool: str | None = json.loads(example.answer)["tool"]
    return tool


class TestPlannedBatches:
    def test_calls_are_of_offered_tools(self) -> None:
        for batch in plan_batches(EXAMPLES, TOOLS, CONTENTS, 1):
            assert {tool_of(one) for one in batch.calls} <= {tool.id for tool in batch.tools}

    def test_texts_need_no_tool_or_one_that_is_not_offered(self) -> None:
        for batch in plan_batches(EXAMPLES, TOOLS, CONTENTS, 1):
            assert not {tool_of(one) for one in batch.texts} & {tool.id for tool in batch.tools}

    def test_one_in_so_many_batches_offers_all_tools(self) -> None:
        counts = [len(one.tools) for one in plan_batches(EXAMPLES, TOOLS, CONTENTS, 1)]
        assert [count == len(TOOLS) for count in counts] == [True, False, False, False] * 2
        assert set(counts) - {len(TOOLS)} <= set(range(CONTENTS.fewest, CONTENTS.most + 1))

    def test_batch_that_offers_all_has_no_request_for_an_absent_tool(self) -> None:
        first, second, *_ = plan_batches(EXAMPLES, TOOLS, CONTENTS, 1)
        assert (len(first.texts), len(second.texts)) == (3, 4)

    def test_requests_do_not_repeat_while_others_are_left(self) -> None:
        planned = plan_batches(EXAMPLES, TOOLS, CONTENTS, 1)
        others = [one.text for batch in planned for one in batch.texts if tool_of(one) is None]
        assert len(set(others)) == len(others) == 24

    def test_same_seed_gives_the_same_batches(self) -> None:
        assert plan_batches(EXAMPLES, TOOLS, CONTENTS, 1) == plan_batches(
            EXAMPLES, TOOLS, CONTENTS, 1
        )


class TestFunctionBatches:
    PLANNED = PlannedBatch(
        TOOLS[:2],
        (request("call", TOOLS[0].id, filled=True),),
        (request("hello", None), request("silent", None)),
    )

    def dialogues(self) -> dict[str, FunctionDialogue]:
        batches = build_function_batches([self.PLANNED], {"hello": "Good day"}, random.Random(1))
        return {one.text: one for one in batches[0] if isinstance(one, FunctionDialogue)}

    def test_call_is_complete_and_text_is_not(self) -> None:
        found = self.dialogues()
        assert (found["call"].is_unfinished, found["hello"].is_unfinished) == (False, True)
        assert found["hello"].answer == "Good day"

    def test_request_without_a_text_is_left_out(self) -> None:
        assert "silent" not in self.dialogues()

    def test_dialogues_offer_the_tools_in_order(self) -> None:
        names = [one["function"]["name"] for one in self.dialogues()["call"].tools]
        assert names == [tool.id for tool in TOOLS[:2]]

    def test_same_text_with_other_tools_has_another_key(self) -> None:
        one = self.dialogues()["call"]
        assert FunctionDialogue(one.text, one.answer, one.tools[:1], False).key != one.key


def test_call_is_written_as_the_chat_template_asks() -> None:
    assert render_call('{"tool": "pump", "arguments": {"speed": 1450}}') == (
        '{"name": "pump", "arguments": {"speed": 1450}}'
    )
