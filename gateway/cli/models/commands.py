"""`maas models`: models with prices and availability, ratings, and versions of shared models."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.metering.key_epoch import read_epoch
from gateway.access.price_book import PriceBook
from gateway.access.propagation import Propagation
from gateway.cli.billing.price_list import format_prices, price_list
from gateway.cli.lazy_group import Command, lazy_group
from gateway.cli.process.supervisor import serving_base_url
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import Json, command, run_in_transaction
from gateway.process.catalog_updates import UpstreamUpdates
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
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import parse_upstreams
from gateway.upstream.upstream_monitor import UpstreamMonitor, UpstreamStatus
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.named_secrets import NamedSecrets
from infra.settings import Settings
from models.catalog import (
    Catalog,
    CatalogInvalid,
    Model,
    Problem,
    load_catalog,
    load_configured_catalog,
)
from models.extras import required_extra

_LAZY_COMMANDS = (
    Command(
        "evaluate",
        "gateway.cli.models.evaluation:models_evaluate",
        "Evaluate a model on your own questions.",
    ),
    Command(
        "compare",
        "gateway.cli.own_models.comparison:models_compare",
        "Compare models on a table with known results.",
    ),
    Command(
        "check",
        "gateway.cli.models.catalog:models_check",
        "Validate catalog files and show what they change.",
    ),
    Command(
        "drift",
        "gateway.cli.models.drift:models_drift",
        "Show how far the inputs of a fine-tuned model have moved since training.",
    ),
    Command(
        "observed",
        "gateway.cli.own_models.observed:models_observed",
        "Show predicted against observed results of a fine-tuned model.",
    ),
    Command(
        "retrain",
        "gateway.cli.own_models.retraining:models_retrain",
        "Show or set when a fine-tuned model is trained again.",
    ),
    Command(
        "shadow",
        "gateway.cli.own_models.shadow:models_shadow",
        "Start, show, stop or promote a shadow deployment of a fine-tuned model.",
    ),
    Command(
        "predict",
        "gateway.cli.own_models.prediction:models_predict",
        "Predict the rows of a table, and decide by costs.",
    ),
    Command(
        "propose",
        "gateway.cli.models.training:models_propose",
        "Train a version of a shared model, and promote it if it is better.",
    ),
    Command(
        "provenance",
        "gateway.cli.models.training:models_provenance",
        "List the examples that a version was trained on.",
    ),
)
models_app = typer.Typer(cls=lazy_group(_LAZY_COMMANDS), invoke_without_command=True)
_REFUSED = "Running gateways keep the last valid catalog; the built-in models are listed."
Prices = Mapping[str, Mapping[str, int]]
ModelName = Annotated[str, typer.Argument(help="ID of the shared model.")]
By = Annotated[str, typer.Option(help="Name of the person, for the version's history.")]


@models_app.callback()
def models_group(
    context: typer.Context,
    account: Annotated[
        str | None, typer.Option(help="Show the prices of this account (ID or name).")
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(help="Currency of list prices: CNY or USD. Default: MAAS_CURRENCY."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List models and prices, or manage versions of shared models."""
    if context.invoked_subcommand is None:
        models_list(account=account, currency=currency, as_json=as_json)


@command
def models_list(
    settings: Settings, clock: Clock, account: str | None, currency: str | None
) -> Report:
    """List models with list prices or an account's prices, and whether they are served."""
    catalog, problems = _load_catalog_or_built_in(settings)
    shown_currency = _parse_currency(currency or settings.currency)
    prices: Prices = {
        model.id: model.prices.get(shown_currency, {}) for model in catalog.models.values()
    }
    if account is not None:
        shown_currency, prices = run_in_transaction(
            settings, partial(_get_plan_prices, catalog, clock, account)
        )
    availability, statuses = asyncio.run(_check_availability(settings, clock, catalog))
    states = {status.upstream.name: status for status in statuses}
    rows = [
        {
            **_model_row(model, prices.get(model.id, {}), shown_currency),
            "served": _served_text(model, availability),
            "aliases": [name for name, target in catalog.aliases.items() if target == model.id],
            "upstreams": [
                {"name": upstream.name, "state": states[upstream.name].state.value}
                for upstream in catalog.upstreams_of(model.id)
            ],
        }
        for model in catalog.models.values()
    ]
    shown = [
        {**row, "prices": format_prices(prices.get(row["id"], {}), shown_currency)} for row in rows
    ]
    columns = ("id", "task", "served", "prices", "context_length", "licence", "description")
    sections: list[Record | Table] = [
        *(Record(f"{problem.text} {_REFUSED}", {}) for problem in problems),
        Table(shown, columns),
        *(Record(f"upstream {name}:", _upstream_fields(row)) for name, row in states.items()),
    ]
    return Report(rows, sections, exit_code=1 if problems else 0)


