"""`maas plans`, `maas subscribe` and `maas subscriptions`: published plans and subscriptions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.invoice_documents.price_format import format_price
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.plan_changes.plan_changes import (
    PlanChange,
    cancel_plan,
    change_plan,
    pause_plan,
    resume_plan,
    start_plan,
)
from billing.plan_changes.views import plan_json, subscription_json
from billing.rating.plan_file import parse_plan_file
from billing.rating.terms import PlanTerms, TermsInvalid
from billing.subscriptions.pauses import ResumptionTimeInvalid
from billing.subscriptions.plans import (
    find_plan_version,
    list_plan_versions,
    list_unlisted_plans,
    load_terms,
    publish_plan,
)
from billing.tables import Account, PlanVersion
from gateway.access.price_book import catalog_prices
from gateway.cli.arguments import format_available, parse_instant
from gateway.cli.billing.price_changes import price_changes_app
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command, read_text_file, run_in_transaction
from gateway.operations.idempotent import IdempotentChange, run_once
from infra import ids
from infra.clock import Clock
from infra.settings import Settings
from models.catalog import load_configured_catalog

plans_app = typer.Typer(no_args_is_help=True)
plans_app.add_typer(price_changes_app, name="changes")
subscriptions_app = typer.Typer(no_args_is_help=True)
PlanName = Annotated[str, typer.Argument(help="Name of the plan, e.g. growth.")]
Number = Annotated[
    int | None, typer.Option("--version", help="Version of the plan. Default: the latest.")
]
Key = Annotated[
    str | None,
    typer.Option(help="Idempotency key. A key repeated within 24 hours changes nothing."),
]
_PLAN_COLUMNS = (
    "plan",
    "currency",
    "number",
    "listed",
    "fixed_fee",
    "interval",
    "version",
    "published_at",
)


@dataclass(frozen=True, slots=True)
class _SubscriptionChange:
    """A change of a subscription, applied once per idempotency key.

    `operation` and `arguments` are stored with the key. They must not change between releases.
    """

    title: str
    operation: str
    arguments: tuple[object, ...]
    apply: Callable[[AsyncSession], Awaitable[PlanChange]]


@plans_app.command("publish")
@command
def plans_publish(
    settings: Settings,
    clock: Clock,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Plan file (TOML).")],
    listed: Annotated[
        bool | None,
        typer.Option(
            "--listed/--unlisted",
            help="Whether customers can subscribe to the plan themselves. Default: unchanged; "
            "listed for a new plan.",
        ),
    ] = None,
) -> Report:
    """Publish a plan file as the next version of the plan.

    If the terms are unchanged, no version is created.
    """
    catalog = load_configured_catalog(settings)
    terms = parse_plan_file(
        read_text_file(file, "The plan", TermsInvalid),
        lambda currency: catalog_prices(catalog, currency),
    )
    version = run_in_transaction(
        settings, lambda session: publish_plan(session, clock, terms, listed)
    )
    return _plan_report(version, terms)


@plans_app.command("list")
@command
async def plans_list(session: AsyncSession) -> Table:
    """List all versions of all plans."""
    versions = await list_plan_versions(session)
    terms = await load_terms(session, [version.id for version in versions])
    unlisted = await list_unlisted_plans(session)
    rows = [
        {
            **plan_json(version, terms[version.id]),
            "listed": (version.plan, version.currency) not in unlisted,
        }
        for version in versions
    ]
    return Table(rows, _PLAN_COLUMNS)


@plans_app.command("show")
@command
async def plans_show(
    session: AsyncSession,
    settings: Settings,
    plan: PlanName,
    currency: Annotated[
        str | None, typer.Option(help="Currency, e.g. CNY or USD. Default: MAAS_CURRENCY.")
    ] = None,
    version: Number = None,
) -> Report:
    """Show the terms of a plan."""
    plan_currency = (currency or settings.currency).upper()
    plan_version = await find_plan_version(session, plan, plan_currency, version)
    terms = await load_terms(session, [plan_version.id])
    return _plan_report(plan_version, terms[plan_version.id])


@command
async def subscribe(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    plan: PlanName,
    version: Number = None,
    key: Key = None,
) -> Report:
    """Subscribe an account to a plan.

    Starts now and invoices the first fee.
    """
    owner = await get_account(session, account)
    apply = partial(_switch_plan, start_plan, clock, owner, plan, version)
    change = _SubscriptionChange("Subscription created.", "Subscribed.", (plan, version), apply)
    return await _change_once(session, clock, owner, key, change)


@subscriptions_app.command("show")
@command
async def subscriptions_show(session: AsyncSession, clock: Clock, account: AccountName) -> Report:
    """Show an account's subscription and scheduled changes."""
    owner = await get_account(session, account)
    return _subscription_report("Subscription:", await _subscription(session, clock, owner))


@subscriptions_app.command("change")
@command
async def subscriptions_change(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    plan: PlanName,
    version: Number = None,
    key: Key = None,
) -> Report:
    """Change the plan of an account.

    An upgrade takes effect now, a downgrade at the end of the paid period.
    """
    owner = await get_account(session, account)
    apply = partial(_switch_plan, change_plan, clock, owner, plan, version)
    change = _SubscriptionChange("Subscription changed.", "Changed.", (plan, version), apply)
    return await _change_once(session, clock, owner, key, change)


