"""Passages of the handbook that answer a question, by embeddings and by keywords."""

from functools import cache

import numpy as np
import pytest

from models.handbook.index import HandbookIndex, load_index
from models.handbook.keywords import KeywordIndex, find_words, index_keywords
from models.handbook.passages import HandbookPassage
from models.handbook.ranking import MAX_GAP, MIN_SCORE, rank_passages
from models.handbook.small_talk import is_small_talk

# Loaded once: tests only read it.
handbook = cache(load_index)


@cache
def keywords() -> KeywordIndex:
    return index_keywords(handbook().passages)


def ranked(question: str, vector: list[float] | None = None, limit: int = 3) -> list[str]:
    found = rank_passages(keywords(), handbook(), question, vector, limit)
    return [passage.key for passage, _ in found]


QUERY = [1.0, 0.0]


def index_with(similarities: tuple[float, ...], titles: tuple[str, ...]) -> HandbookIndex:
    """An index of passages with these similarities to the query, and these titles."""
    vectors = np.array([[one, (1 - one**2) ** 0.5] for one in similarities], dtype=np.float32)
    passages = tuple(
        HandbookPassage(str(number), "en", "Area", title, "text", area_id="area")
        for number, title in enumerate(titles)
    )
    return HandbookIndex(passages, vectors, "model")


class TestKeywords:
    @pytest.mark.parametrize(
        ("question", "key"),
        [
            ("What does NPSH mean?", "pumps/pump-npsh"),
            ("The pump is cavitating, what should I check first?", "pumps/pump-cavitation"),
            ("NPSH 是什么意思？", "pumps/pump-npsh"),
            ("水泵气蚀先查什么？", "pumps/pump-cavitation"),
        ],
    )
    def test_passage_about_the_question_is_found_in_its_language(
        self, question: str, key: str
    ) -> None:
        assert key in ranked(question)
        language = "en" if question.isascii() else "zh"
        found = rank_passages(keywords(), None, question, None, 3)
        assert {passage.language for passage, _ in found} == {language}

    def test_question_without_a_word_of_the_handbook_finds_nothing(self) -> None:
        assert ranked("xyzzy?") == []

    def test_passages_far_below_the_best_are_left_out(self) -> None:
        passages = [
            HandbookPassage(str(number), "en", "Area", title, "text")
            for number, title in enumerate(("pump seal leaks", "pump noise", "other"))
        ]
        found = rank_passages(index_keywords(passages), None, "pump seal leaks", None, 3)
        assert [passage.id for passage, _ in found] == ["0"]
        assert found[0][1] == 1.0

    def test_words_are_stems_numbers_and_pairs_of_characters(self) -> None:
        assert find_words("Cavitating 6205-2RS 气蚀声 泵") == {
            *("cavit", "6205", "2", "rs", "气蚀", "蚀声", "泵"),
        }


class TestEmbeddings:
    def test_nearest_passages_are_ranked_by_similarity(self) -> None:
        index = handbook()
        at = next(
            number
            for number, one in enumerate(index.passages)
            if (one.key, one.language) == ("pumps/pump-npsh", "zh")
        )
        vector = index.vectors[at].tolist()
        assert ranked("是什么意思？", vector)[0] == "pumps/pump-npsh"

    @pytest.mark.parametrize(
        ("similarities", "found"),
        [
            ((0.95, 0.95 - MAX_GAP / 2, 0.95 - 2 * MAX_GAP), ["0", "1"]),
            ((0.9, 0.95, 0.94), ["1", "2"]),
            ((MIN_SCORE - 0.01, 0.5, 0.1), []),
        ],
        ids=["far below the best", "order", "another subject"],
    )
    def test_passages_near_the_question_are_left(
        self, similarities: tuple[float, ...], found: list[str]
    ) -> None:
        index = index_with(similarities, ("a", "b", "c"))
        ranked = rank_passages(index_keywords(index.passages), index, "x", QUERY, 3)
        assert [passage.id for passage, _ in ranked] == found

    def test_keywords_decide_between_similar_passages(self) -> None:
        index = index_with((0.95, 0.925, 0.9), ("noise", "seal leaks", "other"))
        ranked = rank_passages(index_keywords(index.passages), index, "seal leaks", QUERY, 3)
        assert [passage.id for passage, _ in ranked] == ["1", "0"]

    def test_vector_of_another_model_is_not_used(self) -> None:
        assert ranked("What does NPSH mean?", [1.0, 0.0])[0] == "pumps/pump-npsh"


class TestSmallTalk:
    @pytest.mark.parametrize(
        "text",
        ["Hello!", "hi there", "Good morning, how are you?", "你好，谢谢！", "您好呀"],
    )
    def test_greetings_and_thanks_ask_nothing(self, text: str) -> None:
        assert is_small_talk(text)

    @pytest.mark.parametrize(
        "text",
        ["Hello, why is the pump loud?", "LOTO?", "你好，泵漏水", "", "hi " * 40],
    )
    def test_other_messages_are_searched(self, text: str) -> None:
        assert not is_small_talk(text)
