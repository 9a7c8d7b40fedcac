"""Units: a small table of exact factors, so that the same conversion is the same everywhere.

Owns what units are known and how one becomes another of its kind; `a/b` is a quotient of two, as
`kWh/pcs`. Pure. Temperatures have an offset as well, so they stand alone and in no quotient. A
units library would read more names than we can vouch for.
"""

from fractions import Fraction

from billing.outcomes.measurement.faults import ReadingsInvalid

# By kind, what one of each unit is in the kind's first one.
_FACTORS: dict[str, dict[str, Fraction]] = {
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
# Degrees Celsius are (degrees + offset) * factor.
_DEGREES = {
    "degC": (Fraction(0), Fraction(1)),
    "degF": (Fraction(-32), Fraction(5, 9)),
    "K": (Fraction(-27315, 100), Fraction(1)),
}
_KNOWN = {unit: (kind, factor) for kind, of in _FACTORS.items() for unit, factor in of.items()}


def converted(value: float, unit: str, wanted: str) -> float:
    """`value` of `unit` in the unit `wanted`, rounded once. Raises ReadingsInvalid."""
    if unit == wanted:
        require_known(unit)
        return value
    if unit in _DEGREES and wanted in _DEGREES:
        (offset, factor), (wanted_offset, wanted_factor) = _DEGREES[unit], _DEGREES[wanted]
        return float((Fraction(value) + offset) * factor / wanted_factor - wanted_offset)
    kinds, factor = _parts(unit)
    wanted_kinds, wanted_factor = _parts(wanted)
    if kinds != wanted_kinds:
        raise ReadingsInvalid(f"A reading is in {unit}, which is no {wanted}.", param="unit")
    return float(Fraction(value) * factor / wanted_factor)


def require_known(unit: str) -> None:
    """Raises ReadingsInvalid."""
    if unit not in _DEGREES:
        _parts(unit)


def _parts(unit: str) -> tuple[tuple[str, ...], Fraction]:
    kinds, factor = [], Fraction(1)
    for at, name in enumerate(unit.split("/")):
        if name not in _KNOWN or at > 1:
            known = ", ".join([*_KNOWN, *_DEGREES])
            raise ReadingsInvalid(f"The unit {unit!r} is unknown; known: {known}.", param="unit")
        kind, one = _KNOWN[name]
        kinds.append(kind)
        factor = factor / one if at else factor * one
    return tuple(kinds), factor
