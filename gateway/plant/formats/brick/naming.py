"""Codes and tags of the entities of a file, from their IRIs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import pyoxigraph

from gateway.plant.formats.brick.graph import Resource
from gateway.plant.formats.results import NoteCode, NoteCollector


def local_name(resource: Resource) -> str:
    """Return the last part of an IRI, decoded, or the id of a blank node."""
    if isinstance(resource, pyoxigraph.BlankNode):
        return f"_:{resource.value}"
    iri = resource.value
    start = max(iri.rfind(separator) for separator in "#/:") + 1
    return unquote(iri[start:]) or iri


def unique_names(resources: Iterable[Resource], notes: NoteCollector) -> Mapping[Resource, str]:
    """Return a name for each resource: the last part of its IRI, or all of it if two share it."""
    names = {resource: local_name(resource) for resource in resources}
    counts = Counter(names.values())
    for resource, name in names.items():
        if counts[name] > 1:
            notes.add(NoteCode.CODE_REPLACED, name)
            names[resource] = resource.value
    return names
