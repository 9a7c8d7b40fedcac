"""Validate the nested objects of a chat request.

These are messages, content parts, tool calls, tools, the tool choice and the size of schemas.
Unknown fields are rejected: engines accept more, such as tensors and names in a cache that all
tenants share.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from gateway.call.errors import ParameterInvalid, ParameterUnknown
from gateway.wire.file_search.citations import FILE_SEARCH
from gateway.wire.requests import ChatRequest
from infra.validation_errors import UNKNOWN_FIELD, parse_validation_error

# OpenAI's fields of a message, and those of responses, which clients send back unchanged.
MESSAGE_FIELDS = frozenset(
    """role content name tool_calls tool_call_id function_call refusal annotations audio reasoning
    reasoning_content""".split()
)
# The types of content parts, with the fields of each type's object.
PART_FIELDS: Mapping[str, frozenset[str]] = {
    "text": frozenset(),
    "refusal": frozenset(),
    "image_url": frozenset({"url", "detail"}),
    "input_audio": frozenset({"data", "format"}),
    "audio_url": frozenset({"url"}),
    "video_url": frozenset({"url"}),
}
_PART_KEYS = frozenset({"type", *PART_FIELDS})
# Compiling a schema blocks the engine for other calls; tools are also part of the prompt.
_MAX_BYTES = {"response_format": 64 << 10, "tools": 256 << 10}

# Tools that the gateway executes; their own modules validate them.
_HOSTED = (FILE_SEARCH, "specialist", "plant_graph")

_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE = msgspec.json.Decoder()
_Shape = TypeVar("_Shape")


class _Function(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["function"]
    function: _Function


class _FunctionName(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class _NamedToolChoice(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["function"]
    function: _FunctionName


class _CalledFunction(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: str


class _ToolCall(msgspec.Struct, forbid_unknown_fields=True):
    """A tool call of an earlier answer. `index` comes from clients that join a stream's deltas."""

    function: _CalledFunction
    id: str | None = None
    type: Literal["function"] = "function"
    index: int | None = None


def validate_nested_objects(request: ChatRequest, values: Mapping[str, msgspec.Raw]) -> None:
    """Validate messages, tools and tool choice of a chat request, and the size of schemas.

    Raises ParameterUnknown, ParameterInvalid naming the field.
    """
    for name, limit in _MAX_BYTES.items():
        if len(bytes(values.get(name, b""))) > limit:
            raise ParameterInvalid(f"`{name}` is larger than {limit >> 10} KiB.", param=name)
    for number, message in enumerate(_OBJECTS.decode(values["messages"])):
        _validate_message(message, f"messages[{number}]")
    for number, tool in enumerate(request.tools or []):
        if tool.get("type") not in _HOSTED:
            convert_nested(tool, _Tool, f"tools[{number}]")
    if isinstance(request.tool_choice, dict):
        _validate_choice(request.tool_choice, request.tools or [])


def _validate_choice(choice: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> None:
    """Validate a tool choice that is an object: a function, or the type of a hosted tool."""
    kind = next((kind for kind in _HOSTED if choice == {"type": kind}), None)
    if kind is None:
        convert_nested(choice, _NamedToolChoice, "tool_choice")
    elif all(tool.get("type") != kind for tool in tools):
        raise ParameterInvalid(f"`tool_choice`: `tools` has no {kind!r}.", param="tool_choice")


def _validate_message(message: Mapping[str, msgspec.Raw], path: str) -> None:
    """Validate fields, content parts and tool calls of one message at `path`."""
    _require_known_fields(message, MESSAGE_FIELDS, path)
    content = bytes(message.get("content", b""))
    if content.startswith(b"["):
        for number, part in enumerate(_VALUE.decode(content)):
            if isinstance(part, dict):
                _validate_part(part, f"{path}.content[{number}]")
    calls = message.get("tool_calls")
    if calls is not None and bytes(calls) != b"null":
        convert_nested(_VALUE.decode(calls), list[_ToolCall], f"{path}.tool_calls")


def _validate_part(part: Mapping[str, Any], path: str) -> None:
    """Validate the type and the fields of one content part at `path`."""
    kind = part.get("type", "text")
    if not isinstance(kind, str) or kind not in PART_FIELDS:
        type_path = f"{path}.type"
        raise ParameterInvalid(
            f"`{type_path}` must be one of {', '.join(PART_FIELDS)}.", param=type_path
        )
    _require_known_fields(part, _PART_KEYS, path)
    for name, fields in PART_FIELDS.items():
        if isinstance(part.get(name), dict):
            _require_known_fields(part[name], fields, f"{path}.{name}")


def _require_known_fields(value: Mapping[str, Any], known: frozenset[str], path: str) -> None:
    """Raise ParameterUnknown if an object has a field that is not known."""
    if not value.keys() <= known:
        raise ParameterUnknown.for_name(f"{path}.{min(value.keys() - known)}")


def convert_nested(value: object, shape: type[_Shape], path: str) -> _Shape:
    """Convert a JSON value to a struct. Raises ParameterUnknown, ParameterInvalid."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        path = f"{path}.{misfit.path}" if misfit.path else path
        path = path.replace(".[", "[")
        if misfit.what == UNKNOWN_FIELD:
            raise ParameterUnknown.for_name(path) from None
        raise ParameterInvalid(f"`{path}`: {misfit.what}.", param=path) from None
