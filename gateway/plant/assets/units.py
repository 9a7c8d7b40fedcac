"""Units of points: one canonical spelling of each, and how it is displayed.

    "m³/h", "M3/h", "立方米/小时" -> "m3/h" -> "m³/h"

A canonical spelling is a product of units that `models.units` or `MORE_UNITS` defines, in pint's
syntax without `**`. Values are converted by `models.units`.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType

from models.units import VOCABULARY

MAX_LENGTH = 24
# Units of points that no model takes as an input, so that nothing converts them yet.
MORE_UNITS = """
mole = [substance] = mol
candela = [luminosity] = cd
lumen = candela = lm
lux = lumen / meter ** 2 = lx
ohm = volt / ampere
siemens = ampere / volt = S
farad = ampere * second / volt = F
henry = volt * second / ampere = H
tesla = volt * second / meter ** 2 = T
coulomb = ampere * second = C
volt_ampere = volt * ampere = VA
volt_ampere_reactive = volt * ampere = var
volt_ampere_hour = volt_ampere * hour = VAh
decibel = [level] = dB
acidity = [acidity] = pH
parts_per_million = 1e-6 = ppm
parts_per_billion = 1e-9 = ppb
degree = revolution / 360 = deg
atmosphere = 101325 * pascal = atm
millimeter_mercury = 133.322387415 * pascal = mmHg
turbidity = [turbidity] = NTU
"""
# What NFKC leaves: `℃` is `°C` by then, and superscripts are digits.
_SIGNS: Mapping[int, str] = MappingProxyType(
    str.maketrans({"°": "deg", "%": "percent", "·": "*", "⋅": "*", "−": "-", "Ω": "ohm"})
)
_FACTOR = re.compile(r"(?P<name>1|[A-Za-zμ]+?)(?:\^?(?P<power>-?[1-4]))?")
_LABELS: Mapping[str, str] = MappingProxyType(
    {"degC": "°C", "degF": "°F", "percent": "%", "deg": "°", "ohm": "Ω", "um": "µm"}
)
_SUPERSCRIPTS = str.maketrans("-1234", "⁻¹²³⁴")
_HECTO = "hecto- = 1e2 = h-"
_ALIAS_FILE = Path(__file__).with_name("unit_aliases.toml")


@lru_cache(maxsize=4096)
def canonical_unit(text: str) -> str | None:
    """Return the canonical spelling of a unit, empty for an empty text, None if it is unknown."""
    normalized = unicodedata.normalize("NFKC", text[: 2 * MAX_LENGTH]).translate(dict(_SIGNS))
    normalized = "".join(normalized.split())
    if not normalized or normalized in ("-", "–", "/", "N/A"):
        return ""
    whole = _alias(normalized)
    parts = re.split(r"([*/])", whole)
    # The first `/` may be divided further (`a/b/c`), but a product must not follow it.
    signs = "".join(parts[1::2])
    if len(normalized) > MAX_LENGTH or "/*" in signs:
        return None
    factors = [_canonical_factor(part) for part in parts[::2]]
    if None in factors or "1" in factors[1:]:
        return None
    parts[::2] = [factor or "" for factor in factors]
    return "".join(parts)


@lru_cache(maxsize=4096)
def unit_label(unit: str) -> str:
    """Return a canonical unit as people write it: `m3/h` as `m³/h`, `degC` as `°C`."""
    return "".join(
        {"*": "·", "/": "/"}.get(part) or _factor_label(part) for part in re.split(r"([*/])", unit)
    )


@cache
def unit_definitions() -> str:
    """Return all definitions of units, for a registry of pint."""
    return f"{VOCABULARY}{MORE_UNITS}{_HECTO}\n"


def _alias(text: str) -> str:
    """Return the spelling that an alias stands for, the text itself if it is none."""
    if text in _aliases():
        return _aliases()[text]
    return text if _is_name(text) else _aliases().get(text.lower(), text)


def _canonical_factor(text: str) -> str | None:
    """Return a factor such as `m3` in its canonical spelling, None if it is unknown."""
    match = _FACTOR.fullmatch(_alias(text))
    if match is None:
        return None
    name = match["name"] if match["name"] == "1" else _alias(match["name"])
    if name != "1" and not _is_name(name):
        return None
    name = name.replace("μ", "u")
    return name if match["power"] in (None, "1") else f"{name}{match['power']}"


def _factor_label(factor: str) -> str:
    """Return a factor with its usual sign and a superscript power."""
    match = _FACTOR.fullmatch(factor)
    if match is None:
        return factor
    name = _LABELS.get(match["name"], match["name"])
    return name + (match["power"] or "").translate(_SUPERSCRIPTS)


def _is_name(text: str) -> bool:
    """Return whether a text is the name of a unit, with a prefix or without."""
    units, prefixes = _names()
    if text in units:
        return True
    return any(text.startswith(one) and text[len(one) :] in units for one in prefixes)


@cache
def _names() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the names of all units, and the prefixes."""
    units: set[str] = set()
    prefixes: set[str] = set()
    for line in unit_definitions().splitlines():
        plain = re.sub(r";\s*offset:[^=]*", "", line)
        name, *definition = (part.strip() for part in plain.split("="))
        names = (name, *definition[1:])
        if name.endswith("-"):
            prefixes.update(one.removesuffix("-") for one in names)
        elif name:
            units.update(names)
    return frozenset(units), tuple(sorted(prefixes))


@cache
def _aliases() -> Mapping[str, str]:
    """Return the units that other spellings stand for, also in Chinese; read once in a process."""
    table: Mapping[str, str] = tomllib.loads(_ALIAS_FILE.read_text("utf-8"))["aliases"]
    return MappingProxyType(table)
