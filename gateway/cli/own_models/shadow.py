"""`maas models shadow`: start, show, stop or promote a shadow deployment of a customer's model."""

from typing import Annotated, Any

import typer

from billing.metering.key_epoch import read_epoch
from gateway.access.propagation import Propagation
from gateway.cli.results import Record
from gateway.cli.runner import command
from gateway.drift.lookup import find_current_version
from gateway.fine_tuning import shadow_changes
from gateway.identity.audit_log import CLI_ACTOR
from gateway.observations.shadow_report import load_shadow_report, shadow_json
from gateway.wire.own_models.shadows import MAX_DAYS, MAX_ROWS, ShadowRequest
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from models.catalog import load_configured_catalog

_FIELDS = (
    *("model", "candidate", "status", "share", "rows", "max_rows", "failed_calls", "agreement"),
    *("mean_difference", "typical_difference", "observed"),
)


@command
async def models_shadow(
    database: Database,
    clock: Clock,
    settings: Settings,
    model: Annotated[str, typer.Argument(help="ID of the fine-tuned model: `ft:…`.")],
    start: Annotated[
        int | None, typer.Option(min=1, help="Number of the version that answers unseen.")
    ] = None,
    share: Annotated[float, typer.Option(min=0.0001, max=1.0, help="Share of the calls.")] = 0.2,
    rows: Annotated[int, typer.Option(min=1, max=MAX_ROWS, help="Most rows to store.")] = 2_000,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="Days until the end.")] = 7,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the deployment.")] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Let the candidate answer calls.")
    ] = False,
) -> Record:
    """Show how a candidate version answers the calls of the current one.

    With --start, --stop or --promote, changes the deployment first. Nothing is billed.
    """
    async with database.transaction() as session:
        account_id, _, _ = await find_current_version(session, model)
        place = (session, clock)
        if start is not None:
            catalog = load_configured_catalog(settings)
            request = ShadowRequest(start, share, rows, days)
            await shadow_changes.start(*place, catalog, CLI_ACTOR, account_id, model, request)
        if stop:
            await shadow_changes.stop(*place, CLI_ACTOR, account_id, model)
        if promote:
            await shadow_changes.promote(*place, CLI_ACTOR, account_id, model)
        epoch = await read_epoch(session)
    if start is not None or promote:
        await Propagation(database, clock).wait(epoch)
    row, report = await load_shadow_report(database, account_id, model)
    found: dict[str, Any] = shadow_json(clock, row, report)
    return Record(f"{found['id']}:", {name: found[name] for name in _FIELDS})
