"""The drift of one version of an account's model, for the API, the command line and pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.drift.counts import MIN_ROWS, read_window
from gateway.tables import VariantDrift
from models.drift.comparison import Summary, VariableDrift, compare_counts, highest_level
from models.drift.psi import MODERATE_PSI, SIGNIFICANT_PSI, DriftLevel
from models.drift.reference import Reference


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The drift of a version in its last window; times are UTC.

    level: the highest of any variable, None if it cannot be told: the model has no reference, or
    there are fewer than MIN_ROWS rows. variables: the largest PSI first.
    """

    has_reference: bool
    rows: int
    since: datetime | None
    until: datetime
    level: DriftLevel | None
    variables: tuple[VariableDrift, ...] = ()

    @property
    def reason(self) -> str | None:
        """Why there is no level."""
        if not self.has_reference:
            return "no_reference"
        return "too_few_rows" if self.level is None else None


async def load_drift(
    session: AsyncSession, account_id: UUID, variant_id: UUID, now: datetime
) -> DriftReport:
    """Return the drift of one of the account's versions."""
    query = select(col(VariantDrift.reference)).where(
        col(VariantDrift.account_id) == account_id, col(VariantDrift.variant_id) == variant_id
    )
    stored = (await session.scalars(query)).one_or_none()
    if stored is None:
        return DriftReport(False, 0, None, now, None)
    reference = msgspec.convert(stored, Reference, strict=False)
    window = await read_window(session, account_id, variant_id, reference, now)
    if window.rows < MIN_ROWS:
        return DriftReport(True, window.rows, window.since, now, None)
    variables = compare_counts(reference, window.counts)
    level = highest_level(variables)
    return DriftReport(True, window.rows, window.since, now, level, variables)


def drift_json(model: str, version: int, report: DriftReport) -> dict[str, Any]:
    """Return a report as JSON."""
    return {
        "object": "model.drift",
        "model": model,
        "version": version,
        "level": report.level,
        "reason": report.reason,
        "rows": report.rows,
        "min_rows": MIN_ROWS,
        "since": None if report.since is None else report.since.isoformat(),
        "until": report.until.isoformat(),
        "thresholds": {"moderate": MODERATE_PSI, "significant": SIGNIFICANT_PSI},
        "variables": [_variable_json(one) for one in report.variables],
    }


def _variable_json(drift: VariableDrift) -> Mapping[str, Any]:
    """Return the drift of a variable as JSON."""
    return {
        "name": drift.name,
        "role": "prediction" if drift.is_output else "input",
        "unit": drift.unit,
        "psi": round(drift.psi, 4),
        "chance_psi": round(drift.bound, 4) if drift.bound < float("inf") else None,
        "level": drift.level,
        "training": _summary_json(drift.then),
        "serving": _summary_json(drift.now),
    }


def _summary_json(summary: Summary) -> Mapping[str, Any]:
    """Return what a variable was like as JSON; `mean` of numbers, `shares` of categories."""
    of_kind = {"shares": dict(summary.shares)} if summary.mean is None else {"mean": summary.mean}
    return {**of_kind, "missing": summary.missing, "outside": summary.outside}
