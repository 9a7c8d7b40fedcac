"""Outcome contracts: proposing and finding versions, and when each version is in force.

    proposed -> agreed by both parties -> in force from its start -> replaced | ended | over

The version in force is the newest agreed version that has started; a newer version replaces it from
its own start on.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.dates import parse_time_zone
from billing.outcomes.contracts.covered_terms import covered_call_terms
from billing.outcomes.contracts.parties import Party
from billing.outcomes.contracts.terms import (
    AttesterKind,
    EventEffect,
    MeasuredEffect,
    OutcomeTerms,
    OutcomeTermsInvalid,
    count_settlements,
    parse_outcome_terms,
)
from billing.rating.terms import PlanTerms
from billing.tables import OutcomeContract, OutcomeVersion
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "octr"
_MAX_COUNT = 200  # contracts per account, and versions per contract


class ContractNotFound(AppError):
    """The account has no such outcome contract, or the contract has no such version."""

    status = 404
    type = "invalid_request_error"
    code = "outcome_contract_not_found"


class StartsTooSoon(AppError):
    """The start of the version is in the past; it must be agreed to before it starts."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_starts_too_soon"


@dataclass(frozen=True, slots=True)
class VersionPeriod:
    """The period in which a version is in force; `ends_at` is None if no end is known."""

    version: OutcomeVersion
    terms: OutcomeTerms
    starts_at: datetime
    ends_at: datetime | None

    def is_in_force(self, at: datetime) -> bool:
        """Return whether a time lies in the period; `ends_at` itself does not."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


async def propose_version(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    terms: OutcomeTerms,
    party: Party,
    list_prices: PlanTerms,
) -> OutcomeVersion:
    """Create the next version of a contract, not agreed to yet.

    Returns the newest version if its terms are the same. `list_prices` are the current list prices.

    Raises OutcomeTermsInvalid, StartsTooSoon.
    """
    await lock_profile(session, account_id)
    now = clock.now()
    currency = await get_account_currency(session, account_id)
    if terms.currency != currency:
        message = f"currency: must be {currency}, the currency of the account."
        raise OutcomeTermsInvalid(message, param="currency")
    contract = await _get_or_create_contract(session, account_id, terms.tag, now)
    versions = await list_versions(session, account_id, contract.id)
    newest = versions[-1] if versions else None
    if newest and newest.terms_id == terms.version_id() and newest.ends_at is None:
        return newest
    _require_kept_predictions(terms)
    _require_below_limit(len(versions), "versions")
    require_future_start(terms, now)
    require_settlement_count(terms, versions)
    await covered_call_terms(session, account_id, now, contract.id, terms, list_prices)
    version = OutcomeVersion(
        id=ids.new_id(),
        account_id=account_id,
        contract_id=contract.id,
        number=len(versions) + 1,
        terms_id=terms.version_id(),
        terms=terms.canonical_json().decode(),
        proposed_by=str(party),
        proposed_at=now,
    )
    session.add(version)
    await session.flush()
    return version


def _require_kept_predictions(terms: OutcomeTerms) -> None:
    """Require prediction rules if our model attests events, so that it attests kept records only.

    Versions that were proposed before this rule are not changed. Raises OutcomeTermsInvalid.
    """
    attests = AttesterKind.OUR_MODEL in terms.attesters and isinstance(terms.kind, EventEffect)
    if attests and terms.predictions is None:
        raise OutcomeTermsInvalid(
            "attesters: our_model attests predictions by the records of the ledger. Add "
            "[predictions], or leave our_model out.",
            param="attesters",
        )


def require_settlement_count(terms: OutcomeTerms, versions: Sequence[OutcomeVersion]) -> None:
    """Require a measured effect's `looks` (analyses) to be its number of monthly settlements.

    Its confidence holds for all settlements of the contract together, including those of earlier
    versions. Raises OutcomeTermsInvalid.
    """
    if not isinstance(terms.kind, MeasuredEffect) or terms.ends_at is None:
        return
    first = min([terms.starts_at, *(span.starts_at for span in version_periods(versions))])
    settlements = count_settlements(first, terms.ends_at, parse_time_zone(terms.time_zone))
    if terms.kind.looks != settlements:
        raise OutcomeTermsInvalid(
            f"measure.looks: must be {settlements}, not {terms.kind.looks}: the contract "
            "has one settlement per month from the start of its first version to the end "
            "of this version.",
            param="measure.looks",
        )


def require_future_start(terms: OutcomeTerms, now: datetime) -> None:
    """Raise StartsTooSoon if the terms start now or in the past."""
    if terms.starts_at <= now:
        raise StartsTooSoon(
            f"The contract starts at {terms.starts_at.isoformat()}; both sides must agree "
            "before that. Propose a version that starts later.",
            param="starts_at",
        )


async def list_contracts(session: AsyncSession, account_id: UUID) -> list[OutcomeContract]:
    """List an account's contracts, oldest first."""
    query = select(OutcomeContract).where(col(OutcomeContract.account_id) == account_id)
    return list(await session.scalars(query.order_by(col(OutcomeContract.id))))


