"""Validation and unit conversion of meter readings.

    duplicate          same values: counted once; different values: rejected
    out of order       sorted
    unit               converted (units.py); unknown units are rejected
    timestamp          must have a UTC offset
    meter replaced     rejected unless agreed, then times the agreed factor; also since the baseline
    not finite         rejected

Nothing is imputed. The fields of `Quantity` and `MeterReading` are keys of canonical JSON: they
must not change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from math import isfinite

from billing.outcomes.measurement.errors import ReadingsInvalid
from billing.outcomes.measurement.plan import MeasurementPlan, MeterReplacement
from billing.outcomes.measurement.units import convert_unit

_UNNAMED_METER = "(without a name)"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A finite value with its unit. Raises ReadingsInvalid."""

    value: float
    unit: str

    def __post_init__(self) -> None:
        if not isfinite(self.value):
            raise ReadingsInvalid("A reading is not a finite number.", param="value")


@dataclass(frozen=True, slots=True)
class MeterReading:
    """A meter reading of a machine (or plant) for the interval that begins at `at`.

    `variables` are the independent variables by name, `meter` the instrument. `at` is converted to
    UTC. Raises ReadingsInvalid if it has no UTC offset.
    """

    at: datetime
    amount: Quantity
    variables: Mapping[str, Quantity] = field(default_factory=dict)
    machine: str = ""
    meter: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _to_utc(self.at))


@dataclass(frozen=True, slots=True)
class NormalizedReading:
    """A validated reading in the agreed units."""

    at: datetime
    value: float
    variables: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CleanedReadings:
    """One machine's validated readings by time, the duplicates dropped, and its last meter."""

    readings: tuple[NormalizedReading, ...]
    duplicates: int
    last_meter: str = ""


def clean_readings(
    readings: Sequence[MeterReading],
    plan: MeasurementPlan,
    machine: str = "",
    baseline_meter: str | None = None,
) -> CleanedReadings:
    """Validate one machine's readings, drop duplicates and convert to the plan's units.

    `baseline_meter` is the last meter of the baseline period. Raises ReadingsInvalid.
    """
    machine_readings = [one for one in readings if one.machine == machine]
    swaps = [swap for swap in plan.swaps if swap.machine == machine]
    _require_agreed_meters(machine_readings, swaps, baseline_meter)
    by_time = sorted(machine_readings, key=lambda one: one.at)
    points = []
    for at, simultaneous in groupby(by_time, key=lambda one: one.at):
        normalized = [_normalize(one, plan, swaps) for one in simultaneous]
        if any(other != normalized[0] for other in normalized):
            raise ReadingsInvalid(
                f"There are two different readings for {at.isoformat()}.", param="readings"
            )
        points.append(normalized[0])
    last = by_time[-1].meter if by_time else ""
    return CleanedReadings(tuple(points), len(machine_readings) - len(points), last)


def _normalize(
    reading: MeterReading, plan: MeasurementPlan, swaps: Sequence[MeterReplacement]
) -> NormalizedReading:
    """Convert a reading to the plan's units, times the factors of earlier meter replacements."""
    factor = 1.0
    for swap in swaps:
        factor *= swap.factor if reading.at >= swap.at else 1.0
    units = {one.name: one.unit for one in plan.variables}
    return NormalizedReading(
        reading.at,
        convert_unit(reading.amount.value, reading.amount.unit, plan.unit) * factor,
        {
            name: convert_unit(amount.value, amount.unit, units[name])
            for name, amount in sorted(reading.variables.items())
            if name in units
        },
    )


def _require_agreed_meters(
    readings: Sequence[MeterReading],
    replacements: Sequence[MeterReplacement],
    baseline_meter: str | None,
) -> None:
    """Require each reading to come from the meter agreed for its time.

    Without an agreed replacement there must be a single meter, baseline included. Raises
    ReadingsInvalid.
    """
    if not replacements:
        earlier_meters = (
            set() if baseline_meter is None or not readings else {baseline_meter or _UNNAMED_METER}
        )
        meters = sorted({one.meter or _UNNAMED_METER for one in readings} | earlier_meters)
        if len(meters) > 1:
            raise ReadingsInvalid(
                f"Meters {' and '.join(meters)} both have readings, but no meter replacement "
                "is agreed.",
                param="meter",
            )
        return
    for one in readings:
        agreed_meters = [swap.new for swap in replacements if swap.at <= one.at] or [
            replacements[0].old
        ]
        if one.meter != agreed_meters[-1]:
            raise ReadingsInvalid(
                f"The reading for {one.at.isoformat()} is from meter {one.meter}; the agreed "
                f"meter is {agreed_meters[-1]}.",
                param="meter",
            )


def _to_utc(at: datetime) -> datetime:
    """Convert a time to UTC. Raises ReadingsInvalid if it has no time zone."""
    if at.utcoffset() is None:
        raise ReadingsInvalid(f"{at.isoformat()} has no time zone.", param="at")
    return at.astimezone(UTC)
