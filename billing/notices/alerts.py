"""Alerts: an account is told when it has used so much of what it may.

Watched are the plan's spend cap or else the credit, each key's monthly budget, each allowance of
the plan, and what each outcome contract covers; at 50, 80 and 100 % or at percentages of the
account's own. Each threshold is told once a period, by e-mail and by a signed webhook.

Owns finding the thresholds that were passed. Does not own where alerts go
(billing/notices/targets.py) nor sending (billing/notices/notifying.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.documents.wording import say
from billing.invoices.drafting import TermsUsed
from billing.invoices.position import Position
from billing.metering.quotas import QuotaState, list_limits, month_of
from billing.money import nano_text, round_to_minor
from billing.notices.notices import Notice, tell
from billing.notices.targets import ALERT, read_target
from billing.outbox import put
from billing.rating.statement import allowances_taken
from billing.tables import AlertSent, AlertTarget, BillingPeriod, QuotaKind
from infra import ids
from infra.clock import Clock

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
    """Something of which a known amount may be used: its name, and both in nano-units of money
    or, of an allowance, in units of its meter."""

    kind: str
    since: datetime
    used: int
    amount: int
    of: Mapping[str, str] = field(default_factory=dict)

    @property
    def money(self) -> bool:
        return "meter" not in self.of

    @property
    def subject(self) -> str:
        """What programs, and the record of what was told, know it by."""
        return _SUBJECTS[self.kind]["subject"].format(**self.of)

    def passed(self, percentages: Iterable[int]) -> list[int]:
        return [one for one in percentages if self.used * 100 >= self.amount * one]

    def text(self, units: int) -> str:
        return nano_text(units) if self.money else str(units)

    def notice(self, locale: str, currency: str, percent: int) -> Notice:
        """The same for a person."""
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


async def alert(session: AsyncSession, clock: Clock, position: Position) -> int:
    """Tell of each threshold that was passed and not told yet; gives how many."""
    target = await read_target(session, position.account_id)
    told = 0
    for watched in await watched_of(session, position):
        for percent in watched.passed(target.percentages):
            told += await _tell(session, clock, position, target, watched, percent)
    return told


async def _tell(
    session: AsyncSession,
    clock: Clock,
    position: Position,
    target: AlertTarget,
    watched: Watched,
    percent: int,
) -> bool:
    account_id, profile, now = position.account_id, position.profile, clock.now()
    made = await session.execute(
        insert(AlertSent)
        .values(
            account_id=account_id,
            period_start=watched.since,
            subject=watched.subject,
            percent=percent,
            used=watched.used,
            amount=watched.amount,
            sent_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(AlertSent.percent))
    )
    if made.scalar_one_or_none() is None:
        return False
    key = f"alert:{account_id}:{watched.since:%Y%m%dT%H%M}:{watched.subject}:{percent}"
    notice = watched.notice(profile.locale, position.currency, percent)
    await tell(session, clock, profile, key, notice)
    if target.url:
        said = _said(account_id, watched, position.currency, percent, now)
        await put(session, clock, account_id, ALERT, key, key, said)
    return True


def _said(
    account_id: UUID, watched: Watched, currency: str, percent: int, now: datetime
) -> dict[str, Any]:
    data = {
        "account": ids.show("acct", account_id),
        "subject": watched.subject,
        "percent": percent,
        "used": watched.text(watched.used),
        "amount": watched.text(watched.amount),
        "currency": currency if watched.money else None,
        "period_start": watched.since.isoformat(),
    }
    return {"type": "usage.threshold_passed", "timestamp": now.isoformat(), "data": data}


async def watched_of(session: AsyncSession, position: Position) -> list[Watched]:
    """All that is watched of an account at a position."""
    limits = await list_limits(session, position.account_id)
    running = position.running
    return [
        *_spending(limits, position),
        *_budgets(limits, position.at),
        *(one for terms in running.used for one in _allowances(terms, running.period)),
    ]


def _budgets(limits: Iterable[QuotaState], now: datetime) -> list[Watched]:
    """The keys' budgets of this calendar month."""
    month = month_of(now)
    return [
        Watched("budget", month, quota.used, quota.amount, {"key": ids.show("key", quota.key_id)})
        for quota in limits
        if quota.kind is QuotaKind.BUDGET
        and quota.period_start == month
        and quota.amount
        and quota.key_id
    ]


def _spending(limits: Iterable[QuotaState], position: Position) -> list[Watched]:
    since, used = position.running.period.starts_at, position.running.used
    cap = next((one.terms.spend_cap for one in used if one.terms.spend_cap is not None), None)
    if cap:
        return [Watched("cap", since, sum(one.running().amount for one in used), cap)]
    for quota in limits:
        if quota.kind is QuotaKind.CREDIT and quota.amount is not None:
            left, spent = quota.amount - quota.used, position.uninvoiced
            if left + spent > 0:
                return [Watched("credit", since, spent, left + spent)]
    return []


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
        )
        for one in allowances_taken(terms, used.share, used.consumed)
        if one.quantity
    ]
