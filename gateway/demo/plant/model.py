"""The plant model of the machining firm: machines with points, failure modes and work orders."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

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

SITE, SHOP, CELL = "HS", "HS-W1", "HS-W1-C1"
MACHINES = tuple(f"CNC-{number:02d}" for number in range(1, 9))
# Its spindle bearing wears out.
WORN_MACHINE = MACHINES[2]
VIBRATION = "VIB"


@dataclass(frozen=True, slots=True)
class PointKind:
    """A point that each machine has; `concept` is empty for those that nobody has mapped yet."""

    tag: str
    name: str
    unit: str
    low: float
    high: float
    concept: str = ""
    on_spindle: bool = False


POINT_KINDS = (
    PointKind("TA", "环境温度 air temperature", "degC", 10, 45, "air_temperature"),
    PointKind("TP", "加工温度 process temperature", "degC", 20, 60, "process_temperature"),
    PointKind("N", "主轴转速 rotational speed", "1/min", 0, 3_000, "rotational_speed"),
    PointKind("TQ", "主轴扭矩 torque", "N*m", 0, 90, "torque"),
    PointKind("WEAR", "刀具磨损 tool wear", "min", 0, 260, "tool_wear"),
    PointKind(VIBRATION, "主轴振动 spindle vibration", "mm/s", 0, 20, "vibration", on_spindle=True),
    PointKind("KSL.P", "冷却液压力", "bar", 0, 10),
    PointKind("KSL.T", "冷却液温度", "degC", 5, 60),
)
_ENTITIES = (
    (EntityKind.FAILURE_MODE, "bearing_wear", "主轴轴承磨损 bearing wear"),
    (EntityKind.FAILURE_MODE, "tool_wear", "刀具磨损 tool wear"),
    (EntityKind.FAILURE_MODE, "overstrain", "过载 overstrain"),
    (EntityKind.CAUSE, "grease_loss", "润滑脂不足"),
    (EntityKind.CAUSE, "coolant_ingress", "冷却液进入主轴"),
    (EntityKind.CAUSE, "late_tool_change", "换刀不及时"),
    (EntityKind.EFFECT, "chatter", "振纹、表面粗糙度超差"),
    (EntityKind.EFFECT, "spindle_seizure", "主轴抱死停机"),
    (EntityKind.REMEDY, "bearing_change", "更换主轴轴承"),
    (EntityKind.REMEDY, "tool_change", "更换刀具"),
    (EntityKind.REMEDY, "regrease", "补充润滑脂"),
    (EntityKind.MATERIAL, "42CrMo4-60", "42CrMo4 圆钢 φ60"),
    (EntityKind.ORDER, "HS-SHAFT-31", "电主轴转轴 200 件"),
    (EntityKind.DOCUMENT, "MAN-VMC850", "VMC850 维护手册"),
)
_FMEA = (
    ("failure_mode:bearing_wear", "caused_by", "cause:grease_loss", 0.7),
    ("failure_mode:bearing_wear", "caused_by", "cause:coolant_ingress", 0.4),
    ("failure_mode:bearing_wear", "has_effect", "effect:chatter", 0.9),
    ("failure_mode:bearing_wear", "has_effect", "effect:spindle_seizure", 0.6),
    ("failure_mode:bearing_wear", "remedied_by", "remedy:bearing_change", 1.0),
    ("failure_mode:bearing_wear", "remedied_by", "remedy:regrease", 0.5),
    ("failure_mode:tool_wear", "caused_by", "cause:late_tool_change", 0.8),
    ("failure_mode:tool_wear", "has_effect", "effect:chatter", 0.7),
    ("failure_mode:tool_wear", "remedied_by", "remedy:tool_change", 1.0),
    ("failure_mode:overstrain", "caused_by", "cause:late_tool_change", 0.6),
    ("failure_mode:overstrain", "remedied_by", "remedy:tool_change", 0.9),
    ("order:HS-SHAFT-31", "uses", "material:42CrMo4-60", 1.0),
    ("order:HS-SHAFT-31", "made_on", f"asset:{WORN_MACHINE}", 1.0),
)


@dataclass(frozen=True, slots=True)
class _WorkOrder:
    """A work order some days before the end of the demo: what it found, and what was done."""

    days: int
    machine: str
    found: str
    remedy: str
    text: str


_WORK_ORDERS = MappingProxyType(
    {
        "WO-0001": _WorkOrder(
            64, "CNC-05", "bearing_wear", "bearing_change", "主轴异响，更换前轴承"
        ),
        "WO-0002": _WorkOrder(41, "CNC-01", "tool_wear", "tool_change", "表面粗糙度超差，更换铣刀"),
        "WO-0003": _WorkOrder(23, WORN_MACHINE, "bearing_wear", "regrease", "振动偏高，补充润滑脂"),
        "WO-0004": _WorkOrder(9, "CNC-07", "overstrain", "tool_change", "扭矩报警，更换刀具"),
        "WO-0005": _WorkOrder(
            1, WORN_MACHINE, "bearing_wear", "bearing_change", "振动持续上升，计划更换主轴轴承"
        ),
    }
)


def point_tag(machine: str, kind: PointKind) -> str:
    """Return the tag of a machine's point."""
    return f"{machine}.{kind.tag}"


