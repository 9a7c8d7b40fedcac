"""A vLLM tool parser that constrains tool calls of small models by a JSON schema.

With `tool_choice: auto` the schema also allows to choose no tool. After a tool result the answer is
unconstrained text, because a constrained model would call tools without end.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from vllm.entrypoints.generate.base.protocol import DeltaMessage, ExtractedToolCallInformation
from vllm.sampling_params import StructuredOutputsParams
from vllm.tool_parsers.abstract_tool_parser import ToolParser, ToolParserManager

from models.industrial_llm.choices import NO_TOOL_TEXT, no_tool_schema, tool_call_schema
from serving.text.engine import CHOICE_PARSER, JSON_PARSER
from serving.text.json_call_parser import JsonCallParser
from serving.text.tool_answers import call_answer, streamed_call, text_answer
from serving.text.tool_requests import ANY_OBJECT, available_tools


class ToolChoice(msgspec.Struct):
    """The model's constrained output: a tool, or None, and its arguments."""

    tool: str | None
    arguments: dict[str, Any]


def tool_choice_schema(tools: Sequence[Any], required: bool) -> dict[str, Any]:
    """Return the JSON schema of a tool call, or of choosing no tool unless one is required."""
    choices = [
        tool_call_schema({"const": tool.function.name}, tool.function.parameters or ANY_OBJECT)
        for tool in tools
    ]
    if not required:
        choices.append(no_tool_schema())
    return {"anyOf": choices}


class ToolChoiceParser(ToolParser):
    """vLLM's tool parser for models with `tool_call_parser = "choice"` in the catalog."""

    # Required and named tools use the same schema.
    supports_required_and_named = False

    def adjust_request(self, request: Any) -> Any:
        """Constrain the request's output to a tool choice if tools are available."""
        tools = available_tools(request)
        if tools:
            schema = tool_choice_schema(tools, request.tool_choice != "auto")
            request.structured_outputs = StructuredOutputsParams(json=schema)
            request.response_format = None
        return request

    def extract_tool_calls(self, model_output: str, request: Any) -> ExtractedToolCallInformation:
        """Return the tool call of a complete output, or its text."""
        choice = _parse_choice(model_output) if available_tools(request) else None
        if choice is None:
            return text_answer(model_output)
        if choice.tool is None:
            return text_answer(NO_TOOL_TEXT)
        return call_answer(choice.tool, choice.arguments)

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
        """Return the whole tool call once its JSON is complete, None before and after."""
        if not available_tools(request):
            return DeltaMessage(content=delta_text)
        choice = _parse_choice(current_text)
        if choice is None or _parse_choice(previous_text) is not None:
            return None
        if choice.tool is None:
            return DeltaMessage(content=NO_TOOL_TEXT)
        return streamed_call(self, choice.tool, choice.arguments)


def register_parsers() -> None:
    """Register our parsers with vLLM under CHOICE_PARSER and JSON_PARSER."""
    ToolParserManager.register_module(CHOICE_PARSER, module=ToolChoiceParser)
    ToolParserManager.register_module(JSON_PARSER, module=JsonCallParser)


def _parse_choice(text: str) -> ToolChoice | None:
    """Parse a constrained output; None if it is incomplete or not a choice."""
    try:
        return msgspec.json.decode(text, type=ToolChoice)
    except msgspec.DecodeError:
        return None
