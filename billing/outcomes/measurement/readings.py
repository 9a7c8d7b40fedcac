"""Readings: what meters told, and which of it counts.

    doubled            the same values: counted once; other values: refused
    out of order       sorted
    unit               converted by billing/outcomes/measurement/units.py, unknown ones refused
    time               an instant with its offset; one without is refused
    meter swapped      refused, unless agreed: then times the agreed factor; also since the baseline
    not finite         refused

Owns the values Amount and Reading, and `clean`, which applies these rules to one machine's readings
and says what it left out. Nothing is imputed. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from math import isfinite

from billing.outcomes.measurement.agreed import Agreed, Swap
from billing.outcomes.measurement.faults import ReadingsInvalid
from billing.outcomes.measurement.units import converted

_UNNAMED = "(without a name)"


@dataclass(frozen=True, slots=True)
class Amount:
    """A finite number of a unit. Raises ReadingsInvalid."""

    value: float
    unit: str

    def __post_init__(self) -> None:
        if not isfinite(self.value):
            raise ReadingsInvalid("A reading is no finite number.", param="value")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one machine (or plant) for the interval that begins at `at`.

    `variables` are what the quantity depends on, by name. `meter` names the instrument. Instants
    are kept in UTC. Raises ReadingsInvalid.
    """

    at: datetime
    amount: Amount
    variables: Mapping[str, Amount] = field(default_factory=dict)
    machine: str = ""
    meter: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _instant(self.at))


@dataclass(frozen=True, slots=True)
class Point:
    """A reading that counts, in the agreed units."""

    at: datetime
    value: float
    variables: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One machine's points by time, how many readings were left out as doubled, and the meter that
    told last."""

    points: tuple[Point, ...]
    doubled: int
    meter: str = ""


def clean(
    readings: Sequence[Reading], agreed: Agreed, machine: str = "", meter: str | None = None
) -> Cleaned:
    """The readings of `machine` that count; `meter` is what told of the baseline.

    Raises ReadingsInvalid.
    """
    own = [one for one in readings if one.machine == machine]
    swaps = [swap for swap in agreed.swaps if swap.machine == machine]
    _require_meters(own, swaps, meter)
    by_time = sorted(own, key=lambda one: one.at)
    points = []
    for at, same in groupby(by_time, key=lambda one: one.at):
        told = [_point(one, agreed, swaps) for one in same]
        if any(other != told[0] for other in told):
            raise ReadingsInvalid(f"Two readings of {at.isoformat()} differ.", param="readings")
        points.append(told[0])
    last = by_time[-1].meter if by_time else ""
    return Cleaned(tuple(points), len(own) - len(points), last)


def _point(reading: Reading, agreed: Agreed, swaps: Sequence[Swap]) -> Point:
    factor = 1.0
    for swap in swaps:
        factor *= swap.factor if reading.at >= swap.at else 1.0
    wanted = {one.name: one.unit for one in agreed.variables}
    return Point(
        reading.at,
        converted(reading.amount.value, reading.amount.unit, agreed.unit) * factor,
        {
            name: converted(amount.value, amount.unit, wanted[name])
            for name, amount in sorted(reading.variables.items())
            if name in wanted
        },
    )


def _require_meters(readings: Sequence[Reading], swaps: Sequence[Swap], was: str | None) -> None:
    """Each meter tells only while it is the agreed one; without a swap there is one meter."""
    if not swaps:
        before = set() if was is None or not readings else {was or _UNNAMED}
        meters = sorted({one.meter or _UNNAMED for one in readings} | before)
        if len(meters) > 1:
            raise ReadingsInvalid(
                f"Meters {' and '.join(meters)} both tell of it, and no swap is agreed.",
                param="meter",
            )
        return
    for one in readings:
        due = [swap.new for swap in swaps if swap.at <= one.at] or [swaps[0].old]
        if one.meter != due[-1]:
            raise ReadingsInvalid(
                f"Meter {one.meter} tells of {one.at.isoformat()}, agreed is {due[-1]}.",
                param="meter",
            )


def _instant(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ReadingsInvalid(f"{at.isoformat()} has no time zone.", param="at")
    return at.astimezone(UTC)
