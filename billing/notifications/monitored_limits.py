"""Monitored limits of an account with their current usage, for alerts, pages and the API.

These are the plan's spend cap, the credit limit, the monthly budget of each active key, the plan's
included units, the units covered by outcome contracts and prepaid packs. budget_limits.py has the
other budgets.
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

from billing.invoice_documents.translations import translate
from billing.invoices.calculation import TermsUsage
from billing.invoices.headroom import CreditFunds, load_credit_funds
from billing.invoices.usage_position import UsagePosition
from billing.metering.packs import PACK_PURCHASE_PREFIX, PurchaseState, load_pack_units
from billing.metering.quotas import QuotaState, list_quota_states, month_start
from billing.money import nano_text, round_to_minor
from billing.notifications.messages import EmailNotice
from billing.tables import ApiKey, BillingPeriod, Pack, PackPurchase, QuotaKind
from billing.translations.catalog import billing_texts
from infra import ids
from infra.translations import gettext_noop

# By kind: the stable name for programs, and the text in alerts.
_SUBJECTS: Mapping[str, tuple[str, str]] = {
    "cap": ("spend cap", gettext_noop("the spend cap")),
    "credit": ("credit", gettext_noop("the credit limit")),
    "budget": ("budget of {key}", gettext_noop("the monthly budget of {key}")),
    "key_day": ("daily budget of {key}", gettext_noop("the daily budget of {key}")),
    "key_total": ("total budget of {key}", gettext_noop("the total budget of {key}")),
    "project_day": (
        "daily budget of {project}",
        gettext_noop("the daily budget of project {project}"),
    ),
    "project_month": (
        "monthly budget of {project}",
        gettext_noop("the monthly budget of project {project}"),
    ),
    "project_total": (
        "total budget of {project}",
        gettext_noop("the total budget of project {project}"),
    ),
    "allowance": ("included {meter} ({model})", gettext_noop("the included {meter} of {model}")),
    "covered": (
        "{meter} ({model}) covered by {contract}",
        gettext_noop("the {meter} of {model} included in contract {contract}"),
    ),
    "pack": ("prepaid pack {purchase}", gettext_noop("the {meter} of the prepaid pack {pack}")),
}


@dataclass(frozen=True, slots=True)
class MonitoredLimit:
    """A limit (`amount`) with its usage (`used`) since the start of its period.

    Amounts are nano-units, or units of the meter for included units. `of` names the key, meter,
    model, contract or project; `label` is the display name (key name, contract tag, project name).
    `percentages` are those at which alerts are sent, None those of the account.
    """

    kind: str
    since: datetime
    used: int
    amount: int
    of: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    percentages: tuple[int, ...] | None = None

    @property
    def money(self) -> bool:
        """Whether the amounts are nano-units of money rather than units of a meter."""
        return "meter" not in self.of

    @property
    def subject(self) -> str:
        """The limit's stable name in webhooks and in the record of sent alerts."""
        return _SUBJECTS[self.kind][0].format(**self.of)

    def crossed_percentages(self, percentages: Iterable[int]) -> list[int]:
        """Return the percentages whose threshold the usage has reached."""
        return [percent for percent in percentages if self.used >= self.threshold(percent)]

    def threshold(self, percent: int) -> int:
        """Return the usage at which a percentage of the limit is reached, rounded up."""
        return -(-self.amount * percent // 100)

    def text(self, units: int) -> str:
        """Format an amount for programs: a decimal of the major unit, or units of the meter."""
        return nano_text(units) if self.money else str(units)

    def notice(self, locale: str, currency: str, percent: int) -> EmailNotice:
        """Return the alert e-mail for a crossed percentage."""
        of = dict(self.of)
        if "project" in of:
            of["project"] = self.label
        if not self.money:
            of["meter"] = translate(locale, of["meter"])
            if of["model"] == "*":
                of["model"] = translate(locale, "all_models")

        def shown(units: int) -> str:
            """Format an amount for people: money rounded to minor units, or a count."""
            return str(round_to_minor(units, currency)) if self.money else f"{units:,}"

        values = {
            "subject": billing_texts(locale).text(_SUBJECTS[self.kind][1], **of),
            "percent": str(percent),
            "used": shown(self.used),
            "amount": shown(self.amount),
        }
        return EmailNotice("alert", values)

    def to_json(self, currency: str) -> dict[str, Any]:
        """Return the limit as JSON; amounts are decimal text of money or units of a meter."""
        return {
            "kind": self.kind,
            "name": self.label or None,
            **self.of,
            "since": self.since.isoformat(),
            "used": self.text(self.used),
            "limit": self.text(self.amount),
            "currency": currency if self.money else None,
        }


async def load_monitored_limits(
    session: AsyncSession, position: UsagePosition
) -> list[MonitoredLimit]:
    """Load all monitored limits of an account."""
    funds = await load_credit_funds(session, position)
    limits = await list_quota_states(session, position.account_id)
    names = await active_key_names(session, position)
    return [
        *list_monitored_limits(position, funds, limits, names),
        *await _load_pack_limits(session, position),
    ]


def list_monitored_limits(
    position: UsagePosition,
    funds: CreditFunds,
    limits: Sequence[QuotaState],
    names: Mapping[UUID, str],
) -> list[MonitoredLimit]:
    """List the monitored limits from loaded data; only keys in `names` have budgets."""
    active_terms = [
        usage
        for usage in position.current_period.terms_usages
        if usage.terms.version_id() in position.active_version_ids
    ]
    return [
        *_spend_cap_limits(position),
        *_credit_limits(funds, limits, position),
        *_budget_limits(limits, position.at, names),
        *(
            usage
            for terms in active_terms
            for usage in _allowance_limits(terms, position.current_period.period)
        ),
    ]


async def active_key_names(session: AsyncSession, position: UsagePosition) -> dict[UUID, str]:
    """Return the active keys' names by id; the id is appended to names that are not unique."""
    query = select(ApiKey.id, ApiKey.name).where(
        col(ApiKey.account_id) == position.account_id,
        col(ApiKey.revoked_at).is_(None),
        or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > position.at),
    )
    rows = (await session.execute(query)).all()
    times = Counter(name for _, name in rows)
    return {
        key_id: name if times[name] == 1 else f"{name} ({ids.format_id('key', key_id)})"
        for key_id, name in rows
    }


