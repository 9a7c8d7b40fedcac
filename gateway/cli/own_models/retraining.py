"""`maas models retrain`: train a customer's own model again on a schedule, within a budget."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.api_keys import KeyNotFound, list_keys, require_key
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.drift.lookup import find_current_version
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.retraining import schedules
from gateway.retraining.views import schedule_json
from gateway.wire.own_models.retraining import parse_retraining_request
from infra.clock import Clock

_FIELDS = ("every", "filename", "file", "budget", "committed", "automatic", "next_at")
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
    key: Annotated[
        str | None, typer.Option(help="API key ID (key_…) that pays. Default: the newest one.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Delete the schedule.")] = False,
) -> Report:
    """Show when a fine-tuned model is trained again; with --every, set it."""
    account_id, _, _ = await find_current_version(session, model)
    if off:
        await schedules.delete_schedule(session, account_id, model)
        await _record(session, clock, account_id, "model.retraining_deleted", model)
        fields = {"model": model, "deleted": True}
        return Report(fields, [Record("Schedule deleted.", fields)])
    if every is not None:
        stated = {
            "every": every,
            "filename": filename,
            "file": file,
            "budget": budget,
            "automatic": automatic,
        }
        request = parse_retraining_request(msgspec.json.encode(stated))
        key_id = await _find_key(session, clock, account_id, key)
        await schedules.set_schedule(session, clock, account_id, key_id, model, request, None)
        await _record(session, clock, account_id, "model.retraining_set", model)
    row = await schedules.find_schedule(session, account_id, model)
    runs = await schedules.list_runs(session, row)
    committed = await schedules.sum_committed(session, row, clock.now())
    found: dict[str, Any] = schedule_json(row, runs, committed)
    sections: list[Record | Table] = [Record(f"{model}:", {one: found[one] for one in _FIELDS})]
    if found["runs"]:
        sections.append(Table(found["runs"], _COLUMNS))
    return Report(found, sections)


async def _record(
    session: AsyncSession, clock: Clock, account_id: UUID, action: str, model: str
) -> None:
    """Record a change of the schedule in the account's audit log."""
    await record_audit_event(session, clock, CLI_ACTOR, account_id, action, model)


async def _find_key(
    session: AsyncSession, clock: Clock, account_id: UUID, name: str | None
) -> UUID:
    """Return the id of the named key, or of the account's newest active one. Raises KeyNotFound."""
    if name is not None:
        return await require_key(session, account_id, name)
    now = clock.now()
    active = [
        one.id
        for one in await list_keys(session, account_id)
        if one.revoked_at is None and (one.expires_at is None or one.expires_at > now)
    ]
    if not active:
        raise KeyNotFound("The account has no active API key. Create one: `maas keys create`.")
    return active[-1]
