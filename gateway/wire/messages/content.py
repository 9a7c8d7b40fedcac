"""Convert the messages of a Messages request to chat messages."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.call.errors import ParameterInvalid, ParameterUnsupported
from gateway.wire.messages.requests import (
    Base64Source,
    ContentBlock,
    ImageBlock,
    InputMessage,
    MessagesRequest,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)

# Chat has no field for the failure of a tool.
_FAILED = "Error: "
_BETWEEN_TEXTS = "\n\n"


def chat_messages(request: MessagesRequest) -> list[dict[str, Any]]:
    """Return the system prompt and the messages in chat form.

    Raises ParameterInvalid and ParameterUnsupported with the path of the field.
    """
    if request.messages[-1].role == "assistant":
        raise ParameterUnsupported(
            "The last message must not be the assistant's: answers cannot be prefilled.",
            param=f"messages[{len(request.messages) - 1}].role",
        )
    messages = list(_system_messages(request.system))
    for number, message in enumerate(request.messages):
        messages += _convert_message(message, f"messages[{number}]")
    return messages


def _system_messages(system: str | Sequence[TextBlock] | None) -> Iterator[dict[str, Any]]:
    """Yield the system prompt as a chat message, nothing without one."""
    if system:
        text = system if isinstance(system, str) else _joined(system)
        yield {"role": "system", "content": text}


def _convert_message(message: InputMessage, path: str) -> list[dict[str, Any]]:
    """Return the chat messages of one message: several if it has results of tools."""
    if isinstance(message.content, str):
        return [{"role": message.role, "content": message.content}]
    blocks = list(_read_blocks(message.content))
    if message.role == "assistant":
        return [_assistant_message(blocks, f"{path}.content")]
    if message.role == "system":
        return [{"role": "system", "content": _joined(_texts_only(blocks, f"{path}.content"))}]
    return _user_messages(blocks, f"{path}.content")


def _read_blocks(content: Sequence[ContentBlock]) -> Iterator[tuple[int, ContentBlock]]:
    """Yield the blocks that models get, with their number: earlier thoughts are left out."""
    for number, block in enumerate(content):
        if isinstance(block, TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock):
            yield number, block


def _assistant_message(blocks: Sequence[tuple[int, ContentBlock]], path: str) -> dict[str, Any]:
    """Return an earlier answer in chat form. Raises ParameterInvalid for a user's block."""
    texts, calls = [], []
    for number, block in blocks:
        if isinstance(block, TextBlock):
            texts.append(block.text)
        elif isinstance(block, ToolUseBlock):
            calls.append(_tool_call(block))
        else:
            raise _misplaced(f"{path}[{number}]", "assistant")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    return {**message, "tool_calls": calls} if calls else message


def _tool_call(block: ToolUseBlock) -> dict[str, Any]:
    """Return a tool call in chat form."""
    arguments = msgspec.json.encode(block.input).decode()
    function = {"name": block.name, "arguments": arguments}
    return {"id": block.id, "type": "function", "function": function}


def _user_messages(blocks: Sequence[tuple[int, ContentBlock]], path: str) -> list[dict[str, Any]]:
    """Return the results of tools, then what the user says, in chat form.

    Results come first, because chat templates expect them right after the calls.
    """
    results, parts = [], []
    for number, block in blocks:
        if isinstance(block, ToolResultBlock):
            results.append(_tool_message(block, f"{path}[{number}]"))
        elif isinstance(block, TextBlock):
            parts.append({"type": "text", "text": block.text})
        elif isinstance(block, ImageBlock):
            parts.append(_image_part(block, f"{path}[{number}]"))
        else:
            raise _misplaced(f"{path}[{number}]", "user")
    if not parts:
        return results or [{"role": "user", "content": ""}]
    is_one_text = len(parts) == 1 and parts[0]["type"] == "text"
    content = parts[0]["text"] if is_one_text else parts
    return [*results, {"role": "user", "content": content}]


def _tool_message(block: ToolResultBlock, path: str) -> dict[str, Any]:
    """Return the result of a tool in chat form. Raises ParameterUnsupported for an image."""
    content = block.content or ""
    if not isinstance(content, str):
        content = _joined(_texts_only(list(enumerate(content)), f"{path}.content"))
    text = _FAILED + content if block.is_error else content
    return {"role": "tool", "tool_call_id": block.tool_use_id, "content": text}


def _image_part(block: ImageBlock, path: str) -> dict[str, Any]:
    """Return an image in chat form. Raises ParameterInvalid for a URL."""
    if not isinstance(block.source, Base64Source):
        raise ParameterInvalid(
            f"`{path}.source`: URLs are not fetched. Send the image as base64.",
            param=f"{path}.source",
        )
    url = f"data:{block.source.media_type};base64,{block.source.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _texts_only(blocks: Sequence[tuple[int, ContentBlock]], path: str) -> list[TextBlock]:
    """Return blocks that are all texts. Raises ParameterUnsupported for another one."""
    for number, block in blocks:
        if not isinstance(block, TextBlock):
            raise ParameterUnsupported(
                f"`{path}[{number}]`: only text is supported here.", param=f"{path}[{number}].type"
            )
    return [block for _, block in blocks if isinstance(block, TextBlock)]


def _joined(blocks: Sequence[TextBlock]) -> str:
    """Return the texts of blocks as one text."""
    return _BETWEEN_TEXTS.join(block.text for block in blocks)


def _misplaced(path: str, role: str) -> ParameterInvalid:
    """Return the error for a block that messages of a role cannot have."""
    return ParameterInvalid(
        f"`{path}`: a message of the {role} cannot have a block of this type.",
        param=f"{path}.type",
    )
