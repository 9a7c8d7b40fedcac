"""Tool calls of models that are too small to keep a form of their own: held to it by a schema.

Owns a tool parser of vLLM's: the schema that a request's tools come to, and the calls that an
answer comes to.

Where a choice is free, no tool is one of the choices. After a tool's result the answer is text: a
model that has to call again would never come to an end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from vllm.entrypoints.chat_utils import make_tool_call_id
from vllm.entrypoints.generate.base.protocol import (
    DeltaFunctionCall,
    DeltaMessage,
    DeltaToolCall,
    ExtractedToolCallInformation,
    FunctionCall,
    ToolCall,
)
from vllm.sampling_params import StructuredOutputsParams
from vllm.tool_parsers.abstract_tool_parser import ToolParser, ToolParserManager

from models.industrial_llm.choices import choice_of, no_choice
from serving.text.engine import CHOICE_PARSER

# What is said where no tool fits: the choice has no words of its own.
NONE_FITS = "None of the tools fits this request."
_ANYTHING: Mapping[str, Any] = {"type": "object"}


class Choice(msgspec.Struct):
    """What the model answers."""

    tool: str | None
    arguments: dict[str, Any]


def schema(tools: Sequence[Any], required: bool) -> dict[str, Any]:
    """One of the tools with its arguments, or, where none is required, no tool."""
    choices = [
        choice_of({"const": one.function.name}, one.function.parameters or _ANYTHING)
        for one in tools
    ]
    if not required:
        choices.append(no_choice())
    return {"anyOf": choices}


class ChoiceParser(ToolParser):
    """By the catalog's `tool_call_parser = "choice"`."""

    # Required and named tools are in the same form.
    supports_required_and_named = False

    def adjust_request(self, request: Any) -> Any:
        """Hold the answer to a choice, unless none is to be made."""
        offered = _offered(request)
        if offered:
            held = schema(offered, request.tool_choice != "auto")
            request.structured_outputs = StructuredOutputsParams(json=held)
            request.response_format = None
        return request

    def extract_tool_calls(self, model_output: str, request: Any) -> ExtractedToolCallInformation:
        choice = _understood(model_output) if _offered(request) else None
        if choice is None:
            return _said(model_output)
        if choice.tool is None:
            return _said(NONE_FITS)
        made = ToolCall(id=make_tool_call_id(), type="function", function=_function(choice))
        return ExtractedToolCallInformation(tools_called=True, tool_calls=[made], content=None)

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
        """The whole call at once, when its JSON has ended: half a call is of no use."""
        if not _offered(request):
            return DeltaMessage(content=delta_text)
        choice = _understood(current_text)
        if choice is None or _understood(previous_text) is not None:
            return None
        if choice.tool is None:
            return DeltaMessage(content=NONE_FITS)
        self._remember(choice)
        function = _function(choice)
        delta = DeltaToolCall(
            id=make_tool_call_id(),
            type="function",
            index=0,
            function=DeltaFunctionCall(name=function.name, arguments=function.arguments),
        )
        return DeltaMessage(tool_calls=[delta])

    def _remember(self, choice: Choice) -> None:
        """vLLM sends what it believes is missing of a call, by these."""
        self.prev_tool_call_arr = [{"name": choice.tool, "arguments": choice.arguments}]
        self.streamed_args_for_tool = [_function(choice).arguments]
        self.current_tool_id = 0


def register() -> None:
    """Let the engine's settings name it."""
    ToolParserManager.register_module(CHOICE_PARSER, module=ChoiceParser)


def _offered(request: Any) -> list[Any]:
    """The tools between which the model has to choose; none where it is to answer in words."""
    if not request.tools or request.tool_choice in (None, "none"):
        return []
    if request.tool_choice == "auto" and _role(request.messages[-1]) == "tool":
        return []
    named = getattr(getattr(request.tool_choice, "function", None), "name", None)
    return [one for one in request.tools if named in (None, one.function.name)]


def _role(message: Any) -> str | None:
    role = message.get("role") if isinstance(message, Mapping) else getattr(message, "role", None)
    return None if role is None else str(role)


def _understood(text: str) -> Choice | None:
    try:
        return msgspec.json.decode(text, type=Choice)
    except msgspec.DecodeError:
        return None


def _function(choice: Choice) -> FunctionCall:
    arguments = msgspec.json.encode(choice.arguments).decode()
    return FunctionCall(name=choice.tool or "", arguments=arguments)


def _said(text: str) -> ExtractedToolCallInformation:
    return ExtractedToolCallInformation(tools_called=False, tool_calls=[], content=text)
