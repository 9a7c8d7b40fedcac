"""Agreeing: both sides say yes to the same text, before it starts; and either can end it.

A side agrees by the version's hash, so that nobody agrees to something else than it has read. As
they change what calls cost, gateways and credit are told, as of a change of plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_credit
from billing.metering.key_epoch import advance_epoch
from billing.outcomes.contracts.baselines import read_fit, require_gates
from billing.outcomes.contracts.contracts import (
    hash_of,
    is_agreed,
    numbered,
    require_ahead,
    require_looks,
    terms_of,
    versions_of,
)
from billing.outcomes.contracts.covered_terms import covering_terms
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import Design, Measure, OutcomeTerms
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import publish
from billing.tables import OutcomeVersion
from infra.clock import Clock
from infra.errors import AppError


class VersionDiffers(AppError):
    """The hash that was agreed to is not that of the version."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_version_differs"


class VersionClosed(AppError):
    """The version was ended or replaced, or somebody has agreed to it, so this comes too late."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_version_closed"


class EndInvalid(AppError):
    """A contract ends from now or later on, and once."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_end_invalid"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a side says yes to: a version by its number and hash."""

    number: int
    hash: str


async def fix_baseline(
    session: AsyncSession, account_id: UUID, contract_id: UUID, number: int, baseline: str
) -> OutcomeVersion:
    """Keep what was fitted as the baseline of a version, in place of an earlier fit; from then on
    it is part of what is agreed to. Raises BaselineInvalid, VersionClosed, ContractNotFound."""
    await lock_profile(session, account_id)
    version = numbered(await versions_of(session, account_id, contract_id), number)
    read_fit(baseline)
    if version.baseline == baseline:
        return version
    if version.customer_agreed_at or version.operator_agreed_at or version.ends_at:
        raise VersionClosed(
            "Somebody has agreed to this version, or it was ended: propose another."
        )
    version.baseline = baseline
    await session.flush()
    return version


async def agree(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    to: Agreement,
    by: Party,
    listed: PlanTerms,
) -> OutcomeVersion:
    """Say yes for one side; its second yes changes nothing. With the other's the version is agreed,
    and the prices of covered calls are those of now. `listed` are the list prices of now.

    Raises ContractNotFound, VersionDiffers, VersionClosed, StartsTooSoon, BaselineMissesGates,
    OutcomeTermsInvalid.
    """
    await lock_profile(session, account_id)
    versions = await versions_of(session, account_id, contract_id)
    version = numbered(versions, to.number)
    if hash_of(version) != to.hash.lower():
        raise VersionDiffers(
            f"Version {version.number} has the hash {hash_of(version)}: read it again.",
            param="hash",
        )
    if _agreed_at(version, by.side) is not None:
        return version
    terms = terms_of(version)
    _require_open(version, versions)
    require_ahead(terms, clock.now())
    require_looks(terms, versions)
    _require_baseline(version, terms)
    _mark(version, by, clock.now())
    if is_agreed(version):
        covering = await covering_terms(
            session, account_id, clock.now(), contract_id, terms, listed
        )
        plan = await publish(session, clock, covering, listed=False)
        version.plan_version_id = plan.id
        await _tell(session, clock, account_id)
    await session.flush()
    return version


async def end(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    by: Party,
    at: datetime | None = None,
) -> Sequence[OutcomeVersion]:
    """End the contract from a moment on, now unless one is given: no version is in force any more,
    and what is only proposed is withdrawn. Gives the versions. Raises EndInvalid."""
    await lock_profile(session, account_id)
    now = clock.now()
    ends_at = now if at is None else at
    if ends_at < now:
        raise EndInvalid("A contract cannot be ended from a past moment on.", param="at")
    versions = await versions_of(session, account_id, contract_id)
    open_ones = [version for version in versions if version.ends_at is None]
    if not open_ones:
        raise EndInvalid(f"The contract ends already, at {versions[-1].ends_at}.", param="at")
    for version in open_ones:
        version.ends_at, version.ended_by, version.ended_at = ends_at, str(by), now
    await _tell(session, clock, account_id)
    return versions


async def _tell(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """What is covered has changed: an older version has fewer days now, and gateways look again."""
    await session.flush()
    await refresh_credit(session, clock, account_id)
    await advance_epoch(session, account_id)


def _agreed_at(version: OutcomeVersion, side: Side) -> datetime | None:
    of_customer = side is Side.CUSTOMER
    return version.customer_agreed_at if of_customer else version.operator_agreed_at


def _mark(version: OutcomeVersion, by: Party, now: datetime) -> None:
    if by.side is Side.CUSTOMER:
        version.customer_agreed_by, version.customer_agreed_at = by.name, now
    else:
        version.operator_agreed_by, version.operator_agreed_at = by.name, now


def _require_open(version: OutcomeVersion, versions: Sequence[OutcomeVersion]) -> None:
    if version.ends_at is not None:
        raise VersionClosed("This version was withdrawn when the contract was ended.")
    if any(one.number > version.number and is_agreed(one) for one in versions):
        raise VersionClosed("Both sides have agreed to a newer version.")


def _require_baseline(version: OutcomeVersion, terms: OutcomeTerms) -> None:
    """What is held against weeks that go without needs no baseline of before."""
    if isinstance(terms.kind, Measure) and terms.kind.design is not Design.SWITCHBACK:
        require_gates(version.baseline, terms.kind.gates)
