"""Watched limits: every amount of which an account may use only so much, and what is used of it.

Watched are the spend cap of the plan in force, the credit, the monthly budget of each active key,
the included units of the plan in force and what contracts cover. Alerts, pages and the API read the
same list.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoice_documents.translations import say
from billing.invoices.calculation import TermsUsed
from billing.invoices.headroom import Funds, read_funds
from billing.invoices.usage_position import Position
from billing.metering.quotas import QuotaState, list_limits, month_of
from billing.money import nano_text, round_to_minor
from billing.notifications.messages import Notice
from billing.rating.statement import allowances_taken
from billing.tables import ApiKey, BillingPeriod, QuotaKind
from infra import ids

_SUBJECTS: Mapping[str, Mapping[str, str]] = {
    "cap": {"subject": "spend cap", "en": "the spend cap", "zh": "消费上限"},
    "credit": {"subject": "credit", "en": "the credit", "zh": "信用额度"},
    "budget": {
        "subject": "budget of {key}",
        "en": "the budget of {key}",
        "zh": "密钥 {key} 的预算",
    },
    "allowance": {
        "subject": "included {meter} ({model})",
        "en": "the included {meter} ({model})",
        "zh": "套餐内{meter}（{model}）",
    },
    "covered": {
        "subject": "{meter} ({model}) covered by {contract}",
        "en": "the {meter} ({model}) covered by {contract}",
        "zh": "合约 {contract} 所含{meter}（{model}）",
    },
}


@dataclass(frozen=True, slots=True)
class Watched:
    """A limit, how much of it is used since when, and what it is of: both amounts in nano-units
    of money or, of included units, in units of their meter. `label` is what people call it: a
    key's name, a contract's tag."""

    kind: str
    since: datetime
    used: int
    amount: int
    of: Mapping[str, str] = field(default_factory=dict)
    label: str = ""

    @property
    def money(self) -> bool:
        return "meter" not in self.of

    @property
    def subject(self) -> str:
        """What programs, and the record of sent alerts, know it by."""
        return _SUBJECTS[self.kind]["subject"].format(**self.of)

    def passed(self, percentages: Iterable[int]) -> list[int]:
        return [one for one in percentages if self.used >= self.threshold(one)]

    def threshold(self, percent: int) -> int:
        """From which use on a percentage is reached."""
        return -(-self.amount * percent // 100)

    def text(self, units: int) -> str:
        return nano_text(units) if self.money else str(units)

    def notice(self, locale: str, currency: str, percent: int) -> Notice:
        """The alert that people read."""
        of = dict(self.of)
        if not self.money:
            of["meter"] = say(locale, of["meter"])

        def shown(units: int) -> str:
            return str(round_to_minor(units, currency)) if self.money else f"{units:,}"

        values = {
            "subject": _SUBJECTS[self.kind][locale].format(**of),
            "percent": str(percent),
            "used": shown(self.used),
            "amount": shown(self.amount),
        }
        return Notice("alert", values)

    def to_json(self, currency: str) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.label or None,
            **self.of,
            "since": self.since.isoformat(),
            "used": self.text(self.used),
            "limit": self.text(self.amount),
            "currency": currency if self.money else None,
        }


async def watched_of(session: AsyncSession, position: Position) -> list[Watched]:
    """All limits of an account at a position."""
    funds = await read_funds(session, position)
    limits = await list_limits(session, position.account_id)
    names = await key_names(session, position)
    return watched_in(position, funds, limits, names)


def watched_in(
    position: Position, funds: Funds, limits: Sequence[QuotaState], names: Mapping[UUID, str]
) -> list[Watched]:
    """The same, from what was read already; budgets are those of the keys that `names` has."""
    in_force = [one for one in position.running.used if one.terms.version_id() in position.in_force]
    return [
        *_cap(position),
        *_credit(funds, limits, position),
        *_budgets(limits, position.at, names),
        *(one for terms in in_force for one in _allowances(terms, position.running.period)),
    ]


async def key_names(session: AsyncSession, position: Position) -> dict[UUID, str]:
    """The active keys' names; where several have one name, with their ids."""
    query = select(ApiKey.id, ApiKey.name).where(
        col(ApiKey.account_id) == position.account_id,
        col(ApiKey.revoked_at).is_(None),
        or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > position.at),
    )
    rows = (await session.execute(query)).all()
    times = Counter(name for _, name in rows)
    return {
        key_id: name if times[name] == 1 else f"{name} ({ids.show('key', key_id)})"
        for key_id, name in rows
    }


def _cap(position: Position) -> list[Watched]:
    """The cap of the plan in force, against all usage of the running period."""
    cap = None if position.terms is None else position.terms.spend_cap
    if not cap:
        return []
    running = position.running
    used = sum(one.running().amount for one in running.used)
    return [Watched("cap", running.period.starts_at, used, cap)]


def _credit(funds: Funds, limits: Iterable[QuotaState], position: Position) -> list[Watched]:
    limited = any(one.kind is QuotaKind.CREDIT and one.amount is not None for one in limits)
    if not limited or funds.limit <= 0:
        return []
    used = funds.owing + position.uninvoiced
    since = position.running.period.starts_at
    return [Watched("credit", since, used, funds.limit, {"source": funds.source})]


def _budgets(
    limits: Iterable[QuotaState], now: datetime, names: Mapping[UUID, str]
) -> list[Watched]:
    """The active keys' budgets of this calendar month."""
    month = month_of(now)
    return [
        Watched(
            "budget",
            month,
            quota.used,
            quota.amount,
            {"key": ids.show("key", quota.key_id)},
            names[quota.key_id],
        )
        for quota in limits
        if quota.kind is QuotaKind.BUDGET
        and quota.period_start == month
        and quota.amount
        and quota.key_id is not None
        and quota.key_id in names
    ]


def _allowances(used: TermsUsed, period: BillingPeriod) -> list[Watched]:
    since, terms = period.starts_at, used.terms
    kind, of = ("covered", {"contract": used.contract}) if used.contract else ("allowance", {})
    return [
        Watched(
            kind,
            since,
            one.taken,
            one.quantity,
            {"meter": one.allowance.meter, "model": one.allowance.model, **of},
            used.contract or "",
        )
        for one in allowances_taken(terms, used.share, used.consumed)
        if one.quantity
    ]