async def _load_pack_limits(session: AsyncSession, position: UsagePosition) -> list[MonitoredLimit]:
    """Return the account's prepaid packs that have not expired as limits."""
    query = select(PackPurchase, Pack.name).join(Pack, col(Pack.id) == col(PackPurchase.pack_id))
    query = query.where(
        col(PackPurchase.account_id) == position.account_id,
        col(PackPurchase.state) == PurchaseState.ACTIVE.value,
        col(PackPurchase.expires_at) > position.at,
    )
    rows = (await session.execute(query.order_by(col(PackPurchase.expires_at)))).all()
    purchase_ids = [purchase.id for purchase, _ in rows]
    units = await load_pack_units(session, position.account_id, purchase_ids)
    return [
        MonitoredLimit(
            "pack",
            purchase.starts_at or purchase.created_at,
            units[purchase.id].used,
            purchase.units,
            {
                "meter": purchase.meter,
                "model": purchase.model,
                "pack": name,
                "purchase": ids.format_id(PACK_PURCHASE_PREFIX, purchase.id),
            },
            name,
        )
        for purchase, name in rows
    ]


def _spend_cap_limits(position: UsagePosition) -> list[MonitoredLimit]:
    """Return the active plan's spend cap with all usage of the current period, if any."""
    cap = None if position.terms is None else position.terms.spend_cap
    if not cap:
        return []
    running = position.current_period
    used = sum(one.running_total().amount for one in running.terms_usages)
    return [MonitoredLimit("cap", running.period.starts_at, used, cap)]


def _credit_limits(
    funds: CreditFunds, limits: Iterable[QuotaState], position: UsagePosition
) -> list[MonitoredLimit]:
    """Return the account's credit as a monitored limit; empty if unlimited or not positive."""
    limited = any(one.kind is QuotaKind.CREDIT and one.amount is not None for one in limits)
    if not limited or funds.limit <= 0:
        return []
    used = funds.owed_for_usage + position.uninvoiced_cost
    since = position.current_period.period.starts_at
    return [MonitoredLimit("credit", since, used, funds.limit, {"source": funds.source})]


def _budget_limits(
    limits: Iterable[QuotaState], at: datetime, names: Mapping[UUID, str]
) -> list[MonitoredLimit]:
    """Return the active keys' budgets of the current calendar month (UTC)."""
    month = month_start(at)
    return [
        MonitoredLimit(
            "budget",
            month,
            quota.used,
            quota.amount,
            {"key": ids.format_id("key", quota.key_id)},
            names[quota.key_id],
        )
        for quota in limits
        if quota.kind is QuotaKind.BUDGET
        and quota.period_start == month
        and quota.amount
        and quota.key_id is not None
        and quota.key_id in names
    ]


def _allowance_limits(usage: TermsUsage, period: BillingPeriod) -> list[MonitoredLimit]:
    """Return the allowances of a plan, or of an outcome contract, in the period as limits."""
    since = period.starts_at
    kind, of = ("covered", {"contract": usage.contract}) if usage.contract else ("allowance", {})
    return [
        MonitoredLimit(
            kind,
            since,
            one.used_units,
            one.quantity,
            {"meter": one.allowance.meter, "model": one.allowance.model, **of},
            usage.contract or "",
        )
        for one in usage.allowance_usage()
        if one.quantity
    ]
