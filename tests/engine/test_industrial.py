"""The industrial language model with real parts: adapter layers, tool calls, variants."""

import json
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError

from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import ENGLISH
from tests.support.adaptations import adapted, lines
from tests.support.builders import CHAT, INDUSTRIAL, Gateway, customer
from tests.support.engine.turns import Turns
from tests.support.nightly import nightly

SHORTHAND = TASKS["plain_text"].instructions[ENGLISH][0]
EXTRACTION = TASKS["extraction"]
ORDER = "rplce lh eng oil fltr"
MEANT = "replace left hand engine oil filter"
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "order_part",
            "description": "Order a spare part",
            "parameters": {
                "type": "object",
                "properties": {
                    "part": {"type": "string", "maxLength": 40},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": 99},
                },
                "required": ["part", "quantity"],
                "additionalProperties": False,
            },
        },
    },
    {"type": "function", "function": {"name": "stop_line", "description": "Stop a line"}},
]
REQUEST: Any = {"role": "user", "content": "Please order 4 ball bearings 6205."}


async def said(openai: AsyncOpenAI, model: str, system: str, user: str, **more: Any) -> str:
    values: dict[str, Any] = {"temperature": 0, "max_tokens": 256, **more}
    answer = await openai.chat.completions.create(
        model=model,
        messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
        **values,
    )
    return (answer.choices[0].message.content or "").strip()


class TestAdapterLayers:
    async def test_industrial_model_reads_shorthand_and_its_base_model_does_not(
        self, real: Gateway, openai: AsyncOpenAI
    ) -> None:
        assert await said(openai, INDUSTRIAL, SHORTHAND, ORDER, max_tokens=32) == MEANT
        assert await said(openai, CHAT, SHORTHAND, ORDER, max_tokens=32) != MEANT
        base, industry = await real.rows(2)
        assert (base["model"], industry["model"]) == (CHAT, INDUSTRIAL)
        assert industry["input_tokens"] == base["input_tokens"]

    async def test_response_with_a_json_schema_is_valid_json(self, openai: AsyncOpenAI) -> None:
        held: Any = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(EXTRACTION.schema or {})},
        }
        instruction = EXTRACTION.instructions[ENGLISH][0]
        text = await said(
            openai, INDUSTRIAL, instruction, "pump seal leaking", response_format=held
        )
        assert {one["text"] for one in json.loads(text)["entities"]} >= {"pump"}


class TestToolCalls:
    @pytest.mark.parametrize("choice", ["auto", "required"])
    async def test_tool_call_has_valid_json_arguments_of_a_listed_tool(
        self, openai: AsyncOpenAI, choice: Any
    ) -> None:
        answer = await openai.chat.completions.create(
            model=INDUSTRIAL, messages=[REQUEST], tools=TOOLS, tool_choice=choice, temperature=0
        )
        (one,) = answer.choices
        if choice == "auto" and one.message.content:
            assert one.finish_reason == "stop"
            return
        (call,) = one.message.tool_calls or []
        assert call.type == "function"
        assert one.finish_reason == "tool_calls"
        assert call.function.name in ("order_part", "stop_line")
        assert isinstance(json.loads(call.function.arguments), dict)

    async def test_streamed_call_of_a_named_tool_has_all_arguments(
        self, openai: AsyncOpenAI
    ) -> None:
        named: Any = {"type": "function", "function": {"name": "order_part"}}
        stream = await openai.chat.completions.create(
            model=INDUSTRIAL, messages=[REQUEST], tools=TOOLS, tool_choice=named, temperature=0,
            stream=True,
        )  # fmt: skip
        calls = [
            call
            async for chunk in stream
            for choice in chunk.choices
            for call in choice.delta.tool_calls or []
        ]
        assert [call.function.name for call in calls if call.function] == ["order_part"]
        arguments = "".join(call.function.arguments or "" for call in calls if call.function)
        assert set(json.loads(arguments)) == {"part", "quantity"}

    async def test_response_after_a_tool_result_has_no_tool_call(self, openai: AsyncOpenAI) -> None:
        called: Any = {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {
                        "name": "order_part",
                        "arguments": '{"part": "6205", "quantity": 4}',
                    },
                }
            ],
        }
        result: Any = {"role": "tool", "tool_call_id": "call_1", "content": "ordered"}
        answer = await openai.chat.completions.create(
            model=INDUSTRIAL, messages=[REQUEST, called, result], tools=TOOLS, max_tokens=24
        )
        assert not answer.choices[0].message.tool_calls


@nightly
class TestFineTunedVariant:
    async def test_variant_answers_as_trained_and_only_for_its_account(
        self, real: Gateway, openai: AsyncOpenAI, turns: Turns
    ) -> None:
        """Training does not use the engine, so other tests may use it exclusively meanwhile."""
        parts = ("pump", "fan", "press", "lathe", "mill", "saw", "crane", "oven", "belt", "drill")
        asked = [f"Where does the {part} stand?" for part in parts for _ in range(2)]
        dialogues = [
            {
                "messages": [
                    {"role": "user", "content": f"{question} Line {at % 2 + 1}."},
                    {"role": "assistant", "content": f"Hall {at % 2 + 7}, bay Q."},
                ]
            }
            for at, question in enumerate(asked)
        ]
        job = await adapted(openai, INDUSTRIAL, lines(*dialogues))
        score: Any = job.score
        assert score["adapted"] < score["base"]
        question: Any = {"role": "user", "content": "Where does the kiln stand? Line 2."}
        async with turns.take(alone=False):
            answers = [
                await openai.chat.completions.create(
                    model=model, messages=[question], temperature=0, max_tokens=16
                )
                for model in (INDUSTRIAL, job.fine_tuned_model)
            ]
        of_industry, own = (one.choices[0].message.content or "" for one in answers)
        assert "bay Q" in own
        assert "bay Q" not in of_industry
        billed = [row for row in await real.rows(3) if row["operation"] == "adaptation"]
        assert [row["adaptation_seconds"] for row in billed] == [job.adaptation_seconds]
        _, key = await customer(real.parts.database, real.parts.settings, "Other")
        others = openai.with_options(api_key=key.secret)
        with pytest.raises(NotFoundError):
            await others.chat.completions.create(model=job.fine_tuned_model, messages=[question])
