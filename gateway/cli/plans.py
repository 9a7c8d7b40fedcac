"""`maas plans`, `maas subscribe` and `maas subscriptions`: published plans and subscriptions."""

from collections.abc import Awaitable, Callable
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
    resume_plan,
    start_plan,
)
from billing.plan_changes.views import plan_json, subscription_json
from billing.rating.plan_file import parse_plan_file
from billing.rating.terms import PlanTerms, TermsInvalid
from billing.subscriptions.plans import (
    find_plan_version,
    list_plan_versions,
    list_unlisted_plans,
    load_terms,
    publish_plan,
)
from billing.tables import Account, PlanVersion
from gateway.access.price_book import catalog_prices
from gateway.cli.arguments import format_available
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, read_text_file, run_command, run_in_transaction
from gateway.operations.idempotent import IdempotentChange, run_once
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings
from models.catalog import load_catalog

plans_app = typer.Typer(no_args_is_help=True)
subscriptions_app = typer.Typer(no_args_is_help=True)
PlanName = Annotated[str, typer.Argument(help="The plan's name, as growth.")]
Number = Annotated[int | None, typer.Option("--version", help="Its number; else the newest.")]
Key = Annotated[
    str | None, typer.Option(help="Its own name: the same again within a day changes nothing.")
]
_SubscriptionChange = Callable[[AsyncSession, UUID, str], Awaitable[PlanChange | None]]


