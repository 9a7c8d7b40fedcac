"""Plant models for the tests of exchange formats."""

from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    DataType,
    Entity,
    EntityKind,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
    Relation,
)

BRICK = "https://brickschema.org/schema/Brick#"
NAMEPLATE = {
    "URIOfTheProduct": Property("https://pumps.example/p1"),
    "ManufacturerName": Property("示例泵业", "", "0173-1#02-AAO677#002"),
    "ManufacturerProductDesignation": Property("Centrifugal pump"),
    "ManufacturerProductType": Property("CP-3"),
    "SerialNumber": Property("4711"),
    "YearOfConstruction": Property("2024"),
    "DateOfManufacture": Property("2024-03-01"),
    "ContactInformation.Street": Property("Pump Street 1"),
    "ContactInformation.CityTown": Property("Hangzhou"),
}
TECHNICAL = {
    "Rated power (kW)": Property("7.5", "kW", "0173-1#02-AAA000#001"),
    "Weight": Property("55", "kg"),
}


def pump_station() -> PlantModel:
    """A site with two pumps, of which one has a nameplate and points, and the other feeds it."""
    first = Asset(
        "P-1",
        "Pump 一",
        AssetLevel.EQUIPMENT,
        "S1",
        {"brick": f"{BRICK}Pump", "eclass": "0173-1#01-AAA000#001", "iso14224": "PU"},
        {**NAMEPLATE, **TECHNICAL},
        "https://pumps.example/p1",
    )
    second = Asset(
        "Pump 2", "Pump 2", AssetLevel.EQUIPMENT, "S1", {}, {"SerialNumber": Property("77")}
    )
    temperature = Concept("brick", f"{BRICK}Temperature_Sensor")
    points = (
        Point("S1.P1.T", "Bearing", "P-1", "degC", DataType.NUMBER, -10, 120.5, temperature),
        Point("S1.P1.On", "", "P-1", "", DataType.BOOLEAN),
        Point("S1/P2/Δp", "", "Pump 2", "bar", DataType.NUMBER, 0, 10, Concept("own", "pressure")),
        Point("S1.Text", "", "Pump 2", "", DataType.TEXT),
    )
    feeds = Relation(Node(NodeKind.ASSET, "Pump 2"), "feeds", Node(NodeKind.ASSET, "P-1"))
    site = Asset("S1", "Station 1", AssetLevel.SITE)
    return PlantModel((site, first, second), points, (), (feeds,))


def connected_station() -> PlantModel:
    """The pump station with entities of several kinds, relations, and a point of no asset."""
    station = pump_station()
    leak = Entity(EntityKind.FAILURE_MODE, "LEAK", "密封泄漏")
    order = Entity(
        EntityKind.WORK_ORDER,
        'WO/7 "a"',
        "n" * 200,
        {"Done on": Property("2026-11-01"), "Torque": Property("12", "N.m", "0173-1#02-AAA1#001")},
    )
    steel = Entity(EntityKind.MATERIAL, "1.4301")
    pump, failure = Node(NodeKind.ASSET, "P-1"), Node(NodeKind.FAILURE_MODE, "LEAK")
    work, point = Node(NodeKind.WORK_ORDER, order.code), Node(NodeKind.POINT, "S1.P1.T")
    relations = (
        *station.relations,
        Relation(pump, "has_failure", failure, 0.75),
        Relation(work, "done on", pump),
        Relation(point, "indicates", failure),
        Relation(work, "uses", Node(NodeKind.MATERIAL, "1.4301")),
    )
    free = Point("free", "Ambient", None, "degC", DataType.NUMBER, None, 45)
    points = (*station.points, free)
    return PlantModel(station.assets, points, (leak, order, steel), relations)


def contents(model: PlantModel) -> tuple[object, ...]:
    """The parts of a model, independent of their order."""
    return (
        sorted(model.assets, key=lambda asset: asset.code),
        sorted(model.points, key=lambda point: point.tag),
        sorted(model.relations, key=str),
        sorted(model.entities, key=str),
    )


def large_plant(points: int) -> PlantModel:
    """One pump with many points; with 3,000, its NodeSet has more than two megabytes."""
    made = tuple(
        Point(f"T-{n}", "x", "P-1", "degC", low=float("-inf") if n == 0 else 0.0, high=9.0)
        for n in range(points)
    )
    asset = Asset("P-1", "Pump", AssetLevel.EQUIPMENT, None, {}, {"Maker": Property("KSB")})
    return PlantModel((asset,), made)
