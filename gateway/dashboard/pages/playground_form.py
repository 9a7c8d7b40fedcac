"""What somebody wants to call in the playground: from the fields of its form to the call's body.

A chat is its messages; a specialist gets one row of the inputs that it declares. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.call.values import Operation
from gateway.dashboard.labels import marked
from infra.errors import AppError
from models.catalog import Model, Task

BYTES = "BYTES"
INPUT = "input."  # before the name of a declared input, as a field of the form
_MOST_TURNS = 20


class WishInvalid(AppError):
    """A field that cannot be what the model takes; `param` names it."""

    status = 422
    type = "invalid_request_error"
    code = "wish_invalid"


class Declared(msgspec.Struct, frozen=True):
    """An input as a specialist declares it (models/signature.py): its limits, and of a series how
    many values it has."""

    name: str
    datatype: str
    unit: str | None = None
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None
    length: tuple[int, int] | None = None
    optional: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is one number in a row."""
        return self.length is None and self.datatype not in (BYTES, "BOOL")


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that is not made yet: where it goes, and its body."""

    operation: Operation
    path: str
    body: Mapping[str, Any]

    @property
    def content(self) -> bytes:
        return msgspec.json.encode(self.body)


def chat_wish(model: Model, fields: Mapping[str, str], turns: Sequence[str]) -> Wish:
    """The next question of a conversation; `turns` are what was said before, by the person and by
    the model in turn. Raises WishInvalid."""
    question = fields.get("prompt", "").strip()
    if not question:
        raise WishInvalid(marked("Write something to ask."), param="prompt")
    messages = [{"role": "system", "content": system}] if (system := fields.get("system")) else []
    for at, said in enumerate(turns[-_MOST_TURNS:]):
        messages.append({"role": "assistant" if at % 2 else "user", "content": said})
    messages.append({"role": "user", "content": question})
    body: dict[str, Any] = {"model": model.id, "messages": messages}
    body["max_tokens"] = _whole(fields, "max_tokens", 1, 32_768)
    if fields.get("temperature"):
        body["temperature"] = _number(fields["temperature"], "temperature")
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    return Wish(Operation.CHAT, "/v1/chat/completions", body)


def specialist_wish(model: Model, inputs: Sequence[Declared], fields: Mapping[str, str]) -> Wish:
    """One row, of what was filled in. Raises WishInvalid."""
    row = {}
    for one in inputs:
        text = fields.get(f"{INPUT}{one.name}", "").strip()
        if text or not one.optional:
            row[one.name] = _value(one, text)
    body = {"model": model.id, "instances": [row]}
    return Wish(Operation.PREDICTIONS, "/v1/predictions", body)


def is_chat(model: Model) -> bool:
    return model.task is Task.TEXT_GENERATION


def _value(one: Declared, text: str) -> Any:
    name = f"{INPUT}{one.name}"
    if not text:
        raise WishInvalid(marked("Fill this in."), param=name)
    if one.length is not None:
        return [_number(part, name) for part in text.replace(",", " ").replace("，", " ").split()]
    if one.datatype == BYTES:
        return text
    if one.datatype == "BOOL":
        return text == "true"
    return _number(text, name)


def _number(text: str, name: str) -> float | int:
    try:
        value = float(text)
    except ValueError:
        raise WishInvalid(marked("This is no number."), param=name) from None
    if value != value or abs(value) == float("inf"):
        raise WishInvalid(marked("This is no number."), param=name)
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _whole(fields: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = fields.get(name, "")
    if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
        raise WishInvalid(marked("This is no whole number from 1 to 32,768."), param=name)
    return int(text)
