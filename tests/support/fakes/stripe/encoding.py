"""Encoding and copying of objects, fast because a full test run needs tens of thousands."""

from typing import Any, TypeVar

import msgspec

_Jsons = TypeVar("_Jsons", bound="dict[str, Any] | list[Any]")


def encode(obj: dict[str, Any]) -> bytes:
    """Indented JSON, as from Stripe."""
    return msgspec.json.format(msgspec.json.encode(obj), indent=2)


def copied(values: _Jsons) -> _Jsons:
    """A deep copy of JSON data, 20 times as fast as `copy.deepcopy`."""
    made: _Jsons = msgspec.json.decode(msgspec.json.encode(values))
    return made
