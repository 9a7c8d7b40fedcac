"""Fitting the baseline of a contract version from signed readings.

Uses all readings received so far from attesters of the kinds that the version accepts.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.contracts.agreement import set_version_baseline
from billing.outcomes.contracts.contracts import get_version, list_versions, version_terms
from billing.outcomes.settlement.measured_effects import fit_contract_baseline
from billing.outcomes.settlement.readings_selection import (
    list_readings_received,
    to_readings_evidence,
)
from billing.tables import OutcomeVersion
from infra.clock import Clock

_BEGINNING_OF_TIME = datetime.min.replace(tzinfo=UTC)


async def fit_version_baseline(
    session: AsyncSession, clock: Clock, account_id: UUID, contract_id: UUID, number: int
) -> OutcomeVersion:
    """Fit the baseline of a version and store it, replacing an earlier one.

    Raises MeasurementPlanInvalid, ReadingsInvalid, BaselineFitFailed, VersionClosed,
    ContractNotFound.
    """
    version = get_version(await list_versions(session, account_id, contract_id), number)
    terms = version_terms(version)
    readings = await list_readings_received(
        session, account_id, contract_id, terms.attesters, _BEGINNING_OF_TIME, clock.now()
    )
    baseline = fit_contract_baseline(terms, to_readings_evidence(readings))
    return await set_version_baseline(session, account_id, contract_id, number, baseline)
