"""`maas plant`: import and export an account's plant model, and list its assets and points."""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.cli.plant.alignment import plant_alignment, plant_queue
from gateway.cli.plant.comparing import plant_compare
from gateway.cli.plant.events import plant_event_queries, plant_event_subscriptions
from gateway.cli.plant.graph import plant_ask, plant_graph, plant_sparql
from gateway.cli.plant.predictions import plant_inputs, plant_predict, plant_verdicts
from gateway.cli.plant.readings import readings_app
from gateway.cli.plant.trace import plant_trace
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.ids import ASSET, IMPORT, POINT, parse_plant_id
from gateway.plant.assets.plan import ImportMode
from gateway.plant.assets.values import AssetLevel, MappingStatus
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.exporting import ExportFormat
from gateway.plant.imports.importing import ImportOptions, PlantImporter
from gateway.plant.imports.previews import import_json
from gateway.plant.store.queries import AssetFilter, PointFilter, list_assets, list_points
from gateway.plant.store.views import asset_json, point_json
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

plant_app = typer.Typer(no_args_is_help=True)
plant_app.command("trace")(plant_trace)
plant_app.command("alignment")(plant_alignment)
plant_app.command("queue")(plant_queue)
plant_app.command("compare")(plant_compare)
plant_app.command("predict")(plant_predict)
plant_app.command("verdicts")(plant_verdicts)
plant_app.command("inputs")(plant_inputs)
plant_app.command("sparql")(plant_sparql)
plant_app.command("ask")(plant_ask)
plant_app.command("graph")(plant_graph)
plant_app.command("event-queries")(plant_event_queries)
plant_app.command("event-subscriptions")(plant_event_subscriptions)
plant_app.add_typer(readings_app, name="readings", help="Show readings and set retention.")
Account = Annotated[str, typer.Option("--account", help="Account ID (acct_…) or name.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many to list at most.")]
After = Annotated[str | None, typer.Option(help="ID after which the list begins.")]
Text = Annotated[str | None, typer.Option(help="Part of the code, tag or name.")]
_COUNTS = ("object", "create", "update", "retire", "unchanged")
_CHANGES = ("action", "object", "key", "fields")
_ASSETS = ("id", "code", "name", "level", "parent")
_POINTS = ("id", "tag", "name", "unit_label", "asset", "mapping_status")


@plant_app.callback()
def plant_group() -> None:
    """Manage plant models."""


@plant_app.command("import")
@command
async def plant_import(
    settings: Settings,
    database: Database,
    clock: Clock,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="CSV, Excel, JSON, Brick, AAS or NodeSet file."
        ),
    ],
    account: Account,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the changes without applying them.")
    ] = False,
    mode: Annotated[
        ImportMode,
        typer.Option(help="`replace` also retires assets and points that the file lacks."),
    ] = ImportMode.MERGE,
    omit_unknown_units: Annotated[
        bool, typer.Option("--omit-unknown-units", help="Import points without unknown units.")
    ] = False,
) -> Report:
    """Import a plant model, and show what changes."""
    account_id = await _account_id(database, account)
    importer = PlantImporter.from_settings(settings, database, clock)
    content = PlantFile(file.name, file.read_bytes())
    options = ImportOptions(mode, omit_unknown_units)
    row = await importer.preview(account_id, CLI_ACTOR, content, options)
    if not dry_run:
        row = await importer.confirm(account_id, CLI_ACTOR, ids.format_id(IMPORT, row.id))
    shown = import_json(row)
    counts = [{"object": name, **numbers} for name, numbers in shown["counts"].items()]
    changes = [{**one, "fields": _field_names(one)} for one in shown["changes"]]
    title = "Nothing was changed (dry run)." if dry_run else "Plant model imported."
    record = Record(title, {"id": shown["id"], "changes": shown["change_count"]})
    return Report(shown, [record, Table(counts, _COUNTS), Table(changes, _CHANGES)])


@plant_app.command("export")
@command
async def plant_export(
    settings: Settings,
    database: Database,
    clock: Clock,
    file: Annotated[Path, typer.Argument(dir_okay=False, help="File to write.")],
    account: Account,
    export_format: Annotated[
        ExportFormat, typer.Option("--format", help="Only JSON has all entities and relations.")
    ] = ExportFormat.CSV,
) -> Record:
    """Export a plant model to a file."""
    account_id = await _account_id(database, account)
    content = await PlantImporter.from_settings(settings, database, clock).export(
        account_id, export_format
    )
    file.write_bytes(content)
    return Record("Plant model exported.", {"file": str(file), "bytes": len(content)})


@plant_app.command("assets")
@command
async def plant_assets(
    session: AsyncSession,
    account: Account,
    parent: Annotated[str | None, typer.Option(help="Code or ID of the asset above.")] = None,
    level: Annotated[AssetLevel | None, typer.Option(help="Level of the hierarchy.")] = None,
    text: Text = None,
    limit: Limit = 100,
    after: After = None,
) -> Table:
    """List assets."""
    owner = (await get_account(session, account)).id
    wanted = AssetFilter(parent, None if level is None else level.value, None, text)
    cursor = None if after is None else parse_plant_id(ASSET, after)
    rows = await list_assets(session, owner, wanted, limit, cursor)
    return Table([asset_json(row) for row in rows], _ASSETS)


@plant_app.command("points")
@command
async def plant_points(
    session: AsyncSession,
    account: Account,
    asset: Annotated[str | None, typer.Option(help="Code or ID of their asset.")] = None,
    mapping_status: Annotated[
        MappingStatus | None, typer.Option(help="Who chose their concepts.")
    ] = None,
    text: Text = None,
    limit: Limit = 100,
    after: After = None,
) -> Table:
    """List points with their concepts."""
    owner = (await get_account(session, account)).id
    wanted = PointFilter(asset=asset, text=text, mapping_status=mapping_status)
    cursor = None if after is None else parse_plant_id(POINT, after)
    rows = await list_points(session, owner, wanted, limit, cursor)
    return Table([point_json(row) for row in rows], _POINTS)


async def _account_id(database: Database, account: str) -> UUID:
    """Return the id of an account by its name or public id."""
    async with database.transaction() as session:
        return (await get_account(session, account)).id


def _field_names(change: dict[str, Any]) -> str:
    """Return the names of the fields that a change has."""
    return ", ".join(field["name"] for field in change["fields"])
