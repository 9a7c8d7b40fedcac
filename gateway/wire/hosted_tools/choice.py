"""`tool_choice` and `parallel_tool_calls` of a chat with hosted tools.

Hosted tools and the client's functions are the tools among which is chosen, as in OpenAI's API.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gateway.call.errors import ParameterInvalid
from gateway.call.hosted_tools import HostedTools
from gateway.wire.file_search.citations import FILE_SEARCH

_FIELDS = ("tools", "tool_choice", "parallel_tool_calls")
_NONE, _REQUIRED, _PLANT_GRAPH = "none", "required", "plant_graph"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """How tools are chosen: a mode, or the function or the type of tool that must be called."""

    mode: str = "auto"
    function: str | None = None
    type: str | None = None
    allows_parallel_calls: bool = True


def read_choice(values: Mapping[str, msgspec.Raw]) -> ToolChoice:
    """Return the tool choice of a chat's fields, which are validated; null is like absent."""
    choice = msgspec.json.decode(values.get("tool_choice", b"null"))
    is_parallel = msgspec.json.decode(values.get("parallel_tool_calls", b"null")) is not False
    if not isinstance(choice, dict):
        return ToolChoice(choice or "auto", allows_parallel_calls=is_parallel)
    function = choice.get("function")
    if function is not None:
        return ToolChoice(function=function["name"], allows_parallel_calls=is_parallel)
    return ToolChoice(type=choice["type"], allows_parallel_calls=is_parallel)


def apply_choice(
    hosted: HostedTools, choice: ToolChoice, values: dict[str, msgspec.Raw]
) -> HostedTools | None:
    """Return the hosted tools that may be called; None if the model alone answers.

    values: the fields without hosted tools, from which functions are dropped that may not be
    called. Raises ParameterInvalid for a function that no tool has.
    """
    hosted = replace(hosted, parallel_calls=choice.allows_parallel_calls)
    if choice.mode == _NONE:
        return None
    if choice.mode == _REQUIRED:
        return replace(hosted, must_call=True)
    tools = [] if "tools" not in values else msgspec.json.decode(values["tools"])
    if choice.type is not None:
        return _of_type(hosted, choice.type, tools, values)
    return hosted if choice.function is None else _with_function(hosted, choice.function, tools)


def _of_type(
    hosted: HostedTools, kind: str, tools: list[dict[str, Any]], values: dict[str, msgspec.Raw]
) -> HostedTools:
    """Return the hosted tool of a type; documents are searched before, whatever is chosen."""
    if kind == FILE_SEARCH:
        return hosted
    searches = [tool for tool in tools if tool.get("type") == FILE_SEARCH]
    for name in _FIELDS:
        values.pop(name, None)
    if searches:
        values["tools"] = msgspec.Raw(msgspec.json.encode(searches))
    is_graph = kind == _PLANT_GRAPH
    return replace(hosted, must_call=True, specialists=not is_graph, plant_graph=is_graph)


def _with_function(
    hosted: HostedTools, function: str, tools: list[dict[str, Any]]
) -> HostedTools | None:
    """Return what calls a function; None if it is the client's, which the model calls alone.

    Functions of specialists are known only when these are found (gateway/inference/hosted_tools).
    """
    names = {tool.get("function", {}).get("name") for tool in tools}
    if function in names:
        return None
    if function == FILE_SEARCH and any(tool.get("type") == FILE_SEARCH for tool in tools):
        return hosted
    if not hosted.specialists:
        raise unknown_function(function)
    return replace(hosted, must_call=True, function=function, plant_graph=False)


def choice_fields(hosted: HostedTools | None, added: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of a step with tools; a call is required until one was made.

    added: the messages after the client's, among which are results of calls.
    """
    if hosted is None:
        return {"tool_choice": "auto"}
    parallel = {} if hosted.parallel_calls else {"parallel_tool_calls": False}
    is_called = any(message.get("role") == "tool" for message in added)
    if is_called or not hosted.must_call:
        return {"tool_choice": "auto", **parallel}
    if hosted.function is None:
        return {"tool_choice": _REQUIRED, **parallel}
    named = {"type": "function", "function": {"name": hosted.function}}
    return {"tool_choice": named, **parallel}


def unknown_function(name: str) -> ParameterInvalid:
    """Return the error of a tool choice that names a function that no tool has."""
    return ParameterInvalid(
        f"`tool_choice`: `tools` has no function {name[:64]!r}.", param="tool_choice"
    )
