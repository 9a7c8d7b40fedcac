"""A customer's own concepts: parse and validate them from JSON."""

from collections.abc import Sequence

import msgspec

from models.sentences import sentence
from models.tag_align.naming import TagInvalid, split_words, validate_tag
from models.tag_align.vocabulary import Concept

OWN_SCHEME = "own"
# Comparing a tag with every name takes a tenth of a millisecond for a thousand names.
MAX_CONCEPTS = 2_000
MAX_ALIASES = 10
MAX_NAME_LENGTH = 200


class OwnConceptsInvalid(ValueError):
    """Raised for a list of concepts that cannot be used; the message names the concept."""


class OwnConcept(msgspec.Struct, forbid_unknown_fields=True):
    """A concept as customers write it; `name` and `aliases` are compared with tags."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()


def parse_own_concepts(text: str) -> tuple[Concept, ...]:
    """Parse a JSON list of concepts with `id`, `name` and optionally `aliases`.

    Raises OwnConceptsInvalid.
    """
    try:
        listed = msgspec.json.decode(text, type=list[OwnConcept])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise OwnConceptsInvalid(
            sentence("The concepts are not a JSON list of concepts: {error}.", error=error)
        ) from (error)
    return build_own_concepts(listed)


def build_own_concepts(listed: Sequence[OwnConcept]) -> tuple[Concept, ...]:
    """Validate a customer's concepts. Raises OwnConceptsInvalid."""
    if not 1 <= len(listed) <= MAX_CONCEPTS:
        raise OwnConceptsInvalid(
            sentence(
                "There are {count} concepts; give 1 to {most:,} of them.",
                count=len(listed),
                most=MAX_CONCEPTS,
            )
        )
    seen: set[str] = set()
    for number, concept in enumerate(listed):
        _require_valid(concept, number)
        if concept.id in seen:
            raise OwnConceptsInvalid(
                sentence(
                    "Concept {number}: the id {id} occurs twice.",
                    number=number,
                    id=repr(concept.id[:80]),
                )
            )
        seen.add(concept.id)
    return tuple(Concept(OWN_SCHEME, one.id, one.name, one.aliases) for one in listed)


def _require_valid(concept: OwnConcept, number: int) -> None:
    """Raise OwnConceptsInvalid for an empty, too long or unreadable id, name or alias."""
    if len(concept.aliases) > MAX_ALIASES:
        raise OwnConceptsInvalid(
            sentence(
                "Concept {number} has more than {most} aliases.", number=number, most=MAX_ALIASES
            )
        )
    for text in (concept.id, concept.name, *concept.aliases):
        if len(text) > MAX_NAME_LENGTH:
            raise OwnConceptsInvalid(
                sentence(
                    "Concept {number}: a text has more than {most} characters.",
                    number=number,
                    most=MAX_NAME_LENGTH,
                )
            )
        try:
            validate_tag(text)
        except TagInvalid as error:
            raise OwnConceptsInvalid(
                sentence("Concept {number}, id or name: {error}", number=number, error=error)
            ) from error
    if not split_words(concept.name):
        raise OwnConceptsInvalid(sentence("Concept {number}: the name has no word.", number=number))
