"""Convert the tools of a Messages request and the choice among them to chat form."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.call.errors import ParameterInvalid, ParameterUnsupported
from gateway.wire.file_search.citations import FILE_SEARCH
from gateway.wire.hosted_tools import PLANT_GRAPH, SPECIALIST
from gateway.wire.messages.requests import (
    AnyToolChoice,
    MessagesRequest,
    NamedToolChoice,
    NoToolChoice,
)
from infra.validation_errors import parse_validation_error

_CUSTOM = (None, "custom")
# Tools of this gateway, which have the same form in a chat.
_HOSTED = (FILE_SEARCH, SPECIALIST, PLANT_GRAPH)


class _Tool(msgspec.Struct):
    """A tool that the client runs. Hints for a provider's cache or streaming are ignored."""

    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


def tool_fields(request: MessagesRequest) -> dict[str, Any]:
    """Return `tools`, `tool_choice` and `parallel_tool_calls` of a chat; empty without tools.

    Raises ParameterInvalid and ParameterUnsupported with the path of the field.
    """
    choice = request.tool_choice
    if not request.tools:
        if isinstance(choice, AnyToolChoice | NamedToolChoice):
            raise ParameterInvalid("`tool_choice` needs `tools`.", param="tool_choice")
        return {}
    tools = [_convert_tool(tool, f"tools[{number}]") for number, tool in enumerate(request.tools)]
    fields: dict[str, Any] = {"tools": tools}
    if choice is None:
        return fields
    fields["tool_choice"] = _convert_choice(request)
    if not isinstance(choice, NoToolChoice) and choice.disable_parallel_tool_use:
        fields["parallel_tool_calls"] = False
    return fields


def _convert_tool(tool: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return a tool in chat form; those of this gateway as they are."""
    kind = tool.get("type")
    if kind in _HOSTED:
        return tool
    if kind not in _CUSTOM:
        raise ParameterUnsupported(
            f"`{path}.type`: only tools of the type `custom`, which the client runs, "
            f"`{FILE_SEARCH}`, `{SPECIALIST}` and `{PLANT_GRAPH}` of this gateway are supported.",
            param=f"{path}.type",
        )
    custom = _parse_tool(tool, path)
    function = {
        "name": custom.name,
        "description": custom.description,
        "parameters": custom.input_schema,
        "strict": custom.strict,
    }
    known = {name: value for name, value in function.items() if value is not None}
    return {"type": "function", "function": known}


def _parse_tool(tool: Mapping[str, Any], path: str) -> _Tool:
    """Convert a tool to a struct. Raises ParameterInvalid."""
    try:
        return msgspec.convert(tool, _Tool)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        path = f"{path}.{misfit.path}" if misfit.path else path
        raise ParameterInvalid(f"`{path}`: {misfit.what}.", param=path) from None


def _is_hosted(name: str, tools: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a name is the type of a tool of this gateway in the request."""
    return name in _HOSTED and any(tool.get("type") == name for tool in tools)


def _convert_choice(request: MessagesRequest) -> Any:
    """Return the tool choice in chat form."""
    match request.tool_choice:
        case NamedToolChoice(name=name) if _is_hosted(name, request.tools or ()):
            return {"type": name}
        case NamedToolChoice(name=name):
            return {"type": "function", "function": {"name": name}}
        case AnyToolChoice():
            return "required"
        case NoToolChoice():
            return "none"
        case _:
            return "auto"
