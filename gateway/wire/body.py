"""JSON bodies: read into a declared shape, and put into an envelope again.

Owns turning every decoding failure into a fact that names the field. Values inside a body are
passed on as the bytes that came; only the outermost object is written anew, so that a field
given twice cannot mean one thing here and another upstream.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from gateway.errors import BodyNotJson, ParameterInvalid

Shape = TypeVar("Shape")

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# msgspec ends its messages with the place, as in "Expected `int`, got `str` - at `$.n`".
_PLACE = re.compile(r" - at `\$?\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")


def read(decoder: msgspec.json.Decoder[Shape], body: bytes) -> Shape:
    """Decode a body. Raises BodyNotJson, ParameterInvalid naming the field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BodyNotJson("The body is not valid JSON.") from None
    except RecursionError:
        raise BodyNotJson("The body is nested too deeply.") from None


def fields(body: bytes) -> dict[str, msgspec.Raw]:
    """The outermost object's fields, each as the bytes that came. Raises BodyNotJson."""
    return read(_FIELDS, body)


def envelope(values: Mapping[str, object]) -> bytes:
    """The object as a body again."""
    return msgspec.json.encode(values)


def _invalid(text: str) -> ParameterInvalid | BodyNotJson:
    place = _PLACE.search(text)
    missing = _MISSING.search(text)
    path = place["path"] if place else ""
    what = _PLACE.sub("", text)
    if missing:
        path = f"{path}.{missing['name']}" if path else missing["name"]
        what = "is missing"
    elif not path:
        return BodyNotJson("The body must be a JSON object.")
    else:
        what = what[:1].lower() + what[1:]
    path = path.replace("[...]", "[]")
    return ParameterInvalid(f"`{path}`: {what}.", param=path)
