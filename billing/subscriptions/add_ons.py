"""Add-ons of an account's subscription over time, and the units that they include in a period.

A row is a quantity of one add-on in a time span. It applies while a plan version that offers the
add-on is in force, so that add-ons go on after a change to a version that offers them too.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import billing_month_share
from billing.rating.fees import BillingCalendar
from billing.rating.statement import prorated_units
from billing.rating.terms import PlanTerms
from billing.tables import SubscriptionAddOn
from infra import ids

Span = tuple[datetime, datetime]


async def list_add_ons(
    session: AsyncSession, account_id: UUID, since: datetime
) -> Sequence[SubscriptionAddOn]:
    """List the account's add-ons that are or were active after a time, the earliest first."""
    query = select(SubscriptionAddOn).where(
        col(SubscriptionAddOn.account_id) == account_id,
        or_(col(SubscriptionAddOn.ends_at).is_(None), col(SubscriptionAddOn.ends_at) > since),
    )
    order = col(SubscriptionAddOn.starts_at), col(SubscriptionAddOn.name)
    return (await session.scalars(query.order_by(*order))).all()


async def list_active_add_ons(
    session: AsyncSession, account_id: UUID, at: datetime
) -> list[SubscriptionAddOn]:
    """List the add-ons that an account has at a time, by name."""
    rows = await list_add_ons(session, account_id, at)
    return sorted((row for row in rows if is_active(row, at)), key=lambda row: row.name)


async def replace_add_on(
    session: AsyncSession,
    account_id: UUID,
    current: SubscriptionAddOn | None,
    name: str,
    quantity: int,
    now: datetime,
) -> None:
    """Set the quantity of an add-on from now on; 0 removes it. The profile must be locked."""
    if current is not None:
        current.ends_at = now
        await session.flush()
    if quantity:
        row = SubscriptionAddOn(
            id=ids.new_id(), account_id=account_id, name=name, quantity=quantity, starts_at=now
        )
        session.add(row)
        await session.flush()


async def end_add_ons(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    """End all add-ons of an account: a new subscription starts without any."""
    for row in await list_active_add_ons(session, account_id, now):
        row.ends_at = now
    await session.flush()


def is_active(row: SubscriptionAddOn, at: datetime) -> bool:
    """Return whether an add-on is active at a time."""
    return row.starts_at <= at and (row.ends_at is None or row.ends_at > at)


def included_by_add_ons(
    terms: PlanTerms,
    spans: Iterable[Span],
    rows: Sequence[SubscriptionAddOn],
    calendar: BillingCalendar,
) -> Mapping[tuple[str, str], int]:
    """Return the units that add-ons include, by model and meter of the terms' allowances.

    `spans` are the parts of one billing period in which the terms were in force. Units are
    prorated by days, as those of the plan.
    """
    shares: defaultdict[str, Fraction] = defaultdict(Fraction)
    for starts_at, ends_at in spans:
        for row in rows:
            since = max(starts_at, row.starts_at)
            until = ends_at if row.ends_at is None else min(ends_at, row.ends_at)
            if since < until:
                share = billing_month_share(since, until, calendar.zone, calendar.anchor_day)
                shares[row.name] += share * row.quantity
    units: defaultdict[tuple[str, str], int] = defaultdict(int)
    for add_on in terms.add_ons:
        for one in add_on.allowances:
            units[one.model, one.meter] += prorated_units(one.quantity, shares[add_on.name])
    return units
