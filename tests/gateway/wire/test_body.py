"""JSON request bodies: decoding errors name the fault and its place."""

import msgspec
import pytest

from gateway.call.errors import BodyNotJson, ParameterInvalid
from gateway.wire.body import decode_body, decode_body_strict, decode_fields, encode_body


def test_field_with_invalid_utf8_is_rejected() -> None:
    """Also in fields that the gateway does not read."""
    with pytest.raises(BodyNotJson, match="not UTF-8"):
        decode_fields(b'{"model": "a", "more": {"\xe1": 1}}')
    assert set(decode_fields('{"more": "泵"}'.encode())) == {"more"}


class Question(msgspec.Struct):
    model: str
    rows: int = 0


DECODER = msgspec.json.Decoder(Question)


class TestDecodeBody:
    @pytest.mark.parametrize(
        ("body", "where"),
        [
            (b'{"model": NaN}', r"invalid character \(byte 10\)"),
            (b'{"model": "m"', "truncated"),
            (b"", "truncated"),
            (b'{"model": "\xff"}', "UTF-8|utf-8"),
            (b'{"x": ' + b"[" * 100_000, "too deeply"),
        ],
    )
    def test_invalid_json_error_names_its_place(self, body: bytes, where: str) -> None:
        with pytest.raises(BodyNotJson, match=where):
            decode_body(DECODER, body)

    def test_wrong_type_error_names_the_field(self) -> None:
        with pytest.raises(ParameterInvalid, match="rows") as raised:
            decode_body(DECODER, b'{"model": "m", "rows": "many"}')
        assert raised.value.param == "rows"

    def test_body_that_is_not_an_object_is_rejected(self) -> None:
        with pytest.raises(BodyNotJson, match="JSON object"):
            decode_body(DECODER, b"[]")

    def test_unknown_field_is_rejected_only_by_strict_decoding(self) -> None:
        assert decode_body(DECODER, b'{"model": "m", "mdoel": 1}').model == "m"
        with pytest.raises(ParameterInvalid, match="mdoel"):
            decode_body_strict(DECODER, b'{"model": "m", "mdoel": 1}')


class TestDecodeFields:
    def test_values_keep_their_original_bytes(self) -> None:
        given = decode_fields(b'{"model": "m", "temperature": 1.00}')
        assert encode_body(given) == b'{"model":"m","temperature":1.00}'

    def test_duplicate_field_keeps_last_value(self) -> None:
        assert encode_body(decode_fields(b'{"n": 1, "n": 2}')) == b'{"n":2}'
