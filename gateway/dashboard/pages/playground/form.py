"""Parsing of the playground's forms to request bodies: a chat, or a row for a specialist model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.upstream.declared_inputs import DeclaredInput
from gateway.wire.file_search.citations import FILE_SEARCH
from infra.errors import AppError
from infra.translations import gettext_noop
from models.catalog import Model, Task
from models.signature import BYTES

INPUT_PREFIX = "input."  # name prefix of the form fields for declared inputs
_MAX_TURNS = 20


class PlaygroundInputInvalid(AppError):
    """A form field is not valid input for the model; `param` names it."""

    status = 422
    type = "invalid_request_error"
    code = "wish_invalid"


@dataclass(frozen=True, slots=True)
class PlaygroundRequest:
    """An API request built from a form: endpoint and JSON body."""

    endpoint: Endpoint
    body: Mapping[str, Any]

    @property
    def content(self) -> bytes:
        """The body as JSON bytes."""
        return msgspec.json.encode(self.body)


def chat_request(
    model: Model, fields: Mapping[str, str], turns: Sequence[str]
) -> PlaygroundRequest:
    """Build the request for the next chat message.

    `turns` are the previous messages, user and assistant alternating. Raises
    PlaygroundInputInvalid.
    """
    question = fields.get("prompt", "").strip()
    if not question:
        raise PlaygroundInputInvalid(gettext_noop("Enter a message."), param="prompt")
    messages = [{"role": "system", "content": system}] if (system := fields.get("system")) else []
    for index, turn in enumerate(turns[-_MAX_TURNS:]):
        messages.append({"role": "assistant" if index % 2 else "user", "content": turn})
    messages.append({"role": "user", "content": question})
    body: dict[str, Any] = {"model": model.id, "messages": messages}
    body["max_tokens"] = _parse_integer(fields, "max_tokens", 1, 32_768)
    if fields.get("temperature"):
        body["temperature"] = _parse_number(fields["temperature"], "temperature")
    if (effort := fields.get("reasoning_effort", "none")) != "none":
        body["reasoning_effort"] = effort
    if store := fields.get("vector_store"):
        body["tools"] = [{"type": FILE_SEARCH, "vector_store_ids": [store]}]
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    return PlaygroundRequest(CHAT, body)


def prediction_request(
    model: Model, inputs: Sequence[DeclaredInput], fields: Mapping[str, str]
) -> PlaygroundRequest:
    """Build the request for one row of inputs. Raises PlaygroundInputInvalid."""
    row = {}
    for declared in inputs:
        text = fields.get(f"{INPUT_PREFIX}{declared.name}", "").strip()
        if text or not declared.optional:
            row[declared.name] = _parse_value(declared, text)
    body = {"model": model.id, "instances": [row]}
    return PlaygroundRequest(PREDICTIONS, body)


def is_chat(model: Model) -> bool:
    """Return whether the model generates text."""
    return model.task is Task.TEXT_GENERATION


def _parse_value(declared: DeclaredInput, text: str) -> Any:
    """Parse the text of an input by its declared type. Raises PlaygroundInputInvalid."""
    name = f"{INPUT_PREFIX}{declared.name}"
    if not text:
        raise PlaygroundInputInvalid(gettext_noop("This field is required."), param=name)
    if declared.length is not None:
        return [
            _parse_number(part, name) for part in text.replace(",", " ").replace("，", " ").split()
        ]
    if declared.datatype == BYTES:
        return text
    if declared.datatype == "BOOL":
        return text == "true"
    return _parse_number(text, name)


def _parse_number(text: str, name: str) -> float | int:
    """Parse a finite number, as an int if it is whole. Raises PlaygroundInputInvalid."""
    try:
        value = float(text)
    except ValueError:
        raise PlaygroundInputInvalid(gettext_noop("Enter a number."), param=name) from None
    if value != value or abs(value) == float("inf"):
        raise PlaygroundInputInvalid(gettext_noop("Enter a number."), param=name)
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _parse_integer(fields: Mapping[str, str], name: str, minimum: int, maximum: int) -> int:
    """Parse an integer within a range. Raises PlaygroundInputInvalid."""
    text = fields.get(name, "")
    if not text.isdecimal() or len(text) > 9 or not minimum <= int(text) <= maximum:
        raise PlaygroundInputInvalid(
            gettext_noop("Enter a whole number from 1 to 32,768."), param=name
        )
    return int(text)
