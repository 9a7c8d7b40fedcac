"""Read designations of power plants: KKS (`10LAC10CT001 XQ01`) and RDS-PP (`=MDK51 -BT012`).

Only the letters with a fixed meaning are read: the system, the kind of equipment or measurement,
and the kind of signal. The numbers count identical parts.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from models.tag_align.naming import Words

_KKS = re.compile(
    r"=?\+?(?:[A-Z]?\d{1,2})?[-_ .]?(?P<system>[A-Z]{2,3})\d{2}[-_ ]?"
    r"(?P<part>[A-Z]{2})\d{2,3}[A-Z]?"
    r"(?:[-_ .]*(?P<signal>X[A-Z]\d{2}|Y[A-Z]\d{2}|Z[A-Z]\d{2}))?"
)
_RDS = re.compile(
    r"(?:[=+#]+[\w.]+[-_ .]+)*=?(?:[A-Z]\d{1,3}[ .]*)?[. ]?(?P<system>[A-Z]{3})\d{2,3}"
    r"(?:[-_ .=]*[A-Z]{2}\d{3})*[ .]*[-.](?P<product>[A-Z]{2})\d{2,3}"
    r"(?:[-_ .:]*(?P<signal>[A-Z]{2}\d{2,3}))?"
)
# Function keys of VGB-B 101 (KKS), first by three letters, then by two.
SYSTEMS: Mapping[str, str] = MappingProxyType(
    {
        "LAA": "feed water tank",
        "LAB": "feed water piping",
        "LAC": "feed water pump",
        "LBA": "main steam",
        "LBB": "hot reheat steam",
        "LBC": "cold reheat steam",
        "LCA": "condensate",
        "LCB": "condensate pump",
        "MAA": "high pressure turbine",
        "MAB": "intermediate pressure turbine",
        "MAC": "low pressure turbine",
        "MAD": "turbine bearing",
        "MAG": "condenser",
        "MAV": "turbine lubricating oil",
        "MAX": "control oil",
        "MBA": "gas turbine",
        "MKA": "generator",
        "PAB": "circulating water",
        "PAC": "circulating water pump",
        "PCB": "service cooling water",
        "PGB": "closed cooling water",
        "HAD": "boiler drum evaporator",
        "HAH": "superheater",
        "HAJ": "reheater",
        "HLA": "combustion air",
        "HLB": "forced draught fan",
        "HNA": "flue gas",
        "HNC": "induced draught fan",
        "EGD": "fuel oil pump",
        "QFB": "control air",
        "SGA": "fire water",
        "LA": "feed water",
        "LB": "steam",
        "LC": "condensate",
        "HA": "boiler",
        "HB": "boiler furnace",
        "HF": "coal mill",
        "HH": "burner",
        "HL": "combustion air",
        "HN": "flue gas",
        "MA": "steam turbine",
        "MB": "gas turbine",
        "MD": "wind turbine",
        "MK": "generator",
        "MS": "transformer",
        "PA": "circulating water",
        "PC": "service water",
        "PG": "closed cooling water",
        "EG": "fuel oil",
        "EK": "fuel gas",
        "GC": "demineralised water",
        "QE": "compressed air",
        "SA": "air conditioning ventilation",
        "SB": "heating",
        "BA": "generator power",
        "BB": "medium voltage",
        "BF": "low voltage",
        "AK": "heating steam",
    }
)
_RDS_SYSTEMS: Mapping[str, str] = MappingProxyType(
    {
        "MDA": "rotor",
        "MDC": "blade pitch",
        "MDK": "drive train",
        "MDL": "yaw",
        "MDX": "hydraulic",
        "MDV": "lubrication oil",
        "MDY": "controller",
        "MKA": "generator",
        "MKY": "converter",
        "MST": "generator transformer",
        "MUD": "nacelle",
        "MUR": "cooling",
        "UMD": "tower",
        "CKJ": "wind",
        "CKA": "meteorology",
        "AAG": "grid",
    }
)
# Measurements (C…) and equipment (A…, B…) of KKS.
_KKS_PARTS: Mapping[str, str] = MappingProxyType(
    {
        "CD": "density sensor",
        "CE": "electrical sensor",
        "CF": "flow sensor",
        "CG": "position sensor",
        "CL": "level sensor",
        "CM": "humidity sensor",
        "CP": "pressure sensor",
        "CQ": "quality concentration sensor",
        "CR": "radiation sensor",
        "CS": "speed sensor",
        "CT": "temperature sensor",
        "CW": "weight sensor",
        "CY": "vibration sensor",
        "AA": "valve position",
        "AB": "gate",
        "AC": "heat exchanger",
        "AE": "drive",
        "AF": "conveyor",
        "AH": "heater",
        "AJ": "mill",
        "AM": "mixer",
        "AN": "fan",
        "AP": "pump",
        "AT": "filter",
        "BB": "tank",
        "BN": "ejector",
        "BP": "orifice",
        "BQ": "support",
        "BR": "pipe",
        "DF": "flow control",
        "DL": "level control",
        "DP": "pressure control",
        "DT": "temperature control",
        "DS": "speed control",
        "GS": "switch",
        "GT": "transformer",
    }
)
# Product classes of IEC 81346-2, as RDS-PP uses them.
_PRODUCTS: Mapping[str, str] = MappingProxyType(
    {
        "BE": "current sensor",
        "BF": "flow sensor",
        "BG": "position sensor",
        "BJ": "power sensor",
        "BL": "level sensor",
        "BM": "humidity sensor",
        "BP": "pressure sensor",
        "BQ": "quality concentration sensor",
        "BR": "wind radiation sensor",
        "BS": "speed sensor",
        "BT": "temperature sensor",
        "BU": "voltage sensor",
        "BW": "weight sensor",
        "BY": "vibration sensor",
        "CM": "tank",
        "EC": "cooler",
        "EP": "heat exchanger",
        "EQ": "cooler",
        "GP": "pump",
        "GQ": "fan",
        "HQ": "filter",
        "KF": "controller",
        "MA": "motor",
        "QA": "circuit breaker",
        "QM": "valve position",
        "QN": "valve position",
        "TA": "transformer",
        "TL": "gearbox",
    }
)
# What a signal adds, by its letters and, for feedback and limits, nothing more.
_SIGNALS: Mapping[str, str] = MappingProxyType(
    {"XA": "command", "XB": "status", "XG": "alarm", "XH": "limit alarm", "XM": "alarm", "XQ": ""}
)


def read_kks(name: str) -> Words | None:
    """Return the English words of a KKS designation; None if it is none."""
    return _read(_KKS, name, "part", _KKS_PARTS, SYSTEMS)


def read_rds_pp(name: str) -> Words | None:
    """Return the English words of an RDS-PP designation; None if it is none."""
    return _read(_RDS, name, "product", _PRODUCTS, {**SYSTEMS, **_RDS_SYSTEMS})


def _read(
    pattern: re.Pattern[str],
    name: str,
    group: str,
    parts: Mapping[str, str],
    systems: Mapping[str, str],
) -> Words | None:
    """Return the words of a designation whose part is known; None for any other name."""
    match = pattern.fullmatch(name.strip())
    if match is None or match[group] not in parts:
        return None
    system = match["system"]
    words = systems.get(system, systems.get(system[:2], ""))
    signal = _SIGNALS.get((match["signal"] or "")[:2], "")
    part = parts[match[group]]
    kind = part.removesuffix(" sensor") if signal else part
    return tuple(f"{words} {kind} {signal}".split())
