"""`maas models`: what is sold, how it is rated, and the versions of shared models.

Owns the commands' names and arguments. Does not own the catalog (models/catalog.py), versions
(gateway/model_versions.py) nor proposing them (gateway/improving/).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import ModelVersion
from gateway.availability import Availability
from gateway.console import Json, propagated, tell, with_database
from gateway.improving.assembly import proposer
from gateway.improving.collecting import without_personal_data
from gateway.improving.feedback import count_ratings
from gateway.improving.proposing import shared_model
from gateway.improving.provenance import provenance
from gateway.model_versions import (
    BUILT_IN,
    ModelVersionNotFound,
    before,
    find_version,
    present,
    promote,
    roll_back,
    shown_as,
    versions_of,
)
from gateway.routing import Router, parse_upstreams
from gateway.terminal import Terminal
from gateway.up import serving_base
from gateway.upstream import Upstream
from infra.clock import SystemClock
from infra.db import Database
from infra.installation import database_url
from infra.settings import Settings
from models.catalog import Catalog, Model, load_catalog
from models.extras import extra_of

models_app = typer.Typer(invoke_without_command=True)
ModelName = Annotated[str, typer.Argument(help="The shared model's id.")]
By = Annotated[str, typer.Option(help="Who says so; it stands in the version's history.")]


@models_app.callback()
def models_list(context: typer.Context, as_json: Json = False) -> None:
    """The models of the catalog, whether this deployment serves them, and their list prices in
    nano-units for one unit."""
    if context.invoked_subcommand is not None:
        return

    def work(settings: Settings, terminal: Terminal) -> None:
        catalog = load_catalog(settings.profile)
        availability = asyncio.run(_asked(settings, catalog))
        rows = [
            {
                "id": model.id,
                "task": model.task.value,
                "context_length": model.context_length,
                "licence": model.licence,
                "description": model.description,
                "prices": {currency: dict(row) for currency, row in model.prices.items()},
                "served": _served(model, availability),
            }
            for model in catalog.models.values()
        ]
        terminal.table(rows, ("id", "task", "served", "context_length", "licence", "description"))

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
        rows = [_shown(row) for row in with_database(settings, lambda s: versions_of(s, name))]
        none_promoted = not any(row["answers"] for row in rows)
        rows.append(
            {"version": name, "number": BUILT_IN, "status": "built_in", "answers": none_promoted}
        )
        columns = ("version", "status", "answers", "created_at", "promoted_at", "why")
        terminal.table(rows, columns)

    tell(as_json, work)


@models_app.command("propose")
def models_propose(model: ModelName, by: By = "operator", as_json: Json = False) -> None:
    """Learn a version from what customers agreed to share; it is promoted if it is better.

    It takes minutes, and is best done while few call.
    """

    def work(settings: Settings, terminal: Terminal) -> None:
        with database_url(settings) as url:
            row = asyncio.run(_proposed(settings, url, model, by, terminal))
        terminal.record("Judged.", _shown(row))

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


@models_app.command("provenance")
def models_provenance(
    version: Annotated[str, typer.Argument(help="As `maas models versions` names it: MODEL@3.")],
    as_json: Json = False,
) -> None:
    """What a version learned from: whose, with which consent, and whether that still stands."""

    def work(settings: Settings, terminal: Terminal) -> None:
        name, _, number = version.rpartition("@")
        if not number.isascii() or not number.isdecimal() or len(number) > 9 or not name:
            raise ModelVersionNotFound(f"{version[:100]!r} is no version: name one as `MODEL@3`.")

        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            row = await find_version(session, name, int(number))
            return await provenance(session, row, without_personal_data)

        columns = ("account", "source", "line", "consented_at", "held_out", "now")
        terminal.table(with_database(settings, read), columns)

    tell(as_json, work)


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


async def _proposed(
    settings: Settings, url: str, name: str, by: str, terminal: Terminal
) -> ModelVersion:
    model = shared_model(load_catalog(settings.profile), name)
    database, upstream = Database(url, pool_size=2), Upstream(settings.connect_timeout_s)
    try:
        made = proposer(settings, serving_base(settings), database, upstream, SystemClock())
        return await made.propose(model, by, lambda said: terminal.stage("proposing", said))
    finally:
        await upstream.stop()
        await database.close()


def _shown(row: ModelVersion) -> dict[str, Any]:
    return {
        "version": shown_as(row.model, row.number),
        "number": row.number,
        "parent": row.parent,
        "status": row.status,
        "answers": row.current,
        "created_at": row.created_at.isoformat(timespec="seconds"),
        "promoted_at": row.promoted_at and row.promoted_at.isoformat(timespec="seconds"),
        "why": row.scores["why"] if row.scores else row.history[-1]["what"],
        "made_of": row.made_of,
        "scores": row.scores,
        "history": row.history,
    }
