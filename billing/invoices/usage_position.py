"""Position: what an account has used that is not invoiced yet, and under which terms, read once.

Credit, alerts and previews all ask the same; whoever has a position asks nobody again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import currency_of
from billing.invoices.calculation import InForce, PeriodUse, TermsUsed, use_under
from billing.rating.terms import PlanTerms
from billing.subscriptions.covered_calls import coverings_of
from billing.subscriptions.periods import periods_from
from billing.subscriptions.plans import terms_of
from billing.subscriptions.subscriptions import phase_at, phases_of
from billing.subscriptions.usage_totals import covered_so_far
from billing.tables import BillingProfile


@dataclass(frozen=True, slots=True)
class Position:
    """An account at a moment. `running` is the period of that moment, `terms` those of its plan
    then; `open` are all periods that no final invoice has, the oldest first. `covered` is what
    calls that are counted took of each quota of included units. `in_force` are the versions of
    terms, of the plan and of contracts, that hold at the moment."""

    profile: BillingProfile
    currency: str
    at: datetime
    running: PeriodUse
    open: Sequence[PeriodUse]
    terms: PlanTerms | None
    covered: Mapping[UUID, int]
    in_force: frozenset[UUID] = frozenset()

    @property
    def account_id(self) -> UUID:
        return self.profile.account_id

    @property
    def uninvoiced(self) -> int:
        """What usage that no invoice has comes to, in nano-units, with what is held beside it."""
        return sum(held_for(one.used) for one in self.open)


async def read_position(session: AsyncSession, profile: BillingProfile, at: datetime) -> Position:
    """The position now. The profile or the totals are locked."""
    account_id = profile.account_id
    # The running one is made where there is none yet: what its first unit may cost beside its
    # price is held by then.
    periods = await periods_from(session, account_id, at)
    since = min(at, periods[0].starts_at)
    phases = await phases_of(session, account_id, since)
    coverings = await coverings_of(session, account_id, since)
    in_force: list[InForce] = [*phases, *coverings]
    # Before the totals: should they grow between the two, too little is left, and not too much.
    covered = await covered_so_far(session, account_id) if in_force else {}
    uses = await use_under(session, profile, periods, in_force)
    phase = phase_at(phases, at)
    terms = {} if phase is None else await terms_of(session, [phase.plan_version_id])
    return Position(
        profile,
        await currency_of(session, account_id),
        at,
        next(one for one in uses if one.period.ends_at > at),
        [one for one in uses if one.period.closed_at is None],
        None if phase is None else terms[phase.plan_version_id],
        covered,
        frozenset(one.plan_version_id for one in in_force if _holds(one, at)),
    )


def _holds(one: InForce, at: datetime) -> bool:
    return one.starts_at <= at and (one.ends_at is None or one.ends_at > at)


def held_for(used: Sequence[TermsUsed]) -> int:
    """The amount and the reserve of what was used, in nano-units."""
    running = [one.running() for one in used]
    return sum(one.amount + one.reserve for one in running)
