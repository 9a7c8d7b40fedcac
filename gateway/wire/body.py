"""JSON bodies: read into a declared shape, and put into an envelope again.

Owns turning every decoding failure into a fact that names the field. Values inside a body are
passed on as the bytes that came; only the outermost object is written anew, so that a field
given twice cannot mean one thing here and another upstream.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from gateway.call.errors import BadRequest, BodyNotJson, ParameterInvalid, ParameterUnknown
from infra.validation_errors import UNKNOWN, misfit_of

Shape = TypeVar("Shape")
_Body = TypeVar("_Body", bound=msgspec.Struct)

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(decoder: msgspec.json.Decoder[Shape], body: bytes) -> Shape:
    """Decode a body. Raises BodyNotJson, ParameterInvalid naming the field."""
    try:
        if not body.isascii():
            body.decode()  # msgspec passes over what it does not read, and it goes to engines
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except msgspec.DecodeError as error:
        # Where it is, for what most often is: a NaN, which Python writes and JSON does not know.
        where = str(error).removeprefix("JSON is malformed: ")
        raise BodyNotJson(f"The body is not valid JSON: {where}.") from None
    except UnicodeDecodeError:
        raise BodyNotJson("The body is not valid JSON: it is no UTF-8.") from None
    except RecursionError:
        raise BodyNotJson("The body is nested too deeply.") from None


def read_strictly(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    """The same without a field too many: a `preview` that is misspelt must not buy anything.
    Raises BodyNotJson, ParameterInvalid."""
    unknown = fields(body).keys() - {field.name for field in msgspec.structs.fields(decoder.type)}
    if unknown:
        name = min(unknown)
        raise ParameterInvalid(f"`{name[:60]}` is no field of this body.", param=name[:60])
    return read(decoder, body)


def fields(body: bytes) -> dict[str, msgspec.Raw]:
    """The outermost object's fields, each as the bytes that came. Raises BodyNotJson."""
    return read(_FIELDS, body)


def envelope(values: Mapping[str, object]) -> bytes:
    """The object as a body again."""
    return msgspec.json.encode(values)


def _invalid(text: str) -> BadRequest:
    misfit = misfit_of(text)
    if not misfit.path:
        return BodyNotJson("The body must be a JSON object.")
    if misfit.what == UNKNOWN:
        return ParameterUnknown.named(misfit.path)
    return ParameterInvalid(f"`{misfit.path}`: {misfit.what}.", param=misfit.path)
