"""Outcome contracts: proposing versions of them, finding them, and which version is in force when.

    proposed -> agreed by both -> in force from its start -> replaced | ended | over

A version in force is the newest that both sides have agreed to and whose start is reached; a newer
one takes its place from its own start.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import currency_of, lock_profile
from billing.dates import zone_of
from billing.outcomes.contracts.covered_terms import covering_terms
from billing.outcomes.contracts.parties import Party
from billing.outcomes.contracts.terms import (
    Measure,
    OutcomeTerms,
    OutcomeTermsInvalid,
    read_outcome_terms,
    settlements_between,
)
from billing.rating.terms import PlanTerms
from billing.tables import OutcomeContract, OutcomeVersion
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "octr"
_MOST = 200  # contracts of an account, and versions of a contract


class ContractNotFound(AppError):
    """The account has no such outcome contract, or the contract no such version."""

    status = 404
    type = "invalid_request_error"
    code = "outcome_contract_not_found"


class StartsTooSoon(AppError):
    """A contract is agreed before it starts, and this one's start is over."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_starts_too_soon"


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when a version is in force; `ends_at` is None while no end is known."""

    version: OutcomeVersion
    terms: OutcomeTerms
    starts_at: datetime
    ends_at: datetime | None

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


async def propose(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    terms: OutcomeTerms,
    by: Party,
    listed: PlanTerms,
) -> OutcomeVersion:
    """Keep the terms as the contract's next version, to which nobody has agreed yet; the newest
    version's terms again are that version. `listed` are the list prices of now.

    Raises OutcomeTermsInvalid, StartsTooSoon.
    """
    await lock_profile(session, account_id)
    now = clock.now()
    currency = await currency_of(session, account_id)
    if terms.currency != currency:
        said = f"currency: the account pays in {currency}."
        raise OutcomeTermsInvalid(said, param="currency")
    contract = await _contract(session, account_id, terms.tag, now)
    versions = await versions_of(session, account_id, contract.id)
    newest = versions[-1] if versions else None
    if newest and newest.terms_id == terms.version_id() and newest.ends_at is None:
        return newest
    _require_room(len(versions), "versions")
    require_ahead(terms, now)
    require_looks(terms, versions)
    await covering_terms(session, account_id, now, contract.id, terms, listed)
    version = OutcomeVersion(
        id=ids.new_id(),
        account_id=account_id,
        contract_id=contract.id,
        number=len(versions) + 1,
        terms_id=terms.version_id(),
        terms=terms.text().decode(),
        proposed_by=str(by),
        proposed_at=now,
    )
    session.add(version)
    await session.flush()
    return version


def require_looks(terms: OutcomeTerms, versions: Sequence[OutcomeVersion]) -> None:
    """The confidence of a measured effect holds for all settlements of the contract together, those
    by earlier versions too. Raises OutcomeTermsInvalid."""
    if not isinstance(terms.kind, Measure) or terms.ends_at is None:
        return
    first = min([terms.starts_at, *(span.starts_at for span in spans_of(versions))])
    settlements = settlements_between(first, terms.ends_at, zone_of(terms.time_zone))
    if terms.kind.looks != settlements:
        raise OutcomeTermsInvalid(
            f"measure.looks: the contract has {settlements} settlements, one a month from its "
            f"first version's start to this one's end, and not {terms.kind.looks}.",
            param="measure.looks",
        )


def require_ahead(terms: OutcomeTerms, now: datetime) -> None:
    """Raises StartsTooSoon."""
    if terms.starts_at <= now:
        raise StartsTooSoon(
            f"The contract starts at {terms.starts_at.isoformat()}, and both sides agree before "
            "that. Propose a version that starts later.",
            param="starts_at",
        )


async def list_contracts(session: AsyncSession, account_id: UUID) -> list[OutcomeContract]:
    """An account's contracts, the oldest first."""
    query = select(OutcomeContract).where(col(OutcomeContract.account_id) == account_id)
    return list(await session.scalars(query.order_by(col(OutcomeContract.id))))


