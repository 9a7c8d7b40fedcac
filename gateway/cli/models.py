"""`maas models`: models with prices and availability, ratings, and versions of shared models."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.access.price_book import PriceBook
from gateway.cli.lazy_group import Command, lazy_group
from gateway.cli.output import Output
from gateway.cli.price_list import format_prices, price_list
from gateway.cli.runner import Json, run_and_propagate, run_command, run_in_transaction
from gateway.cli.supervisor import serving_base_url
from gateway.registry.versions import (
    BUILT_IN_NUMBER,
    get_current_number,
    get_previous_number,
    list_versions,
    promote,
    roll_back,
    version_json,
    version_name,
)
from gateway.shared_models.eligibility import get_shared_model
from gateway.shared_models.feedback import count_ratings
from gateway.upstream.availability import Availability
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router, parse_upstreams
from infra.clock import SystemClock
from infra.settings import Settings
from models.catalog import Catalog, Model, load_catalog
from models.extras import required_extra

_TRAINING_COMMANDS = (
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
models_app = typer.Typer(cls=lazy_group(_TRAINING_COMMANDS), invoke_without_command=True)
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

    def execute(settings: Settings, output: Output) -> None:
        catalog = load_catalog(settings.profile)
        shown_currency = _parse_currency(currency or settings.currency)
        prices: Prices = {
            model.id: model.prices.get(shown_currency, {}) for model in catalog.models.values()
        }
        if account is not None:
            shown_currency, prices = run_in_transaction(
                settings, partial(_get_plan_prices, catalog, account)
            )
        availability = asyncio.run(_check_availability(settings, catalog))
        rows = [
            {
                **_model_row(model, prices.get(model.id, {}), shown_currency),
                "served": _served_text(model, availability),
            }
            for model in catalog.models.values()
        ]
        if not as_json:
            rows = [
                {**row, "prices": format_prices(prices.get(row["id"], {}), shown_currency)}
                for row in rows
            ]
        columns = ("id", "task", "served", "prices", "context_length", "licence", "description")
        output.table(rows, columns)

    run_command(as_json, execute)


@models_app.command("ratings")
def models_ratings(as_json: Json = False) -> None:
    """How answers were rated, by model."""

    def execute(settings: Settings, output: Output) -> None:
        rows = run_in_transaction(settings, count_ratings)
        output.table(rows, ("model", "good", "bad", "lessons"))

    run_command(as_json, execute)


@models_app.command("versions")
def models_versions(model: ModelName, as_json: Json = False) -> None:
    """A shared model's versions, the newest first; 0 is the one that the catalog comes with."""

    def execute(settings: Settings, output: Output) -> None:
        name = get_shared_model(load_catalog(settings.profile), model).id
        rows = [
            version_json(row)
            for row in run_in_transaction(settings, lambda s: list_versions(s, name))
        ]
        none_promoted = not any(row["answers"] for row in rows)
        rows.append(
            {
                "version": name,
                "number": BUILT_IN_NUMBER,
                "status": "built_in",
                "answers": none_promoted,
            }
        )
        columns = ("version", "status", "answers", "created_at", "promoted_at", "why")
        output.table(rows, columns)

    run_command(as_json, execute)


@models_app.command("promote")
def models_promote(
    model: ModelName,
    number: Annotated[int, typer.Argument(min=1, help="The version's number.")],
    by: By = "operator",
    as_json: Json = False,
) -> None:
    """Let a version that answered before answer again. Returns when every gateway serves it."""

    async def change(session: AsyncSession, name: str, current_number: int) -> int:
        await promote(session, SystemClock(), name, number, current_number, by)
        return number

    _change_version("Promoted.", model, change, as_json)


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

    async def change(session: AsyncSession, name: str, current_number: int) -> int:
        number = await get_previous_number(session, name) if to is None else to
        await roll_back(session, SystemClock(), name, number, current_number, by)
        return number

    _change_version("Rolled back.", model, change, as_json)


_VersionChange = Callable[[AsyncSession, str, int], Awaitable[int]]
"""Takes the model and the version that answered when the command began; gives which does now."""


def _change_version(title: str, model: str, change: _VersionChange, as_json: bool) -> None:
    """Change which version of a model serves, and wait until all gateways apply it."""

    def execute(settings: Settings, output: Output) -> None:
        name = get_shared_model(load_catalog(settings.profile), model).id
        # If two commands run at once, the later one fails, since this number has changed.
        current_number = run_in_transaction(
            settings, lambda session: get_current_number(session, name)
        )
        number = run_and_propagate(settings, lambda session: change(session, name, current_number))
        fields = {
            "model": name,
            "answers": version_name(name, number),
            "before": version_name(name, current_number),
        }
        output.record(title, fields)

    run_command(as_json, execute)


async def _check_availability(settings: Settings, catalog: Catalog) -> Availability:
    """Ask the model servers which models they serve."""
    upstream = UpstreamClient(settings.connect_timeout_s)
    router = Router(parse_upstreams(serving_base_url(settings)), SystemClock())
    availability = Availability(catalog, router, upstream)
    try:
        await availability.refresh()
    finally:
        await upstream.stop()
    return availability


def _served_text(model: Model, availability: Availability) -> str:
    """Return whether a model is served, or which package extra is missing."""
    if availability.is_served(model):
        return "yes"
    extra = required_extra(model)
    return "no" if extra is None else f"not installed: extra {extra}"


def _parse_currency(currency: str) -> str:
    """Validate a currency code. Raises BadParameter."""
    if currency.upper() not in ("CNY", "USD"):
        raise typer.BadParameter("prices are in CNY and USD", param_hint="--currency")
    return currency.upper()


async def _get_plan_prices(
    catalog: Catalog, account: str, session: AsyncSession
) -> tuple[str, Prices]:
    """Return an account's currency, and its current prices by model and meter."""
    owner, clock = await get_account(session, account), SystemClock()
    price_book = PriceBook(catalog, clock)
    account_prices = await price_book.get_account_prices(
        session, owner.id, owner.currency, clock.now()
    )
    return owner.currency, {
        model: dict(entry.prices) for model, entry in account_prices.model_prices.items()
    }


def _model_row(model: Model, prices: Mapping[str, int], currency: str) -> dict[str, Any]:
    """Return a model as output fields; `prices` are list prices in nano-units, by currency."""
    return {
        "id": model.id,
        "task": model.task.value,
        "context_length": model.context_length,
        "licence": model.licence,
        "description": model.description,
        "prices": {of: dict(row) for of, row in model.prices.items()},
        "price_list": price_list(prices, currency),
    }