@plans_app.command("publish")
def plans_publish(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A plan as TOML.")],
    listed: Annotated[
        bool | None,
        typer.Option(
            "--listed/--unlisted",
            help="Whether accounts can take it themselves; else as before, a new one: yes.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep a plan file as the plan's next version; the same terms again are the same version."""

    def execute(settings: Settings, output: Output) -> None:
        catalog = load_catalog(settings.profile)
        terms = parse_plan_file(
            read_text_file(file, "The plan", TermsInvalid),
            lambda currency: catalog_prices(catalog, currency),
        )

        async def publish(session: AsyncSession) -> PlanVersion:
            return await publish_plan(session, SystemClock(), terms, listed)

        _show_plan(output, as_json, run_in_transaction(settings, publish), terms)

    run_command(as_json, execute)


@plans_app.command("list")
def plans_list(as_json: Json = False) -> None:
    """All versions of all plans."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_plans(session: AsyncSession) -> list[dict[str, Any]]:
            versions = await list_plan_versions(session)
            terms = await load_terms(session, [plan_version.id for plan_version in versions])
            unlisted = await list_unlisted_plans(session)
            listed = [
                (plan_version.plan, plan_version.currency) not in unlisted
                for plan_version in versions
            ]
            return [
                {**plan_json(plan_version, terms[plan_version.id]), "listed": is_listed}
                for plan_version, is_listed in zip(versions, listed, strict=True)
            ]

        rows = run_in_transaction(settings, load_plans)
        output.table(
            rows,
            (
                "plan",
                "currency",
                "number",
                "listed",
                "fixed_fee",
                "interval",
                "version",
                "published_at",
            ),
        )

    run_command(as_json, execute)


@plans_app.command("show")
def plans_show(
    plan: PlanName,
    currency: Annotated[str | None, typer.Option(help="CNY or USD, …")] = None,
    version: Number = None,
    as_json: Json = False,
) -> None:
    """What a version of a plan says."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_plan(session: AsyncSession) -> tuple[PlanVersion, PlanTerms]:
            plan_currency = (currency or settings.currency).upper()
            plan_version = await find_plan_version(session, plan, plan_currency, version)
            return plan_version, (await load_terms(session, [plan_version.id]))[plan_version.id]

        _show_plan(output, as_json, *run_in_transaction(settings, load_plan))

    run_command(as_json, execute)


def subscribe(
    account: AccountName,
    plan: PlanName,
    version: Number = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Put an account on a plan from now on, and invoice its first fee."""

    async def change(session: AsyncSession, account_id: UUID, currency: str) -> PlanChange:
        plan_version = await find_plan_version(session, plan, currency, version)
        return await start_plan(session, SystemClock(), account_id, plan_version)

    _change_subscription("Subscribed.", account, as_json, change, key, plan, version)


@subscriptions_app.command("show")
def subscriptions_show(account: AccountName, as_json: Json = False) -> None:
    """What the account is on, and what follows."""

    async def change(_session: AsyncSession, _account_id: UUID, _currency: str) -> None:
        return None

    _change_subscription("The subscription:", account, as_json, change)


@subscriptions_app.command("change")
def subscriptions_change(
    account: AccountName,
    plan: PlanName,
    version: Number = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Go to another plan: up at once, down when the paid time ends."""

    async def change(session: AsyncSession, account_id: UUID, currency: str) -> PlanChange:
        plan_version = await find_plan_version(session, plan, currency, version)
        return await change_plan(session, SystemClock(), account_id, plan_version)

    _change_subscription("Changed.", account, as_json, change, key, plan, version)


@subscriptions_app.command("cancel")
def subscriptions_cancel(
    account: AccountName,
    now: Annotated[
        bool, typer.Option("--now", help="At once; what was paid is not given back.")
    ] = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """End the subscription when the paid time ends, or now."""

    async def change(session: AsyncSession, account_id: UUID, _currency: str) -> PlanChange:
        return PlanChange(await cancel_plan(session, SystemClock(), account_id, at_end=not now))

    _change_subscription("Cancelled.", account, as_json, change, key, now)


@subscriptions_app.command("resume")
def subscriptions_resume(account: AccountName, key: Key = None, as_json: Json = False) -> None:
    """Take back a cancellation or a downgrade that lies ahead."""

    async def change(session: AsyncSession, account_id: UUID, _currency: str) -> PlanChange:
        return PlanChange(await resume_plan(session, SystemClock(), account_id))

    _change_subscription("Goes on.", account, as_json, change, key)


def _change_subscription(
    title: str,
    account: str,
    as_json: bool,
    change: _SubscriptionChange,
    key: str | None = None,
    *fingerprint_parts: object,
) -> None:
    """Apply a subscription change once per idempotency key, and print the subscription.

    `fingerprint_parts` are the arguments that a repeated key must have in common.
    """

    def execute(settings: Settings, output: Output) -> None:
        async def apply_once(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            wish = IdempotentChange(
                owner.id, f"maas: {title}", msgspec.json.encode(fingerprint_parts), key
            )
            done = await run_once(session, wish, partial(_apply_change, owner, change))
            return dict(msgspec.json.decode(done.response))

        subscription = run_in_transaction(settings, apply_once)
        output.record(title, subscription if as_json else _summary(subscription))

    run_command(as_json, execute)


async def _apply_change(
    owner: Account, change: _SubscriptionChange, session: AsyncSession
) -> dict[str, Any]:
    """Apply a change and return the subscription with the new invoices."""
    applied = await change(session, owner.id, owner.currency)
    subscription = await subscription_json(session, SystemClock(), owner.id)
    invoices = [
        ids.format_id(INVOICE_ID_PREFIX, invoice.id)
        for invoice in (applied.invoices if applied else ())
    ]
    return {"account": owner.name, **subscription, "invoices": invoices}


def _summary(subscription: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription with short texts for terminal output."""
    plan, following = subscription["plan"], subscription["following"]
    return {
        **subscription,
        "plan": plan and f"{plan['plan']} ({plan['number']})",
        "following": following and f"{following['plan']} from {following['starts_at']}",
        "available": format_available(subscription["available"]),
        "invoices": ", ".join(subscription["invoices"]) or None,
    }


def _show_plan(output: Output, as_json: bool, version: PlanVersion, terms: PlanTerms) -> None:
    """Print a plan version with its prices, allowances and discounts."""
    plan_fields = plan_json(version, terms)
    if as_json:
        output.record("", plan_fields)
        return
    detail_fields = ("object", "prices", "allowances", "discounts", "names")
    output.record(
        "The plan:", {name: plan_fields[name] for name in plan_fields if name not in detail_fields}
    )
    output.record("Its names:", plan_fields["names"])
    rows = [
        {
            "model": price.model,
            "meter": price.meter,
            "price": format_price(price.price, price.meter, terms.currency, "en"),
        }
        for price in terms.prices
    ]
    output.table(rows, ("model", "meter", "price"))
    for title, name in (("Included:", "allowances"), ("Discounts:", "discounts")):
        for row in plan_fields[name]:
            output.record(title, row)
