"""Grounded answers: examples from own documents and from the handbook, with citations."""

import re
from collections import Counter
from pathlib import Path

import pytest

from models.grounding.answer import is_not_found
from models.handbook.index import passage_text
from models.handbook.passages import read_handbook
from models.industrial_llm.examples import DatasetSplit, Example
from models.industrial_llm.recipes import RECIPES
from models.industrial_llm.tasks import grounded
from models.passages import render_preface

CITATION = re.compile(r"\[(\d+)\]")
HAN = re.compile(r"[\u3400-\u9fff]")
# Few characters for a token: texts with many figures have about three.
CHARACTERS_PER_TOKEN = 2.7
TEMPLATE_TOKENS = 40
TRAINED = [name for name, recipe in RECIPES.items() if recipe.rounds["grounded"]]
HANDBOOK = {(one.language, passage_text(one)): one for one in read_handbook()}


@pytest.fixture(scope="module")
def parts() -> DatasetSplit:
    return grounded.load(Path(), 0)


@pytest.fixture(scope="module")
def examples(parts: DatasetSplit) -> tuple[Example, ...]:
    return parts.train + parts.validation


def passages(example: Example) -> list[str]:
    """The texts of an example's passages, in their order."""
    shown = re.split("\n\nQuestion: |\n\n问题：", example.text)[0]
    named = re.split(r"(?:^|\n\n)\[\d+\] ", shown)[1:]
    return [one.partition("\n")[2] for one in named]


def question(example: Example) -> str:
    return re.split("\n\nQuestion: |\n\n问题：", example.text)[-1]


class TestManuals:
    @pytest.mark.parametrize("manual", grounded.read_manuals(), ids=lambda one: one.id)
    def test_mark_of_each_answer_becomes_the_number_of_the_right_passage(
        self, manual: grounded.Manual
    ) -> None:
        examples = list(grounded._manual_examples(manual, manual.questions))
        for asked, example in zip(manual.questions, examples, strict=True):
            shown = passages(example)
            assert sorted(shown) == sorted(manual.passages)
            cited = {shown[int(number) - 1] for number in CITATION.findall(example.answer)}
            right = {manual.passages[asked.cited - 1]} if asked.cited else set()
            assert cited == right, asked.question
            assert example.answer.count("[") == asked.answer.count("[*]")

    def test_unanswerable_questions_are_refused_and_cite_the_near_passage(self) -> None:
        asked = [one for manual in grounded.read_manuals() for one in manual.questions]
        refused = [one for one in asked if not one.answers_from]
        assert 0.25 < len(refused) / len(asked) < 0.5
        assert all(is_not_found(one.answer) for one in refused)
        assert not any(is_not_found(one.answer) for one in asked if one.answers_from)
        for one in refused:
            assert ("[*]" in one.answer) == bool(one.near or one.near_from), one.question
        assert sum(bool(one.cited) for one in refused) > 100

    def test_numbers_of_passages_are_within_the_document(self) -> None:
        for manual in grounded.read_manuals():
            for one in manual.questions:
                assert 0 <= min(one.answers_from, one.near, one.near_from)
                assert one.cited <= len(manual.passages)
                assert not (one.answers_from and (one.near or one.near_from))

    def test_document_is_in_one_split_only(self, parts: DatasetSplit) -> None:
        for manual in grounded.read_manuals():
            asked = grounded._manual_examples(manual, manual.questions)
            texts = {example.text for example in asked}
            held = {one.text for one in parts.validation}
            assert texts <= held or not texts & held


class TestHandbookQuestions:
    def test_every_question_has_its_passage_among_those_shown(
        self, examples: tuple[Example, ...]
    ) -> None:
        by_question = {(one.language, question(one)): one for one in examples}
        asked = grounded.read_handbook_questions()
        assert len(asked) > 400
        for one in asked:
            example = by_question[one.language, one.question]
            ids = [HANDBOOK[one.language, text].id for text in passages(example)]
            assert ids.count(one.id) == 1
            cited = {ids[int(number) - 1] for number in CITATION.findall(example.answer)}
            assert cited == {one.id}, one.question

    def test_other_passages_are_of_the_same_area(self, examples: tuple[Example, ...]) -> None:
        counts = Counter[int]()
        for example in examples:
            shown = [HANDBOOK.get((example.language, text)) for text in passages(example)]
            if all(shown) and shown:
                counts[len(shown)] += 1
                assert len({one.area for one in shown if one is not None}) == 1
        assert set(counts) == {1, 2, 3}
        assert min(counts.values()) > 80


class TestAllExamples:
    def test_order_of_passages_differs_between_examples(
        self, examples: tuple[Example, ...]
    ) -> None:
        """No position is the right one more often than others, so none is learned."""
        first = Counter[tuple[int, int]]()
        for one in examples:
            numbers, count = CITATION.findall(one.answer), len(passages(one))
            if numbers and count > 1:
                first[count, int(numbers[0])] += 1
        for count in (2, 3):
            counts = [first[count, number] for number in range(1, count + 1)]
            assert max(counts) - min(counts) < 0.15 * sum(counts), counts

    def test_no_mark_is_left_and_no_citation_leads_nowhere(
        self, examples: tuple[Example, ...]
    ) -> None:
        for one in examples:
            assert "[*]" not in one.text + one.answer
            numbers = {int(number) for number in CITATION.findall(one.answer)}
            assert numbers <= set(range(1, len(passages(one)) + 1)), one.answer

    def test_text_equals_the_gateways_preface(self, examples: tuple[Example, ...]) -> None:
        for one in examples:
            shown = re.split("\n\nQuestion: |\n\n问题：", one.text)[0]
            named = re.split(r"(?:^|\n\n)\[\d+\] ", shown)[1:]
            pairs = [tuple(text.split("\n", 1)) for text in named]
            asked = question(one)
            expected = render_preface(asked, [(name, text) for name, text in pairs]) + asked
            assert one.text == expected

    @pytest.mark.parametrize("profile", TRAINED)
    def test_no_example_exceeds_the_recipes_limit(
        self, examples: tuple[Example, ...], profile: str
    ) -> None:
        def most_tokens(text: str) -> float:
            han = len(HAN.findall(text))
            return han + (len(text) - han) / CHARACTERS_PER_TOKEN + TEMPLATE_TOKENS

        longest = max(most_tokens(one.text + one.answer) for one in examples)
        assert longest <= RECIPES[profile].limit

    def test_examples_are_deterministic(self, parts: DatasetSplit) -> None:
        assert grounded.load(Path(), 3) == parts
