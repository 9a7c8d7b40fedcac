"""What leaves the measurement: exact decimals, so that whoever measures again gets the same.

Floating-point arithmetic ends here. Its last digits differ between processors and linear algebra
libraries, by about 1e-12 of a sum, so a number is first taken to ten digits and then to the
resolution, which is never finer than a billionth of what is measured; what is billed is rounded
down. Pure.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import floor, isfinite, log10

import msgspec

_DIGITS = 10
_FINEST = -9  # of the adjusted baseline, as a power of ten
_MOST_PPM = 10**9


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound that was agreed and what was found, in ppm or days; `holds` says which is which."""

    name: str
    found: int
    bound: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Note:
    """Readings or days that do not count, why, and which days."""

    what: str
    count: int
    days: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitness:
    """How well a baseline fits, in ppm of its mean, and whether a contract may start on it."""

    cv: int
    bias: int
    explained: int
    rho: int
    days: int
    terms: tuple[str, ...]
    gates: tuple[Gate, ...]
    notes: tuple[Note, ...]

    @property
    def holds(self) -> bool:
        return all(gate.holds for gate in self.gates)


@dataclass(frozen=True, slots=True)
class MeasuredDay:
    """A day's quantity, and what was expected of it, with the interval of a single day."""

    day: date
    actual: Decimal
    expected: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Measured:
    """A saving, in `unit` (a rate's times its weight's), in steps of `resolution`.

    `low` to `high` is the two-sided interval and `bound` the one-sided lower bound, both at the
    agreed confidence; `billable` is the bound, or nothing where it is below nothing or a gate does
    not hold. `evidence` is the SHA-256 of the study's text, from which all of this follows. `days`
    are told where the whole plant is held against the time before.
    """

    unit: str
    resolution: Decimal
    baseline: Decimal
    actual: Decimal
    saving: Decimal
    error: Decimal
    low: Decimal
    high: Decimal
    bound: Decimal
    billable: Decimal
    fitness: Fitness
    evidence: str
    days: tuple[MeasuredDay, ...] = ()

    def text(self) -> bytes:
        """The canonical JSON: sorted keys, no spaces."""
        return msgspec.json.encode(self, order="sorted")


def read_measured(text: bytes) -> Measured:
    """The reverse of `Measured.text`."""
    return msgspec.json.decode(text, type=Measured)


def resolution_for(agreed: Decimal, size: float) -> Decimal:
    """The agreed resolution, or a billionth of `size` where that is coarser."""
    if size == 0:
        return agreed
    return max(agreed, Decimal(1).scaleb(floor(log10(abs(size))) + _FINEST))


def to_nearest(value: float, resolution: Decimal) -> Decimal:
    """In steps of the resolution."""
    return _stepped(value, resolution, ROUND_HALF_EVEN)


def rounded_down(value: float, resolution: Decimal) -> Decimal:
    """In steps of the resolution, down."""
    return _stepped(value, resolution, ROUND_FLOOR)


def ppm(share: float) -> int:
    """Parts per million of a share, to the nearest; at most a thousandfold."""
    most = _MOST_PPM if not isfinite(share) else share * 1_000_000
    return round(max(-_MOST_PPM, min(most, _MOST_PPM)))


def _stepped(value: float, resolution: Decimal, rounding: str) -> Decimal:
    exact = Decimal(f"{value:.{_DIGITS - 1}e}")
    steps = (exact / resolution).to_integral_value(rounding=rounding)
    return (steps * resolution).quantize(resolution) + Decimal(0)
