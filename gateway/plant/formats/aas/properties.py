"""Read the properties of an asset from the elements of its submodels."""

from collections.abc import Iterator, Mapping, Sequence

import aas_core3.types as aas

from gateway.plant.assets.values import Property
from gateway.plant.formats.aas.elements import extension, reference_value, semantics, stated_unit
from gateway.plant.formats.aas.semantics import (
    CLASSIFICATION_SYSTEMS,
    TECHNICAL_DATA,
)
from gateway.plant.formats.aas.texts import preferred_text
from gateway.plant.formats.results import NoteCode, NoteCollector

Elements = Sequence[aas.SubmodelElement]
_SCHEMES: Mapping[str, str] = {name.lower(): key for key, name in CLASSIFICATION_SYSTEMS.items()}
_CLASSIFICATIONS = "ProductClassifications"


def read_classes(submodel: aas.Submodel) -> dict[str, str]:
    """Return the class ids of Technical Data by scheme. Systems that are not known are left out."""
    classes: dict[str, str] = {}
    for element in submodel.submodel_elements or ():
        if element.id_short == _CLASSIFICATIONS:
            for item in _children(element):
                texts = {one.id_short or "": _text(one) for one in _children(item)}
                system = texts.get("ProductClassificationSystem") or texts.get(
                    "ClassificationSystem", ""
                )
                scheme = _SCHEMES.get(system.lower(), "")
                if scheme and (class_id := texts.get("ProductClassId")):
                    classes[scheme] = class_id
    return classes


def read_properties(
    submodel: aas.Submodel,
    properties: dict[str, Property],
    units: Mapping[str, str],
    notes: NoteCollector,
) -> None:
    """Add the values of a submodel's elements, by their idShort paths.

    A path that another submodel has too is prefixed by the submodel's idShort. `units` are those of
    concept descriptions by id. Elements without a text are noted.
    """
    for path, element in _leaves(submodel.submodel_elements or (), ""):
        text = _text(element)
        if not text:
            notes.add(NoteCode.ELEMENT_SKIPPED, path)
            continue
        if extension(element, "derived"):
            continue
        if isinstance(element, aas.MultiLanguageProperty) and len(element.value or ()) > 1:
            notes.add(NoteCode.LANGUAGE_SKIPPED, path, len(element.value or ()) - 1)
        name = extension(element, "name") or _shorter(path, submodel)
        if name in properties:
            name = f"{submodel.id_short or submodel.id}.{name}"
        properties[name] = Property(text, _unit(element, units), _semantic_id(element))


def _leaves(elements: Elements, prefix: str) -> Iterator[tuple[str, aas.SubmodelElement]]:
    """Yield the elements that are no collections, with their idShort paths."""
    for index, element in enumerate(elements):
        name = element.id_short
        path = f"{prefix}.{name}".lstrip(".") if name else f"{prefix}[{index}]"
        if not prefix and name == _CLASSIFICATIONS and _is_read_as_classes(element):
            continue
        if isinstance(element, aas.SubmodelElementCollection | aas.SubmodelElementList):
            yield from _leaves(element.value or (), path)
        elif isinstance(element, aas.Entity) and element.statements:
            yield from _leaves(element.statements, path)
        else:
            yield path, element


def _is_read_as_classes(element: aas.SubmodelElement) -> bool:
    """Return whether all classes of a collection are of known systems."""
    systems = [
        _text(one)
        for item in _children(element)
        for one in _children(item)
        if one.id_short in ("ProductClassificationSystem", "ClassificationSystem")
    ]
    return bool(systems) and all(system.lower() in _SCHEMES for system in systems)


def _children(element: aas.SubmodelElement) -> Elements:
    """Return the elements of a collection or list, none for other elements."""
    if isinstance(element, aas.SubmodelElementCollection | aas.SubmodelElementList):
        return element.value or []
    return []


def _shorter(path: str, submodel: aas.Submodel) -> str:
    """Return the path without the collection that holds all properties of Technical Data."""
    if semantics(submodel) == TECHNICAL_DATA:
        return path.removeprefix("TechnicalProperties.")
    return path


def _text(element: aas.SubmodelElement) -> str:
    """Return the value of an element as text, empty if it has none or is of another kind."""
    match element:
        case aas.Property():
            return element.value or ""
        case aas.MultiLanguageProperty():
            return preferred_text(element.value)
        case aas.Range():
            bounds = (element.min or "", element.max or "")
            return "..".join(bounds) if any(bounds) else ""
        case aas.ReferenceElement():
            return reference_value(element.value)
        case _:
            return ""


def _unit(element: aas.SubmodelElement, units: Mapping[str, str]) -> str:
    """Return the unit of an element: its own, or that of its concept description."""
    return stated_unit(element) or units.get(semantics(element), "")


def _semantic_id(element: aas.SubmodelElement) -> str:
    """Return the semantic id of an element, or the one that it had before our export."""
    kept = extension(element, "semanticId")
    return "" if kept == "-" else kept or semantics(element)
