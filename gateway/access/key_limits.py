"""A key's own limits: what it may spend in a month, and how fast it may call.

Owns reading them as one value, from texts or from the database, and changing them together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.quotas import (
    LimitInvalid,
    QuotaState,
    list_limits,
    require_sane,
    set_budget,
    set_limits,
)
from billing.money import nano_from_text
from billing.tables import ApiKey, QuotaKind
from gateway.identity.audit_log import Actor, record
from infra import ids
from infra.clock import Clock
from infra.error_collection import collect
from infra.errors import AppError

KEY_PREFIX = "key"
RATES = {"requests": QuotaKind.REQUESTS, "tokens": QuotaKind.TOKENS, "streams": QuotaKind.STREAMS}


class LimitUnreadable(AppError):
    """What was written is no limit; `why` is `amount` or `count`, what it should be."""

    status = 400
    type = "invalid_request_error"
    code = "limit_unreadable"

    def __init__(self, why: str, message: str, name: str) -> None:
        self.why = why
        super().__init__(message, param=name)


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """None is no limit: of nano-units in a calendar month of UTC, requests and tokens a minute, and
    streams at once."""

    budget: int | None = None
    requests: int | None = None
    tokens: int | None = None
    streams: int | None = None


NO_LIMITS = KeyLimits()


def limits_from(texts: Mapping[str, str]) -> KeyLimits:
    """As people write them, an empty text for no limit. Raises LimitUnreadable, LimitInvalid, or
    SeveralErrors with those of all fields."""
    budget, *rates = collect(
        lambda: _sane("budget", _amount(texts.get("budget", ""))),
        *(partial(_read_count, name, texts.get(name, "")) for name in RATES),
    )
    return KeyLimits(budget, **dict(zip(RATES, rates, strict=True)))


def limits_of(key: ApiKey, quotas: Iterable[QuotaState]) -> KeyLimits:
    """A key's limits among all of its account's."""
    own = {quota.kind: quota.amount for quota in quotas if quota.key_id == key.id}
    rates = {name: own.get(kind) for name, kind in RATES.items()}
    return KeyLimits(budget=key.monthly_budget_nano, **rates)


async def read_limits(session: AsyncSession, account_id: UUID, key_id: UUID) -> KeyLimits:
    """The key must be the account's."""
    query = select(ApiKey).where(col(ApiKey.id) == key_id, col(ApiKey.account_id) == account_id)
    key = (await session.scalars(query, execution_options={"populate_existing": True})).one()
    return limits_of(key, await list_limits(session, account_id))


async def change_limits(
    session: AsyncSession,
    clock: Clock,
    by: Actor,
    account_id: UUID,
    key_id: UUID,
    wanted: KeyLimits,
) -> None:
    """Every gateway keeps to them within a second; the same again changes nothing.

    Raises LimitInvalid. The key must be the account's.
    """
    known = await read_limits(session, account_id, key_id)
    if wanted == known:
        return
    if wanted.budget != known.budget:
        await set_budget(session, clock, account_id, key_id, wanted.budget)
    rates = {
        kind: getattr(wanted, name)
        for name, kind in RATES.items()
        if getattr(wanted, name) != getattr(known, name)
    }
    if rates:
        await set_limits(session, account_id, rates, key_id)
    details = {"from": asdict(known), "to": asdict(wanted)}
    subject = ids.show(KEY_PREFIX, key_id)
    await record(session, clock, by, account_id, "key.limits_changed", subject, details)


def _amount(text: str) -> int | None:
    try:
        return nano_from_text(text.strip()) if text.strip() else None
    except ValueError as error:
        message = "An amount is a plain decimal, as 12.50."
        raise LimitUnreadable("amount", message, "budget") from error


def _read_count(name: str, text: str) -> int | None:
    return _sane(name, _count(name, text))


def _sane(name: str, amount: int | None) -> int | None:
    """The limit, if it can be set. Raises LimitInvalid."""
    try:
        require_sane(amount)
    except LimitInvalid as error:
        error.param = name
        raise
    return amount


def _count(name: str, text: str) -> int | None:
    plain = text.strip()
    if not plain:
        return None
    if not plain.isdecimal() or not plain.isascii() or len(plain) > 12:
        raise LimitUnreadable("count", "A limit is a whole number.", name)
    return int(plain)
