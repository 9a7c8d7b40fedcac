"""A generated plant: pumps, fans and compressors in areas, work orders, an FMEA, documents.

Plain records, from which the expected answers are computed without the graph; and the same as a
plant model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from uuid import UUID

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
    Relation,
)
from gateway.plant.graph.records import VerdictRecord

SEED = 20261130
AREAS = (
    ("A1", "Boiler house", "锅炉房"),
    ("A2", "Water treatment", "水处理"),
    ("A3", "Packing hall", "包装车间"),
)
TYPES = (
    ("P", "Centrifugal_Pump", "Feed pump", 14),
    ("F", "Supply_Fan", "Supply fan", 8),
    ("C", "Compressor", "Air compressor", 6),
)
# Code, name. Half of the names are Chinese, as in the plants of mixed suppliers.
MODES = (
    ("seal_leak", "Seal leak"),
    ("bearing_overheating", "轴承过热"),
    ("vibration", "Vibration"),
    ("cavitation", "汽蚀"),
    ("belt_wear", "Belt wear"),
    ("filter_blockage", "滤网堵塞"),
)
REMEDIES = (
    ("bearing_change", "更换轴承"),
    ("seal_change", "Replace mechanical seal"),
    ("shaft_alignment", "Align shaft"),
    ("filter_cleaning", "清洗滤网"),
    ("lubrication", "Lubricate bearing"),
)
CAUSES = (
    ("misalignment", "Misalignment"),
    ("dry_running", "干转"),
    ("lack_of_grease", "Lack of grease"),
    ("imbalance", "转子不平衡"),
    ("low_suction_pressure", "Low suction pressure"),
)
EFFECTS = (
    ("loss_of_product", "Loss of product"),
    ("standstill", "停机"),
    ("high_power", "High power"),
)
# Component, failure mode, cause, effect, remedy, severity, occurrence, detection.
FMEA = (
    ("mechanical seal", "seal_leak", "dry_running", "loss_of_product", "seal_change", 8, 5, 4),
    ("mechanical seal", "seal_leak", "misalignment", "loss_of_product", "shaft_alignment", 8, 3, 5),
    ("bearing", "bearing_overheating", "lack_of_grease", "standstill", "lubrication", 7, 6, 3),
    ("bearing", "vibration", "imbalance", "standstill", "bearing_change", 6, 4, 3),
    ("impeller", "cavitation", "low_suction_pressure", "high_power", "filter_cleaning", 5, 3, 6),
    ("filter", "filter_blockage", "", "standstill", "filter_cleaning", 4, 7, 2),
)
_MODES_OF = {
    "P": ("seal_leak", "bearing_overheating", "vibration", "cavitation"),
    "F": ("vibration", "belt_wear", "bearing_overheating"),
    "C": ("vibration", "filter_blockage", "bearing_overheating"),
}
_REMEDY_OF = {
    "seal_leak": ("seal_change",),
    "bearing_overheating": ("bearing_change", "lubrication"),
    "vibration": ("bearing_change", "shaft_alignment"),
    "cavitation": ("filter_cleaning",),
    "belt_wear": (),
    "filter_blockage": ("filter_cleaning",),
}
_BASE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: code, kind (`P`, `F`, `C`), area, rated power in kW."""

    code: str
    kind: str
    name: str
    area: str
    power: str


@dataclass(frozen=True, slots=True)
class Order:
    """A work order: number, machine, day, failure mode (or empty) and remedy (or empty)."""

    number: str
    machine: str
    day: str
    found: str
    done: str


@dataclass(frozen=True, slots=True)
class GeneratedPlant:
    """Machines, work orders, documents (code, what each is about), verdicts."""

    machines: Sequence[Machine]
    orders: Sequence[Order]
    documents: Sequence[tuple[str, str, Node]]
    verdicts: Sequence[VerdictRecord]


def generate() -> GeneratedPlant:
    """Return the plant, the same each time."""
    random = Random(SEED)
    machines = [
        Machine(
            f"{letter}-{101 + number}",
            letter,
            f"{name} {number + 1}",
            AREAS[number % len(AREAS)][0],
            f"{random.choice((7.5, 11, 15, 22, 30))}",
        )
        for letter, _, name, count in TYPES
        for number in range(count)
    ]
    orders = [_order(number, machines, random) for number in range(140)]
    documents = [
        ("D-PUMP", "Pump manual", Node(NodeKind.ASSET, "P-101")),
        ("D-SEAL", "Seal failures guide", Node(NodeKind.FAILURE_MODE, "seal_leak")),
        ("D-FAN", "Fan drawing", Node(NodeKind.ASSET, "F-102")),
    ]
    verdicts = [
        VerdictRecord(
            f"vrd_{number:02}", code, f"req_{number:02}", "life",
            datetime(2026, 6, 1 + number, 8, tzinfo=UTC), {"remaining_life": 40 + number}, "3",
        )
        for number, code in enumerate(("P-101", "P-102", "C-101", "P-101"))
    ]  # fmt: skip
    return GeneratedPlant(machines, orders, documents, verdicts)


