"""`maas plans`, `maas subscribe` and `maas subscriptions`: published plans and subscriptions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.invoice_documents.price_format import format_price
from billing.plan_changes.plan_changes import PlanChange
from billing.plan_changes.views import plan_json
from billing.rating.terms import PlanTerms, TermsInvalid
from billing.subscriptions.pauses import ResumptionTimeInvalid
from billing.subscriptions.plans import (
    find_plan_version,
    list_plan_versions,
    list_unlisted_plans,
    load_terms,
)
from billing.tables import Account, PlanVersion
from gateway.cli.arguments import format_available
from gateway.cli.billing.add_ons import list_add_ons, set_add_on
from gateway.cli.billing.price_changes import price_changes_app
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command, read_text_file, run_in_transaction
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.idempotent import IdempotentChange, run_once
from gateway.operations.parsing import parse_instant
from gateway.operations.plans import (
    account_subscription,
    cancel_account_plan,
    pause_account_plan,
    plan_change_result,
    publish_terms,
    read_plan_file,
    resume_account_plan,
    switch_account_plan,
)
from infra.clock import Clock
from infra.settings import Settings
from models.catalog import load_configured_catalog

plans_app = typer.Typer(no_args_is_help=True)
plans_app.add_typer(price_changes_app, name="changes")
subscriptions_app = typer.Typer(no_args_is_help=True)
subscriptions_app.command("add-ons")(list_add_ons)
subscriptions_app.command("set-add-on")(set_add_on)
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
    terms = read_plan_file(read_text_file(file, "The plan", TermsInvalid), catalog)
    version = run_in_transaction(
        settings, lambda session: publish_terms(session, clock, CLI_ACTOR, terms, listed)
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
    apply = partial(_switch_plan, clock, owner, plan, version, True)
    change = _SubscriptionChange("Subscription created.", "Subscribed.", (plan, version), apply)
    return await _change_once(session, clock, owner, key, change)


@subscriptions_app.command("show")
@command
async def subscriptions_show(session: AsyncSession, clock: Clock, account: AccountName) -> Report:
    """Show an account's subscription and scheduled changes."""
    owner = await get_account(session, account)
    return _subscription_report("Subscription:", await account_subscription(session, clock, owner))


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
    apply = partial(_switch_plan, clock, owner, plan, version, False)
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
    clock: Clock,
    owner: Account,
    plan: str,
    version: int | None,
    starts: bool,
    session: AsyncSession,
) -> PlanChange:
    """Subscribe to the plan's version if `starts`, else change to it."""
    place = (session, clock, CLI_ACTOR, owner, plan, version)
    return await switch_account_plan(*place, starts=starts)


async def _cancel(clock: Clock, owner: Account, now: bool, session: AsyncSession) -> PlanChange:
    """Cancel the subscription: at once if `now`, else when the paid period ends."""
    return await cancel_account_plan(session, clock, CLI_ACTOR, owner, now=now)


async def _pause(
    clock: Clock, owner: Account, resumes_at: datetime | None, session: AsyncSession
) -> PlanChange:
    """Pause the subscription when the paid period ends."""
    return await pause_account_plan(session, clock, CLI_ACTOR, owner, resumes_at)


async def _resume(clock: Clock, owner: Account, session: AsyncSession) -> PlanChange:
    """End a pause, or undo a scheduled change."""
    return await resume_account_plan(session, clock, CLI_ACTOR, owner)


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
    return await plan_change_result(session, clock, owner, applied)


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
