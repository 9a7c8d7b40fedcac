"""Triples of a Turtle file, indexed by predicate."""

from collections import defaultdict
from collections.abc import Iterator

import pyoxigraph

from gateway.plant.formats.brick.terms import BRICK, RDF, RDFS, brick_name
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.results import FormatInvalid
from models.sentences import sentence

Term = pyoxigraph.NamedNode | pyoxigraph.BlankNode | pyoxigraph.Literal
Resource = pyoxigraph.NamedNode | pyoxigraph.BlankNode

_BASE = "urn:maas:file:"


class Triples:
    """An index of triples. Terms of all versions of Brick have the IRIs of the current one."""

    def __init__(self) -> None:
        self._by_predicate: dict[str, list[tuple[Resource, Term]]] = defaultdict(list)
        self._by_subject: dict[tuple[str, Resource], list[Term]] = defaultdict(list)

    def add(self, subject: Resource, predicate: str, value: Term) -> None:
        """Add a triple."""
        self._by_predicate[predicate].append((subject, value))
        self._by_subject[predicate, subject].append(value)

    def predicates(self) -> list[str]:
        """Return the predicates, sorted."""
        return sorted(self._by_predicate)

    def pairs(self, predicate: str) -> list[tuple[Resource, Term]]:
        """Return the subjects and objects of a predicate, in the order of the file."""
        return self._by_predicate.get(predicate, [])

    def values(self, subject: Resource, predicate: str) -> list[Term]:
        """Return the objects of a subject and predicate."""
        return self._by_subject.get((predicate, subject), [])

    def resources(self, subject: Resource, predicate: str) -> Iterator[Resource]:
        """Return the objects of a subject and predicate that are no literals."""
        return (
            value
            for value in self.values(subject, predicate)
            if not isinstance(value, pyoxigraph.Literal)
        )

    def text(self, subject: Resource, predicate: str) -> str:
        """Return the text of a literal: without language or English first, else an empty text."""
        literals = [
            value
            for value in self.values(subject, predicate)
            if isinstance(value, pyoxigraph.Literal)
        ]
        literals.sort(key=lambda literal: (literal.language or "") not in ("", "en"))
        return literals[0].value if literals else ""

    def class_names(self, subject: Resource) -> list[str]:
        """Return the names of the subject's Brick classes, sorted."""
        types = self.resources(subject, f"{RDF}type")
        names = {brick_name(kind.value) for kind in types if isinstance(kind, pyoxigraph.NamedNode)}
        return sorted(names - {""})


def read_triples(content: bytes, limits: FormatLimits) -> Triples:
    """Return the triples of a Turtle file. Raises FormatInvalid, FormatTooLarge."""
    limits.check_bytes(content)
    triples = Triples()
    try:
        parsed = pyoxigraph.parse(
            content, format=pyoxigraph.RdfFormat.TURTLE, base_iri=_BASE, without_named_graphs=True
        )
        for count, quad in enumerate(parsed, 1):
            limits.check_elements(count)
            if isinstance(quad.subject, Resource) and isinstance(quad.object, Term):
                triples.add(quad.subject, _current(quad.predicate.value), quad.object)
    except SyntaxError as error:
        raise FormatInvalid(
            sentence("The file is not valid Turtle: {reason}", reason=error.msg)
        ) from None
    except (UnicodeDecodeError, ValueError) as error:
        if isinstance(error, FormatInvalid):
            raise
        raise FormatInvalid(sentence("The file is not valid Turtle in UTF-8.")) from None
    return triples


def _current(predicate: str) -> str:
    """Return the predicate, in Brick's current version if it is a term of Brick."""
    name = brick_name(predicate)
    return f"{BRICK}{name}" if name else predicate


LABEL = f"{RDFS}label"
