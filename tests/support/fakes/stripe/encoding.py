"""Objects as bytes, and copies of them: tens of thousands in a run of all tests."""

from typing import Any, TypeVar

import msgspec

_Jsons = TypeVar("_Jsons", bound="dict[str, Any] | list[Any]")


def encode(obj: dict[str, Any]) -> bytes:
    """JSON with indents, as Stripe writes it."""
    return msgspec.json.format(msgspec.json.encode(obj), indent=2)


def copied(values: _Jsons) -> _Jsons:
    """A deep copy of what is JSON: a twentieth of the time that `copy.deepcopy` takes."""
    made: _Jsons = msgspec.json.decode(msgspec.json.encode(values))
    return made
