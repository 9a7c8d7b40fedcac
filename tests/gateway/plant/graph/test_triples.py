"""The triples of a plant model, as queries see them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    Entity,
    EntityKind,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
)
from gateway.plant.graph.execution import execute_query, load_graph
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.triples import Statement, model_triples, statement_triples
from gateway.plant.graph.vocabulary import node_iri, parse_node_iri

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
PUMP, LEAK = Node(NodeKind.ASSET, "P-101"), Node(NodeKind.FAILURE_MODE, "seal leak")
MODEL = PlantModel(
    assets=(
        Asset("S1", "Site 一", AssetLevel.SITE),
        Asset(
            "P-101",
            'Pump "A"\n',
            AssetLevel.EQUIPMENT,
            parent="S1",
            types={"brick": "Centrifugal_Pump", "eclass": "0173-1#01-AAA000#001"},
            properties={
                "rated_power": Property("7.5", "kW"),
                "serial": Property("00042"),
                "installed": Property("2024-05-01"),
            },
        ),
    ),
    points=(
        Point(
            "P-101.T", asset="P-101", unit="degC", concept=Concept("brick", "Temperature_Sensor")
        ),
    ),
    entities=(Entity(EntityKind.FAILURE_MODE, "seal leak"),),
)


def statement(number: int, valid_to: datetime | None = None) -> Statement:
    return Statement(UUID(int=number), PUMP, "fails_by", LEAK, 0.8, "csv", JANUARY, valid_to)


def rows(text: str, *statements: Statement) -> str:
    lines = [*model_triples(MODEL), *statement_triples(statements)]
    store = load_graph("".join(lines).encode())
    return execute_query(store, text, [ResultFormat.CSV], 10_000).content.decode()


def test_hierarchy_points_and_concepts_can_be_followed():
    text = """select ?site ?concept where {
        ?pump plant:assetType brick:Centrifugal_Pump ; plant:partOf/rdfs:label ?site ;
              plant:hasPoint/plant:concept ?concept }"""
    assert rows(text) == (
        "site,concept\r\nSite 一,https://brickschema.org/schema/Brick#Temperature_Sensor\r\n"
    )


def test_names_with_quotes_and_line_breaks_survive():
    assert 'Pump ""A""\n' in rows("select ?name { asset:P-101 rdfs:label ?name }")


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("plant:ratedPower ?v filter(?v > 7)", "7.5"),
        ("plant:serial ?v filter(datatype(?v) = xsd:string)", "00042"),
        ("plant:installed ?v filter(?v < '2025-01-01'^^xsd:date)", "2024-05-01"),
    ],
)
def test_properties_are_numbers_dates_or_texts(condition, found):
    assert rows(f"select ?v {{ asset:P-101 {condition} }}") == f"v\r\n{found}\r\n"


def test_class_ids_with_reserved_characters_become_one_iri():
    text = "select ?t { asset:P-101 plant:assetType ?t filter(contains(str(?t), 'eclass')) }"
    assert "urn:maas:vocabulary:eclass:0173-1%2301-AAA000%23001" in rows(text)


def test_valid_relation_is_a_triple_and_an_ended_one_only_history():
    text = "select (count(*) as ?n) { asset:P-101 plant:failsBy ?mode }"
    history = "select (count(*) as ?n) { ?r a plant:Relation ; plant:confidence 0.8e0 }"
    assert rows(text, statement(1)) == "n\r\n1\r\n"
    assert rows(text, statement(1, MARCH)) == "n\r\n0\r\n"
    assert rows(history, statement(1, MARCH), statement(2)) == "n\r\n2\r\n"


@pytest.mark.parametrize("code", ["P-101", "site / ahu 3", "位号:1", "a%20b", "0173-1#02"])
def test_node_of_an_iri_is_the_node_it_was_made_of(code):
    node = Node(NodeKind.POINT, code)
    assert parse_node_iri(node_iri(node)) == node


@pytest.mark.parametrize("iri", ["urn:maas:other:1", "http://x/asset:1", "urn:maas:asset", ""])
def test_other_iris_are_of_no_node(iri):
    assert parse_node_iri(iri) is None
