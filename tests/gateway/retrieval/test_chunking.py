"""Chunking of documents: boundaries, overlap and token lengths."""

import itertools
import random

import pytest

from gateway.retrieval.chunking import split_document
from gateway.retrieval.extractors import Document
from gateway.retrieval.token_length import estimate_tokens, token_counter
from models.multilingual import EncoderMissing, load_encoder
from tests.gateway.retrieval.firm import RETRIEVING
from tests.support.builders import CATALOG


def words(text: str) -> int:
    return len(text.split())


def pieces(text: str, size: int, overlap: int = 0) -> list[str]:
    return list(split_document(Document(text), size, overlap, words))


class TestDocumentSplit:
    def test_text_is_split_at_sentences(self) -> None:
        text = "One two three. Four five! Six 1.5 mm? Seven."
        assert pieces(text, 5) == ["One two three. Four five!", "Six 1.5 mm? Seven."]

    def test_chinese_text_is_split_at_sentences(self) -> None:
        text = "检查水泵。清洗过滤器！为什么？（见图。）结束"
        assert list(split_document(Document(text), 12, 0, len)) == [
            "检查水泵。清洗过滤器！",
            "为什么？（见图。）结束",
        ]

    def test_text_is_split_at_lines(self) -> None:
        assert pieces("a b\nc d\n\ne f", 4) == ["a b\nc d", "e f"]

    def test_text_without_boundaries_is_split_at_the_size_limit(self) -> None:
        text = "x" * 5000
        made = list(split_document(Document(text), 100, 0, len))
        assert "".join(made) == text
        assert max(map(len, made)) <= 100
        made = pieces("word " * 1000, 100)
        assert sum(map(words, made)) == 1000
        assert {word for piece in made for word in piece.split()} == {"word"}

    def test_chunks_overlap_by_whole_sentences(self) -> None:
        made = pieces("a. b. c. d. e. f.", 3, 1)
        assert made == ["a. b. c.", "c. d. e.", "e. f."]

    def test_large_overlap_still_advances(self) -> None:
        text = "a b c. " * 50
        made = pieces(text, 4, 3)
        assert len(made) == 50

    def test_chunks_are_split_at_headings_and_repeat_them(self) -> None:
        text = "# One\na. b.\n# Two\nc. d. e. f."
        document = Document(text, ((0, "One"), (12, "Two")))
        assert list(split_document(document, 6, 0, words)) == [
            "# One\na. b.",
            "# Two\nc. d.",
            "Two\ne. f.",
        ]

    @pytest.mark.parametrize("text", ["", " \n \n", "。。。", "....", "\n" * 9])
    def test_empty_text_or_punctuation_has_no_blank_chunk(self, text: str) -> None:
        assert all(piece.strip() for piece in pieces(text, 3))

    def test_chunks_cover_the_whole_text(self) -> None:
        chance = random.Random(5)
        for _ in range(200):
            letters = (chr(0x4E00 + n) for n in range(chance.randrange(200)))
            text = "".join(
                one + chance.choice(["", "", "。", ".\n", "\n\n", " ", "! "]) for one in letters
            )
            overlap, position = chance.randrange(4), 0
            for piece in split_document(Document(text), 7, overlap, len):
                found = text.index(piece)
                assert position - overlap - 4 <= found
                assert not text[position:found].strip()
                position = found + len(piece)
            assert not text[position:].strip()


class TestTokenLength:
    def test_estimate_is_at_least_the_token_count(self) -> None:
        try:
            encoder = load_encoder()
        except EncoderMissing as error:
            pytest.skip(f"needs the encoder: {error}")
        frame = encoder.tokens("")
        for text in [
            "The spindle bearing 6205-2RS is greased every 2000 hours with lithium grease.",
            "冷却水温度过高时，先检查水泵，再清洗过滤器。故障代码F30001。",
            "code: F30001; seen: 2024-05-06 07:08:09; value: 3.14159265; unit: N·m",
            "a1b2c3d4e5f60718293a4b5c6d7e8f90",
        ]:
            assert estimate_tokens(text) >= encoder.tokens(text) - frame, text
        assert estimate_tokens("") == 0

    def test_retrieval_model_uses_its_own_tokenizer(self) -> None:
        try:
            load_encoder()
        except EncoderMissing as error:
            pytest.skip(f"needs the encoder: {error}")
        assert token_counter(RETRIEVING.weights.kind)("") == 0
        assert token_counter(RETRIEVING.weights.kind)("bearing") in (1, 2, 3)

    def test_other_models_use_the_estimate(self) -> None:
        other = next(iter(CATALOG.models.values()))
        assert token_counter(other.weights.kind) is estimate_tokens


def test_document_chunks_are_generated_lazily() -> None:
    """A file with too many chunks is not split to its end."""
    text = "a b c. " * 100_000
    assert len(list(itertools.islice(split_document(Document(text), 3, 0, words), 5))) == 5
