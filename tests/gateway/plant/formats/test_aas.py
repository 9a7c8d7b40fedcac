"""Import and export of Asset Administration Shells."""

import json
from typing import Any

import pytest

from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    PlantModel,
    Point,
    Property,
)
from gateway.plant.formats.aas.reader import read_aas
from gateway.plant.formats.aas.writer import write_aas_json, write_aasx
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.results import FormatInvalid, FormatTooLarge, NoteCode
from models.training_data import default_directory
from tests.support.aas_engine import check_aasx, check_json, findings, messages
from tests.support.plants import NAMEPLATE, connected_station, contents, pump_station


def published(name: str) -> bytes:
    """A published file beside the repository."""
    path = default_directory() / "aas_files" / name
    if not path.is_file():
        pytest.skip("needs the published Asset Administration Shells")
    return path.read_bytes()


def environment(*elements: dict[str, Any], **shell: Any) -> bytes:
    """An environment with a shell and a submodel of these elements."""
    asset = {"assetKind": "Instance", "globalAssetId": "urn:example:asset"}
    reference = {
        "type": "ModelReference",
        "keys": [{"type": "Submodel", "value": "urn:example:submodel"}],
    }
    return json.dumps(
        {
            "assetAdministrationShells": [
                {
                    "modelType": "AssetAdministrationShell",
                    "id": "urn:example:shell",
                    "idShort": "Pump",
                    "assetInformation": asset,
                    "submodels": [reference],
                    **shell,
                }
            ],
            "submodels": [
                {
                    "modelType": "Submodel",
                    "id": "urn:example:submodel",
                    "idShort": "Data",
                    "submodelElements": list(elements),
                }
            ],
        }
    ).encode()


def element(name: str, value: object, **more: Any) -> dict[str, Any]:
    """A property with a text."""
    one = {"modelType": "Property", "idShort": name, "valueType": "xs:string", "value": value}
    return {**one, **more}


def external(value: str) -> dict[str, Any]:
    """A semantic id."""
    key = {"type": "GlobalReference", "value": value}
    return {"semanticId": {"type": "ExternalReference", "keys": [key]}}


