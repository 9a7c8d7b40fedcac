"""The reasoning parser of the GPU profile's model: vLLM's own classes, on outputs that are given.

Reasoning is counted by token ids, exactly; a random model (test_made_up_engine.py) does not write
such outputs by itself.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from models.catalog import Task, load_catalog
from tests.support.heavy import NEEDS_VLLM
from tests.support.models.made_up_qwen import made_up_qwen

if TYPE_CHECKING:
    import transformers
    from vllm.entrypoints.openai.chat_completion import protocol
    from vllm.parser import parser_manager

    from serving.text import engine_plugin
else:
    transformers = LazyModule("transformers")
    protocol = LazyModule("vllm.entrypoints.openai.chat_completion.protocol")
    parser_manager = LazyModule("vllm.parser.parser_manager")
    engine_plugin = LazyModule("serving.text.engine_plugin")

pytestmark = NEEDS_VLLM
ENGINE = next(
    model.engine
    for model in load_catalog("gpu").with_task(Task.TEXT_GENERATION)
    if model.base is None
)
TOOL = {
    "type": "function",
    "function": {
        "name": "order",
        "parameters": {"type": "object", "properties": {"part": {"type": "string"}}},
    },
}
CALL = (
    "<tool_call>\n<function=order>\n<parameter=part>\nbolt\n</parameter>\n</function>\n</tool_call>"
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = made_up_qwen(tmp_path_factory.mktemp("qwen"))
    return transformers.AutoTokenizer.from_pretrained(folder)


def request_with(tools: bool) -> Any:
    given: dict[str, Any] = {"tools": [TOOL], "tool_choice": "auto"} if tools else {}
    message = {"role": "user", "content": "Which part?"}
    return protocol.ChatCompletionRequest(model="m", messages=[message], **given)


def parser_for(tokenizer: Any, request: Any, thinks: bool = True) -> Any:
    """The parser that vLLM makes from the catalog's engine settings, for one answer."""
    engine_plugin.register()
    made: Any = parser_manager.ParserManager.get_parser(
        tool_parser_name=ENGINE["tool_call_parser"],
        reasoning_parser_name=ENGINE["reasoning_parser"],
        enable_auto_tools=ENGINE["enable_auto_tool_choice"],
    )
    options = {"enable_thinking": thinks}
    return made(tokenizer, request.tools, chat_template_kwargs=options, model_config=None)


def parsed(tokenizer: Any, output: str, thinks: bool = True, tools: bool = False) -> Any:
    """Reasoning, content, tool calls and the number of reasoning tokens of a complete output."""
    request = request_with(tools)
    parser, ids = parser_for(tokenizer, request, thinks), tokenizer.encode(output)
    reasoning, content, calls = parser.parse(
        output, request, enable_auto_tools=True, model_output_token_ids=ids
    )
    return reasoning, content, calls, parser.count_reasoning_tokens(ids)


@pytest.mark.parametrize(
    ("output", "reasoning", "answer"),
    [
        ("Hm.</think>\n\nThe bolt.", "Hm.", "The bolt."),
        ("是螺栓。</think>螺栓", "是螺栓。", "螺栓"),
        ("</think>\n\nThe bolt.", None, "The bolt."),
        ("Hm, and then", "Hm, and then", None),
    ],
)
def test_reasoning_is_taken_out_and_counted_to_the_token(
    tokenizer: Any, output: str, reasoning: str | None, answer: str | None
) -> None:
    found, content, _, count = parsed(tokenizer, output)
    assert (found or None, (content or "").strip() or None) == (reasoning, answer)
    assert count == len(tokenizer.encode(reasoning or ""))


def test_output_of_a_model_that_does_not_think_is_all_answer(tokenizer: Any) -> None:
    reasoning, content, _, count = parsed(tokenizer, "The bolt.", thinks=False)
    assert (reasoning, content, count) == (None, "The bolt.", 0)


def test_tool_is_called_after_reasoning(tokenizer: Any) -> None:
    reasoning, content, calls, count = parsed(tokenizer, f"Hm.</think>\n\n{CALL}", tools=True)
    assert (reasoning, (content or "").strip(), count) == ("Hm.", "", 3)
    (call,) = calls
    assert (call.name, call.arguments) == ("order", '{"part": "bolt"}')


def test_tool_call_without_an_end_mark_ends_the_reasoning(tokenizer: Any) -> None:
    reasoning, _, calls, count = parsed(tokenizer, f"Hm.{CALL}", tools=True)
    assert (reasoning, count, len(calls)) == ("Hm.", 3, 1)


def test_stream_of_single_tokens_gives_the_same_reasoning(tokenizer: Any) -> None:
    request, output = request_with(False), "Hm, 螺。</think>\n\nThe bolt."
    parser, ids = parser_for(tokenizer, request), tokenizer.encode(output)
    prompt = tokenizer.encode("<|im_start|>assistant\n<think>\n")
    reasoning, content, counts, shown = "", "", [0], ""
    for number in range(1, len(ids) + 1):
        text = tokenizer.decode(ids[:number]).rstrip("\ufffd")
        delta = parser.parse_delta(
            delta_text=text[len(shown) :],
            delta_token_ids=[ids[number - 1]],
            request=request,
            prompt_token_ids=prompt,
            finished=number == len(ids),
        )
        shown = text
        counts.append(parser.count_reasoning_tokens(ids[:number]))
        reasoning += (delta and delta.reasoning) or ""
        content += (delta and delta.content) or ""
    assert (reasoning, content.strip()) == ("Hm, 螺。", "The bolt.")
    assert counts == sorted(counts)
    assert counts[-1] == len(tokenizer.encode("Hm, 螺。"))
