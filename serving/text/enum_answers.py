"""Enum answers of models that were trained to answer with the bare value instead of JSON.

    {"failure_mode": {"enum": ["Leaking", …]}}  ->  the engine chooses " Leaking"
                                                ->  the client gets {"failure_mode": "Leaking"}

Such a model was never trained on an enum value inside JSON. Constrained to JSON it has to write
untrained tokens and its accuracy drops (figures in models/industrial_llm/card_tiny.md). So decoding
is constrained to the values, and this module puts the JSON around the value. Where the chat
template lets every answer begin with a space, which is part of the first token, that is the prefix.

Imports neither Ray nor vLLM.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DATA = "data: "
_STOP = "stop"


@dataclass(frozen=True, slots=True)
class EnumAnswer:
    """An enum JSON schema: the allowed values and the name of the object's only property.

    `name` is None if the schema asks for the value itself and not for an object. `prefix` precedes
    the value as the model writes it.
    """

    values: tuple[str, ...]
    name: str | None = None
    prefix: str = ""

    @property
    def choices(self) -> list[str]:
        """The texts to which decoding is constrained."""
        return [f"{self.prefix}{value}" for value in self.values]

    @property
    def opening(self) -> str:
        """The JSON before the value."""
        return '"' if self.name is None else f'{{{_json_string(self.name)}: "'

    @property
    def closing(self) -> str:
        """The JSON after the value."""
        return '"' if self.name is None else '"}'

    def render(self, text: str, *, is_complete: bool) -> str:
        """Return the JSON answer of the model's `text`, unclosed if generation was cut off."""
        closing = self.closing if is_complete else ""
        return f"{self.opening}{_json_escaped(text.removeprefix(self.prefix))}{closing}"


def parse_enum_schema(schema: Any, prefix: str = "") -> EnumAnswer | None:
    """Parse a JSON schema of an enum value or of an object with an enum as its only property.

    `prefix` precedes the value as the model writes it. Returns None for any other schema.
    """
    if not isinstance(schema, Mapping):
        return None
    values = _enum_values(schema)
    if values is not None:
        return EnumAnswer(values, prefix=prefix)
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, Mapping):
        return None
    if len(properties) != 1 or not schema.keys() <= _OBJECT_KEYWORDS:
        return None
    ((name, inner),) = properties.items()
    if any(required != name for required in schema.get("required", ())):
        return None
    values = _enum_values(inner) if isinstance(inner, Mapping) else None
    return None if values is None else EnumAnswer(values, name, prefix)


class EnumStream:
    """Puts the JSON around the enum values of one streamed response."""

    def __init__(self, answer: EnumAnswer) -> None:
        self._answer = answer
        self._started: set[int] = set()

    def wrap_event(self, line: str) -> str:
        """Wrap an event's text into the schema's JSON; return other events unchanged."""
        if not line.startswith(_DATA):
            return line
        try:
            chunk = json.loads(line.removeprefix(_DATA))
        except ValueError:  # `[DONE]`
            return line
        for choice in chunk.get("choices", ()):
            self._wrap_choice(choice)
        return f"{_DATA}{json.dumps(chunk, ensure_ascii=False, separators=(',', ':'))}\n\n"

    def _wrap_choice(self, choice: dict[str, Any]) -> None:
        """Add the opening and closing JSON to the text delta of a choice, in place."""
        delta, index = choice.get("delta", {}), choice.get("index", 0)
        text, content = delta.get("content") or "", ""
        if text and index not in self._started:
            self._started.add(index)
            text, content = text.removeprefix(self._answer.prefix), self._answer.opening
        content += _json_escaped(text)
        if choice.get("finish_reason") == _STOP and index in self._started:
            content += self._answer.closing
        if content:
            delta["content"] = content


# Keywords allowed beside `properties`; any other keyword could require more than one property.
_OBJECT_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "title", "description", "$schema"}
)
_VALUE_KEYWORDS = frozenset({"type", "enum", "const", "title", "description", "$schema"})


def _enum_values(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the strings of `enum` or `const`; None for other values and unprintable strings."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if schema.get("type", "string") != "string" or not schema.keys() <= _VALUE_KEYWORDS:
        return None
    if not isinstance(values, list) or not values or not all(map(_is_plain, values)):
        return None
    return tuple(dict.fromkeys(values))


def _is_plain(value: Any) -> bool:
    """Return whether a value is a printable, non-empty string without surrounding spaces."""
    return isinstance(value, str) and value == value.strip() != "" and value.isprintable()


def _json_string(text: str) -> str:
    """Encode a text as a JSON string in quotes; non-ASCII characters are kept."""
    return json.dumps(text, ensure_ascii=False)


def _json_escaped(text: str) -> str:
    """Escape a text for the inside of a JSON string, without quotes."""
    return _json_string(text)[1:-1]
