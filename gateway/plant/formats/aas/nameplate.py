"""The submodel Digital Nameplate (IDTA 02006-2-0) of an asset."""

from collections.abc import Mapping
from dataclasses import replace

import aas_core3.types as aas

from gateway.plant.assets.values import Asset, Property
from gateway.plant.formats.aas.elements import (
    collection,
    extensions,
    multi_language,
    submodel,
    text_property,
)
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.semantics import (
    CONTACT,
    CONTACT_COLLECTIONS,
    CONTACT_ELEMENTS,
    NAMEPLATE,
    NAMEPLATE_ELEMENTS,
    NameplateElement,
)
from gateway.plant.formats.aas.texts import is_shortened
from gateway.plant.formats.dates import is_date

KIND = "nameplate"


def nameplate_properties(asset: Asset) -> Mapping[str, str]:
    """Return the names of the asset's properties that belong on its nameplate, by idShort path.

    A property belongs there by its semantic id in any version, or by its name. Without a URI of the
    product, the asset's global id is taken if it is a URL.
    """
    found: dict[str, str] = {}
    for name, value in asset.properties.items():
        path = _path(name, value)
        if path and path not in found and _fits(path, value):
            found[path] = name
    return found


def is_complete(paths: Mapping[str, str], asset: Asset) -> bool:
    """Return whether all that the template requires is known."""
    required = {name for name, element in NAMEPLATE_ELEMENTS.items() if element.required}
    if _is_url(asset.global_id):
        required.discard("URIOfTheProduct")
    has_contact = any(path.startswith("ContactInformation.") for path in paths)
    has_kind = bool(paths.keys() & {"ManufacturerProductFamily", "ManufacturerProductType"})
    return required <= paths.keys() and has_contact and has_kind


def build_nameplate(asset: Asset, paths: Mapping[str, str], namespace: Namespace) -> aas.Submodel:
    """Return the nameplate of an asset for which `is_complete` is true."""
    elements: list[aas.SubmodelElement] = []
    if "URIOfTheProduct" not in paths:
        uri = NAMEPLATE_ELEMENTS["URIOfTheProduct"]
        element = text_property("URIOfTheProduct", asset.global_id or "", uri.semantic_id)
        element.extensions = extensions(derived="globalAssetId")
        elements.append(element)
    for name, definition in NAMEPLATE_ELEMENTS.items():
        if name in paths:
            value = asset.properties[paths[name]]
            elements.append(_element(name, definition, paths[name], value))
    contact: list[aas.SubmodelElement] = []
    for name, semantics in CONTACT_ELEMENTS.items():
        if property_name := paths.get(f"ContactInformation.{name}"):
            texts = NameplateElement(semantics, "texts")
            text = asset.properties[property_name]
            contact.append(_element(name, texts, property_name, text))
    elements.append(collection("ContactInformation", contact, CONTACT))
    identifier = namespace.submodel(KIND, asset.code)
    return submodel(identifier, "Nameplate", NAMEPLATE, elements)


def _element(
    name: str, definition: NameplateElement, key: str, value: Property
) -> aas.SubmodelElement:
    """Return an element; extensions keep name and semantic id of the property if they differ."""
    element: aas.SubmodelElement
    if definition.kind == "texts":
        element = multi_language(name, value.value, definition.semantic_id)
    else:
        element = text_property(name, value.value, definition.semantic_id)
        if definition.kind == "date":
            element.value_type = aas.DataTypeDefXSD.DATE
    same = value.semantic_id == definition.semantic_id
    element.extensions = extensions(name=key, semanticId=None if same else value.semantic_id or "-")
    return element


def _path(name: str, value: Property) -> str:
    """Return the idShort path of a property on the nameplate, or an empty text."""
    for path, element in NAMEPLATE_ELEMENTS.items():
        if name == path or value.semantic_id in (element.semantic_id, *element.other_ids):
            return path
    folder, _, last = name.rpartition(".")
    for contact, semantics in CONTACT_ELEMENTS.items():
        is_known = value.semantic_id == semantics or folder in CONTACT_COLLECTIONS
        if is_known and (last == contact or value.semantic_id == semantics):
            return f"ContactInformation.{contact}"
    return ""


def _fits(path: str, value: Property) -> bool:
    """Return whether the nameplate can hold a property without loss."""
    element = NAMEPLATE_ELEMENTS.get(path)
    if not value.value or value.unit or is_shortened(value.value):
        return False
    return element is None or element.kind != "date" or is_date(value.value)


def _is_url(text: str | None) -> bool:
    """Return whether a text is a web address."""
    return bool(text) and str(text).startswith(("https://", "http://"))


def without_nameplate(asset: Asset, paths: Mapping[str, str]) -> Asset:
    """Return the asset without the properties on its nameplate."""
    on_nameplate = set(paths.values())
    rest = {name: value for name, value in asset.properties.items() if name not in on_nameplate}
    return replace(asset, properties=rest)