async def find_contract(session: AsyncSession, account_id: UUID, id_or_tag: str) -> OutcomeContract:
    """Return a contract by id (`octr_…`) or tag. Raises ContractNotFound."""
    contract_id = ids.parse_id(PREFIX, id_or_tag)
    query = select(OutcomeContract).where(col(OutcomeContract.account_id) == account_id)
    if contract_id is not None:
        query = query.where(col(OutcomeContract.id) == contract_id)
    elif id_or_tag.isidentifier():
        query = query.where(col(OutcomeContract.tag) == id_or_tag)
    else:
        raise _not_found(id_or_tag)
    contract = (await session.scalars(query)).one_or_none()
    if contract is None:
        raise _not_found(id_or_tag)
    return contract


async def list_versions(
    session: AsyncSession, account_id: UUID, contract_id: UUID
) -> list[OutcomeVersion]:
    """List all versions of a contract by number."""
    query = select(OutcomeVersion).where(
        col(OutcomeVersion.account_id) == account_id,
        col(OutcomeVersion.contract_id) == contract_id,
    )
    return list(await session.scalars(query.order_by(col(OutcomeVersion.number))))


async def terms_for_evidence(
    session: AsyncSession, account_id: UUID, contract_id: UUID, at: datetime
) -> OutcomeTerms:
    """Return the terms under which evidence received at `at` is parsed.

    The terms in force, else the newest agreed, else the newest, so that a proposal does not change
    how evidence is read.
    """
    versions = await list_versions(session, account_id, contract_id)
    spans = version_periods(versions)
    candidates = [span.terms for span in spans if span.is_in_force(at)] or [
        span.terms for span in spans
    ]
    return candidates[-1] if candidates else version_terms(get_version(versions, None))


def get_version(versions: Sequence[OutcomeVersion], number: int | None) -> OutcomeVersion:
    """Return the version with a number, or the newest if None. Raises ContractNotFound."""
    matching = [one for one in versions if number is None or one.number == number]
    if not matching:
        raise ContractNotFound(f"The contract has no version {number}.", param="version")
    return matching[-1]


def version_terms(version: OutcomeVersion) -> OutcomeTerms:
    """Return the parsed terms of a version."""
    return parse_outcome_terms(version.terms.encode())


def version_hash(version: OutcomeVersion) -> str:
    """Return the hexadecimal hash that a party states to agree to the version.

    It is the SHA-256 of the terms' canonical JSON, followed by the baseline's text if there is one.
    """
    return hashlib.sha256((version.terms + (version.baseline or "")).encode()).hexdigest()


def is_agreed(version: OutcomeVersion) -> bool:
    """Return whether both parties have agreed to the version."""
    return version.customer_agreed_at is not None and version.operator_agreed_at is not None


def version_periods(versions: Sequence[OutcomeVersion]) -> list[VersionPeriod]:
    """Return the non-overlapping periods of the versions that are ever in force, oldest first."""
    periods: list[VersionPeriod] = []
    # The earliest start of the newer versions: from then on no older version is in force.
    replaced_from: datetime | None = None
    for version in sorted(versions, key=lambda one: one.number, reverse=True):
        if not is_agreed(version):
            continue
        terms = version_terms(version)
        end_times = [at for at in (replaced_from, version.ends_at, terms.ends_at) if at is not None]
        period = VersionPeriod(version, terms, terms.starts_at, min(end_times, default=None))
        if period.ends_at is None or period.starts_at < period.ends_at:
            periods.append(period)
        replaced_from = min(terms.starts_at, replaced_from or terms.starts_at)
    return periods[::-1]


async def _get_or_create_contract(
    session: AsyncSession, account_id: UUID, tag: str, now: datetime
) -> OutcomeContract:
    """Return the account's contract with a tag, creating it if needed."""
    query = select(OutcomeContract).where(
        col(OutcomeContract.account_id) == account_id, col(OutcomeContract.tag) == tag
    )
    existing = (await session.scalars(query)).one_or_none()
    if existing is not None:
        return existing
    _require_below_limit(len(await list_contracts(session, account_id)), "contracts")
    contract = OutcomeContract(id=ids.new_id(), account_id=account_id, tag=tag, created_at=now)
    session.add(contract)
    await session.flush()
    return contract


def _require_below_limit(count: int, noun: str) -> None:
    """Raise OutcomeTermsInvalid if `count` is `_MAX_COUNT`; `noun` names what is counted."""
    if count >= _MAX_COUNT:
        raise OutcomeTermsInvalid(
            f"contract: the maximum of {_MAX_COUNT} {noun} is reached.", param="contract"
        )


def _not_found(name: str) -> ContractNotFound:
    """Return the ContractNotFound error for an id or tag, to be raised by the caller."""
    return ContractNotFound(
        f"Outcome contract not found: {name[:60]!r}. Use its ID (octr_…) or name.", param="contract"
    )