@subscriptions_app.command("cancel")
@command
async def subscriptions_cancel(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    now: Annotated[
        bool, typer.Option("--now", help="Cancel immediately, without a refund.")
    ] = False,
    key: Key = None,
) -> Report:
    """Cancel an account's subscription.

    It ends with the paid period, or immediately with --now.
    """
    owner = await get_account(session, account)
    apply = partial(_cancel, clock, owner, now)
    change = _SubscriptionChange("Subscription cancelled.", "Cancelled.", (now,), apply)
    return await _change_once(session, clock, owner, key, change)


@subscriptions_app.command("pause")
@command
async def subscriptions_pause(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    until: Annotated[
        str | None,
        typer.Option(help="Date or time (ISO 8601) at which the plan continues by itself."),
    ] = None,
    key: Key = None,
) -> Report:
    """Pause an account's subscription at the end of the paid period.

    Until it is resumed there is no fee, and list prices apply.
    """
    owner = await get_account(session, account)
    resumes_at = None if until is None else parse_instant(until, ResumptionTimeInvalid)
    apply = partial(_pause, clock, owner, resumes_at)
    change = _SubscriptionChange("Subscription paused.", "Paused.", (until,), apply)
    return await _change_once(session, clock, owner, key, change)


@subscriptions_app.command("resume")
@command
async def subscriptions_resume(
    session: AsyncSession, clock: Clock, account: AccountName, key: Key = None
) -> Report:
    """End a pause, or undo a scheduled cancellation, downgrade or pause."""
    owner = await get_account(session, account)
    apply = partial(_resume, clock, owner)
    change = _SubscriptionChange("Subscription resumed.", "Goes on.", (), apply)
    return await _change_once(session, clock, owner, key, change)


async def _switch_plan(
    switch: Callable[[AsyncSession, Clock, UUID, PlanVersion], Awaitable[PlanChange]],
    clock: Clock,
    owner: Account,
    plan: str,
    version: int | None,
    session: AsyncSession,
) -> PlanChange:
    """Call `switch`, which starts or changes to the plan's version in the account's currency."""
    plan_version = await find_plan_version(session, plan, owner.currency, version)
    return await switch(session, clock, owner.id, plan_version)


async def _cancel(clock: Clock, owner: Account, now: bool, session: AsyncSession) -> PlanChange:
    """Cancel the subscription: at once if `now`, else when the paid period ends."""
    return PlanChange(await cancel_plan(session, clock, owner.id, at_end=not now))


async def _pause(
    clock: Clock, owner: Account, resumes_at: datetime | None, session: AsyncSession
) -> PlanChange:
    """Pause the subscription when the paid period ends."""
    return PlanChange(await pause_plan(session, clock, owner.id, resumes_at))


async def _resume(clock: Clock, owner: Account, session: AsyncSession) -> PlanChange:
    """End a pause, or undo a scheduled change."""
    return await resume_plan(session, clock, owner.id)


async def _change_once(
    session: AsyncSession,
    clock: Clock,
    owner: Account,
    key: str | None,
    change: _SubscriptionChange,
) -> Report:
    """Apply a change once per idempotency key. Returns the subscription's printable result."""
    body = msgspec.json.encode(change.arguments)
    request = IdempotentChange(owner.id, f"maas: {change.operation}", body, key)
    done = await run_once(session, request, partial(_apply_change, clock, owner, change))
    return _subscription_report(change.title, msgspec.json.decode(done.response))


async def _apply_change(
    clock: Clock, owner: Account, change: _SubscriptionChange, session: AsyncSession
) -> dict[str, Any]:
    """Apply a change and return the subscription with the new invoices."""
    applied = await change.apply(session)
    invoices = [ids.format_id(INVOICE_ID_PREFIX, invoice.id) for invoice in applied.invoices]
    return {**await _subscription(session, clock, owner), "invoices": invoices}


async def _subscription(session: AsyncSession, clock: Clock, owner: Account) -> dict[str, Any]:
    """Return an account's subscription as output fields."""
    subscription = await subscription_json(session, clock, owner.id)
    return {"account": owner.name, **subscription, "invoices": []}


def _subscription_report(title: str, subscription: dict[str, Any]) -> Report:
    """Return the printable result of a subscription, with short texts for the terminal."""
    plan, following = subscription["plan"], subscription["following"]
    fields = {
        **subscription,
        "plan": plan and f"{plan['plan']} ({plan['number']})",
        "following": following and f"{following['plan']} from {following['starts_at']}",
        "available": format_available(subscription["available"]),
        "invoices": ", ".join(subscription["invoices"]) or None,
    }
    return Report(subscription, (Record(title, fields),))


def _plan_report(version: PlanVersion, terms: PlanTerms) -> Report:
    """Return the printable result of a plan version: prices, allowances and discounts."""
    plan_fields = plan_json(version, terms)
    detail_fields = ("object", "prices", "allowances", "discounts", "names")
    prices = [
        {
            "model": price.model,
            "meter": price.meter,
            "price": format_price(price.price, price.meter, terms.currency, "en"),
        }
        for price in terms.prices
    ]
    sections: list[Record | Table] = [
        Record(
            "Plan:",
            {name: plan_fields[name] for name in plan_fields if name not in detail_fields},
        ),
        Record("Names:", plan_fields["names"]),
        Table(prices, ("model", "meter", "price")),
        *(Record("Included units:", row) for row in plan_fields["allowances"]),
        *(Record("Discount:", row) for row in plan_fields["discounts"]),
    ]
    return Report(plan_fields, sections)
