"""E-mail notices to customers about settlements and disputes, with the deadline to act."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile, profile_time_zone
from billing.dates import local_day
from billing.money import Money
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.tables import BillingProfile, Dispute, OutcomeSettlement
from billing.translations.catalog import billing_texts
from infra.clock import Clock
from infra.translations import gettext_noop

_SIDES = {
    "customer": gettext_noop("you"),
    "operator": gettext_noop("the operator"),
}


async def notify_settled(
    session: AsyncSession, clock: Clock, settlement: OutcomeSettlement, terms: OutcomeTerms
) -> None:
    """Notify the customer that a month was settled and until when it can be disputed."""
    profile = await get_profile(session, settlement.account_id)
    values = {
        "name": terms.names[profile.locale],
        "month": f"{local_day(settlement.starts_at, profile_time_zone(profile)):%Y-%m}",
        "amount": str(Money(settlement.minor, terms.currency)),
        "until": _format_local_time(settlement.disputable_until, profile),
    }
    key = f"outcome_settlement:{settlement.id}"
    await enqueue_email(session, clock, profile, key, EmailNotice("outcome_settled", values))


async def notify_dispute_answered(
    session: AsyncSession, clock: Clock, dispute: Dispute, due: datetime
) -> None:
    """Notify the customer that the operator answered a dispute and until when to reply."""
    profile = await get_profile(session, dispute.account_id)
    values = {"answer": dispute.answer or "", "until": _format_local_time(due, profile)}
    key = f"outcome_dispute:{dispute.id}:answered"
    await enqueue_email(session, clock, profile, key, EmailNotice("outcome_answered", values))


async def notify_dispute_decided(
    session: AsyncSession, clock: Clock, dispute: Dispute, side: str, currency: str
) -> None:
    """Notify the customer that a dispute was decided, and for which party."""
    profile = await get_profile(session, dispute.account_id)
    values = {
        "amount": str(Money(dispute.frozen, currency)),
        "side": billing_texts(profile.locale).text(_SIDES[side]),
    }
    key = f"outcome_dispute:{dispute.id}:decided"
    await enqueue_email(session, clock, profile, key, EmailNotice("outcome_decided", values))


def _format_local_time(at: datetime, profile: BillingProfile) -> str:
    """Format a time to the minute in the account's time zone."""
    return f"{at.astimezone(profile_time_zone(profile)):%Y-%m-%d %H:%M}"
