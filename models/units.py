"""Units of measurement: a fixed vocabulary, and conversion between units with pint.

Billed effects use an exact table of their own (billing/outcomes/measurement/units.py), independent
of any library.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import pint
else:
    pint = LazyModule("pint")

# Not pint's default vocabulary: it has a thousand unreviewed names and treats a radian as 1, so
# that 60 rpm are 6.28 1/s. In the standards a rotational speed counts turns.
VOCABULARY = """
micro- = 1e-6 = µ- = μ- = u-
milli- = 1e-3 = m-
centi- = 1e-2 = c-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
meter = [length] = m
gram = [mass] = g
second = [time] = s
ampere = [current] = A
kelvin = [temperature]; offset: 0 = K
piece = [pieces] = pcs
revolution = [] = r = rev
radian = 0.15915494309189535 * revolution = rad
percent = 1e-2
minute = 60 * second = min
hour = 3600 * second = h
day = 86400 * second = d
rpm = revolution / minute
hertz = 1 / second = Hz
degree_Celsius = kelvin; offset: 273.15 = degC
degree_Fahrenheit = 5 / 9 * kelvin; offset: 459.67 * 5 / 9 = degF
degree_Rankine = 5 / 9 * kelvin; offset: 0 = degR
inch = 0.0254 * meter = in
foot = 12 * inch = ft
liter = 1e-3 * meter ** 3 = L = l
gallon = 3.785411784 * liter = gal
tonne = 1e6 * gram = t
pound = 453.59237 * gram = lb
newton = 1e3 * gram * meter / second ** 2 = N
newton_meter = newton * meter = Nm
decanewton = 10 * newton = daN
kilogram_force = 9.80665 * newton = kgf
pound_force = 4.4482216152605 * newton = lbf
pascal = newton / meter ** 2 = Pa
hectopascal = 100 * pascal = hPa
bar = 1e5 * pascal
psi = pound_force / inch ** 2
joule = newton * meter = J
watt = joule / second = W
watt_hour = 3600 * joule = Wh
metric_horsepower = 735.49875 * watt = PS
horsepower = 550 * foot * pound_force / second = hp
volt = watt / ampere = V
"""


def _vocabulary_names() -> frozenset[str]:
    """Return the names that pint may know: with each prefix, and also in the plural."""
    prefixes, names = [""], ["dimensionless"]
    for line in VOCABULARY.strip().split("\n"):
        name, _, *aliases = (term.strip() for term in line.split("="))
        for word in (name, *aliases):
            if word.endswith("-"):
                prefixes.append(word.rstrip("-"))
            else:
                names.append(word)
    return frozenset(
        f"{prefix}{name}{plural}" for prefix in prefixes for name in names for plural in ("", "s")
    )


_NAMES = _vocabulary_names()
_MAX_LENGTH = 24
# Signs that remain after NFKC, which converts `℃` to `°C` and superscript digits to digits.
_SIGN_NAMES: Mapping[int, str] = MappingProxyType(
    str.maketrans({"°": "deg", "%": "percent", "·": "*", "⋅": "*", "−": "-"})
)
_NAME = r"[A-Za-zμ]+"
_POWER = rf"{_NAME}(?:\^?-?[1-4])?"
# No product after a quotient: `J/kg·K` is ambiguous.
_UNIT_PATTERN = re.compile(rf"(?:1|{_POWER})(?:\*{_POWER})*(?:/{_POWER})*")
_NAME_PATTERN = re.compile(_NAME)
_EXPONENT = re.compile(rf"({_NAME})\^?(-?[1-4])")


class UnitUnknown(ValueError):
    """A unit outside the vocabulary."""


class UnitMismatch(ValueError):
    """Two units of different dimensions, which cannot be converted."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A linear conversion: value × scale + offset."""

    scale: float
    offset: float

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Convert an array of values."""
        return values.astype(np.float64) * self.scale + self.offset


def unit_conversion(unit: str, target_unit: str) -> Conversion:
    """Return the conversion between two units. Raises UnitUnknown, UnitMismatch."""
    found = _find_conversion(unit, target_unit)
    if isinstance(found, Conversion):
        return found
    raise type(found)(*found.args)


@lru_cache(maxsize=1024)
def _find_conversion(unit: str, target_unit: str) -> Conversion | UnitUnknown | UnitMismatch:
    """Return the conversion between two units, or the error that there is none.

    Computed in fractions and rounded once. A new registry is created per pair, which takes
    milliseconds, because a registry caches every unit string forever; names outside the vocabulary
    need none: a column of serial numbers has thousands. Errors are remembered too:
    the inputs of a model are compared with points of other quantities at each call.
    """
    try:
        expressions = to_pint_expression(unit), to_pint_expression(target_unit)
    except UnitUnknown:
        return _unknown(unit, target_unit)
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(None, non_int_type=Fraction)
    registry.load_definitions(VOCABULARY.split("\n"))
    try:
        source, target = (registry.Unit(expression) for expression in expressions)
        zero, unit_value = (
            registry.Quantity(Fraction(number), source).m_as(target) for number in (0, 1)
        )
    except pint.UndefinedUnitError:
        return _unknown(unit, target_unit)
    except (pint.DimensionalityError, pint.OffsetUnitCalculusError):
        return UnitMismatch(f"{unit!r} cannot be converted to {target_unit!r}")
    return Conversion(float(unit_value - zero), float(zero))


def _unknown(unit: str, target_unit: str) -> UnitUnknown:
    """Return the error that one of two units is unknown."""
    return UnitUnknown(f"{unit[:_MAX_LENGTH]!r} or {target_unit[:_MAX_LENGTH]!r}")


def to_pint_expression(unit: str) -> str:
    """Normalize a unit for pint's parser. Raises UnitUnknown for anything but products of units.

    Also for names outside the vocabulary: pint would read `nan` and `inf` as numbers.
    """
    normalized = unicodedata.normalize("NFKC", unit[: _MAX_LENGTH + 1]).translate(dict(_SIGN_NAMES))
    if len(normalized) > _MAX_LENGTH or not _UNIT_PATTERN.fullmatch(normalized):
        raise UnitUnknown(repr(unit[:_MAX_LENGTH]))
    if not _NAMES.issuperset(_NAME_PATTERN.findall(normalized)):
        raise UnitUnknown(repr(unit[:_MAX_LENGTH]))
    return _EXPONENT.sub(r"\1**\2", normalized)
