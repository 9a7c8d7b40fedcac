"""Content parts of input items: their conversion to the parts of a chat message."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.call.errors import ParameterInvalid, ParameterUnsupported
from gateway.wire.nested import convert_nested

_TEXT_TYPES = ("input_text", "output_text", "text")
_SUPPORTED = (*_TEXT_TYPES, "refusal", "input_image")


class TextPart(msgspec.Struct):
    """A part with text: `input_text` or `output_text`."""

    text: str


class RefusalPart(msgspec.Struct):
    """The model's refusal in an earlier answer."""

    refusal: str


class ImagePart(msgspec.Struct):
    """An image as `data:` URL; ids of files are not supported."""

    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


def chat_content(
    content: str | Sequence[Mapping[str, Any]], path: str
) -> str | list[dict[str, Any]]:
    """Return the content of a chat message: a text if all parts are texts, else its parts.

    Texts are joined by line breaks, as engines do. Raises ParameterInvalid, ParameterUnsupported.
    """
    if isinstance(content, str):
        return content
    parts = [_chat_part(part, f"{path}[{number}]") for number, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def text_content(content: str | Sequence[Mapping[str, Any]], path: str) -> str:
    """Return a content that may have texts only, as tools return it.

    Raises ParameterInvalid, ParameterUnsupported.
    """
    converted = chat_content(content, path)
    if not isinstance(converted, str):
        raise ParameterUnsupported(
            f"`{path}` may contain text only: models do not read images of tools.", param=path
        )
    return converted


def normalized_content(
    content: str | Sequence[Mapping[str, Any]], role: str
) -> list[dict[str, Any]]:
    """Return a message's content as a list of parts, as OpenAI lists input items."""
    if not isinstance(content, str):
        return [dict(part) for part in content]
    if role == "assistant":
        return [{"type": "output_text", "text": content, "annotations": []}]
    return [{"type": "input_text", "text": content}]


def _chat_part(part: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a chat's content part. Raises ParameterInvalid, ParameterUnsupported."""
    kind = part.get("type")
    if kind in _TEXT_TYPES:
        return {"type": "text", "text": convert_nested(part, TextPart, path).text}
    if kind == "refusal":
        return {"type": "text", "text": convert_nested(part, RefusalPart, path).refusal}
    if kind == "input_image":
        return _image_part(convert_nested(part, ImagePart, path), path)
    if kind == "input_file":
        raise ParameterUnsupported(
            f"`{path}`: files are not supported as input. Add the file to a vector store and use "
            "the tool `file_search`.",
            param=path,
        )
    param = f"{path}.type"
    raise ParameterInvalid(f"`{param}` must be one of {', '.join(_SUPPORTED)}.", param=param)


def _image_part(image: ImagePart, path: str) -> dict[str, Any]:
    """Return an inline image as a chat's part. Raises ParameterInvalid, ParameterUnsupported."""
    if image.image_url is None:
        param = f"{path}.image_url"
        raise ParameterUnsupported(
            f"`{param}`: send the image as `data:…;base64,…`; ids of files are not supported.",
            param=param,
        )
    if not image.image_url.startswith("data:"):
        param = f"{path}.image_url"
        raise ParameterInvalid(
            f"`{param}`: URLs are not fetched. Send the content as `data:…;base64,…`.", param=param
        )
    url = {"url": image.image_url, **({} if image.detail is None else {"detail": image.detail})}
    return {"type": "image_url", "image_url": url}
