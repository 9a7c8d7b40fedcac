"""Tools of a response in the form of a chat, and the tool choice.

Functions of the client are converted; the tools that the gateway executes are those of a chat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import msgspec

from gateway.call.errors import ParameterInvalid, ParameterUnsupported
from gateway.wire.file_search.citations import FILE_SEARCH
from gateway.wire.hosted_tools.choice import unknown_function
from gateway.wire.hosted_tools.tool import PLANT_GRAPH, SPECIALIST
from gateway.wire.nested import convert_nested

Tool = dict[str, Any]
# Tools that the gateway executes; chats validate them.
_HOSTED = (FILE_SEARCH, SPECIALIST, PLANT_GRAPH)
_SUPPORTED = ", ".join(("function", *_HOSTED))


class FunctionTool(msgspec.Struct, forbid_unknown_fields=True):
    """A function that the client calls; other than in a chat, its fields are not nested."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionChoice(msgspec.Struct, forbid_unknown_fields=True):
    """`tool_choice`: a function that the model must call."""

    type: Literal["function"]
    name: str


class NamedTool(msgspec.Struct):
    """A tool in `tool_choice.tools`; only functions have a name."""

    type: str
    name: str | None = None


class AllowedTools(msgspec.Struct, forbid_unknown_fields=True):
    """`tool_choice`: the tools of the request that the model may or must use."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[NamedTool]


@dataclass(frozen=True, slots=True)
class ChatTools:
    """The tools and the tool choice of a chat; None if it has none."""

    tools: list[Tool] | None = None
    choice: str | Tool | None = None

    @property
    def searches_files(self) -> bool:
        """Whether the chat searches vector stores."""
        return any(tool["type"] == FILE_SEARCH for tool in self.tools or ())


def chat_tools(tools: Sequence[Tool] | None, choice: str | Tool | None) -> ChatTools:
    """Return tools and tool choice in the form of a chat.

    Raises ParameterInvalid, ParameterUnknown, ParameterUnsupported.
    """
    converted = [_chat_tool(tool, f"tools[{number}]") for number, tool in enumerate(tools or ())]
    if isinstance(choice, dict):
        return _with_chosen(converted, choice)
    if not converted:
        if choice == "required":
            raise _invalid("`tool_choice` requires `tools`.")
        return ChatTools()
    return ChatTools(converted, choice)


def _reject(tool: Mapping[str, Any], path: str) -> NoReturn:
    """Reject a tool of another type, such as `web_search`. Raises ParameterUnsupported."""
    param = f"{path}.type"
    name = str(tool.get("type"))[:60]
    raise ParameterUnsupported(
        f"The tool {name!r} is not supported by this endpoint. Supported are {_SUPPORTED}.",
        param=param,
    )


def _chat_tool(tool: Tool, path: str) -> Tool:
    """Return a tool in the form of a chat. Raises the errors of `chat_tools`."""
    present = {name: value for name, value in tool.items() if value is not None}
    if present.get("type") in _HOSTED:
        return present
    if present.get("type") != "function":
        _reject(present, path)
    function = msgspec.to_builtins(convert_nested(present, FunctionTool, path))
    kind = function.pop("type")
    return {
        "type": kind,
        "function": {name: value for name, value in function.items() if value is not None},
    }


def _with_chosen(tools: list[Tool], choice: Tool) -> ChatTools:
    """Return the tools with a choice that is an object. Raises the errors of `chat_tools`."""
    if any(choice == {"type": kind} for kind in _HOSTED):
        return ChatTools(tools, choice)
    if choice.get("type") == "allowed_tools":
        allowed = convert_nested(choice, AllowedTools, "tool_choice")
        names = {(tool.type, tool.name) for tool in allowed.tools}
        kept = [tool for tool in tools if _name_of(tool) in names]
        if not kept or {_name_of(tool) for tool in kept} != names:
            raise _invalid("`tool_choice.tools` may name tools of `tools` only.")
        return ChatTools(kept, allowed.mode)
    name = convert_nested(choice, FunctionChoice, "tool_choice").name
    # A chat knows the functions of specialists.
    is_hosted = any(tool["type"] == SPECIALIST for tool in tools)
    if not is_hosted and ("function", name) not in map(_name_of, tools):
        raise unknown_function(name)
    return ChatTools(tools, {"type": "function", "function": {"name": name}})


def _name_of(tool: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return type and name of a chat's tool; only functions have a name."""
    function = tool.get("function")
    return tool["type"], None if function is None else function["name"]


def _invalid(message: str) -> ParameterInvalid:
    """Return the error of a tool choice that does not fit the tools."""
    return ParameterInvalid(message, param="tool_choice")
