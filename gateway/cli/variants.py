"""`maas variants`: customers' fine-tuned models, by account."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.cli.results import Record
from gateway.cli.runner import AccountName, command
from gateway.fine_tuning import acceptance
from gateway.fine_tuning.views import render_job
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from infra.clock import Clock

variants_app = typer.Typer(no_args_is_help=True)


@variants_app.callback()
def variants_group() -> None:
    """Manage customers' fine-tuned models."""


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
