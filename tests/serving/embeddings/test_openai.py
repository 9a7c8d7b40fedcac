"""OpenAI's embeddings API: requests and responses."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from serving.embeddings.openai import (
    MAX_INPUTS,
    EmbeddingRequest,
    parse_model_id,
    parse_request,
    render_response,
)
from serving.errors import InputInvalid, ModelNotFound


def parse(**changes: Any) -> EmbeddingRequest:
    wire = {"model": "m", "input": "hello", **changes}
    return parse_request(json.dumps(wire).encode(), "m", 384)


class TestModelId:
    def test_model_field_is_returned(self) -> None:
        assert parse_model_id(b'{"input": [1, 2], "model": "m"}') == "m"

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model": 5}', b"\xff"])
    def test_missing_or_invalid_model_is_rejected(self, body: bytes) -> None:
        with pytest.raises(InputInvalid):
            parse_model_id(body)


class TestEmbeddingRequest:
    @pytest.mark.parametrize(
        ("given", "read"),
        [
            ("hello", ("hello",)),
            (["a", "b"], ("a", "b")),
            ([1, 2], ((1, 2),)),
            ([[1], [2, 3]], ((1,), (2, 3))),
        ],
    )
    def test_text_and_token_inputs_are_parsed(self, given: Any, read: tuple[Any, ...]) -> None:
        assert parse(input=given).inputs == read

    @pytest.mark.parametrize(
        "given", ["", [], [""], ["a", 1], [[]], [["a"]], [True], None, 5, {}, ["a"] * 2049]
    )
    def test_invalid_input_is_rejected_with_field_name(self, given: Any) -> None:
        with pytest.raises(InputInvalid) as caught:
            parse(input=given)
        assert caught.value.param == "input"

    def test_maximum_number_of_inputs_is_accepted(self) -> None:
        assert len(parse(input=["a"] * MAX_INPUTS).inputs) == MAX_INPUTS

    @pytest.mark.parametrize(
        ("changes", "param"),
        [({"encoding_format": "int8"}, "encoding_format"), ({"dimensions": 256}, "dimensions")],
    )
    def test_unsupported_option_is_rejected_with_field_name(
        self, changes: dict[str, Any], param: str
    ) -> None:
        with pytest.raises(InputInvalid) as caught:
            parse(**changes)
        assert caught.value.param == param

    def test_unknown_model_is_rejected(self) -> None:
        with pytest.raises(ModelNotFound):
            parse(model="other")

    def test_parameters_of_official_client_are_accepted(self) -> None:
        request = parse(encoding_format="base64", dimensions=384, user="somebody")
        assert request.encoding_format == "base64"

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"model": 1}', b"\xff"])
    def test_malformed_body_is_rejected(self, raw: bytes) -> None:
        with pytest.raises(InputInvalid):
            parse_request(raw, "m", 384)


class TestEmbeddingResponse:
    def test_float_and_base64_encode_the_same_vector(self) -> None:
        vectors = np.array([[0.6, -0.8]], dtype=np.float32)
        plain = json.loads(render_response("m", parse(), [(1, 2, 3)], vectors))
        packed = json.loads(
            render_response("m", parse(encoding_format="base64"), [(1, 2, 3)], vectors)
        )
        raw = base64.b64decode(packed["data"][0]["embedding"])
        assert np.frombuffer(raw, "<f4").tolist() == plain["data"][0]["embedding"]

    def test_response_has_indices_and_token_usage(self) -> None:
        vectors = np.zeros((2, 2), dtype=np.float32)
        written = json.loads(render_response("m", parse(), [(1, 2, 3), (1, 3)], vectors))
        assert written["object"] == "list"
        assert written["model"] == "m"
        assert [one["index"] for one in written["data"]] == [0, 1]
        assert written["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
