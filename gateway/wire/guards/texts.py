"""Replace the texts within a JSON value, such as messages with parts of text."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.call.errors import BodyNotJson
from models.guards.policy import RuleKind

CheckText = Callable[[str], str]
"""Returns the text that may be passed on. Raises TextRefused."""

# Fields that identify or describe something, or hold files in base64. All others are checked.
_KEPT = frozenset(
    "role type id name tool_call_id tool_use_id call_id image_url input_audio file video_url "
    "media_type format detail file_id cache_control signature finish_reason".split()
)
_FILE_DATA, _TEXT_TYPE = "data", "text"
_ARGUMENTS = "arguments"
_TOOL_USE, _TOOL_INPUT = "tool_use", "input"
_MAX_DEPTH = 100


class TextRefused(Exception):
    """A rule refuses a text; `kind` is the kind of the rule."""

    def __init__(self, kind: RuleKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


def check_texts(value: Any, check: CheckText, depth: int = 0, *, is_own: bool = False) -> Any:
    """Return a decoded JSON value with its texts checked, keys excepted.

    is_own: a value of the customer's own form, in which all names are checked. Raises TextRefused,
    and BodyNotJson if the value is nested too deeply.
    """
    if isinstance(value, str):
        return check(value) if value else value
    if depth > _MAX_DEPTH:
        raise BodyNotJson("The request body is nested too deeply.")
    if isinstance(value, list):
        return [check_texts(item, check, depth + 1, is_own=is_own) for item in value]
    if isinstance(value, dict) and is_own:
        return {
            name: check_texts(item, check, depth + 1, is_own=True) for name, item in value.items()
        }
    if isinstance(value, dict):
        return {
            name: item if _is_kept(name, value) else _check_field(name, item, check, depth, value)
            for name, item in value.items()
        }
    return value


def check_arguments(text: str, check: CheckText) -> str:
    """Return the arguments of a function, a JSON text, with the texts in it checked.

    A text that is not JSON is checked as a whole. Raises TextRefused.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return check(text)
    checked = check_texts(value, check, is_own=True)
    return text if checked == value else msgspec.json.encode(checked).decode()


def _check_field(
    name: str, item: Any, check: CheckText, depth: int, fields: Mapping[str, Any]
) -> Any:
    """Return the checked value of one of the fields of an object."""
    if name == _TOOL_INPUT and fields.get("type") == _TOOL_USE:
        return check_texts(item, check, depth + 1, is_own=True)
    if name == _ARGUMENTS and isinstance(item, str):
        return check_arguments(item, check)
    return check_texts(item, check, depth + 1)


def _is_kept(name: str, fields: dict[str, Any]) -> bool:
    """Whether a field is not checked: `data` is a file unless its type is text."""
    return name in _KEPT or (name == _FILE_DATA and fields.get("type") != _TEXT_TYPE)
