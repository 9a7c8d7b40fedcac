"""Telling: what a customer hears by e-mail of settlements and disputes, and until when it can act.

Nobody has to look every day whether something was settled.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import read_profile, zone
from billing.dates import day_of
from billing.money import Money
from billing.notifications.messages import Notice, tell
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.tables import BillingProfile, Dispute, OutcomeSettlement
from infra.clock import Clock

_SIDES = {
    "customer": {"zh": "贵方", "en": "you"},
    "operator": {"zh": "我方", "en": "us"},
}


async def tell_settled(
    session: AsyncSession, clock: Clock, settlement: OutcomeSettlement, terms: OutcomeTerms
) -> None:
    """A month was settled, and can be disputed for some days."""
    profile = await read_profile(session, settlement.account_id)
    values = {
        "name": terms.names[profile.locale],
        "month": f"{day_of(settlement.starts_at, zone(profile)):%Y-%m}",
        "amount": str(Money(settlement.minor, terms.currency)),
        "until": _moment(settlement.disputable_until, profile),
    }
    key = f"outcome_settlement:{settlement.id}"
    await tell(session, clock, profile, key, Notice("outcome_settled", values))


async def tell_answered(
    session: AsyncSession, clock: Clock, dispute: Dispute, due: datetime
) -> None:
    """The operator has answered, and is right unless the customer replies."""
    profile = await read_profile(session, dispute.account_id)
    values = {"answer": dispute.answer or "", "until": _moment(due, profile)}
    key = f"outcome_dispute:{dispute.id}:answered"
    await tell(session, clock, profile, key, Notice("outcome_answered", values))


async def tell_decided(
    session: AsyncSession, clock: Clock, dispute: Dispute, side: str, currency: str
) -> None:
    """A dispute is over, and for whom."""
    profile = await read_profile(session, dispute.account_id)
    values = {
        "amount": str(Money(dispute.frozen, currency)),
        "side": _SIDES[side][profile.locale],
    }
    key = f"outcome_dispute:{dispute.id}:decided"
    await tell(session, clock, profile, key, Notice("outcome_decided", values))


def _moment(at: datetime, profile: BillingProfile) -> str:
    return f"{at.astimezone(zone(profile)):%Y-%m-%d %H:%M}"
