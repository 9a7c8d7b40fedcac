"""What is learned from and judged by: a task's texts and their answers, in three parts."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

ENGLISH, CHINESE = "en", "zh"
# Into so many folds the sets are cut that are too small to hold a test set out for good.
FOLDS = 10

Schema = Mapping[str, Any]
"""A JSON schema, to which an engine can hold an answer."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text and the answer to it. `source` is what is left out as one: a company, an asset, a set.

    language: of the instruction by which it is judged, `en` or `zh`.
    """

    task: str
    source: str
    language: str
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Parts:
    """Learned from; watched while learning; and judged by, never looked at before."""

    train: tuple[Example, ...] = ()
    validation: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(
            self.train + other.train,
            self.validation + other.validation,
            self.test + other.test,
        )

    def without(self, sources: frozenset[str]) -> "Parts":
        """The same with nothing learned from or watched of these sources; all is still judged."""
        return Parts(_without(self.train, sources), _without(self.validation, sources), self.test)


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that the model is asked to do.

    load: its examples below a folder of training sets, for one of FOLDS folds; raises
    TrainingDataMissing. own: of them those of our own, which need no such folder. instructions: by
    language, several wordings of the same; the first is the one that it is judged by. labels: the
    answers that there are, where that is a closed list. schema: to which an answer that is JSON
    holds. longest: tokens that an answer may take.
    """

    name: str
    load: Callable[[Path, int], Parts]
    instructions: Mapping[str, tuple[str, ...]]
    labels: tuple[str, ...] = ()
    schema: Schema | None = None
    longest: int = 64
    own: Callable[[], Parts] = Parts


def wordings(english: tuple[str, ...], chinese: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Instructions by language."""
    return MappingProxyType({ENGLISH: english, CHINESE: chinese})


def language_of(text: str) -> str:
    """Chinese where there is a Chinese character in it."""
    return CHINESE if any("一" <= letter <= "鿿" for letter in text) else ENGLISH


def other(language: str) -> str:
    """The other one of the two."""
    return ENGLISH if language == CHINESE else CHINESE


def number_of(text: str) -> int:
    """A number that only the text decides, in place of chance."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _without(examples: tuple[Example, ...], sources: frozenset[str]) -> tuple[Example, ...]:
    return tuple(one for one in examples if one.source not in sources)
