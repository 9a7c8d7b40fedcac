"""Tool calls as bare JSON: the grammar by tool choice, reading of outputs, and streams."""

from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from tests.support.heavy import NEEDS_VLLM

if TYPE_CHECKING:
    import xgrammar
    from vllm.entrypoints.openai.chat_completion import protocol

    from serving.text import json_call_parser, tool_grammar
else:
    xgrammar = LazyModule("xgrammar")
    protocol = LazyModule("vllm.entrypoints.openai.chat_completion.protocol")
    json_call_parser = LazyModule("serving.text.json_call_parser")
    tool_grammar = LazyModule("serving.text.tool_grammar")

pytestmark = NEEDS_VLLM

LIFE = {
    "type": "function",
    "function": {
        "name": "life",
        "parameters": {
            "type": "object",
            "properties": {"load": {"$ref": "#/$defs/Load"}},
            "required": ["load"],
            "additionalProperties": False,
            "$defs": {"Load": {"type": "integer"}},
        },
    },
}
CURVE = {
    "type": "function",
    "function": {
        "name": "curve",
        "parameters": {
            "type": "object",
            "properties": {"load": {"$ref": "#/$defs/Load"}},
            "additionalProperties": False,
            "$defs": {"Load": {"enum": ["full", "half"]}},
        },
    },
}
CALL = '{"name": "life", "arguments": {"load": 5}}'
TEXT = "The bearing runs hot: grease it."
QUESTION = {"role": "user", "content": "How long does it last?"}
CALLED = {
    "role": "assistant",
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "life", "arguments": "{}"}}
    ],
}
RESULT = {"role": "tool", "content": "9 h", "tool_call_id": "a"}


def asked(choice: Any = "auto", *more: dict[str, Any], **fields: Any) -> Any:
    body = {"model": "m", "messages": [QUESTION, *more], "tools": [LIFE, CURVE], **fields}
    return protocol.ChatCompletionRequest.model_validate({**body, "tool_choice": choice})


def parser(request: Any) -> "json_call_parser.JsonCallParser":
    return json_call_parser.JsonCallParser(None, request.tools)  # type: ignore[arg-type]


def accepts(request: Any, answer: str) -> bool:
    """Whether a request's output may be this answer, by the grammar that vLLM compiles."""
    structured = parser(request).adjust_request(request).structured_outputs
    grammar = (
        xgrammar.Grammar.from_json_schema(structured.json, any_whitespace=False)
        if structured.grammar is None
        else xgrammar.Grammar.from_ebnf(structured.grammar)
    )
    characters = sorted({*map(chr, range(32, 127)), *answer})
    vocabulary = xgrammar.TokenizerInfo([*characters, "</s>"], stop_token_ids=[len(characters)])
    matcher = xgrammar.GrammarMatcher(xgrammar.GrammarCompiler(vocabulary).compile_grammar(grammar))
    return bool(matcher.accept_string(answer)) and matcher.accept_token(len(characters))


@pytest.mark.parametrize(
    ("answer", "may"),
    [
        (CALL, True),
        ('{"name": "curve", "arguments": {"load": "half"}}', True),
        ('{"name": "curve", "arguments": {}}', True),
        (TEXT, True),
        ("轴承过热", True),
        ('{"name": "life", "arguments": {"load": "half"}}', False),
        ('{"name": "life", "arguments": {}}', False),
        ('{"name": "other", "arguments": {}}', False),
        ('```json\n{"name": "life"}', False),
        ("<tool_call>", False),
    ],
)
def test_auto_allows_valid_calls_and_text(answer: str, may: bool) -> None:
    assert accepts(asked(), answer) is may


def test_answer_by_a_schema_replaces_text() -> None:
    schema = {"type": "object", "properties": {"hours": {"type": "number"}}, "required": ["hours"]}
    stated = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    request = asked(response_format=stated)
    assert accepts(request, '{"hours": 9}')
    assert request.response_format is None
    for answer, may in ((CALL, True), (TEXT, False)):
        assert accepts(asked(response_format=stated), answer) is may


def test_required_and_named_tools_allow_no_text() -> None:
    named = {"type": "function", "function": {"name": "curve"}}
    assert accepts(asked("required"), CALL)
    assert not accepts(asked("required"), TEXT)
    assert not accepts(asked(named), CALL)


def test_result_of_a_tool_is_answered_in_text() -> None:
    after = asked("auto", CALLED, RESULT)
    assert not accepts(after, CALL)
    assert accepts(asked("auto", CALLED, RESULT), TEXT)
    assert accepts(asked("auto", CALLED, RESULT, QUESTION), CALL)
    assert not parser(after).extract_tool_calls(CALL, after).tools_called
    stated = asked("auto", CALLED, RESULT, response_format={"type": "json_object"})
    assert parser(stated).adjust_request(stated).structured_outputs is None


def test_call_becomes_a_tool_call_and_other_json_stays_text() -> None:
    request = asked()
    told = parser(request).extract_tool_calls(CALL, request)
    assert [(one.function.name, one.function.arguments) for one in told.tool_calls] == [
        ("life", '{"load":5}')
    ]
    for text in (TEXT, CALL[:9], '{"name": "other", "arguments": {}}', '{"hours": 9}'):
        told = parser(request).extract_tool_calls(text, request)
        assert (told.tools_called, told.content) == (False, text)


def streamed(request: Any, text: str) -> list[Any]:
    one, deltas = parser(request), []
    for end in range(1, len(text) + 1):
        before, now = text[: end - 1], text[:end]
        deltas.append(
            one.extract_tool_calls_streaming(before, now, text[end - 1], [], [], [], request)
        )
    return [delta for delta in deltas if delta is not None]


@pytest.mark.parametrize(
    "text",
    [TEXT, '{"hours": 9}', '{"name": "lift"}', '{"name": "pump", "hours": 9}', '{"names": [1]}'],
)
def test_stream_of_another_answer_is_complete(text: str) -> None:
    assert "".join(one.content for one in streamed(asked(), text)) == text


def test_stream_emits_a_complete_call_once() -> None:
    (delta,) = streamed(asked(), CALL)
    (call,) = delta.tool_calls
    assert (call.function.name, call.function.arguments) == ("life", '{"load":5}')


def test_request_without_tools_is_not_constrained() -> None:
    request = asked("none")
    assert parser(request).adjust_request(request).structured_outputs is None
    assert "".join(one.content for one in streamed(request, CALL)) == CALL
