"""Reading passages: a question, answered from numbered passages with the passage's number, or not.

Owns making examples of our own facts (passages.toml): sentences of several facts make a passage,
one of them answers the question, and in some examples none does, though one says the same of
something else. Which facts are learned and which are judged is told there by name: their texts are
too much alike, by the words that stand before each question, to be told apart by trigrams.
"""

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from models.industrial_llm.examples import CHINESE, ENGLISH, Example, Parts, Task, other, wordings
from models.passages import preface

FACTS = Path(__file__).with_name("passages.toml")
SOURCE = "own_passages"
NOT_THERE: Mapping[str, str] = MappingProxyType(
    {
        ENGLISH: "I do not know: the passages do not say it.",
        CHINESE: "我不知道:段落中没有写明。",
    }
)
# Examples of a fact. Their names, numbers and company differ; one in four has no answer, one in
# five asks in the other language than the documents'.
EACH = 32
_NOT_THERE, _OTHER_LANGUAGE = 0.25, 0.2
# Passages of an example, and sentences of a passage: few of most, so that learning takes no longer.
_PASSAGES, _SENTENCES = (1, 2, 2, 3, 3, 4, 5), (1, 1, 2, 2, 3, 4)
# How often something else of the same kind is told of beside what is asked for.
_MIXED_UP = 0.7
_END: Mapping[str, str] = MappingProxyType({ENGLISH: ".", CHINESE: "。"})

Words = Mapping[str, str]
"""What fills a sentence's names."""


class InLanguage(msgspec.Struct, frozen=True):
    """A fact as one language has it."""

    says: list[str]
    asks: list[str]
    answer: str


class Fact(msgspec.Struct, frozen=True):
    """One kind of fact; the first name is what it is about."""

    names: list[str]
    en: InLanguage
    zh: InLanguage

    def told(self, language: str) -> InLanguage:
        return self.zh if language == CHINESE else self.en


class Range(msgspec.Struct, frozen=True):
    """Numbers from one to another, in steps."""

    low: float = msgspec.field(name="from")
    high: float = msgspec.field(name="to")
    step: float = 1


class File(msgspec.Struct, frozen=True):
    """passages.toml."""

    watched: list[str]
    judged: list[str]
    documents: list[str]
    values: dict[str, list[str] | Range]
    facts: dict[str, Fact]


@dataclass(frozen=True, slots=True)
class _Filled:
    """A fact with its values in both languages."""

    fact: Fact
    values: Mapping[str, Words]

    def sentence(self, language: str, chance: random.Random) -> str:
        said = chance.choice(self.fact.told(language).says).format_map(self.values[language])
        return _capital(said)

    def question(self, language: str, chance: random.Random) -> str:
        return chance.choice(self.fact.told(language).asks).format_map(self.values[language])

    def answer(self, language: str, number: int) -> str:
        said = self.fact.told(language).answer.format_map(self.values[language])
        return f"{_capital(said)} [{number}]{_END[language]}"

    @property
    def subject(self) -> str:
        return self.values[ENGLISH][self.fact.names[0]]


def load(_directory: Path, _fold: int) -> Parts:
    """All examples. They are our own: nothing is needed of the training sets."""
    file = read(FACTS)
    learned = sorted(set(file.facts) - {*file.watched, *file.judged})
    return Parts(*(_examples(file, names) for names in (learned, file.watched, file.judged)))


def read(path: Path) -> File:
    """The facts. Raises msgspec.ValidationError."""
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), File)


def _examples(file: File, names: Sequence[str]) -> tuple[Example, ...]:
    made = {
        example.text: example
        for name in names
        for count in range(EACH)
        for example in [_example(file, names, name, count)]
    }
    return tuple(made.values())


def _example(file: File, names: Sequence[str], name: str, count: int) -> Example:
    # Seeded by the fact: adding another one changes little of the rest.
    chance = random.Random(f"{name} {count}")  # noqa: S311
    documents = CHINESE if count % 2 else ENGLISH
    across = chance.random() < _OTHER_LANGUAGE
    language = other(documents) if across else documents
    asked = _filled(file, file.facts[name], chance)
    is_there = chance.random() >= _NOT_THERE
    beside = _beside(file, names, asked, chance)
    passages, at = _passages(asked if is_there else None, beside, documents, chance)
    named = [(_digits(chance.choice(file.documents), chance), text) for text in passages]
    question = asked.question(language, chance)
    answer = asked.answer(language, at) if at else NOT_THERE[language]
    return Example(TASK.name, SOURCE, language, preface(question, named) + question, answer)


def _beside(
    file: File, names: Sequence[str], asked: _Filled, chance: random.Random
) -> list[_Filled]:
    """Other facts: mostly the same of something else, and others of anything."""
    found = [_filled(file, file.facts[chance.choice(names)], chance) for _ in range(12)]
    if chance.random() < _MIXED_UP:
        found.insert(0, _filled(file, asked.fact, chance))
    same = (asked.fact.names, asked.subject)
    return [one for one in found if (one.fact.names, one.subject) != same]


def _passages(
    answer: _Filled | None, beside: Sequence[_Filled], language: str, chance: random.Random
) -> tuple[list[str], int]:
    """The texts, and the number of the one with the answer; 0 where none has it."""
    sizes = [chance.choice(_SENTENCES) for _ in range(chance.choice(_PASSAGES))]
    told = [*([answer] if answer else []), *beside][: sum(sizes)]
    chance.shuffle(told)
    between = "" if language == CHINESE else " "
    texts, at, rest = list[str](), 0, list(told)
    for size in sizes:
        some, rest = rest[:size], rest[size:]
        if not some:
            break
        texts.append(between.join(one.sentence(language, chance) for one in some))
        if any(one is answer for one in some):
            at = len(texts)
    return texts, at


def _filled(file: File, fact: Fact, chance: random.Random) -> _Filled:
    both = {name: _value(file.values[name], chance) for name in fact.names}
    return _Filled(
        fact,
        {
            ENGLISH: {name: english for name, (english, _) in both.items()},
            CHINESE: {name: chinese for name, (_, chinese) in both.items()},
        },
    )


def _value(value: list[str] | Range, chance: random.Random) -> tuple[str, str]:
    """In English and in Chinese."""
    if isinstance(value, list):
        english, _, chinese = chance.choice(value).partition("|")
        seed = chance.random()
        same = [random.Random(seed), random.Random(seed)]  # noqa: S311
        return _digits(english, same[0]), _digits(chinese, same[1])
    steps = chance.randint(0, round((value.high - value.low) / value.step))
    number = f"{value.low + steps * value.step:.2f}".rstrip("0").rstrip(".")
    return number, number


def _digits(pattern: str, chance: random.Random) -> str:
    return re.sub("#", lambda _: str(chance.randint(1, 9)), pattern)


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


TASK = Task(
    name="passages",
    load=load,
    # What stands before the question is a part of the text.
    instructions=wordings(("",), ("",)),
    longest=96,
)
