"""Parts that several submodels are built from."""

import aas_core3.types as aas

from gateway.plant.formats.aas.semantics import UNIT_SPECIFICATION
from gateway.plant.formats.aas.texts import id_short, texts

# Extensions hold what the metamodel has no place for; our own importer reads them.
EXTENSION = "maas:"


def external_reference(value: str) -> aas.Reference:
    """Return the reference to a concept outside of any shell."""
    key = aas.Key(aas.KeyTypes.GLOBAL_REFERENCE, value)
    return aas.Reference(aas.ReferenceTypes.EXTERNAL_REFERENCE, [key])


def semantic_id(value: str) -> aas.Reference | None:
    """Return the reference of a semantic id, None for an empty one."""
    return external_reference(value) if value else None


def submodel_reference(identifier: str, *path: tuple[aas.KeyTypes, str]) -> aas.Reference:
    """Return the reference to a submodel, or to the element at a path in it."""
    keys = [aas.Key(aas.KeyTypes.SUBMODEL, identifier)]
    keys += [aas.Key(kind, value) for kind, value in path]
    return aas.Reference(aas.ReferenceTypes.MODEL_REFERENCE, keys)


def extensions(**values: str | None) -> list[aas.Extension] | None:
    """Return extensions with these texts by name, leaving out empty ones; None if none is left."""
    result = [
        aas.Extension(f"{EXTENSION}{name}", value_type=aas.DataTypeDefXSD.STRING, value=value)
        for name, value in values.items()
        if value
    ]
    return result or None


def extension(element: aas.HasExtensions, name: str) -> str:
    """Return the text of an extension of ours, or an empty text."""
    for one in element.extensions or ():
        if one.name == f"{EXTENSION}{name}":
            return one.value or ""
    return ""


def unit_specification(name: str, unit: str) -> list[aas.EmbeddedDataSpecification] | None:
    """Return the data specification (IEC 61360) that states the unit of a value, if it has one."""
    if not unit:
        return None
    preferred = [aas.LangStringPreferredNameTypeIEC61360("en", (name or "value")[:255])]
    content = aas.DataSpecificationIEC61360(preferred, unit=unit)
    return [aas.EmbeddedDataSpecification(external_reference(UNIT_SPECIFICATION), content)]


def stated_unit(element: aas.HasDataSpecification) -> str:
    """Return the unit of an element's data specification, or an empty text."""
    for one in element.embedded_data_specifications or ():
        content = one.data_specification_content
        if isinstance(content, aas.DataSpecificationIEC61360) and content.unit:
            return content.unit
    return ""


def reference_value(reference: aas.Reference | None) -> str:
    """Return the value of a reference's last key, or an empty text."""
    return reference.keys[-1].value if reference and reference.keys else ""


def semantics(element: aas.HasSemantics) -> str:
    """Return the semantic id of an element, or an empty text."""
    return reference_value(element.semantic_id).strip()


def text_property(name: str, value: str, meaning: str = "") -> aas.Property:
    """Return a property with a text."""
    return aas.Property(
        aas.DataTypeDefXSD.STRING,
        id_short=name,
        semantic_id=semantic_id(meaning),
        value=value,
    )


def multi_language(name: str, value: str, meaning: str = "") -> aas.MultiLanguageProperty:
    """Return a property with a text and its language."""
    return aas.MultiLanguageProperty(
        id_short=name, semantic_id=semantic_id(meaning), value=texts(value)
    )


def collection(
    name: str, elements: list[aas.SubmodelElement], meaning: str = ""
) -> aas.SubmodelElementCollection:
    """Return a collection of elements, of which there must be at least one."""
    return aas.SubmodelElementCollection(
        id_short=name, semantic_id=semantic_id(meaning), value=elements
    )


def submodel(
    identifier: str, name: str, meaning: str, elements: list[aas.SubmodelElement]
) -> aas.Submodel:
    """Return a submodel instance."""
    return aas.Submodel(
        identifier,
        id_short=id_short(name),
        kind=aas.ModellingKind.INSTANCE,
        semantic_id=external_reference(meaning),
        submodel_elements=elements,
    )
