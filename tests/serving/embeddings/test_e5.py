"""The served multilingual encoder: query and passage prefixes, and input validation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from models import multilingual
from models.extras import is_package
from models.multilingual import DIMENSIONS, PACKAGE, PackagedEncoder, Vectors
from serving.embeddings.app import slice_rows
from serving.embeddings.e5 import E5Encoder, TokenisedText, load_e5
from serving.errors import ContextLengthExceeded, InputInvalid, WeightsBroken


@dataclass
class Model:
    """A fake of the encoder package: one token per word, and vectors that encode the length."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    def query(self, texts: Sequence[str]) -> Vectors:
        return self._vectors("query", texts)

    def passage(self, texts: Sequence[str]) -> Vectors:
        return self._vectors("passage", texts)

    def token_count(self, text: str, is_query: bool) -> int:
        return len(text.split())

    def _vectors(self, kind: str, texts: Sequence[str]) -> Vectors:
        self.asked += [(kind, text) for text in texts]
        return np.array([[float(len(text))] * DIMENSIONS for text in texts], dtype=np.float32)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def encoder(model: Model) -> E5Encoder:
    return E5Encoder(PackagedEncoder(model, "1"), 4)


@pytest.fixture(scope="module")
def real() -> E5Encoder:
    if not is_package(PACKAGE):
        pytest.skip("needs the encoder")
    return load_e5(512)


class TestE5Encoder:
    def test_prefix_selects_query_or_passage_encoding(
        self, encoder: E5Encoder, model: Model
    ) -> None:
        texts = ["passage: aaa", "query: bb", "c", "passage: dddd"]
        vectors = encoder.encode(encoder.tokenise(texts))
        assert sorted(model.asked) == [
            ("passage", "aaa"),
            ("passage", "dddd"),
            ("query", "bb"),
            ("query", "c"),
        ]
        assert vectors[:, 0].tolist() == [3, 2, 1, 4]

    def test_vectors_keep_input_order(self, encoder: E5Encoder) -> None:
        texts = [("passage: " if n % 3 else "") + "x" * n for n in range(1, 30)]
        vectors = encoder.encode(encoder.tokenise(texts))
        assert vectors[:, 0].tolist() == list(range(1, 30))

    def test_text_over_context_length_is_rejected(self, encoder: E5Encoder) -> None:
        with pytest.raises(ContextLengthExceeded, match="Input 1 has 5 tokens"):
            encoder.tokenise(["a", "query: a b c d e"])

    def test_token_array_input_is_rejected(self, encoder: E5Encoder) -> None:
        with pytest.raises(InputInvalid, match="accepts text only"):
            encoder.tokenise([(1, 2)])


class TestPackagedEncoder:
    """The real model; skipped if its package is not installed."""

    def test_vectors_have_unit_length(self, real: E5Encoder) -> None:
        vectors = real.encode(real.tokenise(["hello", "a bearing runs hot"]))
        assert vectors.shape == (2, DIMENSIONS)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-4)

    def test_similar_texts_have_similar_vectors(self, real: E5Encoder) -> None:
        texts = ["The pump vibrates.", "The pump is shaking.", "I like chocolate cake."]
        pump, shaking, cake = real.encode(real.tokenise(texts))
        assert pump @ shaking > pump @ cake + 0.05

    def test_vector_is_independent_of_batch(self, real: E5Encoder) -> None:
        rows = real.tokenise([f"text {n} " * (n + 1) for n in range(20)])
        for row, vector in zip(rows, real.encode(rows), strict=True):
            assert real.encode([row])[0] @ vector == pytest.approx(1, abs=1e-3)

    def test_text_over_context_length_is_rejected(self, real: E5Encoder) -> None:
        with pytest.raises(ContextLengthExceeded, match=r"Input 1 has \d+ tokens"):
            real.tokenise(["short", "word " * 512])

    def test_missing_package_raises_weights_broken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(multilingual, "PACKAGE", "no_such_encoder")
        with pytest.raises(WeightsBroken, match="not installed"):
            load_e5(512)


class TestBatchSlices:
    def test_slices_are_limited_by_rows_and_tokens(self) -> None:
        rows = [
            TokenisedText("", False, tokens)
            for tokens in (500, 500, 500, 500, 500, 5000, 1, *[1] * 20)
        ]
        sizes = [[len(row) for row in part] for part in slice_rows(rows)]
        assert sizes == [[500] * 4, [500], [5000], [1] * 16, [1] * 5]

    def test_empty_input_has_no_slices(self) -> None:
        assert slice_rows([]) == []
