"""Limits of an account and its keys, as the CLI and the Admin API show and set them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile, profile_time_zone
from billing.credit.fixed_limits import set_fixed_limit
from billing.metering.budget_periods import BudgetPeriod, first_moment, period_in_scope
from billing.metering.budget_quotas import set_budgets
from billing.metering.quotas import (
    LimitInvalid,
    QuotaState,
    list_quota_states,
    set_budget,
    set_limit,
)
from billing.money import nano_from_text, nano_text
from billing.notifications.current_limits import AccountLimits
from billing.tables import QuotaKind
from gateway.access import api_keys
from gateway.identity.audit_log import Actor, record_audit_event
from infra import ids
from infra.clock import Clock

NO_LIMIT = "none"
# The fields of budgets, with their names in the audit log.
_BUDGETS = {
    "daily_budget": "daily_budget",
    "monthly_budget": "budget",
    "total_budget": "total_budget",
}
_PERIODS = {"daily_budget": BudgetPeriod.DAY, "total_budget": BudgetPeriod.TOTAL}
_RATES = {
    "requests": QuotaKind.REQUESTS,
    "tokens": QuotaKind.TOKENS,
    "streams": QuotaKind.STREAMS,
}


@dataclass(frozen=True, slots=True)
class LimitChanges:
    """Limits to set, as text; `none` removes a limit and None leaves it as it is.

    `credit_limit` is of the account, budgets are of a key; all are amounts.
    """

    credit_limit: str | None = None
    daily_budget: str | None = None
    monthly_budget: str | None = None
    total_budget: str | None = None
    requests: str | None = None
    tokens: str | None = None
    streams: str | None = None
    reason: str = ""


async def change_account_limits(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    key: str | None,
    changes: LimitChanges,
) -> None:
    """Set limits of an account, or of its key with this public id.

    Every gateway applies them within a second. Raises LimitInvalid, KeyNotFound, and
    CreditPolicyApplies if a credit policy decides the limit.
    """
    key_id = None if key is None else await api_keys.require_key(session, account_id, key)
    if changes.credit_limit is not None:
        limit = _parse_amount(changes.credit_limit, "credit_limit")
        await set_fixed_limit(session, clock, account_id, limit, changes.reason)
    await _set_budgets(session, clock, account_id, key_id, changes)
    rates = {name: getattr(changes, name) for name in _RATES}
    for name, text in rates.items():
        if text is not None:
            await set_limit(session, account_id, _RATES[name], _parse_count(text, name), key_id)
    budgets = {name: getattr(changes, field) for field, name in _BUDGETS.items()}
    values = {"credit_limit": changes.credit_limit, **budgets, **rates}
    details = {name: value for name, value in values.items() if value is not None}
    if details:
        await record_audit_event(
            session, clock, actor, account_id, "account.limits_changed", key or "", details
        )


async def load_quota_rows(session: AsyncSession, account_id: UUID) -> list[dict[str, Any]]:
    """Load an account's quotas as JSON."""
    quotas = await list_quota_states(session, account_id)
    # Budgets use months in UTC, included units the account's time zone.
    included = [quota for quota in quotas if quota.kind is QuotaKind.ALLOWANCE]
    account_zone = profile_time_zone(await get_profile(session, account_id)) if included else UTC
    return [_quota_row(quota, account_zone if quota in included else UTC) for quota in quotas]


def spend_cap_rows(limits: AccountLimits, time_zone: tzinfo) -> list[dict[str, Any]]:
    """Return the plan's spend cap as rows like those of the quotas."""
    return [
        {
            "kind": "spend_cap",
            "key": None,
            "of": "plan",
            "month": f"{cap.since.astimezone(time_zone):%Y-%m}",
            "limit": cap.text(cap.amount),
            "used": cap.text(cap.used),
            "lent": None,
        }
        for cap in limits.watched
        if cap.kind == "cap"
    ]


async def limits_json(
    session: AsyncSession, account_id: UUID, limits: AccountLimits
) -> dict[str, Any]:
    """Return an account's limits with their usage, and its available balance, as JSON."""
    time_zone = profile_time_zone(await get_profile(session, account_id))
    rows = [*await load_quota_rows(session, account_id), *spend_cap_rows(limits, time_zone)]
    available: Mapping[str, Any] = limits.available.to_json(limits.currency)
    return {"object": "account.limits", "available": available, "limits": rows}


async def _set_budgets(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    key_id: UUID | None,
    changes: LimitChanges,
) -> None:
    """Set a key's budgets. Raises LimitInvalid."""
    texts = {field: getattr(changes, field) for field in _BUDGETS}
    amounts = {
        field: None if text == NO_LIMIT else _parse_amount(text, field)
        for field, text in texts.items()
        if text is not None
    }
    if not amounts:
        return
    if key_id is None:
        raise LimitInvalid("Budgets apply to a key. Name the key.", param=next(iter(amounts)))
    if "monthly_budget" in amounts:
        await set_budget(session, clock, account_id, key_id, amounts.pop("monthly_budget"))
    if amounts:
        key = await api_keys.lock_key(session, account_id, key_id)
        periods = {_PERIODS[field]: amount for field, amount in amounts.items()}
        await set_budgets(session, key, periods, clock.now())


def _parse_amount(text: str, name: str) -> int:
    """Parse an amount to nano-units. Raises LimitInvalid."""
    try:
        return nano_from_text(text)
    except ValueError as error:
        raise LimitInvalid(
            f"{text[:40]!r} is not an amount. Use a number such as 12.50.", param=name
        ) from error


def _parse_count(text: str, name: str) -> int | None:
    """Parse a whole number, or `none` to None. Raises LimitInvalid."""
    if text == NO_LIMIT:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise LimitInvalid(
            f"{text[:40]!r} is not a limit. Use a whole number or `none`.", param=name
        )
    return int(text)


def _quota_row(quota: QuotaState, time_zone: tzinfo) -> dict[str, Any]:
    """Return a quota as JSON."""
    of, period = (
        quota.scope,
        quota.period_start and f"{quota.period_start.astimezone(time_zone):%Y-%m}",
    )
    if quota.kind is QuotaKind.BUDGET and quota.scope is not None:
        of, period = _scoped_budget(quota.scope, quota.period_start)

    def amount(units: int | None) -> str | int | None:
        """Return the units; of a money quota, nano-units as decimal text."""
        return nano_text(units) if quota.kind.money and units is not None else units

    return {
        "kind": quota.kind.value,
        "key": quota.key_id and ids.format_id(api_keys.PREFIX, quota.key_id),
        "of": of,
        "month": period,
        "limit": amount(quota.amount),
        "used": amount(quota.used),
        "lent": amount(quota.leased),
    }


def _scoped_budget(scope: str, stored_start: datetime | None) -> tuple[str, str | None]:
    """Return the period of a key's budget, `day` or `total`, and the date of the day."""
    period = period_in_scope(scope)
    if period is not BudgetPeriod.DAY or stored_start is None:
        return period.value, None
    return period.value, f"{first_moment(stored_start).astimezone(UTC):%Y-%m-%d}"
