"""`maas plans`, `maas subscribe` and `maas subscriptions`: what is sold, and who is on what."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.invoice_documents.price_format import price_words
from billing.invoices.lifecycle import PREFIX
from billing.plan_changes.plan_changes import Change, change_plan, end, go_on, start
from billing.plan_changes.views import plan_json, subscription_json
from billing.rating.plan_file import read_plan_file
from billing.rating.terms import PlanTerms, TermsInvalid
from billing.subscriptions.plans import (
    find_version,
    list_versions,
    publish,
    terms_of,
    unlisted_plans,
)
from billing.tables import Account, PlanVersion
from gateway.access.price_book import catalog_prices
from gateway.cli.arguments import available_text
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, text_of, with_database
from gateway.operations.idempotent import Wish, once
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
_Work = Callable[[AsyncSession, UUID, str], Awaitable[Change | None]]


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

    def work(settings: Settings, terminal: Terminal) -> None:
        catalog = load_catalog(settings.profile)
        terms = read_plan_file(
            text_of(file, "The plan", TermsInvalid),
            lambda currency: catalog_prices(catalog, currency),
        )

        async def keep(session: AsyncSession) -> PlanVersion:
            return await publish(session, SystemClock(), terms, listed)

        _show_plan(terminal, as_json, with_database(settings, keep), terms)

    tell(as_json, work)


@plans_app.command("list")
def plans_list(as_json: Json = False) -> None:
    """All versions of all plans."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            versions = await list_versions(session)
            terms = await terms_of(session, [one.id for one in versions])
            hidden = await unlisted_plans(session)
            listed = [(one.plan, one.currency) not in hidden for one in versions]
            return [
                {**plan_json(one, terms[one.id]), "listed": seen}
                for one, seen in zip(versions, listed, strict=True)
            ]

        rows = with_database(settings, read)
        columns = ("plan", "currency", "number", "listed", "fixed_fee", "interval", "version")
        terminal.table(rows, (*columns, "published_at"))

    tell(as_json, work)


@plans_app.command("show")
def plans_show(
    plan: PlanName,
    currency: Annotated[str | None, typer.Option(help="CNY or USD, …")] = None,
    version: Number = None,
    as_json: Json = False,
) -> None:
    """What a version of a plan says."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> tuple[PlanVersion, PlanTerms]:
            wanted = (currency or settings.currency).upper()
            found = await find_version(session, plan, wanted, version)
            return found, (await terms_of(session, [found.id]))[found.id]

        _show_plan(terminal, as_json, *with_database(settings, read))

    tell(as_json, work)


def subscribe(
    account: AccountName,
    plan: PlanName,
    version: Number = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Put an account on a plan from now on, and invoice its first fee."""

    async def work(session: AsyncSession, account_id: UUID, currency: str) -> Change:
        wanted = await find_version(session, plan, currency, version)
        return await start(session, SystemClock(), account_id, wanted)

    _with_subscription("Subscribed.", account, as_json, work, key, plan, version)


@subscriptions_app.command("show")
def subscriptions_show(account: AccountName, as_json: Json = False) -> None:
    """What the account is on, and what follows."""

    async def work(_session: AsyncSession, _account_id: UUID, _currency: str) -> None:
        return None

    _with_subscription("The subscription:", account, as_json, work)


@subscriptions_app.command("change")
def subscriptions_change(
    account: AccountName,
    plan: PlanName,
    version: Number = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Go to another plan: up at once, down when the paid time ends."""

    async def work(session: AsyncSession, account_id: UUID, currency: str) -> Change:
        wanted = await find_version(session, plan, currency, version)
        return await change_plan(session, SystemClock(), account_id, wanted)

    _with_subscription("Changed.", account, as_json, work, key, plan, version)


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

    async def work(session: AsyncSession, account_id: UUID, _currency: str) -> Change:
        return Change(await end(session, SystemClock(), account_id, at_end=not now))

    _with_subscription("Cancelled.", account, as_json, work, key, now)


@subscriptions_app.command("resume")
def subscriptions_resume(account: AccountName, key: Key = None, as_json: Json = False) -> None:
    """Take back a cancellation or a downgrade that lies ahead."""

    async def work(session: AsyncSession, account_id: UUID, _currency: str) -> Change:
        return Change(await go_on(session, SystemClock(), account_id))

    _with_subscription("Goes on.", account, as_json, work, key)


def _with_subscription(
    title: str,
    account: str,
    as_json: bool,
    work: _Work,
    key: str | None = None,
    *said: object,
) -> None:
    """Do it, once for its key, and show what the account is on then."""

    def show(settings: Settings, terminal: Terminal) -> None:
        async def run(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            wish = Wish(owner.id, f"maas: {title}", msgspec.json.encode(said), key)
            done = await once(session, wish, partial(_change, owner, work))
            return dict(msgspec.json.decode(done.answer))

        shown = with_database(settings, run)
        terminal.record(title, shown if as_json else _short(shown))

    tell(as_json, show)


async def _change(owner: Account, work: _Work, session: AsyncSession) -> dict[str, Any]:
    change = await work(session, owner.id, owner.currency)
    shown = await subscription_json(session, SystemClock(), owner.id)
    invoices = [ids.show(PREFIX, one.id) for one in (change.invoices if change else ())]
    return {"account": owner.name, **shown, "invoices": invoices}


def _short(shown: dict[str, Any]) -> dict[str, Any]:
    """A plan by its name, for people."""
    plan, following = shown["plan"], shown["following"]
    return {
        **shown,
        "plan": plan and f"{plan['plan']} ({plan['number']})",
        "following": following and f"{following['plan']} from {following['starts_at']}",
        "available": available_text(shown["available"]),
        "invoices": ", ".join(shown["invoices"]) or None,
    }


def _show_plan(terminal: Terminal, as_json: bool, version: PlanVersion, terms: PlanTerms) -> None:
    shown = plan_json(version, terms)
    if as_json:
        terminal.record("", shown)
        return
    long = ("object", "prices", "allowances", "discounts", "names")
    terminal.record("The plan:", {name: shown[name] for name in shown if name not in long})
    terminal.record("Its names:", shown["names"])
    rows = [
        {
            "model": one.model,
            "meter": one.meter,
            "price": price_words(one.price, one.meter, "en"),
        }
        for one in terms.prices
    ]
    terminal.table(rows, ("model", "meter", "price"))
    for title, name in (("Included:", "allowances"), ("Discounts:", "discounts")):
        for row in shown[name]:
            terminal.record(title, row)
