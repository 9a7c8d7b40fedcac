"""The kept baseline: what was fitted before the start, as one JSON text that both sides agree to.

It holds how well it fits, the chosen terms, and the days themselves: how sure a saving is follows
from all of them, under every noise. So whoever has the text gets the same from it, to the digit,
and nothing of a baseline can be chosen, edited or added later. `effects` are the least-squares
effects for a reader to check; a measurement computes its own from the days. Numbers are shortest
decimals, which are read back as they were. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import msgspec
import numpy as np

from billing.outcomes.measurement.agreed import Span
from billing.outcomes.measurement.baseline import Baseline
from billing.outcomes.measurement.columns import Terms
from billing.outcomes.measurement.days import Table
from billing.outcomes.measurement.faults import MeasureInvalid
from billing.outcomes.measurement.measured import Note, ppm

_DIGITS = 10


@dataclass(frozen=True, slots=True)
class KeptDays:
    """The whole days of a machine (or plant), and the meter that told of them last."""

    machine: str
    meter: str
    days: tuple[date, ...]
    values: tuple[float, ...]
    variables: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, machine: str, meter: str, table: Table) -> "KeptDays":
        return cls(
            machine,
            meter,
            tuple(date.fromordinal(day) for day in table.days.tolist()),
            tuple(table.values.tolist()),
            {name: tuple(values.tolist()) for name, values in table.variables.items()},
        )

    @property
    def table(self) -> Table:
        return Table(
            np.array([day.toordinal() for day in self.days], dtype=np.int64),
            np.array(self.values, dtype=np.float64),
            {name: np.array(of, dtype=np.float64) for name, of in self.variables.items()},
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A fitted baseline; shares are in ppm, `missing_ppm` of the period's days."""

    cv_rmse_ppm: int
    nmbe_ppm: int
    missing_ppm: int
    days: int
    explained_ppm: int
    rho_ppm: int
    period: Span
    terms: Terms
    effects: tuple[tuple[str, str], ...]
    machines: tuple[KeptDays, ...]
    notes: tuple[Note, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(name for name, _ in self.effects)

    @property
    def meters(self) -> Mapping[str, str]:
        """The last meter of each machine."""
        return {one.machine: one.meter for one in self.machines}

    @property
    def tables(self) -> Mapping[str, Table]:
        """The days of each machine."""
        return {one.machine: one.table for one in self.machines}

    def text(self) -> str:
        """The canonical JSON: sorted keys, no spaces."""
        return msgspec.json.encode(self, order="sorted").decode()


def keep(
    baseline: Baseline,
    period: Span,
    missing: int,
    machines: tuple[KeptDays, ...],
    notes: tuple[Note, ...],
) -> Kept:
    """A fit as it is kept."""
    effects = (f"{effect:.{_DIGITS}g}" for effect in baseline.effects)
    return Kept(
        cv_rmse_ppm=ppm(baseline.cv),
        nmbe_ppm=ppm(baseline.bias),
        missing_ppm=missing,
        days=len(baseline.residuals),
        explained_ppm=ppm(baseline.explained),
        rho_ppm=ppm(baseline.rho),
        period=period,
        terms=baseline.terms,
        effects=tuple(zip(baseline.names, effects, strict=True)),
        machines=machines,
        notes=notes,
    )


def read_kept(text: str) -> Kept:
    """The reverse of `Kept.text`. Raises MeasureInvalid."""
    try:
        return msgspec.json.decode(text, type=Kept)
    except msgspec.DecodeError as error:
        raise MeasureInvalid(f"The baseline cannot be read: {error}.", param="baseline") from None
