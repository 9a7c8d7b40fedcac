"""Texts and models for tests of token counts."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from models.catalog import Model, Task, Weights
from tests.support.nightly import at_length

# Text of every kind that tokenizers treat apart: one alphabet each, and all of Unicode.
TEXT = st.one_of(
    st.text(max_size=40),
    st.text("的一是不了人我在有他这\u3000，。", max_size=40),
    st.text("😀👨‍👩‍👧🇨🇳🏽\ufe0f\u200d", max_size=20),
    st.text([chr(code) for code in range(32)] + ["\x7f", "\x85", "\u2028"], max_size=30),
    st.text("\u0344\u0390\u0958\ufb2c\U0001d160\u1e69\u0323한\u1f82e\u0327", max_size=20),
    st.text(" \n\t▁", max_size=60),
    st.sampled_from(["<bos>", "<eos>", "[CLS]", "<start_of_turn>", "a" * 300, "�", ""]),
)
MANY = settings(max_examples=at_length(400, 60), suppress_health_check=list(HealthCheck))


def a_model(name: str, context_length: int | None = None) -> Model:
    weights = Weights(kind="gguf-package", source="")
    return Model(name, Task.TEXT_GENERATION, (), "", "", weights, {}, context_length)


def written(body: Mapping[str, Any], escaped: bool = False) -> bytes:
    """The shortest JSON of a body, or with all non-ASCII characters escaped."""
    return json.dumps(body, ensure_ascii=escaped, separators=(",", ":")).encode()


def characters() -> list[str]:
    """All but surrogates, which UTF-8 cannot hold, and the planes that Unicode leaves empty; by day
    the first of them and each eleventh of the others."""
    step = at_length(1, 11)
    planes = range(0x800, 0xD800, step), range(0xE000, 0x40000, step), range(0xE0000, 0xE1000, step)
    return [chr(code) for code in (*range(0x800), *itertools.chain(*planes))]
