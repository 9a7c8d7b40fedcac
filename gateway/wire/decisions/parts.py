"""Content parts of a decision's input and questions, as text and as readings.

Only text models answer questions, so images are refused. A JSON object is shown to a language model
as text, and a specialist may take it as a row of readings.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from gateway.call.errors import ParameterInvalid, ParameterUnsupported

# The limits of OpenAI's API for one JSON part.
MAX_JSON_BYTES = 256 << 10
MAX_JSON_VALUES = 10_000
MAX_JSON_DEPTH = 32
# Of many objects only the last ones are offered to specialists: each question tries all of them.
MAX_READINGS = 8


class CacheBreakpoint(msgspec.Struct, forbid_unknown_fields=True):
    """`prompt_cache_breakpoint`; has no effect: shared prompts are cached automatically."""

    mode: Literal["explicit"]


class TextPart(msgspec.Struct, tag="input_text", forbid_unknown_fields=True):
    """A text."""

    text: str
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class ImagePart(msgspec.Struct, tag="input_image", forbid_unknown_fields=True):
    """An image; no model accepts one here."""

    image_url: str
    detail: Literal["low", "high", "auto", "original"] | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class JsonPart(msgspec.Struct, tag="input_json", forbid_unknown_fields=True):
    """A JSON object or a list of objects."""

    data: dict[str, Any] | list[dict[str, Any]]


class OutputTextPart(msgspec.Struct, tag="output_text", forbid_unknown_fields=True):
    """A text of an assistant."""

    text: str


class RefusalPart(msgspec.Struct, tag="refusal", forbid_unknown_fields=True):
    """A refusal of an assistant."""

    refusal: str


Part = TextPart | ImagePart | JsonPart | OutputTextPart | RefusalPart
QuestionPart = TextPart | ImagePart | JsonPart
Content = str | Sequence[Part]


def render_content(content: Content, path: str) -> str:
    """Return the content as text; `path` is where it is. Raises ParameterUnsupported."""
    if isinstance(content, str):
        return content
    return "\n".join(_render_part(part, f"{path}[{number}]") for number, part in enumerate(content))


def has_image(content: Content) -> bool:
    """Return whether the content has an image."""
    return not isinstance(content, str) and any(isinstance(one, ImagePart) for one in content)


def readings_of(content: Content) -> list[dict[str, Any]]:
    """Return the last JSON objects of the content, in order."""
    if isinstance(content, str):
        return []
    found: list[dict[str, Any]] = []
    for part in content:
        if isinstance(part, JsonPart):
            data = part.data
            found += [data] if isinstance(data, dict) else data[-MAX_READINGS:]
    return found[-MAX_READINGS:]


def _render_part(part: Part, path: str) -> str:
    """Return one part as text. Raises ParameterUnsupported, ParameterInvalid."""
    match part:
        case TextPart(text=text) | OutputTextPart(text=text):
            return text
        case RefusalPart(refusal=refusal):
            return refusal
        case JsonPart(data=data):
            return _render_json(data, path)
        case _:
            raise ParameterUnsupported("Images are not supported here.", param=path)


def _render_json(data: Any, path: str) -> str:
    """Return JSON in compact form. Raises ParameterInvalid beyond the limits."""
    encoded = msgspec.json.encode(data)
    if len(encoded) > MAX_JSON_BYTES:
        raise ParameterInvalid(
            f"`{path}.data` is larger than {MAX_JSON_BYTES} bytes.", param=f"{path}.data"
        )
    _require_size(data, path)
    return encoded.decode()


def _require_size(data: Any, path: str) -> None:
    """Raise ParameterInvalid for too many or too deeply nested values."""
    pending, values = [(data, 1)], 0
    while pending:
        value, depth = pending.pop()
        values += 1
        if values > MAX_JSON_VALUES or depth > MAX_JSON_DEPTH + 1:
            raise ParameterInvalid(
                f"`{path}.data` has more than {MAX_JSON_VALUES} values or {MAX_JSON_DEPTH} levels.",
                param=f"{path}.data",
            )
        if isinstance(value, dict):
            pending += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            pending += [(inner, depth + 1) for inner in value]
