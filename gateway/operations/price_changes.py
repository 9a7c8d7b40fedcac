"""Preview, announce and withdraw price changes of plans, as operators do by command, page or API.

Announcements and withdrawals are in the audit log of the platform.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.accounts.profiles import DEFAULT_PROFILE
from billing.dates import local_midnight, parse_time_zone
from billing.money import minor_text
from billing.plan_changes.price_change_views import PriceChangePreview
from billing.price_changes.price_changes import (
    PRICE_CHANGE_ID_PREFIX,
    PriceChangeInvalid,
    PriceChangeNotFound,
    announce_price_change,
    withdraw_price_change,
)
from billing.tables import PriceChange
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.parsing import parse_instant
from infra import ids
from infra.clock import Clock

_DATE_LENGTH = len("2027-01-01")


def parse_effective(text: str) -> datetime:
    """Parse a date or time (ISO 8601); a date is midnight of the platform's time zone.

    Raises PriceChangeInvalid.
    """
    instant = parse_instant(text, PriceChangeInvalid)
    if len(text) != _DATE_LENGTH:
        return instant
    return local_midnight(instant.date(), parse_time_zone(DEFAULT_PROFILE.time_zone))


async def announce_change(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    preview: PriceChangePreview,
    effective_at: datetime,
) -> PriceChange:
    """Announce a previewed change to its accounts by e-mail. Raises PriceChangeInvalid."""
    change = await announce_price_change(session, clock, preview, effective_at)
    details = {
        "number": preview.version.number,
        "currency": change.currency,
        "effective_from": effective_at.isoformat(),
        "accounts": len(preview.accounts),
    }
    await _record(session, clock, actor, "price_change.announced", change, details)
    return change


async def withdraw_change(
    session: AsyncSession, clock: Clock, actor: Actor, public_id: str
) -> PriceChange:
    """Withdraw an open change (`prc_…`). Raises PriceChangeNotFound."""
    change = await withdraw_price_change(session, clock, _parse_change_id(public_id))
    await _record(session, clock, actor, "price_change.withdrawn", change, {})
    return change


def price_change_json(change: PriceChange, number: int, counts: dict[str, int]) -> dict[str, Any]:
    """Return a price change to version `number`, with its number of accounts by state."""
    return {
        "object": "price_change",
        "id": ids.format_id(PRICE_CHANGE_ID_PREFIX, change.id),
        "plan": change.plan,
        "currency": change.currency,
        "number": number,
        "effective_at": change.effective_at.isoformat(),
        "announced_at": change.announced_at.isoformat(),
        "closed_at": change.closed_at and change.closed_at.isoformat(),
        "accounts": counts,
    }


def price_change_preview_json(preview: PriceChangePreview) -> dict[str, Any]:
    """Return the version and the accounts on earlier ones, with their fees before and after."""
    currency = preview.version.currency
    return {
        "object": "price_change.preview",
        "plan": preview.version.plan,
        "currency": currency,
        "number": preview.version.number,
        "accounts": [
            {
                "account": one.name,
                "id": ids.format_id(ACCOUNT_ID_PREFIX, one.account_id),
                "number": one.number,
                "fee": minor_text(one.fee, currency),
                "new_fee": minor_text(preview.terms.fixed_fee, currency),
            }
            for one in preview.accounts
        ],
    }


def _parse_change_id(text: str) -> UUID:
    """Parse a public id. Raises PriceChangeNotFound."""
    change_id = ids.parse_id(PRICE_CHANGE_ID_PREFIX, text)
    if change_id is None:
        raise PriceChangeNotFound("There is no open price change with this id.", param="id")
    return change_id


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    action: str,
    change: PriceChange,
    details: dict[str, Any],
) -> None:
    """Record a price change in the audit log of the platform."""
    subject = ids.format_id(PRICE_CHANGE_ID_PREFIX, change.id)
    details = {"plan": change.plan, **details}
    await record_audit_event(session, clock, actor, None, action, subject, details)
