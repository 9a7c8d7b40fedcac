"""Sentences for customers that can be shown in another language.

A sentence is its English text, and carries the template and the values that the text was made from.
A translation of the template is filled with the same values (gateway/dashboard/training_log.py).
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Union

Value = Union[str, int, float, "Sentence", "Listing"]


class Sentence(str):
    """An English text with its template, whose `{placeholders}` stand for values.

    A value is a text, a number, an error, or a part of the sentence that is translated too.
    """

    template: str
    values: Mapping[str, Value]

    def as_json(self) -> dict[str, Any]:
        """Return template and values as JSON; a number that JSON lacks as None."""
        return {
            "template": self.template,
            "values": {name: value_json(value) for name, value in self.values.items()},
        }


def restored(text: str, content: Mapping[str, Any]) -> Sentence:
    """Return the sentence of a text and of what `as_json` gave. Raises KeyError."""
    made = Sentence(text)
    made.template = content["template"]
    made.values = MappingProxyType(
        {name: _restored_value(value) for name, value in content["values"].items()}
    )
    return made


class Listing(str):
    """Parts of a sentence, in a row with commas."""

    parts: Sequence[Value]

    def as_json(self) -> list[Any]:
        """Return the parts as JSON."""
        return [value_json(part) for part in self.parts]


def sentence(template: str, /, **values: object) -> Sentence:
    """Return the sentence of a template, in which `{name:.2f}` formats a value as `str.format`."""
    plain = {name: _plain(value) for name, value in values.items()}
    made = Sentence(template.format(**plain))
    made.template, made.values = str(template), MappingProxyType(plain)
    return made


def listing(parts: Sequence[object]) -> Listing:
    """Return parts of a sentence in a row."""
    plain = [_plain(part) for part in parts]
    made = Listing(", ".join(map(str, plain)))
    made.parts = plain
    return made


def message_of(error: Exception) -> str:
    """Return what an error says: the sentence that it was raised with, else its text."""
    message = error.args[0] if error.args else ""
    return message if isinstance(message, Sentence) else str(error)


def value_json(value: Value) -> Any:
    """Return a value of a sentence as JSON."""
    if isinstance(value, Sentence | Listing):
        return value.as_json()
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def _restored_value(value: Any) -> Value:
    """Return a value of a sentence from its JSON; the text of a part is not needed."""
    if isinstance(value, Mapping):
        return restored("", value)
    if isinstance(value, list):
        made = Listing()
        made.parts = [_restored_value(part) for part in value]
        return made
    return "" if value is None else value


def _plain(value: object) -> Value:
    """Return a value as one of the types that JSON has, or as a part of the sentence."""
    if isinstance(value, Exception):
        value = message_of(value)
    if isinstance(value, Sentence | Listing):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    return str(value)
