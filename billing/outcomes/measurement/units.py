"""Conversion of units with a small table of exact factors, for reproducible results.

`a/b` is a quotient of two units, such as `kWh/pcs`. Temperatures have an offset, so they cannot be
part of a quotient. A units library would accept more names than we can verify.
"""

from fractions import Fraction

from billing.outcomes.measurement.errors import ReadingsInvalid

# By dimension: the factor of each unit to the first unit of its dimension.
_FACTORS_BY_DIMENSION: dict[str, dict[str, Fraction]] = {
    "energy": {
        "kWh": Fraction(1),
        "Wh": Fraction(1, 1000),
        "MWh": Fraction(1000),
        "MJ": Fraction(10, 36),
        "GJ": Fraction(10_000, 36),
    },
    "time": {"min": Fraction(1), "s": Fraction(1, 60), "h": Fraction(60), "d": Fraction(1440)},
    "mass": {"kg": Fraction(1), "g": Fraction(1, 1000), "t": Fraction(1000)},
    "volume": {"m3": Fraction(1), "L": Fraction(1, 1000)},
    "length": {"m": Fraction(1), "mm": Fraction(1, 1000), "km": Fraction(1000)},
    "pieces": {"pcs": Fraction(1), "kpcs": Fraction(1000)},
    "share": {"1": Fraction(1), "%": Fraction(1, 100), "ppm": Fraction(1, 1_000_000)},
}
# Offset and factor of each unit: degrees Celsius = (degrees + offset) * factor.
_TEMPERATURES = {
    "degC": (Fraction(0), Fraction(1)),
    "degF": (Fraction(-32), Fraction(5, 9)),
    "K": (Fraction(-27315, 100), Fraction(1)),
}
_UNITS = {
    unit: (kind, factor)
    for kind, of in _FACTORS_BY_DIMENSION.items()
    for unit, factor in of.items()
}


def convert_unit(value: float, unit: str, target_unit: str) -> float:
    """Convert a value to the target unit, rounded once.

    Raises ReadingsInvalid for an unknown unit or another dimension.
    """
    if unit == target_unit:
        require_known_unit(unit)
        return value
    if unit in _TEMPERATURES and target_unit in _TEMPERATURES:
        (offset, factor), (target_offset, target_factor) = (
            _TEMPERATURES[unit],
            _TEMPERATURES[target_unit],
        )
        return float((Fraction(value) + offset) * factor / target_factor - target_offset)
    dimensions, factor = _parse_unit(unit)
    target_dimensions, target_factor = _parse_unit(target_unit)
    if dimensions != target_dimensions:
        raise ReadingsInvalid(
            f"A reading is in {unit}, which cannot be converted to {target_unit}.", param="unit"
        )
    return float(Fraction(value) * factor / target_factor)


def require_known_unit(unit: str) -> None:
    """Raise ReadingsInvalid if the unit is unknown."""
    if unit not in _TEMPERATURES:
        _parse_unit(unit)


def _parse_unit(unit: str) -> tuple[tuple[str, ...], Fraction]:
    """Return dimensions and factor of a unit such as `kWh/h`. Raises ReadingsInvalid."""
    dimensions, factor = [], Fraction(1)
    for position, name in enumerate(unit.split("/")):
        if name not in _UNITS or position > 1:
            known = ", ".join([*_UNITS, *_TEMPERATURES])
            raise ReadingsInvalid(f"Unknown unit {unit!r}. Known units: {known}.", param="unit")
        dimension, unit_factor = _UNITS[name]
        dimensions.append(dimension)
        factor = factor / unit_factor if position else factor * unit_factor
    return tuple(dimensions), factor
