"""Read parents of assets from Hierarchical Structures."""

from collections.abc import Iterator, Mapping

import aas_core3.types as aas

from gateway.plant.formats.results import NoteCode, NoteCollector


def read_parents(
    submodel: aas.Submodel, by_global_id: Mapping[str, str], owner: str, notes: NoteCollector
) -> Iterator[tuple[str, str]]:
    """Yield pairs of child and parent codes.

    `by_global_id` are the codes of the file's assets, `owner` that of the submodel's shell. Nodes
    that are not assets of the file are noted.
    """
    upwards = False
    entry: aas.Entity | None = None
    for element in submodel.submodel_elements or ():
        if isinstance(element, aas.Property) and element.id_short == "ArcheType":
            upwards = element.value == "OneUp"
        elif isinstance(element, aas.Entity):
            entry = element
    if entry is None:
        return
    for whole, part in _pairs(entry, owner, by_global_id, notes):
        yield (whole, part) if upwards else (part, whole)


def _pairs(
    entity: aas.Entity, code: str, by_global_id: Mapping[str, str], notes: NoteCollector
) -> Iterator[tuple[str, str]]:
    """Yield the codes of an entity and of each node in it, then of those nodes and theirs."""
    for node in entity.statements or ():
        if not isinstance(node, aas.Entity):
            continue
        other = by_global_id.get(node.global_asset_id or "")
        if other is None:
            notes.add(NoteCode.ELEMENT_SKIPPED, node.global_asset_id or node.id_short or "")
            continue
        yield code, other
        yield from _pairs(node, other, by_global_id, notes)
