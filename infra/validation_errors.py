"""Misfits: which field of a JSON or TOML text does not fit its declared shape, and why.

msgspec tells it in a sentence.
"""

import re
from dataclasses import dataclass

# msgspec ends its messages with the place, as in "Expected `int`, got `str` - at `$.n`".
_PLACE = re.compile(r" - at (?:`key` in )?`\$?\.?(?P<path>[^`]*)`$")
UNKNOWN = "is not known"
_NAMED = {
    "is missing": re.compile(r"missing required field `(?P<name>[^`]+)`"),
    UNKNOWN: re.compile(r"contains unknown field `(?P<name>[^`]+)`"),
}


@dataclass(frozen=True, slots=True)
class Misfit:
    """The field's path as `price[0].meter`, empty for the whole, and what is wrong with it."""

    path: str
    what: str


def misfit_of(text: str) -> Misfit:
    """What a message of msgspec's says."""
    place = _PLACE.search(text)
    path = place["path"].replace("[...]", "[]") if place else ""
    for what, pattern in _NAMED.items():
        if named := pattern.search(text):
            return Misfit(f"{path}.{named['name']}" if path else named["name"], what)
    what = _PLACE.sub("", text)
    return Misfit(path, what[:1].lower() + what[1:])
