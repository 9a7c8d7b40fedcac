"""Reading a JSON body: what cannot be read is told by what is wrong and where."""

import msgspec
import pytest

from gateway.call.errors import BodyNotJson, ParameterInvalid
from gateway.wire.body import decode_body, decode_body_strict, decode_fields, encode_body


def test_bytes_that_are_no_text_go_to_no_engine() -> None:
    """Nor where nothing here reads them."""
    with pytest.raises(BodyNotJson, match="not UTF-8"):
        decode_fields(b'{"model": "a", "more": {"\xe1": 1}}')
    assert set(decode_fields('{"more": "泵"}'.encode())) == {"more"}


class Question(msgspec.Struct):
    model: str
    rows: int = 0


DECODER = msgspec.json.Decoder(Question)


class TestRead:
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
    def test_what_is_no_json_is_told_where(self, body: bytes, where: str) -> None:
        with pytest.raises(BodyNotJson, match=where):
            decode_body(DECODER, body)

    def test_another_shape_names_the_field(self) -> None:
        with pytest.raises(ParameterInvalid, match="rows") as raised:
            decode_body(DECODER, b'{"model": "m", "rows": "many"}')
        assert raised.value.param == "rows"

    def test_no_object_is_told(self) -> None:
        with pytest.raises(BodyNotJson, match="JSON object"):
            decode_body(DECODER, b"[]")

    def test_a_field_too_many_is_refused_where_it_matters(self) -> None:
        assert decode_body(DECODER, b'{"model": "m", "mdoel": 1}').model == "m"
        with pytest.raises(ParameterInvalid, match="mdoel"):
            decode_body_strict(DECODER, b'{"model": "m", "mdoel": 1}')


class TestFields:
    def test_values_stay_the_bytes_that_came(self) -> None:
        given = decode_fields(b'{"model": "m", "temperature": 1.00}')
        assert encode_body(given) == b'{"model":"m","temperature":1.00}'

    def test_a_field_given_twice_is_one(self) -> None:
        assert encode_body(decode_fields(b'{"n": 1, "n": 2}')) == b'{"n":2}'
