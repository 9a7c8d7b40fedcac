"""Answers that are one value of a list, for models that learned to answer with the value alone.

    {"failure_mode": {"enum": ["Leaking", …]}}  ->  the engine chooses " Leaking"
                                                ->  the client gets {"failure_mode": "Leaking"}

Such a model has never written a list's value inside JSON, and every answer that it learned begins
with a blank, which is a part of the first word's token. Held to JSON it writes tokens that it has
not learned, and the accuracy drops (models/industrial_llm/card.md has the figures). So the engine
is held to the values, each after a blank, and the JSON is put around the value here.

Owns which schemas these are, and the JSON around the value, whole and streamed. Needs neither Ray
nor vLLM.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_BLANK = " "
_DATA = "data: "
_ENDED = "stop"


@dataclass(frozen=True, slots=True)
class EnumAnswer:
    """The values that an answer may have, and the name of the object's one property; a schema
    whose answer is the value itself has none."""

    values: tuple[str, ...]
    name: str | None = None

    @property
    def choices(self) -> list[str]:
        """What the engine is held to."""
        return [f"{_BLANK}{value}" for value in self.values]

    @property
    def opening(self) -> str:
        return '"' if self.name is None else f'{{{_quoted(self.name)}: "'

    @property
    def closing(self) -> str:
        return '"' if self.name is None else '"}'

    def whole(self, text: str, *, ended: bool) -> str:
        """The JSON of an answer; without its end where the answer was cut off."""
        closing = self.closing if ended else ""
        return f"{self.opening}{_escaped(text.removeprefix(_BLANK))}{closing}"


def enum_answer(schema: Any) -> EnumAnswer | None:
    """What a JSON schema asks for, where that is one value of a list: the value itself, or an
    object with it as its only property. None for any other schema."""
    if not isinstance(schema, Mapping):
        return None
    values = _values(schema)
    if values is not None:
        return EnumAnswer(values)
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, Mapping):
        return None
    if len(properties) != 1 or not schema.keys() <= _OBJECT_KEYWORDS:
        return None
    ((name, inner),) = properties.items()
    if any(one != name for one in schema.get("required", ())):
        return None
    found = _values(inner) if isinstance(inner, Mapping) else None
    return None if found is None else EnumAnswer(found, name)


class EnumStream:
    """Puts the JSON around the values of one streamed answer, event by event."""

    def __init__(self, answer: EnumAnswer) -> None:
        self._answer = answer
        self._begun: set[int] = set()

    def event(self, line: str) -> str:
        """A server-sent event as the client gets it; what has no choices stays as it is."""
        if not line.startswith(_DATA):
            return line
        try:
            chunk = json.loads(line.removeprefix(_DATA))
        except ValueError:  # the last one is no JSON
            return line
        for choice in chunk.get("choices", ()):
            self._choice(choice)
        return f"{_DATA}{json.dumps(chunk, ensure_ascii=False, separators=(',', ':'))}\n\n"

    def _choice(self, choice: dict[str, Any]) -> None:
        delta, index = choice.get("delta", {}), choice.get("index", 0)
        text, told = delta.get("content") or "", ""
        if text and index not in self._begun:
            self._begun.add(index)
            text, told = text.removeprefix(_BLANK), self._answer.opening
        told += _escaped(text)
        if choice.get("finish_reason") == _ENDED and index in self._begun:
            told += self._answer.closing
        if told:
            delta["content"] = told


# What may stand beside `properties`. Anything else could ask for more than the one property.
_OBJECT_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "title", "description", "$schema"}
)
_VALUE_KEYWORDS = frozenset({"type", "enum", "const", "title", "description", "$schema"})


def _values(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The texts of `enum` or `const`; None for other values and for texts that a line cannot
    hold."""
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if schema.get("type", "string") != "string" or not schema.keys() <= _VALUE_KEYWORDS:
        return None
    if not isinstance(listed, list) or not listed or not all(_is_plain(one) for one in listed):
        return None
    return tuple(dict.fromkeys(listed))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and value == value.strip() != "" and value.isprintable()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(text: str) -> str:
    return _quoted(text)[1:-1]
