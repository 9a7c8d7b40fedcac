"""Check the texts of a request body before it is parsed."""

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.call.errors import ContentFiltered, ParameterUnsupported
from gateway.wire import body as bodies
from gateway.wire.guards.texts import CheckText, TextRefused, check_texts
from models.guards.policy import RuleKind

# Fields that may have token ids in place of texts.
_TOKEN_FIELDS = frozenset({"prompt", "input"})
_RULE_NAMES = {
    RuleKind.WORDS: "a list of words",
    RuleKind.PERSONAL_DATA: "personal data",
    RuleKind.MODEL: "a guard model",
}


def check_body(body: bytes, fields: Sequence[str], check: CheckText) -> bytes:
    """Return a request body with the texts of these fields checked.

    The fields are encoded again: what is checked is what is sent, also with duplicate keys. Raises
    ContentFiltered, BodyNotJson, and ParameterUnsupported for token ids, which cannot be checked.
    """
    values: dict[str, Any] = dict(bodies.decode_fields(body))
    present = [name for name in fields if name in values]
    for name in present:
        values[name] = _check_value(name, msgspec.json.decode(values[name]), check)
    return bodies.encode_body(values) if present else body


def texts_of(body: bytes, fields: Sequence[str]) -> list[str]:
    """Return the texts of these fields in their order. Raises as `check_body`."""
    texts: list[str] = []

    def keep(text: str) -> str:
        """Keep the text."""
        texts.append(text)
        return text

    values = bodies.decode_fields(body)
    for name in fields:
        if name in values:
            _check_value(name, msgspec.json.decode(values[name]), keep)
    return texts


def _check_value(name: str, value: Any, check: CheckText) -> Any:
    """Return the checked value of a field."""
    if name in _TOKEN_FIELDS and isinstance(value, list) and _has_token_ids(value):
        raise ParameterUnsupported(
            f"`{name}` has token ids, which this account's guard cannot check. Send text.",
            param=name,
        )
    try:
        return check_texts(value, check)
    except TextRefused as refused:
        raise ContentFiltered(
            f"The account's guard refuses `{name}`: it matches a rule about "
            f"{_RULE_NAMES[refused.kind]}.",
            param=name,
        ) from None


def _has_token_ids(items: list[Any]) -> bool:
    """Whether a list of inputs holds token ids, or lists of them."""
    return any(isinstance(item, int | list) for item in items)  # items of other inputs are objects
