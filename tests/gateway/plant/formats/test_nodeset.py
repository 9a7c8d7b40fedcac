"""Import and export of OPC UA NodeSets."""

import gzip
from dataclasses import replace

import pytest

from gateway.plant.assets.values import AssetLevel, DataType, PlantModel, Property
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.nodeset.reader import read_nodeset
from gateway.plant.formats.nodeset.writer import write_nodeset
from gateway.plant.formats.results import FormatInvalid, FormatTooLarge, NoteCode
from models.training_data import default_directory
from tests.gateway.plant.formats.station import document, station
from tests.support.plants import connected_station, contents, pump_station

BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"


def published() -> list[object]:
    """The published NodeSets beside the repository."""
    folder = default_directory() / "opcua_nodesets"
    files = sorted(folder.glob("*.xml*")) if folder.is_dir() else []
    return files or [pytest.param(None, marks=pytest.mark.skip("needs the published NodeSets"))]


@pytest.fixture(scope="module")
def model() -> PlantModel:
    """The model of the pump station."""
    return read_nodeset(station()).model


class TestImport:
    def test_objects_become_assets_and_folders_do_not(self, model: PlantModel) -> None:
        found = {asset.code: (asset.parent, asset.level) for asset in model.assets}
        assert found == {
            "Station": (None, AssetLevel.EQUIPMENT),
            "Pump1": ("Station", AssetLevel.EQUIPMENT),
            "Pump2": ("Station", AssetLevel.EQUIPMENT),
            "Station/Pumps/Pump1/Components/Motor": ("Pump1", AssetLevel.COMPONENT),
            "Station/Pumps/Pump2/Components/Motor": ("Pump2", AssetLevel.COMPONENT),
        }

    def test_variable_has_browse_path_unit_and_range(self, model: PlantModel) -> None:
        point = model.points[0]
        assert point.tag == "Station/Pumps/Pump1/Pressure"
        assert (point.asset, point.name) == ("Pump1", "Discharge pressure")
        assert (point.unit, point.low, point.high) == ("bar", 0, 16)
        assert model.points[1].data_type is DataType.BOOLEAN

    def test_identification_becomes_properties_and_the_global_id(self, model: PlantModel) -> None:
        pump = model.assets[1]
        assert pump.global_id == "urn:example:pump:1"
        assert pump.properties == {
            "Manufacturer": Property("Example Pumps", "", "0173-1#02-AAO677#002")
        }

    def test_type_definitions_are_reported_and_not_imported(self) -> None:
        result = read_nodeset(station())
        notes = {note.code: note for note in result.notes}
        assert notes[NoteCode.TYPE_DEFINITION].subjects == ("PumpType", "Pressure")
        assert len(result.model.points) == 4

    @pytest.mark.parametrize("path", published())
    def test_published_type_models_have_no_instances(self, path: object) -> None:
        raw = path.read_bytes()
        result = read_nodeset(gzip.decompress(raw) if path.suffix == ".gz" else raw)
        assert (result.model.assets, result.model.points) == ((), ())
        assert {note.code for note in result.notes} >= {NoteCode.TYPE_DEFINITION}


class TestBadFiles:
    @pytest.mark.parametrize(
        "content",
        [b"", b"{}", b"<a/>", b"\xff\xfe\x00", document("", BOMB), document("")[:-5]],
        ids=["empty", "JSON", "other root", "no text", "XML bomb", "truncated"],
    )
    def test_unreadable_file_is_invalid(self, content: bytes) -> None:
        with pytest.raises(FormatInvalid):
            read_nodeset(content)

    def test_undeclared_namespace_is_invalid(self) -> None:
        with pytest.raises(FormatInvalid, match="undeclared namespace"):
            read_nodeset(document('<UAObject NodeId="ns=9;i=1" BrowseName="a"/>'))

    @pytest.mark.parametrize(
        "limits",
        [FormatLimits(max_bytes=100), FormatLimits(max_elements=20), FormatLimits(max_depth=3)],
        ids=["bytes", "elements", "depth"],
    )
    def test_file_beyond_a_limit_is_too_large(self, limits: FormatLimits) -> None:
        with pytest.raises(FormatTooLarge):
            read_nodeset(station(), limits)

    def test_cyclic_references_end(self) -> None:
        node = (
            '<UAObject NodeId="ns=1;i={}" BrowseName="1:{}"><References>'
            '<Reference ReferenceType="HasComponent">ns=1;i={}</Reference></References></UAObject>'
        )
        root = node.format(1, "root", 2)
        cycle = node.format(2, "a", 3) + node.format(3, "b", 2)
        result = read_nodeset(document(root + cycle))
        assert [asset.code for asset in result.model.assets] == ["root", "a", "b"]


class TestExport:
    def test_exported_model_is_read_back_without_loss(self) -> None:
        model = connected_station()
        exported = write_nodeset(model)
        read = read_nodeset(exported.content)
        assert contents(read.model) == contents(model)
        assert (exported.notes, read.notes) == ((), ())

    def test_relation_without_its_subject_is_noted(self) -> None:
        notes = write_nodeset(replace(pump_station(), assets=())).notes
        assert [(note.code, note.subjects) for note in notes] == [
            (NoteCode.RELATION_SKIPPED, ("feeds",))
        ]

    def test_malformed_relation_is_noted(self) -> None:
        content = write_nodeset(connected_station()).content
        read = read_nodeset(content.replace(b'targetKind="material"', b'targetKind="gold"'))
        assert [note.code for note in read.notes] == [NoteCode.RELATION_SKIPPED]
        assert len(read.model.relations) == len(connected_station().relations) - 1

    def test_instances_of_another_tool_are_read_back_without_loss(self, model: PlantModel) -> None:
        assert contents(read_nodeset(write_nodeset(model).content).model) == contents(model)
