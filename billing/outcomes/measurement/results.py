"""Measurement results as exact decimals, reproducible on any machine.

Floating-point results differ between processors and linear algebra libraries by about 1e-12 of a
sum. A number is therefore rounded to ten significant digits and then to the resolution, which is
never finer than a billionth of the measured quantity; billed amounts are rounded down. The field
names are keys of stored JSON reports: they must not change.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import floor, isfinite, log10

import msgspec

_SIGNIFICANT_DIGITS = 10
_FINEST_EXPONENT = -9  # finest resolution relative to the adjusted baseline, as a power of ten
_MAX_PPM = 10**9


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of a quality gate: value found, agreed bound (ppm or days), and if it is met."""

    name: str
    found: int
    bound: int
    holds: bool


@dataclass(frozen=True, slots=True)
class DataQualityNote:
    """Readings or days that were ignored: the reason, how many, and which days."""

    what: str
    count: int
    days: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class BaselineFitReport:
    """Goodness of fit of a baseline in ppm (`cv` is CV(RMSE), `bias` NMBE), and its gates."""

    cv: int
    bias: int
    explained: int
    rho: int
    days: int
    terms: tuple[str, ...]
    gates: tuple[GateResult, ...]
    notes: tuple[DataQualityNote, ...]

    @property
    def passes(self) -> bool:
        """Return whether all gates are met."""
        return all(gate.holds for gate in self.gates)


@dataclass(frozen=True, slots=True)
class DailyResult:
    """Measured and expected quantity of a day, with the prediction interval of a single day."""

    day: date
    actual: Decimal
    expected: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class MeasurementResult:
    """Measured savings in `unit` (for a rate, times its weight's unit), rounded to `resolution`.

    `low` to `high` is the two-sided confidence interval and `bound` the one-sided lower bound, both
    at the agreed confidence. `billable` is the bound, or zero if it is negative or a gate fails.
    `evidence` is the SHA-256 of the study's canonical JSON. `days` is present only if a whole plant
    is compared with a baseline period.
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
    fitness: BaselineFitReport
    evidence: str
    days: tuple[DailyResult, ...] = ()

    def canonical_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, no spaces."""
        return msgspec.json.encode(self, order="sorted")


def parse_measurement_result(text: bytes) -> MeasurementResult:
    """Parse the canonical JSON of a measurement result."""
    return msgspec.json.decode(text, type=MeasurementResult)


def effective_resolution(minimum: Decimal, magnitude: float) -> Decimal:
    """Return the rounding resolution: the agreed one, or a billionth of `magnitude` if coarser."""
    if magnitude == 0:
        return minimum
    return max(minimum, Decimal(1).scaleb(floor(log10(abs(magnitude))) + _FINEST_EXPONENT))


def round_to_resolution(value: float, resolution: Decimal) -> Decimal:
    """Round to the nearest multiple of the resolution (half to even)."""
    return _quantize(value, resolution, ROUND_HALF_EVEN)


def floor_to_resolution(value: float, resolution: Decimal) -> Decimal:
    """Round down to a multiple of the resolution."""
    return _quantize(value, resolution, ROUND_FLOOR)


def to_ppm(share: float) -> int:
    """Convert a share to parts per million, rounded to nearest and clipped to +/- 10^9."""
    scaled = _MAX_PPM if not isfinite(share) else share * 1_000_000
    return round(max(-_MAX_PPM, min(scaled, _MAX_PPM)))


def _quantize(value: float, resolution: Decimal, rounding: str) -> Decimal:
    """Round a float to a multiple of the resolution, by the `rounding` mode of decimal."""
    exact = Decimal(f"{value:.{_SIGNIFICANT_DIGITS - 1}e}")
    steps = (exact / resolution).to_integral_value(rounding=rounding)
    return (steps * resolution).quantize(resolution) + Decimal(0)