class TestExport:
    @pytest.mark.parametrize("write", [write_aas_json, write_aasx])
    def test_exported_model_is_read_back_without_loss(self, write: Any) -> None:
        model = connected_station()
        read = read_aas(write(model).content)
        assert contents(read.model) == contents(model)
        assert read.notes == ()

    def test_test_engine_has_no_findings_in_json(self) -> None:
        result = check_json(write_aas_json(connected_station()).content)
        assert findings(result) == []
        assert any("Template: DigitalNameplate" in text for text in messages(result))

    def test_test_engine_has_no_findings_in_the_package(self) -> None:
        assert findings(check_aasx(write_aasx(connected_station()).content)) == []

    def test_same_model_gives_the_same_package(self) -> None:
        assert write_aasx(pump_station()).content == write_aasx(pump_station()).content

    def test_many_tags_without_latin_letters_get_names_of_their_own(self) -> None:
        asset = Asset("A", "A", AssetLevel.EQUIPMENT)
        signs = "温压流转电功振液"
        points = tuple(Point(f"{a}{b}{c}", asset="A") for a in signs for b in signs for c in signs)
        content = write_aas_json(PlantModel((asset,), points)).content
        assert findings(check_json(content)) == []
        assert contents(read_aas(content).model) == contents(PlantModel((asset,), points))

    def test_linked_segment_names_address_and_points(self) -> None:
        url = "https://maas.example/v1/plant/readings"
        content = write_aas_json(pump_station(), readings_url=url).content.decode()
        assert url in content
        assert "point=S1.P1.On&point=S1.P1.T" in content

    def test_external_segment_is_a_csv_link_and_comes_back_without_a_trace(self) -> None:
        url = "https://maas.example/v1/plant/readings"
        asset = Asset("A", "A", AssetLevel.EQUIPMENT)
        points = tuple(Point(f"A.{number:03}-{'x' * 60}", asset="A") for number in range(60))
        model = PlantModel((asset,), points)
        exported = write_aas_json(model, readings_url=url)
        assert findings(check_json(exported.content)) == []
        text = exported.content.decode()
        assert text.count('"contentType": "text/csv"') == 3
        assert f"{url}?response_format=csv&point=A.000-" in text
        read = read_aas(exported.content)
        assert (contents(read.model), read.notes) == (contents(model), ())
        assert "ExternalSegment" not in write_aas_json(model).content.decode()

    def test_segments_of_another_platform_become_properties(self) -> None:
        url = "https://maas.example/v1/plant/readings"
        content = write_aas_json(pump_station(), readings_url=url).content.decode()
        moved = content.replace(url, "https://historian.example/api")
        properties = {}
        for asset in read_aas(moved.encode()).model.assets:
            properties |= {name: one.value for name, one in asset.properties.items()}
        assert properties["TimeSeries.LinkedSegment01.Endpoint"] == "https://historian.example/api"
        assert properties["TimeSeries.LinkedSegment01.Query"].startswith("point=")
        file = properties["TimeSeries.ExternalSegment01.File"]
        assert file.startswith("https://historian.example/api?response_format=csv&point=")

    def test_incomplete_nameplate_is_noted_and_kept_as_technical_data(self) -> None:
        asset = Asset("A", "A", AssetLevel.EQUIPMENT, None, {}, dict(list(NAMEPLATE.items())[:3]))
        exported = write_aas_json(PlantModel((asset,)))
        assert [note.code for note in exported.notes] == [NoteCode.NAMEPLATE_INCOMPLETE]
        assert b"TechnicalData" in exported.content
        assert read_aas(exported.content).model.assets == (asset,)

    def test_malformed_entities_and_relations_are_noted(self) -> None:
        content = write_aas_json(connected_station()).content
        damaged = content.replace(b'"value": "failure_mode"', b'"value": "nonsense"')
        read = read_aas(damaged)
        assert [note.code for note in read.notes] == [NoteCode.ELEMENT_SKIPPED]
        assert len(read.model.entities) == len(connected_station().entities) - 1

    def test_odd_texts_stay_valid_and_are_read_back(self) -> None:
        properties = {
            "1 数": Property("a\nb"),
            "1_": Property("c"),
            "x" * 200: Property("d" * 2000),
        }
        asset = Asset("泵/1 #?", "名" * 150, AssetLevel.EQUIPMENT, None, {}, properties)
        point = Point("泵/T%", "n" * 150, "泵/1 #?", "kPa")
        content = write_aas_json(PlantModel((asset,), (point,))).content
        assert findings(check_json(content)) == []
        assert contents(read_aas(content).model) == contents(PlantModel((asset,), (point,)))


