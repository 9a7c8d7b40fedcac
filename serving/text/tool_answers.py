"""Answers of our tool parsers as vLLM's values: a call, a call in a stream, or text."""

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
from vllm.tool_parsers.abstract_tool_parser import ToolParser


def call_answer(name: str, arguments: dict[str, Any]) -> ExtractedToolCallInformation:
    """Return an answer that is one call."""
    function = FunctionCall(name=name, arguments=_encode(arguments))
    call = ToolCall(id=make_tool_call_id(), type="function", function=function)
    return ExtractedToolCallInformation(tools_called=True, tool_calls=[call], content=None)


def text_answer(text: str) -> ExtractedToolCallInformation:
    """Return a text answer without tool calls."""
    return ExtractedToolCallInformation(tools_called=False, tool_calls=[], content=text)


def streamed_call(parser: ToolParser, name: str, arguments: dict[str, Any]) -> DeltaMessage:
    """Return a whole call as one part of a stream.

    The parser is told that it was sent: vLLM would otherwise send missing text at the end.
    """
    encoded = _encode(arguments)
    parser.prev_tool_call_arr = [{"name": name, "arguments": arguments}]
    parser.streamed_args_for_tool = [encoded]
    parser.current_tool_id = 0
    function = DeltaFunctionCall(name=name, arguments=encoded)
    call = DeltaToolCall(id=make_tool_call_id(), type="function", index=0, function=function)
    return DeltaMessage(tool_calls=[call])


def _encode(arguments: dict[str, Any]) -> str:
    """Return arguments as OpenAI has them: an object as JSON text."""
    return msgspec.json.encode(arguments).decode()
