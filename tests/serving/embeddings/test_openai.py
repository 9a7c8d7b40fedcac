"""Embeddings with the real model: vectors, tokens, and OpenAI's wire."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.catalog import Task, load_catalog
from serving.embeddings.encoder import Encoder, load_encoder
from serving.embeddings.openai import (
    MAX_INPUTS,
    EmbeddingRequest,
    parse_model_id,
    parse_request,
    render_response,
)
from serving.errors import ContextLengthExceeded, InputInvalid, ModelNotFound, WeightsBroken
from serving.weights.weights import obtain_weights


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    models = load_catalog("cpu").with_task(Task.EMBEDDING)
    (model,) = (one for one in models if one.weights.kind == "onnx-package")

    def no_conversion(*_: object) -> None:
        raise AssertionError("an encoder is never converted")

    folder = tmp_path_factory.mktemp("encoder")
    obtained = obtain_weights(model, folder, lambda *_: None, no_conversion)
    assert obtained.tokenizer is not None
    assert model.context_length is not None
    return load_encoder(Path(obtained.source), obtained.tokenizer, model.context_length)


def parse(**changes: Any) -> EmbeddingRequest:
    wire = {"model": "m", "input": "hello", **changes}
    return parse_request(json.dumps(wire).encode(), "m", 384)


class TestEncoder:
    def test_vectors_have_length_one(self, encoder: Encoder) -> None:
        vectors = encoder.encode(encoder.tokenise(["hello", "a bearing runs hot"]))
        assert vectors.shape == (2, 384)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)

    def test_meaning_is_near_meaning(self, encoder: Encoder) -> None:
        texts = ["The pump vibrates.", "The pump is shaking.", "I like chocolate cake."]
        pump, shaking, cake = encoder.encode(encoder.tokenise(texts))
        assert pump @ shaking > pump @ cake + 0.3

    def test_company_does_not_change_a_vector(self, encoder: Encoder) -> None:
        rows = encoder.tokenise([f"text {n} " * (n + 1) for n in range(20)])
        together = encoder.encode(rows)
        for row, vector in zip(rows, together, strict=True):
            assert encoder.encode([row])[0] @ vector == pytest.approx(1, abs=1e-4)

    def test_tokens_are_the_text(self, encoder: Encoder) -> None:
        (tokenised,) = encoder.tokenise(["hello world"])
        assert encoder.tokenise([tokenised[1:-1]]) == [tokenised]

    def test_a_long_text_is_refused_and_not_cut(self, encoder: Encoder) -> None:
        fits = "word " * (encoder.context_length - 2)
        (row,) = encoder.tokenise([fits])
        assert len(row) == encoder.context_length
        with pytest.raises(ContextLengthExceeded, match="Input 1 has 257 tokens") as caught:
            encoder.tokenise(["short", fits + "word"])
        assert caught.value.code == "context_length_exceeded"

    @pytest.mark.parametrize("token", [-1, 10**9])
    def test_a_token_that_is_none(self, encoder: Encoder, token: int) -> None:
        with pytest.raises(InputInvalid, match="outside"):
            encoder.tokenise([(7592, token)])

    def test_broken_files(self, tmp_path: Path, encoder: Encoder) -> None:
        broken = tmp_path / "model.onnx"
        broken.write_bytes(b"rubbish")
        with pytest.raises(WeightsBroken):
            load_encoder(broken, broken, 256)
        assert replace(encoder, context_length=3).context_length == 3


class TestModel:
    def test_named(self) -> None:
        assert parse_model_id(b'{"input": [1, 2], "model": "m"}') == "m"

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model": 5}', b"\xff"])
    def test_not_named(self, body: bytes) -> None:
        with pytest.raises(InputInvalid):
            parse_model_id(body)


class TestRequest:
    @pytest.mark.parametrize(
        ("given", "read"),
        [
            ("hello", ("hello",)),
            (["a", "b"], ("a", "b")),
            ([1, 2], ((1, 2),)),
            ([[1], [2, 3]], ((1,), (2, 3))),
        ],
    )
    def test_the_four_forms_of_input(self, given: Any, read: tuple[Any, ...]) -> None:
        assert parse(input=given).inputs == read

    @pytest.mark.parametrize(
        "given", ["", [], [""], ["a", 1], [[]], [["a"]], [True], None, 5, {}, ["a"] * 2049]
    )
    def test_input_refused(self, given: Any) -> None:
        with pytest.raises(InputInvalid) as caught:
            parse(input=given)
        assert caught.value.param == "input"

    def test_as_many_as_allowed(self) -> None:
        assert len(parse(input=["a"] * MAX_INPUTS).inputs) == MAX_INPUTS

    @pytest.mark.parametrize(
        ("changes", "param"),
        [({"encoding_format": "int8"}, "encoding_format"), ({"dimensions": 256}, "dimensions")],
    )
    def test_refused_with_the_field(self, changes: dict[str, Any], param: str) -> None:
        with pytest.raises(InputInvalid) as caught:
            parse(**changes)
        assert caught.value.param == param

    def test_unknown_model(self) -> None:
        with pytest.raises(ModelNotFound):
            parse(model="other")

    def test_what_the_official_client_adds(self) -> None:
        request = parse(encoding_format="base64", dimensions=384, user="somebody")
        assert request.encoding_format == "base64"

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"model": 1}', b"\xff"])
    def test_no_request_at_all(self, raw: bytes) -> None:
        with pytest.raises(InputInvalid):
            parse_request(raw, "m", 384)


class TestAnswer:
    def test_float_and_base64_are_the_same_vector(self) -> None:
        vectors = np.array([[0.6, -0.8]], dtype=np.float32)
        plain = json.loads(render_response("m", parse(), [(1, 2, 3)], vectors))
        packed = json.loads(
            render_response("m", parse(encoding_format="base64"), [(1, 2, 3)], vectors)
        )
        raw = base64.b64decode(packed["data"][0]["embedding"])
        assert np.frombuffer(raw, "<f4").tolist() == plain["data"][0]["embedding"]

    def test_shape_and_usage(self) -> None:
        vectors = np.zeros((2, 2), dtype=np.float32)
        written = json.loads(render_response("m", parse(), [(1, 2, 3), (1, 3)], vectors))
        assert written["object"] == "list"
        assert written["model"] == "m"
        assert [one["index"] for one in written["data"]] == [0, 1]
        assert written["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
