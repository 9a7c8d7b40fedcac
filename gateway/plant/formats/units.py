"""Units in other vocabularies: QUDT (Brick) and UNECE Recommendation 20 (OPC UA)."""

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

# Unit, QUDT name, UNECE common code; a second row with the same unit is an alternative for reading.
_UNITS: tuple[tuple[str, str, str], ...] = (
    ("degC", "DEG_C", "CEL"),
    ("degF", "DEG_F", "FAH"),
    ("degR", "DEG_R", "A48"),
    ("K", "K", "KEL"),
    ("percent", "PERCENT", "P1"),
    ("Pa", "PA", "PAL"),
    ("kPa", "KiloPA", "KPA"),
    ("MPa", "MegaPA", "MPA"),
    ("bar", "BAR", "BAR"),
    ("mbar", "MilliBAR", "MBR"),
    ("psi", "PSI", "PS"),
    ("psi", "LB_F-PER-IN2", ""),
    ("Hz", "HZ", "HTZ"),
    ("kHz", "KiloHZ", "KHZ"),
    ("rpm", "REV-PER-MIN", "RPM"),
    ("rad", "RAD", "C81"),
    ("m/s", "M-PER-SEC", "MTS"),
    ("mm/s", "MilliM-PER-SEC", "C16"),
    ("ft/s", "FT-PER-SEC", "FS"),
    ("m/s2", "M-PER-SEC2", "MSK"),
    ("V", "V", "VLT"),
    ("mV", "MilliV", "2Z"),
    ("kV", "KiloV", "KVT"),
    ("A", "A", "AMP"),
    ("mA", "MilliA", "4K"),
    ("W", "W", "WTT"),
    ("kW", "KiloW", "KWT"),
    ("MW", "MegaW", "MAW"),
    ("hp", "HP", "K43"),
    ("J", "J", "JOU"),
    ("kJ", "KiloJ", "KJO"),
    ("MJ", "MegaJ", "3B"),
    ("Wh", "W-HR", "WHR"),
    ("kWh", "KiloW-HR", "KWH"),
    ("MWh", "MegaW-HR", "MWH"),
    ("s", "SEC", "SEC"),
    ("ms", "MilliSEC", "C26"),
    ("min", "MIN", "MIN"),
    ("h", "HR", "HUR"),
    ("d", "DAY", "DAY"),
    ("m", "M", "MTR"),
    ("mm", "MilliM", "MMT"),
    ("um", "MicroM", "4H"),
    ("cm", "CentiM", "CMT"),
    ("km", "KiloM", "KMT"),
    ("in", "IN", "INH"),
    ("ft", "FT", "FOT"),
    ("m2", "M2", "MTK"),
    ("ft2", "FT2", "FTK"),
    ("m3", "M3", "MTQ"),
    ("L", "L", "LTR"),
    ("g", "GM", "GRM"),
    ("kg", "KiloGM", "KGM"),
    ("t", "TONNE", "TNE"),
    ("lb", "LB", "LBR"),
    ("m3/h", "M3-PER-HR", "MQH"),
    ("m3/s", "M3-PER-SEC", "MQS"),
    ("L/min", "L-PER-MIN", "L2"),
    ("L/s", "L-PER-SEC", "G51"),
    ("ft3/min", "FT3-PER-MIN", "2L"),
    ("kg/s", "KiloGM-PER-SEC", "KGS"),
    ("kg/h", "KiloGM-PER-HR", "E93"),
    ("N", "N", "NEW"),
    ("kN", "KiloN", "B47"),
    ("Nm", "N-M", "NU"),
    ("pcs", "NUM", "H87"),
)


def _first(pairs: list[tuple[str, str]]) -> Mapping[str, str]:
    """Return a mapping in which the first of several values of a key applies."""
    return MappingProxyType({key: value for key, value in reversed(pairs) if key and value})


_BY_QUDT = _first([(qudt, unit) for unit, qudt, _ in _UNITS])
_BY_UNECE = _first([(code, unit) for unit, _, code in _UNITS])
_TO_QUDT = _first([(unit, qudt) for unit, qudt, _ in _UNITS])
_TO_UNECE = _first([(unit, code) for unit, _, code in _UNITS])
_SPELLINGS: Mapping[str, str] = MappingProxyType(
    {"%": "percent", "°C": "degC", "°F": "degF", "day": "d", "m·s-1": "m/s", "1/min": "rpm"}
)


def known_units() -> tuple[str, ...]:
    """Return the units that have a QUDT name or a UNECE code."""
    return tuple(dict.fromkeys(unit for unit, _, _ in _UNITS))


def from_qudt(name: str) -> str:
    """Return the unit of a QUDT unit name such as `DEG_C`, or an empty text."""
    return _BY_QUDT.get(name, "")


def to_qudt(unit: str) -> str:
    """Return the QUDT unit name of a unit, or an empty text."""
    return _TO_QUDT.get(from_text(unit), "")


def from_unece(code: str) -> str:
    """Return the unit of a UNECE common code such as `CEL`, or an empty text."""
    return _BY_UNECE.get(code, "")


def to_unece(unit: str) -> str:
    """Return the UNECE common code of a unit, or an empty text."""
    return _TO_UNECE.get(from_text(unit), "")


def from_text(text: str) -> str:
    """Return a unit's usual spelling: `°C` as `degC`, `m³/h` as `m3/h`. Others stay as written."""
    normalized = unicodedata.normalize("NFKC", text.strip()).replace("^", "")
    unit = _SPELLINGS.get(normalized, normalized)
    return unit if unit in _TO_UNECE else text.strip()
