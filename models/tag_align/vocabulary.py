"""Vocabulary of concepts and abbreviations, and the artefact that stores it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from models.sentences import listing, sentence

VERSION = 1


class ArtefactBroken(ValueError):
    """Raised if a file is not a vocabulary of this version."""


class ConceptUnknown(LookupError):
    """Raised for a concept or scheme that is missing from the vocabulary."""


class Scheme(StrEnum):
    """The classification that a concept belongs to."""

    BUILDING_POINT = "building-point"
    BRICK = "brick"
    AAS = "aas"


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept of a scheme.

    id: a Brick or AAS IRI, or an ECLASS or IEC CDD identifier. aliases: further names, such as the
    German one.
    """

    scheme: str
    id: str
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All concepts of all schemes, and (abbreviation, meaning) pairs."""

    concepts: tuple[Concept, ...]
    abbreviations: tuple[tuple[str, str], ...]

    def concepts_in(self, schemes: Sequence[str]) -> tuple[Concept, ...]:
        """Return the concepts of some schemes. Raises ConceptUnknown if a scheme has none."""
        present = {concept.scheme for concept in self.concepts}
        if unknown := sorted(set(schemes) - present):
            raise ConceptUnknown(
                sentence("The vocabulary has no scheme {schemes}.", schemes=listing(list(unknown)))
            )
        return tuple(concept for concept in self.concepts if concept.scheme in schemes)


def render(vocabulary: Vocabulary) -> str:
    """Render the artefact as JSON, one entry a line so that diffs are readable."""
    concepts = [
        _json_line([concept.scheme, concept.id, concept.name, *concept.aliases])
        for concept in vocabulary.concepts
    ]
    abbreviations = [_json_line(list(pair)) for pair in vocabulary.abbreviations]
    return (
        f'{{"version": {VERSION},\n"abbreviations": [\n'
        + ",\n".join(abbreviations)
        + '\n],\n"concepts": [\n'
        + ",\n".join(concepts)
        + "\n]}\n"
    )


def read(path: Path) -> Vocabulary:
    """Read the artefact at `path`. Raises ArtefactBroken."""
    try:
        return _parse_vocabulary(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactBroken(f"{path} is not a vocabulary of version {VERSION}.") from error


def _parse_vocabulary(payload: Mapping[str, Any]) -> Vocabulary:
    """Parse an artefact's JSON document."""
    if payload["version"] != VERSION:
        raise ValueError(payload["version"])
    concepts = tuple(
        Concept(scheme, id, name, tuple(aliases))
        for scheme, id, name, *aliases in payload["concepts"]
    )
    pairs = tuple((short, meaning) for short, meaning in payload["abbreviations"])
    return Vocabulary(concepts, pairs)


def _json_line(values: list[str]) -> str:
    """Encode values as a JSON array on one line; non-ASCII characters are kept."""
    return json.dumps(values, ensure_ascii=False)
