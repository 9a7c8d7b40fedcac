"""The forms in which submodels and elements are returned."""

from typing import Any

import pytest

from gateway.plant.aas_api.errors import AasNotFound, AasParameterInvalid
from gateway.plant.aas_api.modifiers import (
    concepts_of,
    element_paths,
    find_element,
    metadata,
    paths,
    reference_to,
    value_of,
    without_depth,
)


def prop(name: str, value: str, value_type: str = "xs:string") -> dict[str, Any]:
    """A property."""
    return {"modelType": "Property", "idShort": name, "valueType": value_type, "value": value}


INNER = {"modelType": "SubmodelElementCollection", "idShort": "c", "value": [prop("p", "1")]}
LIST = {
    "modelType": "SubmodelElementList",
    "idShort": "l",
    "typeValueListElement": "Property",
    "value": [{"modelType": "Property", "valueType": "xs:int", "value": "7"}, INNER],
}
ENTITY = {
    "modelType": "Entity",
    "idShort": "e",
    "entityType": "SelfManagedEntity",
    "globalAssetId": "urn:a",
    "statements": [prop("s", "true", "xs:boolean")],
}
NAMES = [{"language": "en", "text": "Pump"}]
WORDS = {"modelType": "MultiLanguageProperty", "idShort": "m", "value": NAMES}
SUBMODEL = {
    "modelType": "Submodel",
    "id": "urn:s",
    "submodelElements": [INNER, LIST, ENTITY, WORDS, prop("d", "1.5", "xs:double")],
}


def test_value_has_json_types_and_names_of_elements() -> None:
    assert value_of(SUBMODEL) == {
        "c": {"p": "1"},
        "l": [7, {"p": "1"}],
        "e": {
            "entityType": "SelfManagedEntity",
            "globalAssetId": "urn:a",
            "statements": {"s": True},
        },
        "m": [{"en": "Pump"}],
        "d": 1.5,
    }


@pytest.mark.parametrize("value_type", ["xs:int", "xs:double"])
def test_value_that_does_not_match_its_type_stays_a_text(value_type: str) -> None:
    assert value_of(prop("a", "x", value_type)) == "x"


def test_metadata_has_neither_values_nor_elements() -> None:
    assert metadata(SUBMODEL) == {"modelType": "Submodel", "id": "urn:s"}
    assert metadata(LIST) == {key: LIST[key] for key in LIST if key != "value"}
    assert "statements" not in metadata(ENTITY)
    assert "globalAssetId" in metadata(ENTITY)


def test_core_level_has_the_direct_children_without_theirs() -> None:
    core = without_depth(SUBMODEL)
    assert [one["idShort"] for one in core["submodelElements"]] == ["c", "l", "e", "m", "d"]
    assert "value" not in core["submodelElements"][0]
    assert core["submodelElements"][3] == WORDS


def test_paths_name_all_elements() -> None:
    assert list(paths(SUBMODEL, "")) == [
        "c",
        "c.p",
        "l",
        "l[0]",
        "l[1]",
        "l[1].p",
        "e",
        "e.s",
        "m",
        "d",
    ]


@pytest.mark.parametrize("path", ["c", "c.p", "l", "l[0]", "l[1].p", "e.s"])
def test_each_path_finds_its_element(path: str) -> None:
    assert path in list(paths(SUBMODEL, ""))
    assert find_element(SUBMODEL, path)["modelType"]


@pytest.mark.parametrize("path", ["", "x", "c.x", "l[2]", "l[-1]", "l[x]", "c[0][0]", "d.p", "."])
def test_unknown_path_is_not_found(path: str) -> None:
    with pytest.raises(AasNotFound):
        find_element(SUBMODEL, path)


def test_paths_of_an_element_without_others_are_refused() -> None:
    assert element_paths(INNER, "c") == ["c", "c.p"]
    with pytest.raises(AasParameterInvalid):
        element_paths(prop("a", "b"), "a")


def test_reference_names_each_element_on_the_way() -> None:
    assert reference_to(SUBMODEL, "c.p")["keys"] == [
        {"type": "Submodel", "value": "urn:s"},
        {"type": "SubmodelElementCollection", "value": "c"},
        {"type": "Property", "value": "p"},
    ]


def test_concepts_are_the_semantic_ids_of_elements() -> None:
    key = {"type": "GlobalReference", "value": "urn:concept"}
    semantic = {"semanticId": {"type": "ExternalReference", "keys": [key]}}
    group = {**INNER, "value": [{**prop("p", "1"), **semantic}]}
    found = concepts_of([{**SUBMODEL, "submodelElements": [group]}])
    assert found == [{"modelType": "ConceptDescription", "id": "urn:concept"}]
