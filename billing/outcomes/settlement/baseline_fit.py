"""Fitting: the baseline of a version, from the signed readings of the time before it.

Owns which readings those are: all that came by now, of attesters whose kind the version accepts.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.contracts.agreement import fix_baseline
from billing.outcomes.contracts.contracts import numbered, terms_of, versions_of
from billing.outcomes.settlement.measured_effects import fit_baseline
from billing.outcomes.settlement.readings_selection import readings_between, tolds
from billing.tables import OutcomeVersion
from infra.clock import Clock

_EVER = datetime.min.replace(tzinfo=UTC)


async def fit_version(
    session: AsyncSession, clock: Clock, account_id: UUID, contract_id: UUID, number: int
) -> OutcomeVersion:
    """Fit a version's baseline and keep it with it, in place of an earlier fit.

    Raises MeasureInvalid, ReadingsInvalid, BaselineUnfit, VersionClosed, ContractNotFound.
    """
    version = numbered(await versions_of(session, account_id, contract_id), number)
    terms = terms_of(version)
    place = account_id, contract_id
    readings = await readings_between(session, *place, terms.attesters, _EVER, clock.now())
    baseline = fit_baseline(terms, tolds(readings))
    return await fix_baseline(session, account_id, contract_id, number, baseline)