def _order(number: int, machines: Sequence[Machine], random: Random) -> Order:
    """Return a work order on a random machine and day of 2025 or 2026."""
    machine = random.choice(machines)
    found = random.choice((*_MODES_OF[machine.kind], ""))
    done = random.choice((*_REMEDY_OF.get(found, ("bearing_change",)), ""))
    day = f"{random.choice((2025, 2026))}-{random.randint(1, 10):02}-{random.randint(1, 28):02}"
    return Order(f"WO-{4001 + number}", machine.code, day, found, done)


def plant_model(plant: GeneratedPlant) -> PlantModel:
    """Return the plant as a plant model."""
    assets = [
        Asset("W1", "Works", AssetLevel.SITE),
        *(Asset(code, f"{name} / {zh}", AssetLevel.AREA, "W1") for code, name, zh in AREAS),
        *(_machine_asset(one) for one in plant.machines),
    ]
    entities = [
        *_entities(EntityKind.FAILURE_MODE, MODES),
        *_entities(EntityKind.REMEDY, REMEDIES),
        *_entities(EntityKind.CAUSE, CAUSES),
        *_entities(EntityKind.EFFECT, EFFECTS),
        *(
            Entity(EntityKind.WORK_ORDER, one.number, one.number, {"date": Property(one.day)})
            for one in plant.orders
        ),
        *(Entity(EntityKind.DOCUMENT, code, name) for code, name, _ in plant.documents),
    ]
    items, relations = _fmea()
    relations += [relation for one in plant.orders for relation in _order_relations(one)]
    relations += [
        Relation(Node(NodeKind.DOCUMENT, code), "about", about)
        for code, _, about in plant.documents
    ]
    return PlantModel(tuple(assets), tuple(_points(plant)), (*entities, *items), tuple(relations))


def relation_id(number: int) -> UUID:
    """Return the id of a relation by its number."""
    return UUID(int=number + 1)


BASE = _BASE


def _machine_asset(machine: Machine) -> Asset:
    """Return a machine as an asset."""
    brick = next(brick for letter, brick, _, _ in TYPES if letter == machine.kind)
    properties = {
        "rated_power": Property(machine.power, "kW"),
        "manufacturer": Property("KSB" if machine.kind == "P" else "Howden"),
    }
    return Asset(
        machine.code, machine.name, AssetLevel.EQUIPMENT, machine.area, {"brick": brick}, properties
    )


def _points(plant: GeneratedPlant) -> list[Point]:
    """Return a temperature and a vibration point of each machine."""
    kinds = (("T", "Temperature_Sensor", "degC"), ("V", "Vibration_Sensor", "mm/s"))
    return [
        Point(f"{one.code}.{letter}", "", one.code, unit, concept=Concept("brick", concept))
        for one in plant.machines
        for letter, concept, unit in kinds
    ]


def _entities(kind: EntityKind, named: Sequence[tuple[str, str]]) -> list[Entity]:
    """Return entities of a kind."""
    return [Entity(kind, code, name) for code, name in named]


def _order_relations(order: Order) -> list[Relation]:
    """Return the relations of a work order."""
    node = Node(NodeKind.WORK_ORDER, order.number)
    found = [Relation(node, "on", Node(NodeKind.ASSET, order.machine))]
    if order.found:
        found.append(Relation(node, "found", Node(NodeKind.FAILURE_MODE, order.found)))
    if order.done:
        found.append(Relation(node, "remedy", Node(NodeKind.REMEDY, order.done)))
    return found


def _fmea() -> tuple[list[Entity], list[Relation]]:
    """Return the items of the FMEA and their relations."""
    items, relations = [], []
    for number, (component, mode, cause, effect, remedy, *ratings) in enumerate(FMEA):
        severity, occurrence, detection = ratings
        values = {
            "component": component,
            "severity": severity,
            "occurrence": occurrence,
            "detection": detection,
            "rpn": severity * occurrence * detection,
        }
        properties = {name: Property(str(value)) for name, value in values.items()}
        code = f"fmea-{number}"
        items.append(Entity(EntityKind.FMEA_ITEM, code, f"{component}: {mode}", properties))
        item, failure = Node(NodeKind.FMEA_ITEM, code), Node(NodeKind.FAILURE_MODE, mode)
        relations.append(Relation(item, "failure_mode", failure))
        for kind, name, predicate in (
            (NodeKind.CAUSE, cause, "caused_by"),
            (NodeKind.EFFECT, effect, "has_effect"),
            (NodeKind.REMEDY, remedy, "remedied_by"),
        ):
            if name:
                relations.append(Relation(item, kind.value, Node(kind, name)))
                relations.append(Relation(failure, predicate, Node(kind, name)))
    unique = {(one.subject, one.predicate, one.object): one for one in relations}
    return items, list(unique.values())
