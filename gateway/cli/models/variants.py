"""`maas variants`: customers' fine-tuned models, by account."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.metering.key_epoch import read_epoch
from gateway.access.propagation import Propagation
from gateway.cli.process.supervisor import serving_base_url
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.fine_tuning import acceptance, deletion, versions
from gateway.fine_tuning.removal import VariantRemoval
from gateway.fine_tuning.views import render_job
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.registry.activations import VersionChange
from gateway.registry.variants import list_live_variants
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import parse_upstreams
from gateway.upstream.variant_loader import VariantLoader
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from models.catalog import load_configured_catalog

variants_app = typer.Typer(no_args_is_help=True)

_MAX_DELETIONS = 200
VariantId = Annotated[str, typer.Argument(help="ID of the fine-tuned model (ft:…).")]


@variants_app.callback()
def variants_group() -> None:
    """Manage customers' fine-tuned models."""


@variants_app.command("list")
@command
async def variants_list(session: AsyncSession, account: AccountName) -> Table:
    """List an account's fine-tuned models."""
    owner = await get_account(session, account)
    rows = [
        {"id": name, "current": variant.current_version, "versions": sorted(variant.versions)}
        for name, variant in sorted((await list_live_variants(session, owner.id)).items())
    ]
    return Table(rows, ("id", "current", "versions"))


@variants_app.command("versions")
@command
async def variants_versions(session: AsyncSession, account: AccountName, model: VariantId) -> Table:
    """List the versions of a fine-tuned model with their scores, newest first."""
    owner = await get_account(session, account)
    rows = [
        versions.render_version(model, version, job)
        for version, job in await versions.list_versions_with_jobs(session, owner.id, model)
    ]
    return Table(rows, ("version", "current", "score", "accepted_by", "fine_tuning_job"))


@variants_app.command("activate")
@command
async def variants_activate(
    database: Database,
    clock: Clock,
    account: AccountName,
    model: VariantId,
    version: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
) -> Record:
    """Set the version that answers calls.

    Returns when all gateways use it.
    """
    async with database.transaction() as session:
        owner = await get_account(session, account)
        change = await versions.activate(session, clock, CLI_ACTOR, owner.id, model, version)
        epoch = await read_epoch(session)
    await Propagation(database, clock).wait(epoch)
    return _change_record("Version activated.", model, change)


@variants_app.command("rollback")
@command
async def variants_rollback(
    database: Database, clock: Clock, account: AccountName, model: VariantId
) -> Record:
    """Return to the version that answered calls before the current one.

    Returns when all gateways use it.
    """
    async with database.transaction() as session:
        owner = await get_account(session, account)
        change = await versions.roll_back(session, clock, CLI_ACTOR, owner.id, model)
        epoch = await read_epoch(session)
    await Propagation(database, clock).wait(epoch)
    return _change_record("Version rolled back.", model, change)


@variants_app.command("delete")
@command
async def variants_delete(
    database: Database,
    clock: Clock,
    settings: Settings,
    account: AccountName,
    model: VariantId,
    training_files: Annotated[
        bool, typer.Option("--training-files", help="Delete their training files too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
) -> Record:
    """Delete a fine-tuned model with all its versions, and show what was erased."""
    if not yes:
        typer.confirm(f"Delete {model} for good?", abort=True)
    async with database.transaction() as session:
        owner = await get_account(session, account)
        deleted = await deletion.delete_model(
            session, clock, CLI_ACTOR, owner.id, model, training_files
        )
        epoch = await read_epoch(session)
    await Propagation(database, clock).wait(epoch)
    await _remove_from_servers(database, clock, settings, deleted)
    async with database.transaction() as session:
        (row,) = await deletion.list_deletions(session, owner.id, model, 1, None)
    return Record("Model deleted.", deletion.render_deletion(row))


@variants_app.command("deletions")
@command
async def variants_deletions(session: AsyncSession, account: AccountName) -> Table:
    """List what was erased with an account's deleted models, newest first."""
    owner = await get_account(session, account)
    rows = await deletion.list_deletions(session, owner.id, None, _MAX_DELETIONS, None)
    columns = ("id", "model", "deleted_at", "deleted_by", "versions", "training_files")
    return Table([deletion.render_deletion(row) for row in rows], columns)


@variants_app.command("accept")
@command
async def variants_accept(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    job: Annotated[str, typer.Argument(help="Fine-tuning job ID (ftjob_…).")],
) -> Record:
    """Accept the model of a job that was rejected because of its score.

    A running gateway bills the training to the job's key and publishes the model.
    """
    owner = await get_account(session, account)
    row = await acceptance.accept_job(session, clock, owner.id, job, None)
    details = acceptance.audit_details(row)
    await record_audit_event(
        session, clock, CLI_ACTOR, owner.id, "model.accepted", row.name, details
    )
    shown = render_job(row)
    fields = {name: shown[name] for name in ("id", "status", "model", "suffix", "score")}
    return Record("Model accepted.", fields)


async def _remove_from_servers(
    database: Database, clock: Clock, settings: Settings, deleted: deletion.DeletedModel
) -> None:
    """Have the model servers delete their copies of a deleted model."""
    upstream = UpstreamClient(settings.connect_timeout_s)
    router = Router(parse_upstreams(serving_base_url(settings)), clock)
    loader = VariantLoader(database, upstream)
    try:
        catalog = load_configured_catalog(settings)
        await VariantRemoval(catalog, router, loader, database).remove(deleted)
    finally:
        await upstream.stop()


def _change_record(title: str, model: str, change: VersionChange) -> Record:
    """Return which version of a model answers calls now, and which did before."""
    fields = {"model": model, "version": change.version, "previous_version": change.previous}
    return Record(title, fields)
