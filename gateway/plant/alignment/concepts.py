"""Concepts of the built-in vocabularies, read once in a process."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from gateway.plant.alignment.machine_concepts import MACHINE, machine_concepts
from gateway.plant.assets.values import Concept
from models.tag_align.aligner import ARTEFACT
from models.tag_align.vocabulary import Scheme, Vocabulary, read

OWN = "own"
_BRICK = "https://brickschema.org/schema/Brick#"


@cache
def built_in_vocabulary() -> Vocabulary:
    """Return the vocabulary of `tag-align`."""
    return read(ARTEFACT)


@cache
def _schemes() -> Mapping[str, str]:
    """Return the scheme of each concept; Brick's for one that several schemes have."""
    concepts = built_in_vocabulary().concepts
    found = dict.fromkeys(machine_concepts(), MACHINE)
    found |= {one.id: one.scheme for one in concepts}
    found |= {one.id: one.scheme for one in concepts if one.scheme == Scheme.BRICK}
    return MappingProxyType(found)


def canonical_concept(concept: Concept) -> Concept:
    """Return a concept with the vocabulary's id: tag lists name Brick's classes without their IRI.

    Other concepts are returned as they are.
    """
    if concept.id in _schemes():
        return concept_of(concept.id)
    with_iri = _BRICK + concept.id.strip().replace(" ", "_")
    return concept_of(with_iri) if with_iri in _schemes() else concept


def concept_of(concept_id: str) -> Concept:
    """Return the concept of an id; one that no vocabulary has is the account's own."""
    return Concept(_schemes().get(concept_id, OWN), concept_id)
