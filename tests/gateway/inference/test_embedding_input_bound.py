"""Embedding inputs never have more tokens than their upper bound; uses the real encoder if
installed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inference.token_count import max_prompt_tokens
from gateway.wire import body as bodies
from models.multilingual import EncoderMissing, PackagedEncoder, load_encoder
from tests.support.gateway.decoded import prompt_of
from tests.support.gateway.token_texts import MANY, TEXT, a_model, characters, written


@pytest.fixture(scope="module")
def encoder() -> PackagedEncoder:
    try:
        return load_encoder()
    except EncoderMissing as error:
        pytest.skip(f"needs the encoder: {error}")


def test_e5_tokens_of_each_character_stay_within_bound(encoder: PackagedEncoder) -> None:
    over = [char for char in characters() if encoder.tokens(char) > _input_bound([char])]
    assert over == []


@MANY
@given(texts=TEXT | st.lists(TEXT, min_size=1), escaped=st.booleans())
def test_e5_tokens_of_generated_inputs_stay_within_bound(
    encoder: PackagedEncoder, texts: str | list[str], escaped: bool
) -> None:
    tokens = sum(map(encoder.tokens, [texts] if isinstance(texts, str) else texts))
    assert tokens <= _input_bound(texts, escaped)


def test_e5_tokens_of_many_short_inputs_stay_within_bound(encoder: PackagedEncoder) -> None:
    texts = ["a"] * 2048
    assert sum(map(encoder.tokens, texts)) <= _input_bound(texts)


def _input_bound(texts: str | list[str], escaped: bool = False) -> int:
    """The bound of embedding inputs, without a context length."""
    raw = written({"input": texts}, escaped)
    bound = max_prompt_tokens(a_model("a"), prompt_of("embeddings"), bodies.decode_fields(raw), raw)
    assert bound is not None
    return bound
