"""`maas batches`: batches of calls, by account."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.money import nano_text
from gateway.batches import batches
from gateway.batches.views import batch_json, batch_name
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.tables import Batch
from infra.clock import Clock

batches_app = typer.Typer(no_args_is_help=True)
BatchId = Annotated[str, typer.Argument(help="ID of the batch (batch_…).")]
_MAX_LISTED = 200


@batches_app.callback()
def batches_group() -> None:
    """Manage batches of calls."""


@batches_app.command("list")
@command
async def batches_list(
    session: AsyncSession,
    account: AccountName,
    limit: Annotated[
        int, typer.Option(min=1, max=_MAX_LISTED, help="Number of batches, newest first.")
    ] = 20,
) -> Report:
    """List an account's batches with progress and cost, newest first."""
    owner = await get_account(session, account)
    rows = await batches.list_batches(session, owner.id, limit, None)
    shown = Table([_row(row) for row in rows], ("id", "status", "model", "done", "cost"))
    return Report([batch_json(row) for row in rows], (shown,))


@batches_app.command("show")
@command
async def batches_show(session: AsyncSession, account: AccountName, batch: BatchId) -> Report:
    """Show a batch with its counts, files and problems."""
    owner = await get_account(session, account)
    return _report("Batch:", await batches.find_batch(session, owner.id, batch))


@batches_app.command("cancel")
@command
async def batches_cancel(
    session: AsyncSession, clock: Clock, account: AccountName, batch: BatchId
) -> Report:
    """Cancel a batch.

    Lines that were sent are finished and billed; no other line is sent.
    """
    owner = await get_account(session, account)
    row = await batches.cancel_batch(session, clock, owner.id, batch)
    await record_audit_event(session, clock, CLI_ACTOR, owner.id, "batch.canceled", batch)
    return _report("Batch is being cancelled:", row)


def _report(title: str, row: Batch) -> Report:
    """Return a batch: its fields, and a table of its problems."""
    value = batch_json(row)
    fields = {name: one for name, one in value.items() if not isinstance(one, dict | list)}
    counts = {f"lines {name}": count for name, count in value["request_counts"].items()}
    known = {name: one for name, one in {**fields, **counts}.items() if one is not None}
    problems = Table(row.errors or [], ("line", "code", "param", "message"))
    return Report(value, (Record(title, known), *([problems] if row.errors else [])))


def _row(row: Batch) -> dict[str, Any]:
    """Return a batch as a row of the list."""
    return {
        "id": batch_name(row),
        "status": row.status,
        "model": row.model or "",
        "done": f"{row.completed + row.failed} of {row.total}",
        "cost": f"{row.currency} {nano_text(row.spent_nano)}",
    }
