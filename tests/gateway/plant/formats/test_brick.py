"""Import and export of Brick models."""

from dataclasses import replace

import pytest

from gateway.plant.assets.values import (
    AssetLevel,
    Concept,
    Node,
    NodeKind,
    PlantModel,
    Property,
    Relation,
)
from gateway.plant.formats.brick.reader import read_brick
from gateway.plant.formats.brick.writer import write_brick
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.results import FormatInvalid, FormatTooLarge, NoteCode
from models.training_data import default_directory
from tests.support.plants import BRICK, connected_station, contents, pump_station

PREFIXES = """
@prefix brick: <https://brickschema.org/schema/Brick#> .
@prefix old: <https://brickschema.org/schema/1.0.2/Brick#> .
@prefix ref: <https://brickschema.org/schema/Brick/ref#> .
@prefix unit: <http://qudt.org/vocab/unit/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix : <http://building.example#> .
"""


def read(turtle: str) -> PlantModel:
    """The model of a Turtle text."""
    return read_brick((PREFIXES + turtle).encode()).model


def codes(turtle: str) -> list[NoteCode]:
    """The kinds of the notes of a Turtle text."""
    return [note.code for note in read_brick((PREFIXES + turtle).encode()).notes]


def published() -> list[object]:
    """The published Brick models beside the repository."""
    folder = default_directory() / "brick_models"
    files = sorted(folder.glob("*.ttl")) if folder.is_dir() else []
    return files or [pytest.param(None, marks=pytest.mark.skip("needs the Brick models"))]


class TestImport:
    def test_parts_and_points_are_found_by_either_direction_of_a_property(self) -> None:
        model = read(
            ":ahu a brick:AHU ; brick:hasPart :fan ; brick:isLocationOf :x ."
            ":fan a brick:Fan . :fan brick:hasPoint :speed . :speed a brick:Speed_Setpoint ."
            ":t a brick:Temperature_Sensor ; brick:isPointOf :ahu ."
        )
        assert [(asset.code, asset.parent) for asset in model.assets] == [
            ("ahu", None),
            ("fan", "ahu"),
        ]
        assert {point.tag: point.asset for point in model.points} == {"speed": "fan", "t": "ahu"}

    def test_point_has_class_unit_label_and_the_id_of_its_time_series(self) -> None:
        point = read(
            ':t a brick:Point, brick:Temperature_Sensor ; rdfs:label "Temperatur"@de, "Temp"@en ;'
            " brick:hasUnit unit:DEG_C ;"
            ' ref:hasExternalReference [ ref:hasTimeseriesId "S1.T" ] .'
        ).points[0]
        assert (point.tag, point.name, point.unit) == ("S1.T", "Temp", "degC")
        assert point.concept == Concept("brick", f"{BRICK}Temperature_Sensor")

    def test_terms_of_older_versions_are_those_of_the_current_one(self) -> None:
        model = read(":a a old:AHU ; old:feeds :b . :b a old:VAV .")
        assert model.assets[0].types == {"brick": f"{BRICK}AHU"}
        assert model.relations == (
            Relation(Node(NodeKind.ASSET, "a"), "feeds", Node(NodeKind.ASSET, "b")),
        )

    def test_levels_follow_locations_and_equipment(self) -> None:
        model = read(
            ":s a brick:Site ; brick:hasPart :b . :b a brick:Building ; brick:hasPart :f ."
            ":f a brick:Floor ; brick:hasPart :r . :r a brick:Room ; brick:isLocationOf :p ."
            ":p a brick:Pump ; brick:hasPart :m . :m a brick:Motor ."
        )
        assert [asset.level for asset in model.assets] == [
            AssetLevel.SITE,
            AssetLevel.AREA,
            AssetLevel.WORK_CENTER,
            AssetLevel.WORK_UNIT,
            AssetLevel.EQUIPMENT,
            AssetLevel.EQUIPMENT,
        ]

    def test_room_of_floor_and_zone_is_part_of_the_floor_and_related_to_the_zone(self) -> None:
        model = read(
            ":f a brick:Floor ; brick:hasPart :r . :z a brick:HVAC_Zone ; brick:hasPart :r ."
            ":r a brick:Room ."
        )
        room, zone = Node(NodeKind.ASSET, "r"), Node(NodeKind.ASSET, "z")
        assert {asset.code: asset.parent for asset in model.assets}["r"] == "f"
        assert model.relations == (Relation(room, "part_of", zone),)

    def test_property_with_value_keeps_unit_and_predicate(self) -> None:
        asset = read(
            ":r a brick:Room ; brick:area [ brick:value 12.5 ; brick:hasUnit unit:M2 ] ."
        ).assets[0]
        assert asset.properties == {"area": Property("12.5", "m2", f"{BRICK}area")}

    def test_equal_local_names_become_whole_iris(self) -> None:
        model = read(":a a brick:Fan . <http://other.example#a> a brick:Fan .")
        assert {asset.code for asset in model.assets} == {
            "http://building.example#a",
            "http://other.example#a",
        }

    @pytest.mark.parametrize(
        ("turtle", "note"),
        [
            (":a a brick:Fan ; brick:isPartOf :b . :b a brick:Fan ; brick:isPartOf :a .", "cycle"),
            (":a a brick:Fan ; brick:feeds :b .", "no_type"),
            (":a a brick:Fan, brick:Pump .", "type_skipped"),
            (":t a brick:Sensor ; brick:hasUnit unit:FURLONG .", "unit_unknown"),
            (':a a brick:Fan ; rdfs:comment "x" .', "statement_skipped"),
        ],
    )
    def test_loss_is_noted(self, turtle: str, note: str) -> None:
        assert codes(turtle) == [NoteCode(note)]


