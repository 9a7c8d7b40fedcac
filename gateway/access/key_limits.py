"""Limits of an API key: budgets, requests and tokens per minute, concurrent streams."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.budget_periods import BudgetPeriod
from billing.metering.budget_quotas import set_budgets
from billing.metering.quotas import (
    LimitInvalid,
    QuotaState,
    list_quota_states,
    set_budget,
    set_limits,
    validate_limit,
)
from billing.money import nano_from_text
from billing.tables import ApiKey, QuotaKind
from gateway.identity.audit_log import Actor, record_audit_event
from infra import ids
from infra.clock import Clock
from infra.error_collection import collect
from infra.errors import AppError

KEY_PREFIX = "key"
BUDGET_FIELDS = ("budget", "daily_budget", "total_budget")
RATE_LIMIT_KINDS = {
    "requests": QuotaKind.REQUESTS,
    "tokens": QuotaKind.TOKENS,
    "streams": QuotaKind.STREAMS,
}


class LimitUnreadable(AppError):
    """A text that is not a limit. `reason` is the expected kind: `amount` or `count`."""

    status = 400
    type = "invalid_request_error"
    code = "limit_unreadable"

    def __init__(self, reason: str, message: str, name: str) -> None:
        self.reason = reason
        super().__init__(message, param=name)


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Limits of an API key; None is no limit.

    Budgets are in nano-units: `budget` per calendar month (UTC), `daily_budget` per day (UTC),
    `total_budget` for all calls of the key. `requests` and `tokens` are per minute, `streams` is
    the number of concurrent streams.
    """

    budget: int | None = None
    requests: int | None = None
    tokens: int | None = None
    streams: int | None = None
    daily_budget: int | None = None
    total_budget: int | None = None

    @property
    def scoped_budgets(self) -> Mapping[BudgetPeriod, int | None]:
        """The budgets per day and in total."""
        return {BudgetPeriod.DAY: self.daily_budget, BudgetPeriod.TOTAL: self.total_budget}


NO_LIMITS = KeyLimits()


def parse_limits(texts: Mapping[str, str]) -> KeyLimits:
    """Parse a key's limits from the texts of a form; an empty text is no limit.

    Raises LimitUnreadable or LimitInvalid, or SeveralErrors if several fields are invalid.
    """
    values = collect(
        *(partial(_parse_budget, name, texts.get(name, "")) for name in BUDGET_FIELDS),
        *(partial(_parse_rate_limit, name, texts.get(name, "")) for name in RATE_LIMIT_KINDS),
    )
    return KeyLimits(**dict(zip((*BUDGET_FIELDS, *RATE_LIMIT_KINDS), values, strict=True)))


def limits_of(key: ApiKey, quotas: Iterable[QuotaState]) -> KeyLimits:
    """Return a key's limits, picked from all quotas of its account."""
    amounts = {quota.kind: quota.amount for quota in quotas if quota.key_id == key.id}
    rates = {name: amounts.get(kind) for name, kind in RATE_LIMIT_KINDS.items()}
    return KeyLimits(
        budget=key.monthly_budget_nano,
        daily_budget=key.daily_budget_nano,
        total_budget=key.total_budget_nano,
        **rates,
    )


async def read_limits(session: AsyncSession, account_id: UUID, key_id: UUID) -> KeyLimits:
    """Return the limits of an account's key, which must exist."""
    key = await _load_key(session, account_id, key_id)
    return limits_of(key, await list_quota_states(session, account_id))


async def change_limits(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    key_id: UUID,
    limits: KeyLimits,
) -> None:
    """Set the limits of an account's key, which must exist; equal limits change nothing.

    Every gateway applies them within a second.

    Raises LimitInvalid.
    """
    current = await read_limits(session, account_id, key_id)
    if limits == current:
        return
    if limits.budget != current.budget:
        await set_budget(session, clock, account_id, key_id, limits.budget)
    budgets = _changed_budgets(current, limits)
    if budgets:
        key = await _load_key(session, account_id, key_id)
        await set_budgets(session, key, budgets, clock.now())
    rates = {
        kind: getattr(limits, name)
        for name, kind in RATE_LIMIT_KINDS.items()
        if getattr(limits, name) != getattr(current, name)
    }
    if rates:
        await set_limits(session, account_id, rates, key_id)
    details = {"from": asdict(current), "to": asdict(limits)}
    subject = ids.format_id(KEY_PREFIX, key_id)
    await record_audit_event(
        session, clock, actor, account_id, "key.limits_changed", subject, details
    )


def _changed_budgets(current: KeyLimits, limits: KeyLimits) -> dict[BudgetPeriod, int | None]:
    """Return the budgets per day and in total that differ from the current ones."""
    return {
        period: amount
        for period, amount in limits.scoped_budgets.items()
        if amount != current.scoped_budgets[period]
    }


async def _load_key(session: AsyncSession, account_id: UUID, key_id: UUID) -> ApiKey:
    """Return the current row of an account's key, which must exist."""
    query = select(ApiKey).where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
    return (await session.scalars(query, execution_options={"populate_existing": True})).one()


def _parse_budget(name: str, text: str) -> int | None:
    """Parse a budget to nano-units; None if empty. Raises LimitUnreadable, LimitInvalid."""
    try:
        amount = nano_from_text(text.strip()) if text.strip() else None
    except ValueError as error:
        message = "Enter the amount as a decimal number, for example 12.50."
        raise LimitUnreadable("amount", message, name) from error
    return _validate_limit(name, amount)


def _parse_rate_limit(name: str, text: str) -> int | None:
    """Parse a rate limit; None if the text is empty. Raises LimitUnreadable, LimitInvalid."""
    return _validate_limit(name, _parse_count(name, text))


def _validate_limit(name: str, amount: int | None) -> int | None:
    """Return the limit if it is in the allowed range. Raises LimitInvalid."""
    try:
        validate_limit(amount)
    except LimitInvalid as error:
        error.param = name
        raise
    return amount


def _parse_count(name: str, text: str) -> int | None:
    """Parse a whole number of up to 12 digits; None if empty. Raises LimitUnreadable."""
    digits = text.strip()
    if not digits:
        return None
    if not digits.isdecimal() or not digits.isascii() or len(digits) > 12:
        raise LimitUnreadable("count", "Enter the limit as a whole number.", name)
    return int(digits)
