"""Exposure: what may be lost if accounts do not pay, and the limits of the whole book.

    exposure of an account = outstanding + unused limit = the higher of its limit and what it owes

A raise is checked under the row locks of its exposure limits, so that concurrent raises cannot
exceed one together. For operators: reads across accounts (account_id).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import or_, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.credit.errors import ExposureLimitInvalid
from billing.credit.policies import list_policies_in_force
from billing.money import nano_per_minor, require_currency
from billing.tables import ExposureLimit

_MAX_MINOR = 10**15
_BOOK = """
    select a.id, a.name, coalesce(l.nano, 0), coalesce(o.owed, 0), coalesce(d.deposit, 0)
    from account a
    left join (
        select account_id, sum(amount_nano) as nano from credit_entry
        where reason = 'credit_limit' group by account_id
    ) l on l.account_id = a.id
    left join (
        select p.account_id, sum(p.minor) as owed from ledger_posting p
        join invoice i on i.id = p.invoice_id and i.status = 'open'
        where p.book = 'receivable' group by p.account_id
    ) o on o.account_id = a.id
    left join (
        select account_id, -sum(minor) as deposit from ledger_posting
        where book = 'deposit' group by account_id
    ) d on d.account_id = a.id
    where a.currency = :currency
"""


class ExposureScope(StrEnum):
    """What an exposure limit is for."""

    CURRENCY = "currency"  # all accounts of a currency
    POLICY = "policy"  # the accounts of a credit policy
    GUARANTOR = "guarantor"  # the guarantees of a guarantor


@dataclass(frozen=True, slots=True)
class AccountExposure:
    """An account's exposure in minor units: its limit, what it owes, and its deposit."""

    account_id: UUID
    account_name: str
    policy: str | None
    limit: int
    owed: int
    deposit: int

    @property
    def exposure(self) -> int:
        """Outstanding amount plus the unused limit."""
        return max(self.limit, self.owed)


@dataclass(frozen=True, slots=True)
class ScopeExposure:
    """The exposure of a scope in minor units, with its limit; None without a limit."""

    scope: ExposureScope
    subject: str
    currency: str
    exposure: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class ExposureRefusal:
    """Why a raise or guarantee was refused: the scope whose limit it would exceed."""

    scope: str
    subject: str
    limit: int
    exposure: int

    def to_json(self) -> dict[str, Any]:
        """Return the refusal as JSON values, amounts in minor units."""
        return {
            "code": "exposure",
            "scope": self.scope,
            "subject": self.subject,
            "limit": self.limit,
            "exposure": self.exposure,
        }


async def set_exposure_limit(
    session: AsyncSession, scope: str, subject: str, currency: str, minor: int | None
) -> None:
    """Set or, with None, remove an exposure limit in minor units. Raises ExposureLimitInvalid."""
    if scope not in list(ExposureScope):
        raise ExposureLimitInvalid("The scope is currency, policy or guarantor.", param="scope")
    if (scope == ExposureScope.CURRENCY) != (not subject) or len(subject) > 200:
        raise ExposureLimitInvalid("Name the policy or guarantor of the limit.", param="subject")
    try:
        require_currency(currency)
    except ValueError as error:
        raise ExposureLimitInvalid(f"currency: {error}.", param="currency") from None
    if minor is not None and not 0 <= minor <= _MAX_MINOR:
        raise ExposureLimitInvalid("The limit must not be negative or too large.", param="amount")
    key = {"scope": scope, "subject": subject, "currency": currency}
    if minor is None:
        row = await session.get(ExposureLimit, key)
        if row is not None:
            await session.delete(row)
        return
    statement = insert(ExposureLimit).values(**key, minor=minor)
    await session.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_={"minor": minor})
    )


async def check_raise(
    session: AsyncSession,
    account_id: UUID,
    policy: str,
    currency: str,
    limit: int,
    now: datetime,
) -> ExposureRefusal | None:
    """Check an account's higher limit against the exposure limits; return why it is refused.

    The limits' rows stay locked until the transaction ends.
    """
    limits = await _lock_limits(session, policy, currency)
    if not limits:
        return None
    book = await load_book(session, currency, now)
    for row in limits:
        others = sum(
            one.exposure
            for one in book
            if one.account_id != account_id
            and (row.scope == ExposureScope.CURRENCY or one.policy == policy)
        )
        owed = sum(one.owed for one in book if one.account_id == account_id)
        exposure = others + max(limit, owed)
        if exposure > row.minor:
            return ExposureRefusal(row.scope, row.subject, row.minor, exposure)
    return None