async def find_contract(session: AsyncSession, account_id: UUID, name: str) -> OutcomeContract:
    """By id (`octr_…`) or tag. Raises ContractNotFound."""
    identity = ids.parse(PREFIX, name)
    query = select(OutcomeContract).where(col(OutcomeContract.account_id) == account_id)
    if identity is not None:
        query = query.where(col(OutcomeContract.id) == identity)
    elif name.isidentifier():
        query = query.where(col(OutcomeContract.tag) == name)
    else:
        raise _not_found(name)
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise _not_found(name)
    return found


async def versions_of(
    session: AsyncSession, account_id: UUID, contract_id: UUID
) -> list[OutcomeVersion]:
    """All versions of a contract, the first one first."""
    query = select(OutcomeVersion).where(
        col(OutcomeVersion.account_id) == account_id,
        col(OutcomeVersion.contract_id) == contract_id,
    )
    return list(await session.scalars(query.order_by(col(OutcomeVersion.number))))


async def terms_for(
    session: AsyncSession, account_id: UUID, contract_id: UUID, at: datetime
) -> OutcomeTerms:
    """By which terms evidence is read at a moment: those in force, else the newest that are agreed,
    else the newest. So no proposal changes how it is read."""
    versions = await versions_of(session, account_id, contract_id)
    spans = spans_of(versions)
    held = [span.terms for span in spans if span.holds(at)] or [span.terms for span in spans]
    return held[-1] if held else terms_of(numbered(versions, None))


def numbered(versions: Sequence[OutcomeVersion], number: int | None) -> OutcomeVersion:
    """The version with a number, or the newest. Raises ContractNotFound."""
    wanted = [one for one in versions if number is None or one.number == number]
    if not wanted:
        raise ContractNotFound(f"The contract has no version {number}.", param="version")
    return wanted[-1]


def terms_of(version: OutcomeVersion) -> OutcomeTerms:
    return read_outcome_terms(version.terms.encode())


def hash_of(version: OutcomeVersion) -> str:
    """What a side agrees to: the SHA-256 of the terms' text, followed by the baseline's if the
    version has one, in hexadecimal digits."""
    return hashlib.sha256((version.terms + (version.baseline or "")).encode()).hexdigest()


def is_agreed(version: OutcomeVersion) -> bool:
    """Whether both sides have agreed."""
    return version.customer_agreed_at is not None and version.operator_agreed_at is not None


def spans_of(versions: Sequence[OutcomeVersion]) -> list[Span]:
    """When each version is in force, of those that ever are; they do not overlap."""
    spans: list[Span] = []
    # Where the newer ones begin: from there on, none of the older ones is.
    replaced_from: datetime | None = None
    for version in sorted(versions, key=lambda one: one.number, reverse=True):
        if not is_agreed(version):
            continue
        terms = terms_of(version)
        ends = [at for at in (replaced_from, version.ends_at, terms.ends_at) if at is not None]
        span = Span(version, terms, terms.starts_at, min(ends, default=None))
        if span.ends_at is None or span.starts_at < span.ends_at:
            spans.append(span)
        replaced_from = min(terms.starts_at, replaced_from or terms.starts_at)
    return spans[::-1]


async def _contract(
    session: AsyncSession, account_id: UUID, tag: str, now: datetime
) -> OutcomeContract:
    """The account's contract with a tag, made where there is none yet."""
    query = select(OutcomeContract).where(
        col(OutcomeContract.account_id) == account_id, col(OutcomeContract.tag) == tag
    )
    found = (await session.scalars(query)).one_or_none()
    if found is not None:
        return found
    _require_room(len(await list_contracts(session, account_id)), "contracts")
    made = OutcomeContract(id=ids.new_id(), account_id=account_id, tag=tag, created_at=now)
    session.add(made)
    await session.flush()
    return made


def _require_room(there: int, what: str) -> None:
    if there >= _MOST:
        raise OutcomeTermsInvalid(f"contract: there are {_MOST} {what} already.", param="contract")


def _not_found(name: str) -> ContractNotFound:
    return ContractNotFound(f"The account has no outcome contract {name[:60]!r}.", param="contract")
