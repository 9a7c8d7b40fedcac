"""The concepts that tags are aligned with, and the artefact that holds them with the lexicon."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

VERSION = 1


class ArtefactBroken(ValueError):
    """The file is no vocabulary of this version."""


class ConceptUnknown(LookupError):
    """A concept that the vocabulary does not have."""


class Scheme(StrEnum):
    """Where a concept comes from."""

    BUILDING_POINT = "building-point"
    BRICK = "brick"
    AAS = "aas"


@dataclass(frozen=True, slots=True)
class Concept:
    """`id` is what the scheme calls it: a Brick or AAS address, an ECLASS or IEC CDD number.

    aliases: further names, such as the German one.
    """

    scheme: str
    id: str
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every concept that is known, and (abbreviation, meaning) pairs."""

    concepts: tuple[Concept, ...]
    abbreviations: tuple[tuple[str, str], ...]

    def of(self, schemes: Sequence[str]) -> tuple[Concept, ...]:
        """The concepts of some schemes. Raises ConceptUnknown where a scheme has none."""
        present = {one.scheme for one in self.concepts}
        if unknown := sorted(set(schemes) - present):
            raise ConceptUnknown(f"The vocabulary has no scheme {', '.join(unknown)}.")
        return tuple(one for one in self.concepts if one.scheme in schemes)


def render(vocabulary: Vocabulary) -> str:
    """The artefact, one entry a line so that a change of it can be read."""
    concepts = [_row([one.scheme, one.id, one.name, *one.aliases]) for one in vocabulary.concepts]
    abbreviations = [_row(list(pair)) for pair in vocabulary.abbreviations]
    return (
        f'{{"version": {VERSION},\n"abbreviations": [\n'
        + ",\n".join(abbreviations)
        + '\n],\n"concepts": [\n'
        + ",\n".join(concepts)
        + "\n]}\n"
    )


def read(path: Path) -> Vocabulary:
    """The artefact at `path`. Raises ArtefactBroken."""
    try:
        return _vocabulary(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactBroken(f"{path} is no vocabulary of version {VERSION}.") from error


def _vocabulary(document: Mapping[str, Any]) -> Vocabulary:
    if document["version"] != VERSION:
        raise ValueError(document["version"])
    concepts = tuple(
        Concept(scheme, id, name, tuple(aliases))
        for scheme, id, name, *aliases in document["concepts"]
    )
    pairs = tuple((short, meaning) for short, meaning in document["abbreviations"])
    return Vocabulary(concepts, pairs)


def _row(values: list[str]) -> str:
    return json.dumps(values, ensure_ascii=False)
