"""Decode JSON request bodies into structs and encode them again.

Decoding errors become application errors that name the field. Nested values keep the client's
bytes; only the outermost object is re-encoded, so that a duplicate key cannot have one meaning here
and another upstream.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from gateway.call.errors import BadRequest, BodyNotJson, ParameterInvalid, ParameterUnknown
from infra.validation_errors import UNKNOWN_FIELD, parse_validation_error

Shape = TypeVar("Shape")
_Body = TypeVar("_Body", bound=msgspec.Struct)

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_body(decoder: msgspec.json.Decoder[Shape], body: bytes) -> Shape:
    """Decode a JSON body, ignoring unknown fields.

    Raises BodyNotJson, ParameterInvalid naming the field.
    """
    try:
        if not body.isascii():
            body.decode()  # msgspec skips unread values unchecked, but they are sent upstream
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _validation_error(str(error)) from None
    except msgspec.DecodeError as error:
        # msgspec reports the position, which helps with the most frequent error: NaN, which Python
        # writes and JSON does not allow.
        detail = str(error).removeprefix("JSON is malformed: ")
        raise BodyNotJson(f"The request body is not valid JSON: {detail}.") from None
    except UnicodeDecodeError:
        raise BodyNotJson("The request body is not valid JSON: it is not UTF-8.") from None
    except RecursionError:
        raise BodyNotJson("The request body is nested too deeply.") from None


def decode_body_strict(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    """Decode a JSON body, rejecting unknown fields: a misspelt `preview` must not cause a purchase.

    Raises BodyNotJson, ParameterInvalid.
    """
    unknown = decode_fields(body).keys() - {
        field.encode_name for field in msgspec.structs.fields(decoder.type)
    }
    if unknown:
        name = min(unknown)
        raise ParameterInvalid(f"Unknown field: `{name[:60]}`.", param=name[:60])
    return decode_body(decoder, body)


def decode_fields(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of the outermost object, values as the client's bytes.

    Raises BodyNotJson.
    """
    return decode_body(_FIELDS, body)


def encode_body(values: Mapping[str, object]) -> bytes:
    """Encode an object as a JSON body."""
    return msgspec.json.encode(values)


def _validation_error(text: str) -> BadRequest:
    """Return the BadRequest for msgspec's error message `text`, naming the field if known."""
    misfit = parse_validation_error(text)
    if not misfit.path:
        return BodyNotJson("The request body must be a JSON object.")
    if misfit.what == UNKNOWN_FIELD:
        return ParameterUnknown.for_name(misfit.path)
    return ParameterInvalid(f"`{misfit.path}`: {misfit.what}.", param=misfit.path)
