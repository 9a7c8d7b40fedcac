"""Agreement to a contract version by both parties before it starts, and ending a contract.

A party agrees by the hash of the version, so it cannot agree to a text that it has not read. Both
operations change the price of calls, so they refresh the account's available credit and advance the
key epoch, as a change of plan does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_account_credit
from billing.metering.key_epoch import advance_epoch
from billing.outcomes.contracts.baselines import parse_fit_statistics, require_baseline_gates
from billing.outcomes.contracts.contracts import (
    get_version,
    is_agreed,
    list_versions,
    require_future_start,
    require_settlement_count,
    version_hash,
    version_terms,
)
from billing.outcomes.contracts.covered_terms import covered_call_terms
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import MeasuredEffect, MeasurementDesign, OutcomeTerms
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import publish_plan
from billing.tables import OutcomeVersion
from infra.clock import Clock
from infra.errors import AppError


class VersionHashMismatch(AppError):
    """The hash in the agreement is not the hash of the version."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_version_differs"


class VersionClosed(AppError):
    """The version was ended, replaced or agreed to, so it can no longer be changed."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_version_closed"


class ContractEndInvalid(AppError):
    """The contract was ended already, or the requested end is in the past."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_end_invalid"


@dataclass(frozen=True, slots=True)
class VersionReference:
    """A contract version, identified by its number and hash."""

    number: int
    hash: str


async def set_version_baseline(
    session: AsyncSession, account_id: UUID, contract_id: UUID, number: int, baseline: str
) -> OutcomeVersion:
    """Store the fitted baseline of a version, replacing an earlier one.

    The baseline becomes part of the version's hash. Raises BaselineInvalid, VersionClosed,
    ContractNotFound.
    """
    await lock_profile(session, account_id)
    version = get_version(await list_versions(session, account_id, contract_id), number)
    parse_fit_statistics(baseline)
    if version.baseline == baseline:
        return version
    if version.customer_agreed_at or version.operator_agreed_at or version.ends_at:
        raise VersionClosed(
            "This version was agreed to or ended and cannot be changed. Propose another version."
        )
    version.baseline = baseline
    await session.flush()
    return version


async def agree_to_version(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    reference: VersionReference,
    party: Party,
    list_prices: PlanTerms,
) -> OutcomeVersion:
    """Agree, for one party, to the version that `reference` names; repeating changes nothing.

    Once both parties have agreed, the version is agreed, and the prices of covered calls are fixed
    from the current plan and list prices (`list_prices`).

    Raises ContractNotFound, VersionHashMismatch, VersionClosed, StartsTooSoon,
    BaselineGatesNotMet, OutcomeTermsInvalid.
    """
    await lock_profile(session, account_id)
    versions = await list_versions(session, account_id, contract_id)
    version = get_version(versions, reference.number)
    if version_hash(version) != reference.hash.lower():
        raise VersionHashMismatch(
            f"The hash does not match: version {version.number} has the hash "
            f"{version_hash(version)}. Read the version again.",
            param="hash",
        )
    if _agreed_at(version, party.side) is not None:
        return version
    terms = version_terms(version)
    _require_open(version, versions)
    require_future_start(terms, clock.now())
    require_settlement_count(terms, versions)
    _require_baseline(version, terms)
    _set_agreed(version, party, clock.now())
    if is_agreed(version):
        covered_terms = await covered_call_terms(
            session, account_id, clock.now(), contract_id, terms, list_prices
        )
        plan = await publish_plan(session, clock, covered_terms, listed=False)
        version.plan_version_id = plan.id
        await _propagate_change(session, clock, account_id)
    await session.flush()
    return version


async def end_contract(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    party: Party,
    requested_end: datetime | None = None,
) -> Sequence[OutcomeVersion]:
    """End the contract at the requested time, by default now, and withdraw proposed versions.

    Returns all versions. Raises ContractEndInvalid.
    """
    await lock_profile(session, account_id)
    now = clock.now()
    ends_at = now if requested_end is None else requested_end
    if ends_at < now:
        raise ContractEndInvalid("A contract cannot end in the past.", param="at")
    versions = await list_versions(session, account_id, contract_id)
    open_versions = [version for version in versions if version.ends_at is None]
    if not open_versions:
        raise ContractEndInvalid(
            f"The contract already ends at {versions[-1].ends_at}.", param="at"
        )
    for version in open_versions:
        version.ends_at, version.ended_by, version.ended_at = ends_at, str(party), now
    await _propagate_change(session, clock, account_id)
    return versions


async def _propagate_change(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Refresh the account's credit; advance its access epoch, so that gateways reload prices."""
    await session.flush()
    await refresh_account_credit(session, clock, account_id)
    await advance_epoch(session, account_id)


def _agreed_at(version: OutcomeVersion, side: Side) -> datetime | None:
    """Return when one side agreed to the version, or None if it has not agreed."""
    is_customer = side is Side.CUSTOMER
    return version.customer_agreed_at if is_customer else version.operator_agreed_at


def _set_agreed(version: OutcomeVersion, party: Party, now: datetime) -> None:
    """Record that a party agrees to the version now, with its name."""
    if party.side is Side.CUSTOMER:
        version.customer_agreed_by, version.customer_agreed_at = party.name, now
    else:
        version.operator_agreed_by, version.operator_agreed_at = party.name, now


def _require_open(version: OutcomeVersion, versions: Sequence[OutcomeVersion]) -> None:
    """Raise VersionClosed if the version was withdrawn or a newer version is agreed."""
    if version.ends_at is not None:
        raise VersionClosed("This version was withdrawn when the contract was ended.")
    if any(one.number > version.number and is_agreed(one) for one in versions):
        raise VersionClosed("Both sides have agreed to a newer version.")


def _require_baseline(version: OutcomeVersion, terms: OutcomeTerms) -> None:
    """Raise unless the baseline meets the contract's quality limits; a switchback needs none.

    Raises BaselineGatesNotMet.
    """
    if (
        isinstance(terms.kind, MeasuredEffect)
        and terms.kind.design is not MeasurementDesign.SWITCHBACK
    ):
        require_baseline_gates(version.baseline, terms.kind.gates)