async def check_guarantee(
    session: AsyncSession, guarantor: str, currency: str, minor: int, now: datetime
) -> ExposureRefusal | None:
    """Check one more guarantee of a guarantor; return why it is refused. Locks the limit's row."""
    key = {"scope": ExposureScope.GUARANTOR.value, "subject": guarantor, "currency": currency}
    row = await session.get(ExposureLimit, key, with_for_update=True)
    if row is None:
        return None
    exposure = minor + (await sum_guarantees(session, currency, now)).get(guarantor, 0)
    if exposure <= row.minor:
        return None
    return ExposureRefusal(row.scope, row.subject, row.minor, exposure)


async def load_book(
    session: AsyncSession, currency: str, now: datetime
) -> Sequence[AccountExposure]:
    """Return the exposure of every account of a currency, the largest first."""
    policies = {one.account_id: one.policy for one in await list_policies_in_force(session, now)}
    unit = nano_per_minor(currency)
    rows = await session.execute(text(_BOOK), {"currency": currency})
    book = [
        # Rounded up: a fraction of a minor unit is at risk too.
        AccountExposure(
            account_id, name, policies.get(account_id), -(-int(nano) // unit), int(owed), int(kept)
        )
        for account_id, name, nano, owed, kept in rows
    ]
    return sorted(book, key=lambda one: (-one.exposure, one.account_name))


async def load_scopes(session: AsyncSession, now: datetime) -> list[ScopeExposure]:
    """Return the exposure by currency, policy and guarantor, with the limits."""
    limits = {
        (row.scope, row.subject, row.currency): row.minor
        for row in (await session.scalars(select(ExposureLimit))).all()
    }
    currencies = set(
        (await session.execute(text("select distinct currency from account"))).scalars()
    )
    totals: dict[tuple[str, str, str], int] = dict.fromkeys(limits, 0)
    for currency in sorted(currencies):
        for one in await load_book(session, currency, now):
            keys = [(ExposureScope.CURRENCY.value, "", currency)]
            keys += [(ExposureScope.POLICY.value, one.policy, currency)] if one.policy else []
            for key in keys:
                totals[key] = totals.get(key, 0) + one.exposure
        for guarantor, minor in (await sum_guarantees(session, currency, now)).items():
            totals[(ExposureScope.GUARANTOR.value, guarantor, currency)] = minor
    return [
        ScopeExposure(ExposureScope(scope), subject, currency, total, limits.get(key))
        for key, total in sorted(totals.items())
        for scope, subject, currency in [key]
    ]


async def sum_guarantees(session: AsyncSession, currency: str, now: datetime) -> dict[str, int]:
    """Return the sum of valid guarantees in minor units, by guarantor."""
    query = text(
        "select g.guarantor, sum(g.minor) from credit_guarantee g "
        "join account a on a.id = g.account_id where a.currency = :currency and g.refusal is null "
        "and g.ended_at is null and g.valid_until > :now group by 1"
    )
    rows = await session.execute(query, {"currency": currency, "now": now})
    return {guarantor: int(total) for guarantor, total in rows}


async def _lock_limits(
    session: AsyncSession, policy: str, currency: str
) -> Sequence[ExposureLimit]:
    """Lock and return the exposure limits of a currency and policy, always in the same order."""
    query = select(ExposureLimit).where(
        col(ExposureLimit.currency) == currency,
        or_(
            col(ExposureLimit.scope) == ExposureScope.CURRENCY.value,
            (col(ExposureLimit.scope) == ExposureScope.POLICY.value)
            & (col(ExposureLimit.subject) == policy),
        ),
    )
    order = col(ExposureLimit.scope), col(ExposureLimit.subject)
    return (await session.scalars(query.order_by(*order).with_for_update())).all()
