"""Convert a stated value to the unit of its column."""

import math
import unicodedata
from collections.abc import Iterable

from models.arguments.notations import kind_of
from models.arguments.quantities import Quantity
from models.signature import InputField
from models.units import UnitMismatch, UnitUnknown, unit_conversion

_SIGNS = str.maketrans({" ": None, "^": None, "·": "*", "⋅": "*"})
_DIGITS = 9  # of a converted value: conversions add digits that nobody wrote


def convert(value: float, units: Iterable[tuple[str, str]], field: InputField) -> float | None:
    """Return a value in the column's unit, None if no unit is one of the column's quantity."""
    kind = kind_of(field.unit)
    for one_kind, unit in units:
        if _is_same_unit(unit, field.unit):
            return value
        is_share = one_kind == "share" and field.unit == "1"
        is_same_kind = kind == one_kind if kind is not None else field.unit not in (None, "1")
        if not (is_same_kind or is_share) or field.unit is None:
            continue
        try:
            conversion = unit_conversion(unit, field.unit)
        except (UnitUnknown, UnitMismatch):
            continue
        return float(f"{value * conversion.scale + conversion.offset:.{_DIGITS}g}")
    return None


def value_in(quantity: Quantity, field: InputField) -> float | None:
    """Return a quantity in a column's unit; without a unit it is in the column's."""
    return convert(quantity.value, quantity.units, field) if quantity.units else quantity.value


def _is_same_unit(unit: str, other: str | None) -> bool:
    """Return whether two units are written alike but for signs such as `²` and `·`."""
    return unit == other or (other is not None and _plain(unit) == _plain(other))


def _plain(unit: str) -> str:
    """Return a unit in compatibility form, without blanks, powers' signs and dots."""
    return unicodedata.normalize("NFKC", unit).translate(_SIGNS)


def is_in_range(value: float, field: InputField) -> bool:
    """Return whether a value is finite and within the limits of its column."""
    return (
        math.isfinite(value)
        and (field.minimum is None or value >= field.minimum)
        and (field.maximum is None or value <= field.maximum)
    )


def as_percent(value: float, units: Iterable[tuple[str, str]], field: InputField) -> float:
    """Return a share as percent where only that can be meant: a reliability of 0.95 is 95 %."""
    is_share = field.unit == "%" and not tuple(units) and 0.0 < value < 1.0
    percent = float(f"{value * 100:.{_DIGITS}g}")
    return (
        percent
        if is_share and not is_in_range(value, field) and is_in_range(percent, field)
        else value
    )
