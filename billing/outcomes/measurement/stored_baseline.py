"""The stored baseline: a fitted baseline as canonical JSON that both parties agree to.

It contains the goodness of fit, the selected terms and the daily data, because the confidence bound
of the savings depends on all days. The same text always gives the same result, and nothing can be
selected or edited later. The field names are the keys of the hashed JSON: they must not change.
`effects` are the least squares coefficients for readers; a measurement computes its own from the
days. Numbers are shortest round-trip decimals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import msgspec
import numpy as np

from billing.outcomes.measurement.baseline import BaselineModel
from billing.outcomes.measurement.columns import RegressionTerms
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.errors import MeasurementPlanInvalid
from billing.outcomes.measurement.plan import DateRange
from billing.outcomes.measurement.results import DataQualityNote, to_ppm

_SIGNIFICANT_DIGITS = 10


@dataclass(frozen=True, slots=True)
class StoredMachineDays:
    """The complete baseline days of a machine (or plant), and the meter of its last reading."""

    machine: str
    meter: str
    days: tuple[date, ...]
    values: tuple[float, ...]
    variables: Mapping[str, tuple[float, ...]]

    @classmethod
    def from_table(cls, machine: str, meter: str, table: DailyTable) -> "StoredMachineDays":
        """Build the stored form of a machine's daily table."""
        return cls(
            machine,
            meter,
            tuple(date.fromordinal(day) for day in table.days.tolist()),
            tuple(table.values.tolist()),
            {name: tuple(values.tolist()) for name, values in table.variables.items()},
        )

    @property
    def table(self) -> DailyTable:
        """Return the days as a daily table."""
        return DailyTable(
            np.array([day.toordinal() for day in self.days], dtype=np.int64),
            np.array(self.values, dtype=np.float64),
            {name: np.array(of, dtype=np.float64) for name, of in self.variables.items()},
        )


@dataclass(frozen=True, slots=True)
class StoredBaseline:
    """A fitted baseline with its data; shares are in ppm, `missing_ppm` of the period's days."""

    cv_rmse_ppm: int
    nmbe_ppm: int
    missing_ppm: int
    days: int
    explained_ppm: int
    rho_ppm: int
    period: DateRange
    terms: RegressionTerms
    effects: tuple[tuple[str, str], ...]
    machines: tuple[StoredMachineDays, ...]
    notes: tuple[DataQualityNote, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the names of the regression columns."""
        return tuple(name for name, _ in self.effects)

    @property
    def meters(self) -> Mapping[str, str]:
        """Return the last meter of the baseline period by machine."""
        return {one.machine: one.meter for one in self.machines}

    @property
    def tables(self) -> Mapping[str, DailyTable]:
        """Return the daily baseline table by machine."""
        return {one.machine: one.table for one in self.machines}

    def canonical_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces."""
        return msgspec.json.encode(self, order="sorted").decode()


def build_stored_baseline(
    baseline: BaselineModel,
    period: DateRange,
    missing_ppm: int,
    machines: tuple[StoredMachineDays, ...],
    notes: tuple[DataQualityNote, ...],
) -> StoredBaseline:
    """Convert a fitted baseline to its stored form: shares in ppm, rounded coefficients."""
    effects = (f"{effect:.{_SIGNIFICANT_DIGITS}g}" for effect in baseline.coefficients)
    return StoredBaseline(
        cv_rmse_ppm=to_ppm(baseline.cv_rmse),
        nmbe_ppm=to_ppm(baseline.nmbe),
        missing_ppm=missing_ppm,
        days=len(baseline.residuals),
        explained_ppm=to_ppm(baseline.r_squared),
        rho_ppm=to_ppm(baseline.rho),
        period=period,
        terms=baseline.terms,
        effects=tuple(zip(baseline.names, effects, strict=True)),
        machines=machines,
        notes=notes,
    )


def parse_stored_baseline(text: str) -> StoredBaseline:
    """Parse the canonical JSON of a stored baseline. Raises MeasurementPlanInvalid."""
    try:
        return msgspec.json.decode(text, type=StoredBaseline)
    except msgspec.DecodeError as error:
        raise MeasurementPlanInvalid(
            f"The stored baseline is not valid: {error}.", param="baseline"
        ) from None
