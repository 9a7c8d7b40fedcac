"""`maas models`: what is sold at which prices, how it is rated, and versions of shared models."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.access.price_book import Contracts
from gateway.cli.lazy_group import Command, lazy_group
from gateway.cli.output import Terminal
from gateway.cli.price_list import price_list, price_text
from gateway.cli.runner import Json, propagated, tell, with_database
from gateway.cli.supervisor import serving_base
from gateway.registry.versions import (
    BUILT_IN,
    before,
    present,
    promote,
    roll_back,
    show_version,
    shown_as,
    versions_of,
)
from gateway.shared_models.eligibility import shared_model
from gateway.shared_models.feedback import count_ratings
from gateway.upstream.availability import Availability
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router, parse_upstreams
from infra.clock import SystemClock
from infra.settings import Settings
from models.catalog import Catalog, Model, load_catalog
from models.extras import extra_of

_LEARNING = (
    Command(
        "propose",
        "gateway.cli.model_training:models_propose",
        "Learn a version from what customers agreed to share; it is promoted if it is better.",
    ),
    Command(
        "provenance",
        "gateway.cli.model_training:models_provenance",
        "What a version learned from: whose, with which consent, and whether that still stands.",
    ),
)
models_app = typer.Typer(cls=lazy_group(_LEARNING), invoke_without_command=True)
Prices = Mapping[str, Mapping[str, int]]
ModelName = Annotated[str, typer.Argument(help="The shared model's id.")]
By = Annotated[str, typer.Option(help="Who says so; it stands in the version's history.")]


@models_app.callback()
def models_list(
    context: typer.Context,
    account: Annotated[
        str | None, typer.Option(help="Prices of this account's plan (id or name).")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="List prices in CNY or USD; MAAS_CURRENCY unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The models with their prices (list prices, or those of an account's plan), and whether this
    deployment serves them."""
    if context.invoked_subcommand is not None:
        return

    def work(settings: Settings, terminal: Terminal) -> None:
        catalog = load_catalog(settings.profile)
        shown = _currency(currency or settings.currency)
        prices: Prices = {
            model.id: model.prices.get(shown, {}) for model in catalog.models.values()
        }
        if account is not None:
            shown, prices = with_database(settings, partial(_plan_prices, catalog, account))
        availability = asyncio.run(_asked(settings, catalog))
        rows = [
            {
                **_show_model(model, prices.get(model.id, {}), shown),
                "served": _served(model, availability),
            }
            for model in catalog.models.values()
        ]
        if not as_json:
            rows = [{**row, "prices": price_text(prices.get(row["id"], {}), shown)} for row in rows]
        columns = ("id", "task", "served", "prices", "context_length", "licence", "description")
        terminal.table(rows, columns)

    tell(as_json, work)


@models_app.command("ratings")
def models_ratings(as_json: Json = False) -> None:
    """How answers were rated, by model."""

    def work(settings: Settings, terminal: Terminal) -> None:
        rows = with_database(settings, count_ratings)
        terminal.table(rows, ("model", "good", "bad", "lessons"))

    tell(as_json, work)


@models_app.command("versions")
def models_versions(model: ModelName, as_json: Json = False) -> None:
    """A shared model's versions, the newest first; 0 is the one that the catalog comes with."""

    def work(settings: Settings, terminal: Terminal) -> None:
        name = shared_model(load_catalog(settings.profile), model).id
        rows = [
            show_version(row) for row in with_database(settings, lambda s: versions_of(s, name))
        ]
        none_promoted = not any(row["answers"] for row in rows)
        rows.append(
            {"version": name, "number": BUILT_IN, "status": "built_in", "answers": none_promoted}
        )
        columns = ("version", "status", "answers", "created_at", "promoted_at", "why")
        terminal.table(rows, columns)

    tell(as_json, work)


@models_app.command("promote")
def models_promote(
    model: ModelName,
    number: Annotated[int, typer.Argument(min=1, help="The version's number.")],
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Let a version that answered before answer again. Returns when every gateway serves it."""

    async def change(session: AsyncSession, name: str, now: int) -> int:
        await promote(session, SystemClock(), name, number, now, by)
        return number

    _change("Promoted.", model, change, as_json)


@models_app.command("rollback")
def models_rollback(
    model: ModelName,
    to: Annotated[
        int | None, typer.Option(min=0, help="To this version; if not given, the one before.")
    ] = None,
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Take the present version back. Returns when no gateway serves it any more."""

    async def change(session: AsyncSession, name: str, now: int) -> int:
        number = await before(session, name) if to is None else to
        await roll_back(session, SystemClock(), name, number, now, by)
        return number

    _change("Rolled back.", model, change, as_json)


_Change = Callable[[AsyncSession, str, int], Awaitable[int]]
"""Takes the model and the version that answered when the command began; gives which does now."""


def _change(title: str, model: str, change: _Change, as_json: bool) -> None:
    def work(settings: Settings, terminal: Terminal) -> None:
        name = shared_model(load_catalog(settings.profile), model).id
        # Of two commands at once, the later one finds that this is no longer so.
        now = with_database(settings, lambda session: present(session, name))
        number = propagated(settings, lambda session: change(session, name, now))
        shown = {"model": name, "answers": shown_as(name, number), "before": shown_as(name, now)}
        terminal.record(title, shown)

    tell(as_json, work)


async def _asked(settings: Settings, catalog: Catalog) -> Availability:
    """What the model servers say that they have, where they answer."""
    upstream = Upstream(settings.connect_timeout_s)
    router = Router(parse_upstreams(serving_base(settings)), SystemClock())
    availability = Availability(catalog, router, upstream)
    try:
        await availability.ask()
    finally:
        await upstream.stop()
    return availability


def _served(model: Model, availability: Availability) -> str:
    if availability.serves(model):
        return "yes"
    extra = extra_of(model)
    return "no" if extra is None else f"not installed: extra {extra}"


def _currency(said: str) -> str:
    if said.upper() not in ("CNY", "USD"):
        raise typer.BadParameter("prices are in CNY and USD", param_hint="--currency")
    return said.upper()


async def _plan_prices(catalog: Catalog, account: str, session: AsyncSession) -> tuple[str, Prices]:
    """The account's currency, and what it pays for each model now."""
    owner, clock = await get_account(session, account), SystemClock()
    contracts = Contracts(catalog, clock)
    contract = await contracts.contract(session, owner.id, owner.currency, clock.now())
    return owner.currency, {model: dict(one.prices) for model, one in contract.prices.items()}


def _show_model(model: Model, prices: Mapping[str, int], currency: str) -> dict[str, Any]:
    """`prices` stays what it was: the list in nano-units for one unit, by currency."""
    return {
        "id": model.id,
        "task": model.task.value,
        "context_length": model.context_length,
        "licence": model.licence,
        "description": model.description,
        "prices": {of: dict(row) for of, row in model.prices.items()},
        "price_list": price_list(prices, currency),
    }