def _load_catalog_or_built_in(settings: Settings) -> tuple[Catalog, tuple[Problem, ...]]:
    """Return the configured catalog; the built-in one and the problems if files are invalid."""
    try:
        return load_configured_catalog(settings), ()
    except CatalogInvalid as error:
        problems = error.problems or (Problem("files", error.message),)
        return load_catalog(settings.profile), problems


def _upstream_fields(status: UpstreamStatus) -> dict[str, Any]:
    """Return the state of an upstream as output fields, without its secrets."""
    upstream = status.upstream.upstream
    fields = {"state": status.state.value, "url": upstream.url, "priority": upstream.priority}
    return {**fields, "detail": status.detail} if status.detail else fields


@models_app.command("ratings")
@command
async def models_ratings(session: AsyncSession) -> Table:
    """Show customer ratings of responses by model."""
    return Table(await count_ratings(session), ("model", "good", "bad", "lessons"))


@models_app.command("versions")
@command
async def models_versions(session: AsyncSession, settings: Settings, model: ModelName) -> Table:
    """List the versions of a shared model, newest first.

    Version 0 is built in.
    """
    name = get_shared_model(load_configured_catalog(settings), model).id
    rows = [version_json(row) for row in await list_versions(session, name)]
    built_in = {
        "version": name,
        "number": BUILT_IN_NUMBER,
        "status": "built_in",
        "answers": not any(row["answers"] for row in rows),
    }
    columns = ("version", "status", "answers", "created_at", "promoted_at", "why")
    return Table([*rows, built_in], columns)


@models_app.command("promote")
@command
async def models_promote(
    database: Database,
    settings: Settings,
    clock: Clock,
    model: ModelName,
    number: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
    by: By = "operator",
) -> Record:
    """Promote an earlier version of a shared model.

    Returns when all gateways serve it.
    """
    name = get_shared_model(load_configured_catalog(settings), model).id
    current = await _read_current_number(database, name)
    async with _propagated_transaction(database, clock) as session:
        await promote(session, clock, name, number, current, by)
    return _version_record("Version promoted.", name, number, current)


@models_app.command("rollback")
@command
async def models_rollback(
    database: Database,
    settings: Settings,
    clock: Clock,
    model: ModelName,
    to: Annotated[
        int | None,
        typer.Option(min=0, help="Number of the version to return to. Default: the previous one."),
    ] = None,
    by: By = "operator",
) -> Record:
    """Roll a shared model back to an earlier version.

    Returns when all gateways serve it.
    """
    name = get_shared_model(load_configured_catalog(settings), model).id
    current = await _read_current_number(database, name)
    async with _propagated_transaction(database, clock) as session:
        number = await get_previous_number(session, name) if to is None else to
        await roll_back(session, clock, name, number, current, by)
    return _version_record("Version rolled back.", name, number, current)


async def _read_current_number(database: Database, name: str) -> int:
    """Return the number of the version that serves.

    It is read before the change: if two commands run at once, the later one fails.
    """
    async with database.transaction() as session:
        return await get_current_number(session, name)


@asynccontextmanager
async def _propagated_transaction(database: Database, clock: Clock) -> AsyncIterator[AsyncSession]:
    """Open a transaction; at its end, wait until all gateways apply its change."""
    async with database.transaction() as session:
        yield session
        epoch = await read_epoch(session)
    await Propagation(database, clock).wait(epoch)


def _version_record(title: str, name: str, number: int, previous: int) -> Record:
    """Return which version of a model serves now, and which did before."""
    fields = {
        "model": name,
        "answers": version_name(name, number),
        "before": version_name(name, previous),
    }
    return Record(title, fields)


async def _check_availability(
    settings: Settings, clock: Clock, catalog: Catalog
) -> tuple[Availability, tuple[UpstreamStatus, ...]]:
    """Ask the model servers which models they serve, and the upstreams whether they accept keys."""
    upstream = UpstreamClient(settings.connect_timeout_s)
    router = Router(parse_upstreams(serving_base_url(settings)), clock)
    availability = Availability(catalog, router, upstream)
    monitor = UpstreamMonitor(upstream, clock)
    UpstreamUpdates(catalog, NamedSecrets(settings.secrets_dir), router, monitor).apply()
    try:
        await asyncio.gather(availability.refresh(), monitor.check_all())
    finally:
        await upstream.stop()
    return availability, monitor.statuses


def _served_text(model: Model, availability: Availability) -> str:
    """Return whether a model is served, or which package extra is missing."""
    if availability.is_served(model):
        return "yes"
    extra = required_extra(model)
    return "no" if extra is None else f"not installed: extra {extra}"


def _parse_currency(currency: str) -> str:
    """Validate a currency code. Raises BadParameter."""
    if currency.upper() not in ("CNY", "USD"):
        raise typer.BadParameter("must be CNY or USD.", param_hint="--currency")
    return currency.upper()


async def _get_plan_prices(
    catalog: Catalog, clock: Clock, account: str, session: AsyncSession
) -> tuple[str, Prices]:
    """Return an account's currency, and its current prices by model and meter."""
    owner = await get_account(session, account)
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