def plant_model(now: datetime) -> PlantModel:
    """Return the plant model as of a time, which the dates of work orders refer to."""
    work_orders = [
        Entity(EntityKind.WORK_ORDER, code, order.text, {"date": _date(now, order.days)})
        for code, order in _WORK_ORDERS.items()
    ]
    return PlantModel(
        tuple(_assets()),
        tuple(_points()),
        (*(Entity(*entity) for entity in _ENTITIES), *work_orders),
        tuple(_relations()),
    )


def _assets() -> Iterable[Asset]:
    """Yield the site, its shop and cell, the machines and their spindles."""
    yield Asset(SITE, "海曙工厂", AssetLevel.SITE)
    yield Asset(SHOP, "一车间", AssetLevel.AREA, SITE)
    yield Asset(CELL, "转轴加工单元", AssetLevel.WORK_CENTER, SHOP)
    for number, machine in enumerate(MACHINES, 1):
        nameplate: Mapping[str, Property] = {
            "model": Property("VMC850"),
            "serial_number": Property(f"HS-850-{number:03d}"),
        }
        name = f"立式加工中心 {number}"
        yield Asset(machine, name, AssetLevel.EQUIPMENT, CELL, properties=nameplate)
        yield Asset(f"{machine}-SP", "电主轴", AssetLevel.COMPONENT, machine)


def _points() -> Iterable[Point]:
    """Yield the points of all machines."""
    for machine in MACHINES:
        for kind in POINT_KINDS:
            yield Point(
                point_tag(machine, kind),
                kind.name,
                f"{machine}-SP" if kind.on_spindle else machine,
                kind.unit,
                low=kind.low,
                high=kind.high,
                concept=Concept("own", kind.concept) if kind.concept else None,
            )


def _relations() -> Iterable[Relation]:
    """Yield the failure analysis, and what the work orders found and did."""
    for subject, predicate, target, confidence in _FMEA:
        yield Relation(_node(subject), predicate, _node(target), confidence)
    for machine in MACHINES:
        asset = _node(f"asset:{machine}")
        for mode in ("bearing_wear", "tool_wear", "overstrain"):
            yield Relation(asset, "has_failure_mode", _node(f"failure_mode:{mode}"))
        yield Relation(_node("document:MAN-VMC850"), "describes", asset)
    for code, done in _WORK_ORDERS.items():
        order = _node(f"work_order:{code}")
        yield Relation(order, "on", _node(f"asset:{done.machine}"))
        yield Relation(order, "found", _node(f"failure_mode:{done.found}"))
        yield Relation(order, "remedy", _node(f"remedy:{done.remedy}"))


def _date(now: datetime, days: int) -> Property:
    """Return the date some days ago."""
    return Property((now - timedelta(days=days)).date().isoformat())


def _node(text: str) -> Node:
    """Return the node of a kind and code, such as `asset:CNC-01`."""
    kind, _, code = text.partition(":")
    return Node(NodeKind(kind), code)
