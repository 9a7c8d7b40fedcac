"""Units of measurement: which are known, and how a value of one becomes a value of another.

Owns the vocabulary and how a unit is written, `m³/h` or `m^3/h`; pint does the algebra. Pure.
Effects that are billed have an exact table of their own (billing/outcomes/measurement/units.py),
which no library may move.
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

# Ours and not pint's own, which knows a thousand names that nobody here vouches for, and takes a
# radian for 1: 60 rpm are 6.28 1/s to it. In the standards a rotational speed counts turns.
_VOCABULARY = """
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
tonne = 1e6 * gram = t
pound = 453.59237 * gram = lb
newton = 1e3 * gram * meter / second ** 2 = N
newton_meter = newton * meter = Nm
kilogram_force = 9.80665 * newton = kgf
pound_force = 4.4482216152605 * newton = lbf
pascal = newton / meter ** 2 = Pa
bar = 1e5 * pascal
psi = pound_force / inch ** 2
joule = newton * meter = J
watt = joule / second = W
watt_hour = 3600 * joule = Wh
metric_horsepower = 735.49875 * watt = PS
horsepower = 550 * foot * pound_force / second = hp
volt = watt / ampere = V
"""
_LONGEST = 24
# What NFKC leaves: it makes `℃` into `°C`, and raised digits into plain ones.
_SIGNS: Mapping[int, str] = MappingProxyType(
    str.maketrans({"°": "deg", "%": "percent", "·": "*", "⋅": "*", "−": "-"})
)
_NAME = r"[A-Za-zμ]+"
_POWER = rf"{_NAME}(?:\^?-?[1-4])?"
# One quotient or several, but no product behind a quotient: people read `J/kg·K` in two ways.
_WRITTEN = re.compile(rf"(?:1|{_POWER})(?:\*{_POWER})*(?:/{_POWER})*")
_EXPONENT = re.compile(rf"({_NAME})\^?(-?[1-4])")


class UnitUnknown(ValueError):
    """No unit of the vocabulary."""


class UnitMismatch(ValueError):
    """Units of two kinds: no value of one is a value of the other."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A value of the one unit, times `scale`, plus `offset`, is a value of the other."""

    scale: float
    offset: float

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return values.astype(np.float64) * self.scale + self.offset


@lru_cache(maxsize=1024)
def conversion(unit: str, wanted: str) -> Conversion:
    """From `unit` to `wanted`. Raises UnitUnknown, UnitMismatch.

    Worked out in fractions and rounded once. The registry is made anew for each pair, some
    milliseconds, because it never forgets a unit that somebody wrote.
    """
    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(None, non_int_type=Fraction)
    registry.load_definitions(_VOCABULARY.split("\n"))
    try:
        source, target = registry.Unit(_expression(unit)), registry.Unit(_expression(wanted))
        zero, one = (registry.Quantity(Fraction(n), source).m_as(target) for n in (0, 1))
    except pint.UndefinedUnitError:
        raise UnitUnknown(f"{unit!r} or {wanted!r}") from None
    except (pint.DimensionalityError, pint.OffsetUnitCalculusError):
        raise UnitMismatch(f"{unit!r} is no {wanted!r}") from None
    return Conversion(float(one - zero), float(zero))


def _expression(unit: str) -> str:
    """The unit as pint reads it. Only what the pattern allows reaches pint's own parser."""
    plain = unicodedata.normalize("NFKC", unit[: _LONGEST + 1]).translate(dict(_SIGNS))
    if len(plain) > _LONGEST or not _WRITTEN.fullmatch(plain):
        raise UnitUnknown(repr(unit[:_LONGEST]))
    return _EXPONENT.sub(r"\1**\2", plain)
