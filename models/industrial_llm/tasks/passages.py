"""Task: answer a question from numbered passages and cite the passage, or decline.

Generates examples from own facts (passages.toml): sentences of several facts form a passage, one of
them answers the question; in some examples none does, though one is about something similar. The
file assigns facts to training, validation and test by name, because the texts are too similar to be
split by trigrams.
"""

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from models.industrial_llm.examples import (
    CHINESE,
    ENGLISH,
    DatasetSplit,
    Example,
    Task,
    instructions_by_language,
    other_language,
)
from models.passages import NOT_FOUND_TEXTS, render_preface

FACTS = Path(__file__).with_name("passages.toml")
SOURCE = "own_passages"
# Examples differ in names, numbers and company. One in four has no answer; one in five asks in
# another language than the passages'.
EXAMPLES_PER_FACT = 32
_NO_ANSWER_SHARE, _OTHER_LANGUAGE_SHARE = 0.25, 0.2
# Numbers of passages per example and of sentences per passage; mostly few, to keep training short.
_PASSAGE_COUNTS, _SENTENCE_COUNTS = (1, 2, 2, 3, 3, 4, 5), (1, 1, 2, 2, 3, 4)
# How often a passage has the same kind of fact about another subject.
_DISTRACTOR_SHARE = 0.7
_FULL_STOP: Mapping[str, str] = MappingProxyType({ENGLISH: ".", CHINESE: "。"})

Slots = Mapping[str, str]
"""The values of a sentence's slots by name."""


class FactTexts(msgspec.Struct, frozen=True):
    """The sentences, questions and answer of a fact in one language."""

    says: list[str]
    asks: list[str]
    answer: str


class Fact(msgspec.Struct, frozen=True):
    """A kind of fact with its slots; the first slot is the subject."""

    names: list[str]
    en: FactTexts
    zh: FactTexts

    def in_language(self, language: str) -> FactTexts:
        """Return the fact's texts in a language."""
        return self.zh if language == CHINESE else self.en


class NumberRange(msgspec.Struct, frozen=True):
    """A range of numbers with a step."""

    low: float = msgspec.field(name="from")
    high: float = msgspec.field(name="to")
    step: float = 1


class FactsFile(msgspec.Struct, frozen=True):
    """The content of passages.toml."""

    watched: list[str]
    judged: list[str]
    documents: list[str]
    values: dict[str, list[str] | NumberRange]
    facts: dict[str, Fact]


@dataclass(frozen=True, slots=True)
class _FilledFact:
    """A fact with its slot values in both languages."""

    fact: Fact
    values: Mapping[str, Slots]

    def sentence(self, language: str, generator: random.Random) -> str:
        """Write the fact as a randomly chosen sentence."""
        sentence = generator.choice(self.fact.in_language(language).says).format_map(
            self.values[language]
        )
        return _capitalize(sentence)

    def question(self, language: str, generator: random.Random) -> str:
        """Write a randomly chosen question about the fact."""
        return generator.choice(self.fact.in_language(language).asks).format_map(
            self.values[language]
        )

    def answer(self, language: str, passage_number: int) -> str:
        """Write the answer with the citation of a passage."""
        sentence = self.fact.in_language(language).answer.format_map(self.values[language])
        return f"{_capitalize(sentence)} [{passage_number}]{_FULL_STOP[language]}"

    @property
    def subject(self) -> str:
        """Return the English value of the fact's first slot."""
        return self.values[ENGLISH][self.fact.names[0]]


def load(_directory: Path, _fold: int) -> DatasetSplit:
    """Generate all examples. No training sets are needed."""
    file = read_facts(FACTS)
    training_facts = sorted(set(file.facts) - {*file.watched, *file.judged})
    return DatasetSplit(
        *(_generate_examples(file, names) for names in (training_facts, file.watched, file.judged))
    )


def read_facts(path: Path) -> FactsFile:
    """Read the facts file. Raises msgspec.ValidationError."""
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), FactsFile)


def _generate_examples(file: FactsFile, names: Sequence[str]) -> tuple[Example, ...]:
    """Generate EXAMPLES_PER_FACT examples for each named fact, without duplicates."""
    by_text = {
        example.text: example
        for name in names
        for number in range(EXAMPLES_PER_FACT)
        for example in [_generate_example(file, names, name, number)]
    }
    return tuple(by_text.values())


