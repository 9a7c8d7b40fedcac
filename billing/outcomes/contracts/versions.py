"""Selection of the contract version in force at a time or in a month, for settlements."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import days_between, local_day
from billing.outcomes.contracts.contracts import VersionPeriod, list_versions, version_periods
from infra.errors import AppError


class OutcomeContractNotAgreed(AppError):
    """No version of the contract has been agreed by both parties."""

    status = 409
    type = "invalid_request_error"
    code = "outcome_contract_not_agreed"


async def list_agreed_versions(
    session: AsyncSession, account_id: UUID, contract_id: UUID
) -> list[VersionPeriod]:
    """List the periods of all agreed versions, oldest first. Raises OutcomeContractNotAgreed."""
    periods = version_periods(await list_versions(session, account_id, contract_id))
    if not periods:
        raise OutcomeContractNotAgreed("Both sides must agree to the contract first.")
    return periods


def version_in_force(versions: Sequence[VersionPeriod], at: datetime) -> VersionPeriod | None:
    """Return the newest version in force at `at`, or None."""
    return next((one for one in reversed(versions) if one.is_in_force(at)), None)


def nearest_version(versions: Sequence[VersionPeriod], at: datetime) -> VersionPeriod:
    """Return the version in force at a time, else the newest started by then, else the first."""
    begun = [one for one in versions if one.starts_at <= at]
    return version_in_force(versions, at) or (begun[-1] if begun else versions[0])


def last_version_in(
    versions: Sequence[VersionPeriod], starts_at: datetime, ends_at: datetime
) -> VersionPeriod:
    """Return the newest version in force within a month, or the nearest one.

    Its price bounds apply to the month.
    """
    within = [
        one
        for one in versions
        if one.starts_at < ends_at and (one.ends_at is None or one.ends_at > starts_at)
    ]
    return within[-1] if within else nearest_version(versions, starts_at)


def share_in_force(
    versions: Sequence[VersionPeriod], starts_at: datetime, ends_at: datetime, zone: ZoneInfo
) -> Fraction:
    """Return the share of the days between two midnights on which any version was in force.

    The day on which a version starts counts, the day on which it ends does not.
    """
    total_days = days_between(starts_at, ends_at, zone)
    first = local_day(starts_at, zone)
    days = [first + timedelta(days=offset) for offset in range(total_days)]
    day_ranges = [
        (local_day(one.starts_at, zone), one.ends_at and local_day(one.ends_at, zone))
        for one in versions
    ]
    days_in_force = sum(
        any(since <= day and (until is None or day < until) for since, until in day_ranges)
        for day in days
    )
    return Fraction(days_in_force, total_days)
