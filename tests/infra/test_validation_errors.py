"""Validation errors of msgspec, parsed into a field path and a reason."""

import msgspec
import pytest

from infra.validation_errors import FieldError, parse_validation_error


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    count: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    inner: list[Inner] = []


@pytest.mark.parametrize(
    ("body", "path", "what"),
    [
        (b"[]", "", "expected `object`, got `array`"),
        (b"{}", "name", "is missing"),
        (b'{"name": 1}', "name", "expected `str`, got `int`"),
        (b'{"name": "", "more": 1}', "more", "is not known"),
        (b'{"name": "", "inner": [{"count": "x"}]}', "inner[0].count", "expected `int`, got `str`"),
        (b'{"name": "", "inner": [{}]}', "inner[0].count", "is missing"),
    ],
)
def test_validation_error_is_parsed_into_field_path_and_reason(
    body: bytes, path: str, what: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Outer)
    assert parse_validation_error(str(caught.value)) == FieldError(path, what)