def _generate_example(file: FactsFile, names: Sequence[str], name: str, number: int) -> Example:
    """Generate one example of a fact, with or without the answer in its passages."""
    # Seeded per fact, so that adding a fact changes few other examples.
    generator = random.Random(f"{name} {number}")  # noqa: S311
    document_language = CHINESE if number % 2 else ENGLISH
    is_other_language = generator.random() < _OTHER_LANGUAGE_SHARE
    language = other_language(document_language) if is_other_language else document_language
    fact = _fill_fact(file, file.facts[name], generator)
    has_answer = generator.random() >= _NO_ANSWER_SHARE
    distractors = _choose_distractors(file, names, fact, generator)
    passages, answer_number = _write_passages(
        fact if has_answer else None, distractors, document_language, generator
    )
    named_passages = [
        (_fill_digits(generator.choice(file.documents), generator), text) for text in passages
    ]
    question = fact.question(language, generator)
    answer = fact.answer(language, answer_number) if answer_number else NOT_FOUND_TEXTS[language]
    return Example(
        TASK.name, SOURCE, language, render_preface(question, named_passages) + question, answer
    )


def _choose_distractors(
    file: FactsFile, names: Sequence[str], fact: _FilledFact, generator: random.Random
) -> list[_FilledFact]:
    """Choose other facts: often one of the same kind about another subject, and random ones."""
    distractors = [
        _fill_fact(file, file.facts[generator.choice(names)], generator) for _ in range(12)
    ]
    if generator.random() < _DISTRACTOR_SHARE:
        distractors.insert(0, _fill_fact(file, fact.fact, generator))
    asked_about = (fact.fact.names, fact.subject)
    return [
        distractor
        for distractor in distractors
        if (distractor.fact.names, distractor.subject) != asked_about
    ]


def _write_passages(
    answer: _FilledFact | None,
    distractors: Sequence[_FilledFact],
    language: str,
    generator: random.Random,
) -> tuple[list[str], int]:
    """Write passages from the facts. Returns them with the answer's passage number, 0 for none."""
    sizes = [generator.choice(_SENTENCE_COUNTS) for _ in range(generator.choice(_PASSAGE_COUNTS))]
    facts = [*([answer] if answer else []), *distractors][: sum(sizes)]
    generator.shuffle(facts)
    separator = "" if language == CHINESE else " "
    texts, answer_number, remaining = list[str](), 0, list(facts)
    for size in sizes:
        passage_facts, remaining = remaining[:size], remaining[size:]
        if not passage_facts:
            break
        texts.append(separator.join(fact.sentence(language, generator) for fact in passage_facts))
        if any(fact is answer for fact in passage_facts):
            answer_number = len(texts)
    return texts, answer_number


def _fill_fact(file: FactsFile, fact: Fact, generator: random.Random) -> _FilledFact:
    """Choose values for a fact's slots in both languages."""
    values = {name: _choose_value(file.values[name], generator) for name in fact.names}
    return _FilledFact(
        fact,
        {
            ENGLISH: {name: english for name, (english, _) in values.items()},
            CHINESE: {name: chinese for name, (_, chinese) in values.items()},
        },
    )


def _choose_value(candidates: list[str] | NumberRange, generator: random.Random) -> tuple[str, str]:
    """Choose a slot's value; returns it in English and Chinese."""
    if isinstance(candidates, list):
        english, _, chinese = generator.choice(candidates).partition("|")
        seed = generator.random()
        generators = [random.Random(seed), random.Random(seed)]  # noqa: S311
        return _fill_digits(english, generators[0]), _fill_digits(chinese, generators[1])
    steps = generator.randint(0, round((candidates.high - candidates.low) / candidates.step))
    number = f"{candidates.low + steps * candidates.step:.2f}".rstrip("0").rstrip(".")
    return number, number


def _fill_digits(pattern: str, generator: random.Random) -> str:
    """Replace each `#` by a random digit from 1 to 9."""
    return re.sub("#", lambda _: str(generator.randint(1, 9)), pattern)


def _capitalize(sentence: str) -> str:
    """Return a sentence with an upper-case first letter."""
    return sentence[0].upper() + sentence[1:]


TASK = Task(
    name="passages",
    load=load,
    # The instruction is part of the text.
    instructions=instructions_by_language(("",), ("",)),
    max_tokens=96,
)
