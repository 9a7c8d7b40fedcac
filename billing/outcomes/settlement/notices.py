"""E-mails and events about settlements and disputes, with the deadline to act."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile, profile_time_zone
from billing.dates import local_day
from billing.events.emission import Event, emit_event
from billing.events.texts import EventText, event_texts, localised
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.money import Money, minor_text
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.outcomes.contracts.terms import OutcomeTerms
from billing.tables import BillingProfile, Dispute, OutcomeSettlement
from billing.translations.catalog import billing_texts
from infra import ids
from infra.clock import Clock
from infra.translations import gettext_noop

_DISPUTE_PREFIX = "odsp"
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
    notice = EmailNotice("outcome_settled", values)
    await enqueue_email(session, clock, profile, key, notice)
    data = {
        "id": ids.format_id(SETTLEMENT_PREFIX, settlement.id),
        "month": values["month"],
        "amount": minor_text(settlement.minor, terms.currency),
        "currency": terms.currency,
        "disputable_until": settlement.disputable_until.isoformat(),
    }
    texts, page = localised(notice.render_without_greeting), _page(settlement.id)
    event = Event(settlement.account_id, "settlement.created", key, data, texts, page)
    await emit_event(session, clock, event)


async def notify_dispute_opened(
    session: AsyncSession, clock: Clock, dispute: Dispute, currency: str
) -> None:
    """Emit the event that a settlement was disputed."""
    values = {"amount": str(Money(dispute.frozen, currency)), "reason": dispute.reason}
    texts = event_texts("dispute.opened", values)
    await _emit_dispute(session, clock, dispute, "opened", texts)


async def notify_dispute_answered(
    session: AsyncSession, clock: Clock, dispute: Dispute, due: datetime
) -> None:
    """Notify the customer that the operator answered a dispute and until when to reply."""
    profile = await get_profile(session, dispute.account_id)
    values = {"answer": dispute.answer or "", "until": _format_local_time(due, profile)}
    key = f"outcome_dispute:{dispute.id}:answered"
    notice = EmailNotice("outcome_answered", values)
    await enqueue_email(session, clock, profile, key, notice)
    texts = localised(notice.render_without_greeting)
    await _emit_dispute(session, clock, dispute, "answered", texts)


async def notify_dispute_decided(
    session: AsyncSession, clock: Clock, dispute: Dispute, side: str, currency: str
) -> None:
    """Notify the customer that a dispute was decided, and for which party."""
    profile = await get_profile(session, dispute.account_id)

    def notice(locale: str) -> EmailNotice:
        """The notice in a language."""
        name = billing_texts(locale).text(_SIDES[side])
        values = {"amount": str(Money(dispute.frozen, currency)), "side": name}
        return EmailNotice("outcome_decided", values)

    key = f"outcome_dispute:{dispute.id}:decided"
    await enqueue_email(session, clock, profile, key, notice(profile.locale))
    texts = localised(lambda locale: notice(locale).render_without_greeting(locale))
    await _emit_dispute(session, clock, dispute, "decided", texts)


async def _emit_dispute(
    session: AsyncSession, clock: Clock, dispute: Dispute, step: str, texts: dict[str, EventText]
) -> None:
    """Emit the event `dispute.<step>`, once."""
    data = {
        "id": ids.format_id(_DISPUTE_PREFIX, dispute.id),
        "settlement": ids.format_id(SETTLEMENT_PREFIX, dispute.settlement_id),
        "reason": dispute.reason,
        "answer": dispute.answer,
        "decided_for": dispute.decided_for,
    }
    key, page = f"dispute.{step}:{dispute.id}", _page(dispute.settlement_id)
    event = Event(dispute.account_id, f"dispute.{step}", key, data, texts, page)
    await emit_event(session, clock, event)


def _page(settlement_id: UUID) -> str:
    """Return the path of a settlement's page."""
    return f"/dashboard/outcomes/settlements/{ids.format_id('setl', settlement_id)}"


def _format_local_time(at: datetime, profile: BillingProfile) -> str:
    """Format a time to the minute in the account's time zone."""
    return f"{at.astimezone(profile_time_zone(profile)):%Y-%m-%d %H:%M}"
