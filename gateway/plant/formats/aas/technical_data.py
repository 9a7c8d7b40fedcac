"""The submodel Technical Data (IDTA 02003-1-2) of an asset: classes and properties."""

import aas_core3.types as aas

from gateway.plant.assets.values import Asset, Property
from gateway.plant.formats.aas.elements import (
    collection,
    extensions,
    semantic_id,
    submodel,
    text_property,
    unit_specification,
)
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.semantics import (
    CLASS_ID,
    CLASSIFICATION,
    CLASSIFICATION_SYSTEM,
    CLASSIFICATION_SYSTEMS,
    CLASSIFICATIONS,
    TECHNICAL_DATA,
    TECHNICAL_PROPERTIES,
)
from gateway.plant.formats.aas.texts import IdShorts

KIND = "technical-data"


def build_technical_data(asset: Asset, namespace: Namespace) -> aas.Submodel | None:
    """Return the asset's classes and properties, None if it has neither."""
    elements: list[aas.SubmodelElement] = []
    if asset.types:
        elements.append(_classifications(asset))
    if asset.properties:
        elements.append(_properties(asset))
    if not elements:
        return None
    identifier = namespace.submodel(KIND, asset.code)
    return submodel(identifier, "TechnicalData", TECHNICAL_DATA, elements)


def _classifications(asset: Asset) -> aas.SubmodelElementCollection:
    """Return the collection of the asset's classes, one per classification system."""
    items: list[aas.SubmodelElement] = []
    for scheme, class_id in sorted(asset.types.items()):
        system = CLASSIFICATION_SYSTEMS.get(scheme, scheme)
        parts: list[aas.SubmodelElement] = [
            text_property("ProductClassificationSystem", system, CLASSIFICATION_SYSTEM),
            text_property("ProductClassId", class_id, CLASS_ID),
        ]
        name = f"ProductClassificationItem{len(items) + 1:02}"
        items.append(collection(name, parts, CLASSIFICATION))
    return collection("ProductClassifications", items, CLASSIFICATIONS)


def _properties(asset: Asset) -> aas.SubmodelElementCollection:
    """Return the collection of the asset's properties."""
    names = IdShorts()
    elements: list[aas.SubmodelElement] = []
    for name, value in asset.properties.items():
        elements.append(build_property(names.add(name), name, value))
    return collection("TechnicalProperties", elements, TECHNICAL_PROPERTIES)


def build_property(short: str, name: str, value: Property) -> aas.Property:
    """Return a property with a text, its unit and the id of its definition."""
    return aas.Property(
        aas.DataTypeDefXSD.STRING,
        id_short=short,
        extensions=extensions(name=None if short == name else name),
        semantic_id=semantic_id(value.semantic_id),
        embedded_data_specifications=unit_specification(name, value.unit),
        value=value.value,
    )
