"""Input items of a response: their conversion to chat messages, and their form when listed.

An item is a message, a function call, the output of one, or an item of an earlier response. Unknown
fields of items are ignored: clients send back items with the fields of their own libraries.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from gateway.call.errors import ParameterInvalid
from gateway.wire.nested import convert_nested
from gateway.wire.responses.content import chat_content, normalized_content, text_content

Item = dict[str, Any]
Messages = list[dict[str, Any]]
REFERENCE = "item_reference"
_ITEMS = msgspec.json.Decoder(list[dict[str, Any]])
# Prefixes of the ids of items, by their type.
ID_PREFIXES: Mapping[str, str] = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
    "file_search_call": "fs",
}


class MessageItem(msgspec.Struct):
    """A message, with `content` as text or as parts."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[dict[str, Any]]


class FunctionCallItem(msgspec.Struct):
    """A call of a function in an earlier answer."""

    call_id: str
    name: str
    arguments: str


class FunctionCallOutputItem(msgspec.Struct):
    """The result of a function, which the client called."""

    call_id: str
    output: str | list[dict[str, Any]]


class ReferenceItem(msgspec.Struct):
    """The id of an item of a stored response."""

    id: str


def decode_items(value: str | Sequence[msgspec.Raw]) -> list[Item]:
    """Return the items of `input`; a text is one message of the user. Raises ParameterInvalid."""
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    try:
        items = _ITEMS.decode(msgspec.json.encode(value))
    except (msgspec.MsgspecError, RecursionError):
        raise ParameterInvalid(
            "`input` must be a text or a list of items.", param="input"
        ) from None
    return [_with_type(item, f"input[{number}]") for number, item in enumerate(items)]


def chat_messages(items: Sequence[Item], first: int = 0) -> Messages:
    """Return the chat messages of items. Raises ParameterInvalid, ParameterUnsupported.

    `first` is the number of the items before the request's own, so that errors name its items.
    """
    messages: Messages = []
    for number, item in enumerate(items):
        path = f"input[{number - first}]" if number >= first else "previous_response_id"
        _CONVERTERS[item["type"]](messages, item, path)
    return messages


def listed_items(items: Sequence[Item], response_hex: str) -> list[Item]:
    """Return items as OpenAI lists them: with unique ids and a status, messages with parts.

    An item that a client sends twice gets a new id: pages of items continue after an id.
    """
    listed: list[Item] = []
    known: set[str] = set()
    for number, item in enumerate(items):
        new_id = f"{ID_PREFIXES.get(item['type'], 'item')}_{response_hex}i{number:04x}"
        given = item.get("id")
        is_usable = isinstance(given, str) and given and given not in known
        listed.append(_listed({**item, "id": given if is_usable else new_id}))
        known.add(listed[-1]["id"])
    return listed


def question_of(messages: Messages) -> str:
    """Return the text of the last user message, empty if it has none."""
    contents = (one["content"] for one in reversed(messages) if one["role"] == "user")
    content = next(contents, "")
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part["type"] == "text")


def _with_type(item: Item, path: str) -> Item:
    """Return an item with its type; a message may omit it. Raises ParameterInvalid."""
    kind = item.get("type") or "message"
    if not isinstance(kind, str) or (kind not in _CONVERTERS and kind != REFERENCE):
        param = f"{path}.type"
        supported = ", ".join((*_CONVERTERS, REFERENCE))
        raise ParameterInvalid(f"`{param}` must be one of {supported}.", param=param)
    return {**item, "type": kind}


def _listed(item: Item) -> Item:
    """Return an item with an id as it is listed."""
    item = {name: value for name, value in item.items() if value is not None}
    if item["type"] == "message":
        item["content"] = normalized_content(item["content"], item["role"])
    return {**item, "status": item.get("status") or "completed"}


def _add_message(messages: Messages, item: Item, path: str) -> None:
    """Append a message."""
    message = convert_nested(item, MessageItem, path)
    content = chat_content(message.content, f"{path}.content")
    messages.append({"role": message.role, "content": content})


def _add_function_call(messages: Messages, item: Item, path: str) -> None:
    """Add a function call to the assistant's message before it, or append a message for it.

    Calls that were made in parallel are one message of a chat.
    """
    called = convert_nested(item, FunctionCallItem, path)
    tool_call = {
        "id": called.call_id,
        "type": "function",
        "function": {"name": called.name, "arguments": called.arguments},
    }
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(tool_call)


def _add_function_output(messages: Messages, item: Item, path: str) -> None:
    """Append the result of a function."""
    result = convert_nested(item, FunctionCallOutputItem, path)
    content = text_content(result.output, f"{path}.output")
    messages.append({"role": "tool", "tool_call_id": result.call_id, "content": content})


def _skip(_messages: Messages, _item: Item, _path: str) -> None:
    """Add nothing: models do not see earlier reasoning, and passages are searched again."""


_CONVERTERS: Mapping[str, Callable[[Messages, Item, str], None]] = {
    "message": _add_message,
    "function_call": _add_function_call,
    "function_call_output": _add_function_output,
    "reasoning": _skip,
    "file_search_call": _skip,
}
