"""Tell the names of equipment from those of points, and what a bare point of an equipment means.

A temperature of a terminal unit is that of its zone, one of an air handler that of its supply air.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from models.tag_align.naming import Words

# What a point gives. A name with one of these words is the name of a point.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "sensor": "sensor",
        "transmitter": "sensor",
        "indicator": "sensor",
        "meter": "sensor",
        "usage": "sensor",
        "setpoint": "setpoint",
        "command": "command",
        "enable": "command",
        "disable": "command",
        "override": "command",
        "reset": "command",
        "status": "status",
        "state": "status",
        "mode": "status",
        "feedback": "status",
        "alarm": "alarm",
        "fault": "alarm",
        "failure": "alarm",
        "warning": "alarm",
        "limit": "limit",
        "parameter": "parameter",
        "gain": "parameter",
        "deadband": "parameter",
    }
)
QUANTITIES = frozenset(
    "temperature humidity pressure flow level speed velocity power energy current voltage "
    "frequency position co2 concentration enthalpy occupancy demand torque vibration luminance "
    "weight density conductivity efficiency capacity mass time hours count quality percentage "
    "acceleration force radiation moisture load rate ratio".split()
)
_EQUIPMENT = frozenset(
    "unit box fan pump chiller boiler tower valve damper coil motor robot conveyor spindle press "
    "furnace compressor tank exchanger generator turbine gearbox machine heater cooler humidifier "
    "economizer beam drive handler filter condenser evaporator engine battery inverter transformer "
    "elevator panel switchgear controller line cell axis wheel radiator hood crane mixer mill "
    "separator burner economiser plant loop vfd".split()
)
_PLACES = frozenset(
    "site building floor room zone area hall wing level storey campus plant basement roof corridor "
    "section department".split()
)
_AIR_ZONE: Mapping[str, str] = MappingProxyType(
    {"temperature": "zone air", "flow": "supply air", "humidity": "zone air", "co2": "zone"}
)
_SUPPLY_AIR: Mapping[str, str] = MappingProxyType(
    {"temperature": "supply air", "flow": "supply air", "humidity": "supply air"}
)
# The medium or place that a point's quantity has by default, by words of its equipment.
_CONTEXTS: tuple[tuple[frozenset[str], Mapping[str, str]], ...] = (
    (frozenset({"variable", "box"}), _AIR_ZONE),
    (frozenset({"constant", "volume"}), _AIR_ZONE),
    (frozenset({"coil", "unit"}), _AIR_ZONE),
    (frozenset({"room"}), _AIR_ZONE),
    (frozenset({"zone"}), _AIR_ZONE),
    (frozenset({"exhaust", "fan"}), MappingProxyType({"flow": "exhaust air"})),
    (frozenset({"return", "fan"}), MappingProxyType({"flow": "return air"})),
    (frozenset({"supply", "fan"}), _SUPPLY_AIR),
    (frozenset({"handler"}), _SUPPLY_AIR),
    (frozenset({"rooftop"}), _SUPPLY_AIR),
    (
        frozenset({"chiller"}),
        MappingProxyType({"temperature": "chilled water", "flow": "chilled water"}),
    ),
    (frozenset({"boiler"}), MappingProxyType({"temperature": "hot water", "flow": "hot water"})),
)
# A leaf with one of these names its medium or its place itself.
_MEDIA = frozenset(
    "air water steam gas oil room zone outside supply return discharge exhaust mixed chilled hot "
    "condenser refrigerant entering leaving duct coil".split()
)


def kind_of(words: Sequence[str]) -> str:
    """Return what a point gives by the last word that says so; empty if none does."""
    return next((KINDS[word] for word in reversed(words) if word in KINDS), "")


def is_point(words: Sequence[str]) -> bool:
    """Whether a name, in English words, is one of a point: it has a kind or a quantity."""
    return any(word in KINDS or word in QUANTITIES for word in words)


def is_equipment(words: Sequence[str]) -> bool:
    """Whether a name, in English words, is one of equipment and not of a point."""
    return not is_point(words) and any(word in _EQUIPMENT for word in words)


def is_place(words: Sequence[str]) -> bool:
    """Whether a name, in English words, is one of a place and not of equipment."""
    return any(word in _PLACES for word in words) and not is_equipment(words)


def default_medium(leaf: Sequence[str], parents: Sequence[Words]) -> Words:
    """Return the medium or place of a point that names none itself, by its nearest equipment.

    leaf, parents: English words; the parents from the outermost to the nearest.
    """
    if any(word in _MEDIA for word in leaf):
        return ()
    quantity = next((word for word in leaf if word in QUANTITIES), "")
    for parent in reversed(parents):
        for equipment, media in _CONTEXTS:
            if equipment <= set(parent):
                return tuple(media.get(quantity, "").split())
    return ()
