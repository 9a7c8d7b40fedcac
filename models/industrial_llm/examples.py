"""Types of the training and evaluation data: examples, dataset splits and tasks."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

ENGLISH, CHINESE = "en", "zh"
# Cross-validation folds of the data sets that are too small for a fixed test set.
FOLDS = 10

Schema = Mapping[str, Any]
"""A JSON schema that an engine can constrain an answer to."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its expected answer.

    `source` is the unit that can be excluded: a company, an asset or a data set. `language` is that
    of the instruction, `en` or `zh`.
    """

    task: str
    source: str
    language: str
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class DatasetSplit:
    """The training, validation and test examples of a task."""

    train: tuple[Example, ...] = ()
    validation: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()

    def __add__(self, other: "DatasetSplit") -> "DatasetSplit":
        return DatasetSplit(
            self.train + other.train,
            self.validation + other.validation,
            self.test + other.test,
        )

    def without_sources(self, sources: frozenset[str]) -> "DatasetSplit":
        """Return a copy without the sources' training and validation examples.

        Test examples are unchanged.
        """
        return DatasetSplit(
            _exclude_sources(self.train, sources),
            _exclude_sources(self.validation, sources),
            self.test,
        )


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the model.

    load: return its examples from the training sets' folder, for one of FOLDS folds; raises
    TrainingDataMissing. load_project_examples: return the examples written for this project, which
    need no folder. instructions: several wordings by language; the first one is used in evaluation.
    labels: the closed list of answers, if any. schema: the JSON schema of answers in JSON.
    max_tokens: the longest answer.
    """

    name: str
    load: Callable[[Path, int], DatasetSplit]
    instructions: Mapping[str, tuple[str, ...]]
    labels: tuple[str, ...] = ()
    schema: Schema | None = None
    max_tokens: int = 64
    load_project_examples: Callable[[], DatasetSplit] = DatasetSplit


def instructions_by_language(
    english: tuple[str, ...], chinese: tuple[str, ...]
) -> Mapping[str, tuple[str, ...]]:
    """Map the languages to their instruction wordings."""
    return MappingProxyType({ENGLISH: english, CHINESE: chinese})


def detect_language(text: str) -> str:
    """Return `zh` if the text has a Chinese character, else `en`."""
    return CHINESE if any("一" <= character <= "鿿" for character in text) else ENGLISH


def other_language(language: str) -> str:
    """Return `en` for `zh` and `zh` for `en`."""
    return ENGLISH if language == CHINESE else CHINESE


def stable_hash(text: str) -> int:
    """Return a 64-bit hash of a text, the same on every machine, in place of a random number."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _exclude_sources(examples: tuple[Example, ...], sources: frozenset[str]) -> tuple[Example, ...]:
    """Return the examples of all other sources."""
    return tuple(example for example in examples if example.source not in sources)
