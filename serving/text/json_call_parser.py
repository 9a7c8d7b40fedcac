"""A vLLM tool parser for models that write a call as bare JSON: `{"name": …, "arguments": {…}}`.

Small coder models leave out the tags that their chat template asks for, so vLLM's own parsers take
their calls for text. Here the output is constrained (serving/text/tool_grammar.py), and read.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from vllm.entrypoints.generate.base.protocol import DeltaMessage, ExtractedToolCallInformation
from vllm.sampling_params import StructuredOutputsParams
from vllm.tool_parsers.abstract_tool_parser import ToolParser

from serving.text.tool_answers import call_answer, streamed_call, text_answer
from serving.text.tool_grammar import TEXT_GRAMMAR, answer_grammar, call_schema
from serving.text.tool_requests import answer_schema, available_tools, is_after_result

_NAME = '{"name":"'
# Names of functions have at most 64 characters.
_LONGEST_START = 100


class NamedCall(msgspec.Struct):
    """A call as the model writes it."""

    name: str
    arguments: dict[str, Any]


class JsonCallParser(ToolParser):
    """vLLM's tool parser for models with `tool_call_parser = "json"` in the catalog."""

    # Required and named tools use the same schema.
    supports_required_and_named = False

    def adjust_request(self, request: Any) -> Any:
        """Constrain the output to a call or another answer, if tools are available."""
        if request.structured_outputs is not None:
            return request
        tools = available_tools(request)
        if not tools:
            if request.tools and is_after_result(request) and answer_schema(request) is None:
                request.structured_outputs = StructuredOutputsParams(grammar=TEXT_GRAMMAR)
            return request
        calls = call_schema([(one.function.name, one.function.parameters) for one in tools])
        if request.tool_choice == "auto":
            grammar = answer_grammar(calls, answer_schema(request))
            request.structured_outputs = StructuredOutputsParams(grammar=grammar)
        else:
            request.structured_outputs = StructuredOutputsParams(json=calls)
        request.response_format = None
        return request

    def extract_tool_calls(self, model_output: str, request: Any) -> ExtractedToolCallInformation:
        """Return the call of a complete output, or its text."""
        call = _parse_call(model_output, _names(request))
        if call is None:
            return text_answer(model_output)
        return call_answer(call.name, call.arguments)

    def extract_tool_calls_streaming(
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
        request: Any,
    ) -> DeltaMessage | None:
        """Return text as it comes, and a call once its JSON is complete."""
        names = _names(request)
        if not _may_be_call(current_text, names):
            held_back = previous_text if _may_be_call(previous_text, names) else ""
            return DeltaMessage(content=held_back + delta_text) if delta_text else None
        call = None if self.prev_tool_call_arr else _parse_call(current_text, names)
        return None if call is None else streamed_call(self, call.name, call.arguments)


def _parse_call(text: str, names: frozenset[str]) -> NamedCall | None:
    """Return the call of one of the tools that a text is; None if it is no complete call."""
    try:
        call = msgspec.json.decode(text, type=NamedCall)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return call if call.name in names else None


def _names(request: Any) -> frozenset[str]:
    """Return the names of the tools that the answer may call."""
    return frozenset(one.function.name for one in available_tools(request))


def _may_be_call(text: str, names: frozenset[str]) -> bool:
    """Return whether a text begins as a call of one of the tools does."""
    start = "".join(text[:_LONGEST_START].split())
    if not start.startswith(_NAME):
        return bool(names) and _NAME.startswith(start)
    name, quote, _ = start.removeprefix(_NAME).partition('"')
    return name in names if quote else any(one.startswith(name) for one in names)
