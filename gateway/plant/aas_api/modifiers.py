"""The forms in which the AAS API returns submodels and elements: normal, metadata, value, path.

Input and output are JSON objects of the metamodel 3.0, as aas-core serializes them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.plant.aas_api.errors import AasNotFound, AasParameterInvalid

Json = Mapping[str, Any]

_NUMBERS = frozenset(
    f"xs:{name}"
    for name in (
        *("byte", "decimal", "double", "float", "int", "integer", "long", "short"),
        *("negativeInteger", "nonNegativeInteger", "nonPositiveInteger", "positiveInteger"),
        *("unsignedByte", "unsignedInt", "unsignedLong", "unsignedShort"),
    )
)
_INTEGRAL = _NUMBERS - {"xs:decimal", "xs:double", "xs:float"}
_CONTAINERS = frozenset({"SubmodelElementCollection", "SubmodelElementList", "Entity"})
# What belongs to the value of an element and not to its metadata.
_VALUE_FIELDS = frozenset(
    {"value", "valueId", "statements", "globalAssetId", "specificAssetIds", "min", "max"}
)


def elements_of(parent: Json) -> Sequence[Json]:
    """Return the elements directly below a submodel or element."""
    kind = parent["modelType"]
    if kind == "Submodel":
        children = parent.get("submodelElements")
    elif kind == "Entity":
        children = parent.get("statements")
    elif kind in ("SubmodelElementCollection", "SubmodelElementList"):
        children = parent.get("value")
    else:
        children = None
    return children or []


def find_element(submodel: Json, path: str) -> Json:
    """Return the element at an idShort path such as `Metadata.Record.x`. Raises AasNotFound."""
    current = submodel
    for name in path.split("."):
        name, *indices = name.replace("]", "").split("[")
        if name or not indices:
            current = _child(current, name, path)
        for index in indices:
            children = elements_of(current)
            if not (index.isascii() and index.isdigit()) or int(index[:6]) >= len(children):
                raise _not_found(path)
            current = children[int(index[:6])]
    return current


def without_depth(element: Json) -> Json:
    """Return an element of level `core`: without the elements below its direct children."""
    return {**element, **_replaced(element, [_childless(one) for one in elements_of(element)])}


def metadata(element: Json) -> dict[str, Any]:
    """Return the metadata of a submodel or element: without values and lower elements.

    The assets of an entity are kept, because an entity must have one.
    """
    if element["modelType"] == "Submodel":
        return {key: value for key, value in element.items() if key != "submodelElements"}
    dropped = _VALUE_FIELDS
    if element["modelType"] == "Entity":
        dropped = dropped - {"globalAssetId", "specificAssetIds"}
    return {key: value for key, value in element.items() if key not in dropped}


def value_of(element: Json) -> Any:
    """Return the value of a submodel or element in its value-only serialization."""
    match element["modelType"]:
        case "Submodel" | "SubmodelElementCollection":
            return _values(elements_of(element))
        case "SubmodelElementList":
            return [value_of(one) for one in elements_of(element)]
        case "Property":
            return _typed(element.get("value"), element["valueType"])
        case "MultiLanguageProperty":
            return [{one["language"]: one["text"]} for one in element.get("value", ())]
        case "Entity":
            return _entity_value(element)
        case "RelationshipElement":
            return {"first": element["first"], "second": element["second"]}
        case _:
            return element.get("value")


def named_value(element: Json) -> dict[str, Any]:
    """Return `{idShort: value}` of an element."""
    return {element.get("idShort", ""): value_of(element)}


def paths(element: Json, prefix: str) -> Iterator[str]:
    """Yield the idShort paths of an element and all below it; `prefix` is its own path."""
    if prefix:
        yield prefix
    is_list = element["modelType"] == "SubmodelElementList"
    for index, child in enumerate(elements_of(element)):
        name = f"[{index}]" if is_list else f".{child['idShort']}"
        yield from paths(child, f"{prefix}{name}".lstrip("."))


def element_paths(element: Json, path: str) -> list[str]:
    """Return the paths of an element and all below it. Raises AasParameterInvalid for a leaf."""
    if element["modelType"] not in _CONTAINERS:
        raise AasParameterInvalid(
            "`$path` is for elements that contain others.", param="idShortPath"
        )
    return list(paths(element, path))


def reference_to(submodel: Json, path: str = "") -> dict[str, Any]:
    """Return the model reference to a submodel, or to the element at a path in it."""
    keys = [{"type": "Submodel", "value": submodel["id"]}]
    current = submodel
    for name in path.split(".") if path else ():
        current = _child(current, name, path)
        keys.append({"type": current["modelType"], "value": name})
    return {"type": "ModelReference", "keys": keys}


def concepts_of(submodels: Sequence[Json]) -> list[dict[str, Any]]:
    """Return a concept description, without a definition, for each semantic id of elements."""
    found: set[str] = set()
    pending = list(submodels)
    while pending:
        current = pending.pop()
        pending.extend(elements_of(current))
        if current["modelType"] != "Submodel" and "semanticId" in current:
            found.add(current["semanticId"]["keys"][-1]["value"])
    return [{"modelType": "ConceptDescription", "id": concept} for concept in sorted(found)]


def _child(parent: Json, name: str, path: str) -> Json:
    """Return the direct child with an idShort. Raises AasNotFound."""
    for element in elements_of(parent):
        if element.get("idShort") == name:
            return element
    raise _not_found(path)


def _not_found(path: str) -> AasNotFound:
    """Return the error for an unknown path."""
    return AasNotFound(f"The submodel has no element {path[:100]!r}.", param="idShortPath")


def _replaced(element: Json, children: Sequence[Json]) -> dict[str, Any]:
    """Return the field of an element that holds its children, with other children."""
    if not children:
        return {}
    fields = {"Submodel": "submodelElements", "Entity": "statements"}
    return {fields.get(element["modelType"], "value"): children}


def _childless(element: Json) -> Json:
    """Return an element without the elements below it."""
    if not elements_of(element):
        return element
    field = "statements" if element["modelType"] == "Entity" else "value"
    return {key: value for key, value in element.items() if key != field}


def _values(elements: Sequence[Json]) -> dict[str, Any]:
    """Return the values of elements by idShort."""
    return {element["idShort"]: value_of(element) for element in elements}


def _entity_value(element: Json) -> dict[str, Any]:
    """Return the value of an entity."""
    kept = {key: element[key] for key in ("globalAssetId", "specificAssetIds") if key in element}
    statements = elements_of(element)
    return {
        "entityType": element["entityType"],
        **kept,
        **({"statements": _values(statements)} if statements else {}),
    }


def _typed(text: str | None, value_type: str) -> Any:
    """Return a property's value as JSON of its type."""
    if text is None:
        return None
    if value_type == "xs:boolean":
        return text in ("true", "1")
    if value_type not in _NUMBERS:
        return text
    try:
        return int(text) if value_type in _INTEGRAL else float(text)
    except ValueError:
        return text
