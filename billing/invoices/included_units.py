"""Included units: how many units an account's calls may still take of the allowances of its plan
and of what its outcome contracts cover.

    left = included in the period - what the bill so far gives - what calls took that it does not
           count yet

Whatever calls took, the bill gives an allowance to whom it saves most. So it may be used up on
the bill though no call took of it, as a call that found it lent to others has paid, and has got
its money back since; or the other way round. What is left is put right together with the credit,
by the same totals, and may then be taken in any order: the bill can always give it to them.

What the bill gives to calls that it counts, although calls that it does not count yet have it, is
paid for by one of the two: so much of the credit is not given back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import read_profile
from billing.invoices.calculation import PeriodUse, period_use
from billing.invoices.usage_position import Position
from billing.metering.allowances import (
    AllowanceKey,
    allowances_of,
    open_allowances,
    put_allowances,
)
from billing.metering.quotas import QuotaRef
from billing.rating.allowance_use import Given, given
from billing.rating.terms import PlanTerms
from billing.subscriptions.periods import running_period


@dataclass(frozen=True, slots=True)
class Included:
    """The allowances of versions of terms for calls that begin in a time."""

    quotas: Mapping[UUID, Sequence[QuotaRef]]
    since: datetime
    until: datetime


async def included_at(
    session: AsyncSession, account_id: UUID, terms: Sequence[PlanTerms], at: datetime
) -> Included:
    """The allowances of what is in force for an account at a moment; made where they are not there
    yet, as in a new period."""
    period = await running_period(session, account_id, at)
    wanted = {one.version_id(): len(one.allowances) for one in terms}
    place = (account_id, period.starts_at, wanted.keys())
    quotas = await allowances_of(session, *place)
    if any(len(quotas[version_id]) < count for version_id, count in wanted.items()):
        use = await period_use(session, await read_profile(session, account_id), period)
        left = {key: one.left for key, one in _given([use]).items()}
        await open_allowances(session, account_id, left)
        quotas = await allowances_of(session, *place)
    # A clock that was set back is in no period, and gets the first.
    return Included(quotas, min(at, period.starts_at), period.ends_at)


async def put_included_right(session: AsyncSession, position: Position) -> int:
    """Bring the allowances to what the sum above says at a position; gives what is to be held of
    the credit for units that are given twice, in nano-units."""
    by_key = _given(position.open)
    if not by_key:
        return 0
    left = {key: one.left for key, one in by_key.items()}
    twice = await put_allowances(session, position.account_id, left, position.covered)
    return sum(by_key[key].worth(units) for key, units in twice.items())


def _given(uses: Iterable[PeriodUse]) -> dict[AllowanceKey, Given]:
    found: dict[AllowanceKey, Given] = {}
    for use in uses:
        for used in use.used:
            place = use.period.starts_at, used.terms.version_id()
            for one in given(used.terms, used.share, used.consumed):
                found[AllowanceKey(*place, one.allowance.model, one.allowance.meter)] = one
    return found