class TestImport:
    @pytest.mark.parametrize("ending", ["json", "aasx"])
    def test_published_nameplate_is_imported(self, ending: str) -> None:
        model = read_aas(published(f"digital_nameplate_3-0-1.{ending}")).model
        asset = model.assets[0]
        assert asset.global_id == "https://admin-shell.io/idta/asset/DigitalNameplate/3/0"
        assert len(asset.properties) == 23
        assert asset.properties["SerialNumber"] == Property(
            "12345678", "", "0112/2///61987#ABA951#009"
        )

    def test_published_nameplate_is_exported_without_findings(self) -> None:
        model = read_aas(published("digital_nameplate_3-0-1.json")).model
        content = write_aasx(model).content
        assert findings(check_aasx(content)) == []
        assert contents(read_aas(content).model) == contents(model)

    def test_elements_with_unknown_semantic_ids_become_properties(self) -> None:
        inner = element("Depth", "5", **external("urn:unknown"))
        group = {"modelType": "SubmodelElementCollection", "idShort": "Size", "value": [inner]}
        span = {
            "modelType": "Range",
            "idShort": "Flow",
            "valueType": "xs:int",
            "min": "1",
            "max": "9",
        }
        names = [{"language": "de", "text": "Pumpe"}, {"language": "en", "text": "Pump"}]
        words = {"modelType": "MultiLanguageProperty", "idShort": "Kind", "value": names}
        result = read_aas(environment(group, span, words))
        assert result.model.assets[0].properties == {
            "Size.Depth": Property("5", "", "urn:unknown"),
            "Flow": Property("1..9"),
            "Kind": Property("Pump"),
        }
        assert [note.code for note in result.notes] == [NoteCode.LANGUAGE_SKIPPED]

    def test_unit_of_a_concept_description_is_used(self) -> None:
        data = json.loads(environment(element("Power", "7", **external("urn:power"))))
        reference = external("https://admin-shell.io/DataSpecificationTemplates/x")["semanticId"]
        content = {
            "modelType": "DataSpecificationIec61360",
            "preferredName": [{"language": "en", "text": "power"}],
            "unit": "kW",
        }
        specification = {"dataSpecification": reference, "dataSpecificationContent": content}
        data["conceptDescriptions"] = [
            {
                "modelType": "ConceptDescription",
                "id": "urn:power",
                "embeddedDataSpecifications": [specification],
            }
        ]
        asset = read_aas(json.dumps(data).encode()).model.assets[0]
        assert asset.properties == {"Power": Property("7", "kW", "urn:power")}

    def test_record_of_time_series_becomes_points(self) -> None:
        time_series = external("https://admin-shell.io/idta/TimeSeries/1/1")
        record = {
            "modelType": "SubmodelElementCollection",
            "idShort": "Record",
            "value": [
                element("Time", None, **external("https://admin-shell.io/idta/TimeSeries/x")),
                {**element("Speed", None, **external("urn:speed")), "valueType": "xs:double"},
                {**element("On", None), "valueType": "xs:boolean"},
            ],
        }
        metadata = {
            "modelType": "SubmodelElementCollection",
            "idShort": "Metadata",
            "value": [record],
        }
        data = json.loads(environment(metadata))
        data["submodels"][0] |= time_series
        for one in record["value"]:
            one.pop("value")
        data["submodels"][0]["submodelElements"] = [metadata]
        points = read_aas(json.dumps(data).encode()).model.points
        assert [(point.tag, point.asset, point.data_type.value) for point in points] == [
            ("Pump.Speed", "Pump", "number"),
            ("Pump.On", "Pump", "boolean"),
        ]
        assert points[0].concept == Concept("aas", "urn:speed")

    def test_two_shells_with_one_name_are_kept_apart(self) -> None:
        data = json.loads(environment())
        second = {**data["assetAdministrationShells"][0], "id": "urn:example:second"}
        data["assetAdministrationShells"].append(second)
        data["submodels"][0].pop("submodelElements")
        result = read_aas(json.dumps(data).encode())
        assert [asset.code for asset in result.model.assets] == ["Pump", "urn:example:second"]
        assert [note.code for note in result.notes] == [NoteCode.CODE_REPLACED]


class TestBadFiles:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"[]",
            b'{"assetAdministrationShells": 1}',
            b"\xff\xfe",
            b"PK\x03\x04",
            b"<a/>",
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            environment(element("a", "b", unknown=1)),
            environment()[:-10],
        ],
        ids=[
            *("empty", "no shells", "list", "number", "no text", "broken ZIP", "other XML"),
            *("entities", "unknown field", "truncated"),
        ],
    )
    def test_unreadable_file_is_invalid(self, content: bytes) -> None:
        with pytest.raises(FormatInvalid):
            read_aas(content)

    def test_json_of_countless_values_is_refused_before_it_is_parsed(self) -> None:
        content = b'{"submodels": [' + b"[]," * 1_000 + b"[]]}"
        with pytest.raises(FormatTooLarge):
            read_aas(content, FormatLimits(max_elements=500))

    def test_parts_in_a_cycle_lose_one_parent(self) -> None:
        assets = tuple(
            Asset(code, code, AssetLevel.EQUIPMENT, parent)
            for code, parent in (("A", "B"), ("B", "C"), ("C", "A"))
        )
        read = read_aas(write_aas_json(PlantModel(assets)).content)
        assert NoteCode.CYCLE in {note.code for note in read.notes}
        assert sum(one.parent is None for one in read.model.assets) == 1

    @pytest.mark.parametrize(
        "content", [b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000], ids=["lists", "objects"]
    )
    def test_deeply_nested_json_is_refused(self, content: bytes) -> None:
        with pytest.raises(FormatInvalid):
            read_aas(content)

    @pytest.mark.parametrize(
        "limits",
        [FormatLimits(max_bytes=100), FormatLimits(max_elements=10), FormatLimits(max_depth=3)],
        ids=["bytes", "elements", "depth"],
    )
    @pytest.mark.parametrize("write", [write_aas_json, write_aasx])
    def test_file_beyond_a_limit_is_too_large(self, limits: FormatLimits, write: Any) -> None:
        with pytest.raises(FormatTooLarge):
            read_aas(write(pump_station()).content, limits)