class TestBadFiles:
    @pytest.mark.parametrize(
        "content", [b"\xff\xfe", b"<a> <b>", b"{}", b"@prefix : <a> . :a :b"], ids=repr
    )
    def test_unreadable_file_is_invalid(self, content: bytes) -> None:
        with pytest.raises(FormatInvalid):
            read_brick(content)

    @pytest.mark.parametrize("limits", [FormatLimits(max_bytes=10), FormatLimits(max_elements=1)])
    def test_file_beyond_a_limit_is_too_large(self, limits: FormatLimits) -> None:
        with pytest.raises(FormatTooLarge):
            read_brick((PREFIXES + ":a a brick:Fan . :b a brick:Fan .").encode(), limits)

    def test_empty_file_has_no_assets(self) -> None:
        assert read_brick(b"").model == PlantModel()


class TestExport:
    def test_exported_model_is_read_back_without_loss(self) -> None:
        exported = write_brick(connected_station())
        read_back = read_brick(exported.content)
        assert contents(read_back.model) == contents(connected_station())
        assert (exported.notes, read_back.notes) == ((), ())

    def test_asset_and_point_with_the_same_key_stay_apart(self) -> None:
        model = pump_station()
        same = replace(model, points=(replace(model.points[0], tag="P-1"),))
        assert contents(read_brick(write_brick(same).content).model) == contents(same)

    def test_malformed_entities_and_relations_are_noted(self) -> None:
        content = write_brick(connected_station()).content
        damaged = content.replace(b'"failure_mode"', b'"nonsense"')
        assert [note.code for note in read_brick(damaged).notes] == [
            NoteCode.ENTITY_SKIPPED,
            NoteCode.RELATION_SKIPPED,
        ]

    @pytest.mark.parametrize("path", published())
    def test_published_model_is_exported_and_read_back_without_loss(self, path: object) -> None:
        model = read_brick(path.read_bytes()).model
        exported = write_brick(model)
        assert len(model.assets) > 15
        assert exported.notes == ()
        assert contents(read_brick(exported.content).model) == contents(model)
