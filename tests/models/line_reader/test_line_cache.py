"""Encoded lines are kept per account, within limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from models.line_reader import line_cache
from models.line_reader.encoding import EncodedText, TextEncoder
from models.line_reader.line_cache import LineCache

EMPTY = np.zeros((1, 1), np.float16)


@dataclass
class CountingEncoder:
    """Counts the texts that are encoded, instead of encoding them."""

    encoded: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str], _limit: int) -> list[EncodedText]:
        self.encoded += texts
        return [EncodedText(EMPTY, EMPTY, EMPTY) for _ in texts]


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def cache(encoder: CountingEncoder) -> LineCache:
    return LineCache(cast(TextEncoder, encoder))


def test_line_is_encoded_once_for_an_account(cache: LineCache, encoder: CountingEncoder) -> None:
    cache.encode_lines("a", ["one", "two", "one"])
    cache.encode_lines("a", ["two", "three"])
    assert encoder.encoded == ["passage: one", "passage: two", "passage: three"]


def test_accounts_share_no_line(cache: LineCache, encoder: CountingEncoder) -> None:
    cache.encode_lines("a", ["one"])
    cache.encode_lines("b", ["one"])
    assert encoder.encoded == ["passage: one"] * 2


def test_account_loses_its_own_oldest_lines(cache: LineCache, monkeypatch: Any) -> None:
    monkeypatch.setattr(line_cache, "MAX_LINES_PER_ACCOUNT", 2)
    cache.encode_lines("b", ["kept"])
    assert len(cache.encode_lines("a", ["one", "two", "three"])) == 3
    assert cache.count_lines() == 3


def test_lines_of_the_account_that_asked_least_recently_go_first(
    cache: LineCache, encoder: CountingEncoder, monkeypatch: Any
) -> None:
    monkeypatch.setattr(line_cache, "MAX_LINES", 3)
    cache.encode_lines("a", ["one", "two"])
    cache.encode_lines("b", ["three"])
    cache.encode_lines("a", ["one"])
    cache.encode_lines("c", ["four"])
    encoder.encoded.clear()
    cache.encode_lines("a", ["one", "two"])
    assert encoder.encoded == []
    assert cache.count_lines() == 3


def test_question_is_not_kept(cache: LineCache, encoder: CountingEncoder) -> None:
    cache.encode_question("how hot?")
    assert (encoder.encoded, cache.count_lines()) == (["query: how hot?"], 0)
