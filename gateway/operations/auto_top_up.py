"""Automatic top-up: what API, pages and commands do, audited."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile
from billing.collection.payments.orders import TopUpLimits
from billing.money import minor_from_text, minor_text
from billing.prepaid.auto_top_up import (
    CONSENT_TEXT,
    AutoTopUpInvalid,
    AutoTopUpTerms,
    account_month_start,
    find_auto_top_up,
    remove_auto_top_up,
    set_auto_top_up,
    spent_in_month,
)
from gateway.identity.audit_log import Actor, record_audit_event
from infra.clock import Clock
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class AutoTopUpChange:
    """What somebody asks for, as texts in the major unit of the account's currency."""

    threshold: str
    amount: str
    monthly_ceiling: str
    consents: bool


async def turn_on_auto_top_up(
    session: AsyncSession,
    clock: Clock,
    settings: Settings,
    actor: Actor,
    account_id: UUID,
    change: AutoTopUpChange,
    consented_by: str,
) -> None:
    """Turn automatic top-up on, or change it. Raises AutoTopUpInvalid."""
    if not change.consents:
        raise AutoTopUpInvalid("consent: must be true.", param="consent")
    currency = await get_account_currency(session, account_id)
    terms = AutoTopUpTerms(
        _parse(change.threshold, currency, "threshold"),
        _parse(change.amount, currency, "amount"),
        _parse(change.monthly_ceiling, currency, "monthly_ceiling"),
        consented_by,
    )
    limits = TopUpLimits.from_settings(settings, currency)
    await set_auto_top_up(session, clock, account_id, terms, limits)
    details = {
        "threshold": minor_text(terms.threshold, currency),
        "amount": minor_text(terms.minor, currency),
        "monthly_ceiling": minor_text(terms.monthly_ceiling, currency),
    }
    await record_audit_event(session, clock, actor, account_id, "auto_top_up.on", "", details)


async def turn_off_auto_top_up(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID
) -> None:
    """Turn automatic top-up off; does nothing if it is off."""
    if await remove_auto_top_up(session, account_id):
        await record_audit_event(session, clock, actor, account_id, "auto_top_up.off")


async def auto_top_up_json(session: AsyncSession, clock: Clock, account_id: UUID) -> dict[str, Any]:
    """Return the account's automatic top-up as the API and the commands show it."""
    row = await find_auto_top_up(session, account_id)
    currency = await get_account_currency(session, account_id)
    month = account_month_start(await get_profile(session, account_id), clock.now())
    spent = await spent_in_month(session, account_id, month)
    shown: dict[str, Any] = {
        "object": "auto_top_up",
        "status": "off" if row is None else "stopped" if row.stopped_at else "on",
        "currency": currency,
        "spent_this_month": minor_text(spent, currency),
        "consent_text": CONSENT_TEXT if row is None else row.consent_text,
    }
    if row is None:
        return shown
    return {
        **shown,
        "threshold": minor_text(row.threshold, currency),
        "amount": minor_text(row.minor, currency),
        "monthly_ceiling": minor_text(row.monthly_ceiling, currency),
        "consented_at": row.consented_at.isoformat(),
        "failures": row.failures,
    }


def _parse(text: str, currency: str, name: str) -> int:
    """Parse an amount to minor units. Raises AutoTopUpInvalid."""
    try:
        return minor_from_text(text.strip(), currency)
    except ValueError as error:
        raise AutoTopUpInvalid(
            f"{name}: must be a decimal number such as 100.00.", param=name
        ) from error
