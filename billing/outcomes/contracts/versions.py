"""Contract versions for settlement: the terms of a moment or month, and days in force."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import day_of, days_between
from billing.outcomes.contracts.contracts import Span, spans_of, versions_of
from infra.errors import AppError


class OutcomeContractNotAgreed(AppError):
    """No version of the contract has been agreed by both sides."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_contract_not_agreed"


async def agreed_versions(session: AsyncSession, account_id: UUID, contract_id: UUID) -> list[Span]:
    """What both sides have agreed, the oldest first. Raises OutcomeContractNotAgreed."""
    found = spans_of(await versions_of(session, account_id, contract_id))
    if not found:
        raise OutcomeContractNotAgreed("The contract has not been agreed by both sides.")
    return found


def in_force(versions: Sequence[Span], at: datetime) -> Span | None:
    """The version of a moment: of several the newest."""
    return next((one for one in reversed(versions) if one.holds(at)), None)


def nearest(versions: Sequence[Span], at: datetime) -> Span:
    """The version in force; else the newest that had begun by then, else the first."""
    begun = [one for one in versions if one.starts_at <= at]
    return in_force(versions, at) or (begun[-1] if begun else versions[0])


def last_of(versions: Sequence[Span], starts_at: datetime, ends_at: datetime) -> Span:
    """The version whose bounds hold for a month: the newest in force within it, or the nearest."""
    within = [
        one
        for one in versions
        if one.starts_at < ends_at and (one.ends_at is None or one.ends_at > starts_at)
    ]
    return within[-1] if within else nearest(versions, starts_at)


def share_in_force(
    versions: Sequence[Span], starts_at: datetime, ends_at: datetime, zone: ZoneInfo
) -> Fraction:
    """On how many of the days between two midnights any version was in force: the day on which it
    begins counts, the day on which it ends does not."""
    whole = days_between(starts_at, ends_at, zone)
    first = day_of(starts_at, zone)
    days = [first + timedelta(days=place) for place in range(whole)]
    covered = [
        (day_of(one.starts_at, zone), one.ends_at and day_of(one.ends_at, zone)) for one in versions
    ]
    held = sum(
        any(since <= day and (until is None or day < until) for since, until in covered)
        for day in days
    )
    return Fraction(held, whole)
