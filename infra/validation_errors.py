"""Parser for msgspec validation messages: the field path and what is wrong with it."""

import re
from dataclasses import dataclass

# msgspec ends its messages with the field path, as in "Expected `int`, got `str` - at `$.n`".
_FIELD_PATH = re.compile(r" - at (?:`key` in )?`\$?\.?(?P<path>[^`]*)`$")
MISSING_FIELD, UNKNOWN_FIELD = "is missing", "is not known"
_NAMED_FIELD_ERRORS = {
    MISSING_FIELD: re.compile(r"missing required field `(?P<name>[^`]+)`"),
    UNKNOWN_FIELD: re.compile(r"contains unknown field `(?P<name>[^`]+)`"),
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """An invalid field: its path such as `price[0].meter` (empty: whole input) and the error."""

    path: str
    what: str


def parse_validation_error(text: str) -> FieldError:
    """Parse the message of a msgspec.ValidationError into the field's path and the error."""
    location = _FIELD_PATH.search(text)
    path = location["path"].replace("[...]", "[]") if location else ""
    for reason, pattern in _NAMED_FIELD_ERRORS.items():
        if match := pattern.search(text):
            return FieldError(f"{path}.{match['name']}" if path else match["name"], reason)
    reason = _FIELD_PATH.sub("", text)
    return FieldError(path, reason[:1].lower() + reason[1:])
