"""The nested objects of a chat request: messages, their parts and tool calls, tools, the choice
between them, and how large a schema may be.

An engine's parts have more: tensors, and names for a cache that all tenants share.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from gateway.call.errors import ParameterInvalid, ParameterUnknown
from gateway.wire.file_search import TOOL as FILE_SEARCH
from gateway.wire.requests import ChatRequest
from infra.validation_errors import UNKNOWN, misfit_of

# Beside OpenAI's, what answers have: they are sent back as they came.
MESSAGE = frozenset(
    """role content name tool_calls tool_call_id function_call refusal annotations audio reasoning
    reasoning_content""".split()
)
# The kinds of parts, and the fields of the object of each.
PARTS: Mapping[str, frozenset[str]] = {
    "text": frozenset(),
    "refusal": frozenset(),
    "image_url": frozenset({"url", "detail"}),
    "input_audio": frozenset({"data", "format"}),
    "audio_url": frozenset({"url"}),
    "video_url": frozenset({"url"}),
}
_PART = frozenset({"type", *PARTS})
# A schema is compiled by the engine while others wait; tools are shown to the model as well.
_MOST_BYTES = {"response_format": 64 << 10, "tools": 256 << 10}

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


class _Name(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class _Named(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["function"]
    function: _Name


class _Called(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: str


class _Call(msgspec.Struct, forbid_unknown_fields=True):
    """`index` comes from clients that put a stream's pieces together."""

    function: _Called
    id: str | None = None
    type: Literal["function"] = "function"
    index: int | None = None


def check(request: ChatRequest, values: Mapping[str, msgspec.Raw]) -> None:
    """Raises ParameterUnknown, ParameterInvalid, naming the place."""
    for name, most in _MOST_BYTES.items():
        if len(bytes(values.get(name, b""))) > most:
            raise ParameterInvalid(f"`{name}` is larger than {most >> 10} KiB.", param=name)
    for number, message in enumerate(_OBJECTS.decode(values["messages"])):
        _message(message, f"messages[{number}]")
    for number, tool in enumerate(request.tools or []):
        if tool.get("type") != FILE_SEARCH:
            _convert(tool, _Tool, f"tools[{number}]")
    choice = request.tool_choice
    if isinstance(choice, dict) and choice != {"type": FILE_SEARCH}:
        _convert(choice, _Named, "tool_choice")


def _message(message: Mapping[str, msgspec.Raw], where: str) -> None:
    _known(message, MESSAGE, where)
    content = bytes(message.get("content", b""))
    if content.startswith(b"["):
        for number, part in enumerate(_VALUE.decode(content)):
            if isinstance(part, dict):
                _part(part, f"{where}.content[{number}]")
    calls = message.get("tool_calls")
    if calls is not None and bytes(calls) != b"null":
        _convert(_VALUE.decode(calls), list[_Call], f"{where}.tool_calls")


def _part(part: Mapping[str, Any], where: str) -> None:
    kind = part.get("type", "text")
    if not isinstance(kind, str) or kind not in PARTS:
        place = f"{where}.type"
        raise ParameterInvalid(f"`{place}`: one of {', '.join(PARTS)}.", param=place)
    _known(part, _PART, where)
    for name, fields in PARTS.items():
        if isinstance(part.get(name), dict):
            _known(part[name], fields, f"{where}.{name}")


def _known(given: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = given.keys() - known
    if unknown:
        raise ParameterUnknown.named(f"{where}.{min(unknown)}")


def _convert(given: object, shape: type[_Shape], where: str) -> _Shape:
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        misfit = misfit_of(str(error))
        path = f"{where}.{misfit.path}" if misfit.path else where
        path = path.replace(".[", "[")
        if misfit.what == UNKNOWN:
            raise ParameterUnknown.named(path) from None
        raise ParameterInvalid(f"`{path}`: {misfit.what}.", param=path) from None
