"""Questions about passages: answers cite a passage or state that none contains the answer."""

import re
from collections import Counter
from pathlib import Path

import pytest

from models.grounding.answer import is_not_found
from models.industrial_llm.examples import DatasetSplit, Example
from models.industrial_llm.tasks.passages import FACTS, SOURCE, load, read_facts
from models.passages import render_preface
from tests.support.nightly import nightly

NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def parts() -> DatasetSplit:
    return load(Path(), 0)


def passages(example: Example) -> dict[str, str]:
    """Map each passage number to file name and text."""
    found = re.findall(r"^\[(\d)\] (.+\n.+)$", example.text, re.MULTILINE)
    return dict(found)


def asked(example: Example) -> str:
    return re.split("Question: |问题：", example.text)[-1]


class TestPassageExamples:
    def test_cited_passage_contains_numbers_of_answer(self, parts: DatasetSplit) -> None:
        answered = [one for one in parts.train + parts.test if not is_not_found(one.answer)]
        assert len(answered) > 300
        for one in answered:
            said, number = re.fullmatch(r"(.*) \[(\d)\][.。]", one.answer).groups()  # type: ignore[union-attr]
            beside = passages(one)[number].partition("\n")[2]
            assert set(NUMBER.findall(said)) <= set(NUMBER.findall(beside)), one
            assert NUMBER.search(said), one

    def test_about_a_quarter_of_questions_have_no_answer(self, parts: DatasetSplit) -> None:
        missing = [is_not_found(one.answer) for one in parts.train]
        assert 0.15 < sum(missing) / len(missing) < 0.35

    def test_questions_are_in_both_languages_and_cross_language(self, parts: DatasetSplit) -> None:
        languages = Counter(one.language for one in parts.train)
        assert min(languages["en"], languages["zh"]) > 150
        across = [one for one in parts.train if one.language == "zh" and "the " in one.text]
        assert len(across) > 20

    def test_placeholders_are_all_filled(self, parts: DatasetSplit) -> None:
        for one in parts.train + parts.validation + parts.test:
            assert not set("{}#|") & set(one.text + one.answer), one
            assert one.source == SOURCE

    def test_example_text_equals_gateway_preface(self, parts: DatasetSplit) -> None:
        for one in parts.test:
            found = [tuple(text.split("\n")) for text in passages(one).values()]
            question = asked(one)
            assert (
                render_preface(question, [(name, text) for name, text in found]) + question
                == one.text
            )

    @nightly
    def test_examples_are_deterministic(self, parts: DatasetSplit) -> None:
        assert load(Path(), 3) == parts


class TestFactSplits:
    def test_each_fact_is_in_a_single_split(self, parts: DatasetSplit) -> None:
        file = read_facts(FACTS)
        held = {*file.watched, *file.judged}
        assert held < set(file.facts)
        assert not set(file.watched) & set(file.judged)
        for name in held:
            told = [*file.facts[name].en.asks, *file.facts[name].zh.asks]
            forms = [re.sub(r"\\{\w+\\}", ".+", re.escape(one)) for one in told]
            learned = [
                one for one in parts.train if any(re.fullmatch(f, asked(one)) for f in forms)
            ]
            assert learned == [], name

    def test_every_placeholder_has_values(self) -> None:
        file = read_facts(FACTS)
        for fact in file.facts.values():
            assert set(fact.names) <= set(file.values)
            for told in (fact.en, fact.zh):
                for text in (*told.says, *told.asks, told.answer):
                    assert set(re.findall(r"\{(\w+)\}", text)) <= set(fact.names)
