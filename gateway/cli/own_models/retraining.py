"""`maas models retrain`: train a customer's own model again on a schedule, within a budget."""

from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.paying_key import find_paying_key
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.drift.lookup import find_current_version
from gateway.identity.audit_log import CLI_ACTOR
from gateway.retraining import schedules
from gateway.retraining.views import schedule_json
from gateway.wire.own_models.retraining import parse_retraining_request
from infra.clock import Clock

_FIELDS = (
    *("every", "filename", "file", "budget", "committed"),
    *("automatic", "with_observations", "next_at"),
)
_COLUMNS = ("id", "trigger", "status", "code", "version", "max_cost", "created_at")


@command
async def models_retrain(
    session: AsyncSession,
    clock: Clock,
    model: Annotated[str, typer.Argument(help="ID of the fine-tuned model: `ft:…`.")],
    every: Annotated[str | None, typer.Option(help="week, month or drift.")] = None,
    filename: Annotated[str | None, typer.Option(help="Newest file with this name.")] = None,
    file: Annotated[str | None, typer.Option(help="ID of the file to train on.")] = None,
    budget: Annotated[str, typer.Option(help="Most that a month may cost, e.g. 12.50.")] = "",
    automatic: Annotated[
        bool, typer.Option("--automatic", help="Use a better version at once.")
    ] = False,
    with_observations: Annotated[
        bool,
        typer.Option("--with-observations", help="Append observed results reported with inputs."),
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="API key ID (key_…) that pays. Default: the newest one.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Delete the schedule.")] = False,
) -> Report:
    """Show when a fine-tuned model is trained again; with --every, set it."""
    account_id, _, _ = await find_current_version(session, model)
    if off:
        await schedules.delete_schedule(session, clock, CLI_ACTOR, account_id, model)
        fields = {"model": model, "deleted": True}
        return Report(fields, [Record("Schedule deleted.", fields)])
    if every is not None:
        stated = {
            "every": every,
            "filename": filename,
            "file": file,
            "budget": budget,
            "automatic": automatic,
            "with_observations": with_observations,
        }
        request = parse_retraining_request(msgspec.json.encode(stated))
        key_id = await find_paying_key(session, clock, account_id, key)
        await schedules.set_schedule(session, clock, CLI_ACTOR, account_id, key_id, model, request)
    row = await schedules.find_schedule(session, account_id, model)
    runs = await schedules.list_runs(session, row)
    committed = await schedules.sum_committed(session, row, clock.now())
    found: dict[str, Any] = schedule_json(row, runs, committed)
    sections: list[Record | Table] = [Record(f"{model}:", {one: found[one] for one in _FIELDS})]
    if found["runs"]:
        sections.append(Table(found["runs"], _COLUMNS))
    return Report(found, sections)
