"""`maas predictions`: records of the prediction ledger, keys, events, scores, verification."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.dates import parse_instant, parse_time_zone
from billing.outcomes.predictions.alarms import Period
from billing.outcomes.predictions.errors import LedgerFileInvalid, PredictionInvalid
from billing.outcomes.predictions.events import NewEvent, list_reports, report_event
from billing.outcomes.predictions.ledger import (
    RecordFilter,
    append_predictions,
    get_record,
    list_records,
)
from billing.outcomes.predictions.model_keys import (
    ModelSigner,
    key_json,
    list_keys,
    revoke_key,
    rotate_key,
)
from billing.outcomes.predictions.score_query import ScoreRequest, score_ledger
from billing.outcomes.predictions.verification import (
    export_ledger,
    parse_ledger_file,
    verify_chain,
    verify_ledger_file,
)
from billing.outcomes.predictions.views import (
    ledger_scores_json,
    record_json,
    report_json,
    verification_json,
)
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command, read_text_file
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.operations.prediction_records import (
    RecordRequest,
    build_prediction,
    parse_prediction_id,
)
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

predictions_app = typer.Typer(no_args_is_help=True)
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows to list.")]
_Filter = Annotated[str | None, typer.Option()]
_RECORD_COLUMNS = ("recorded_at", "subject", "event", "verdict", "probability", "to", "id")


class _RecordsFile(msgspec.Struct):
    records: list[RecordRequest]


@predictions_app.command("append")
@command
async def predictions_append(
    session: AsyncSession,
    clock: Clock,
    settings: Settings,
    account: AccountName,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON: records.")],
) -> Table:
    """Append the predictions of a JSON file; the body of POST /v1/predictions/records."""
    text = read_text_file(file, "The file of records", LedgerFileInvalid)
    try:
        body = msgspec.json.decode(text, type=_RecordsFile)
    except msgspec.DecodeError as error:
        raise PredictionInvalid(f"The file of records is not valid: {error}.") from None
    owner, signer = await get_account(session, account), ModelSigner(secret_key(settings))
    new = [await build_prediction(session, owner.id, one) for one in body.records]
    rows = await append_predictions(session, clock, signer, owner.id, new)
    return Table([record_json(row) for row in rows], _RECORD_COLUMNS)


@predictions_app.command("list")
@command
async def predictions_list(
    session: AsyncSession,
    account: AccountName,
    limit: Limit = 50,
    subject: _Filter = None,
    event: _Filter = None,
    model: _Filter = None,
    agent: _Filter = None,
) -> Table:
    """List an account's records, newest first."""
    owner, wanted = await get_account(session, account), RecordFilter(subject, event, model, agent)
    rows = await list_records(session, owner.id, wanted, limit)
    return Table([record_json(row) for row in rows], _RECORD_COLUMNS)


@predictions_app.command("show")
@command
async def predictions_show(
    session: AsyncSession,
    account: AccountName,
    record: Annotated[str, typer.Argument(help="Record ID (pred_…).")],
) -> Record:
    """Show a record with its signed text."""
    owner = await get_account(session, account)
    row = await get_record(session, owner.id, parse_prediction_id(record))
    return Record("Prediction record", record_json(row))


@predictions_app.command("export")
@command
async def predictions_export(
    session: AsyncSession,
    account: AccountName,
    out: Annotated[Path, typer.Option(dir_okay=False, help="File to write.")],
    after: Annotated[int, typer.Option(min=0, help="Begin after this position.")] = 0,
) -> Record:
    """Write up to 10,000 signed records with the keys that verify them."""
    owner = await get_account(session, account)
    file = await export_ledger(session, owner.id, after)
    out.write_bytes(msgspec.json.encode(file))
    facts = {"file": str(out), "records": len(file.records), "head": file.head}
    return Record("Prediction ledger written.", facts)


@predictions_app.command("verify")
@command
def predictions_verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Exported ledger.")],
    keys: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Trusted keys, as GET /v1/predictions/keys returns them. Default: the file's own.",
        ),
    ] = None,
    head: Annotated[str | None, typer.Option(help="Digest that the last record must have.")] = None,
) -> Record:
    """Verify an exported ledger: signatures, links, positions and times. Needs no database.

    Exits with code 1 at the first fault.
    """
    trusted = None if keys is None else _read_keys(keys)
    result = verification_json(verify_ledger_file(parse_ledger_file(file.read_bytes()), trusted))
    if result["valid"] and head not in (None, result["head"]):
        result |= {"valid": False, "fault": "the last record has another digest"}
    title = "The ledger is valid." if result["valid"] else "The ledger is NOT valid."
    return Record(title, result, 0 if result["valid"] else 1)


@predictions_app.command("check")
@command
async def predictions_check(session: AsyncSession, account: AccountName) -> Record:
    """Verify an account's ledger in the database; exits with code 1 at the first fault."""
    owner = await get_account(session, account)
    result = verification_json(await verify_chain(session, owner.id))
    title = "The ledger is valid." if result["valid"] else "The ledger is NOT valid."
    return Record(title, result, 0 if result["valid"] else 1)


@predictions_app.command("keys")
@command
async def predictions_keys(session: AsyncSession) -> Table:
    """List the public keys that sign records, with rotations and revocations."""
    rows = [key_json(one) for one in await list_keys(session)]
    return Table(rows, ("model", "generation", "kid", "created_at", "retired_at", "revoked_at"))


@predictions_app.command("rotate-key")
@command
async def predictions_rotate_key(
    session: AsyncSession,
    clock: Clock,
    settings: Settings,
    model: Annotated[str, typer.Argument(help="Model ID.")],
) -> Record:
    """Retire a model's key and sign with the next one. Earlier records stay valid."""
    signer = ModelSigner(secret_key(settings))
    row, _ = await rotate_key(session, clock, signer, model)
    await record_audit_event(
        session, clock, CLI_ACTOR, None, "prediction.key_rotated", model, {"kid": row.kid}
    )
    return Record("Key rotated.", key_json(row))


@predictions_app.command("revoke-key")
@command
async def predictions_revoke_key(
    session: AsyncSession,
    clock: Clock,
    settings: Settings,
    kid: Annotated[str, typer.Argument(help="Key ID.")],
    reason: Annotated[str, typer.Option(help="Why, for the published list of keys.")],
    since: Annotated[
        str | None, typer.Option(help="Records from this time on support no claim. Default: now.")
    ] = None,
) -> Record:
    """Revoke a key: records that it signed from a time on support no claim."""
    signer = ModelSigner(secret_key(settings))
    invalid_from = None if since is None else _parse_time("since", since)
    row = await revoke_key(session, clock, signer, kid, reason, invalid_from)
    details = {"model": row.model, "reason": row.reason}
    await record_audit_event(
        session, clock, CLI_ACTOR, None, "prediction.key_revoked", kid, details
    )
    return Record("Key revoked.", key_json(row))


@predictions_app.command("report")
@command
async def predictions_report(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    business_key: Annotated[str, typer.Argument(help="Your name of the event, such as W-1042.")],
    event: Annotated[str, typer.Option(help="Kind of event, such as pump_failure.")],
    subject: Annotated[str, typer.Option(help="Machine that it happened to.")],
    at: Annotated[str, typer.Option(help="Time in ISO 8601 with an offset.")],
    denied: Annotated[bool, typer.Option(help="A predicted event that did not come.")] = False,
) -> Record:
    """Report an event, or a predicted one that did not come, for scores."""
    owner = await get_account(session, account)
    new = NewEvent(business_key, event, subject, _parse_time("at", at), not denied)
    row = await report_event(session, clock, owner.id, new)
    return Record("Event reported.", report_json(row))


@predictions_app.command("events")
@command
async def predictions_events(
    session: AsyncSession, account: AccountName, limit: Limit = 50
) -> Table:
    """List an account's reported events, newest first."""
    rows = await list_reports(session, (await get_account(session, account)).id, limit)
    columns = ("happened_at", "subject", "event", "happened", "business_key", "id")
    return Table([report_json(row) for row in rows], columns)


@predictions_app.command("scores")
@command
async def predictions_scores(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    event: Annotated[str, typer.Argument(help="Kind of event, such as pump_failure.")],
    days: Annotated[int, typer.Option(min=1, max=3_650, help="Days until now.")] = 180,
    subject: _Filter = None,
    model: _Filter = None,
    agent: _Filter = None,
) -> Record:
    """Show Brier score, calibration, lead time, precision and recall by model and agent."""
    owner, now = await get_account(session, account), clock.now()
    period = Period(now - timedelta(days=days), now)
    wanted = ScoreRequest(event, period, subject, model, agent)
    found = await score_ledger(session, clock, owner.id, wanted)
    return Record("Scores", ledger_scores_json(wanted, found))


def _read_keys(file: Path) -> list[dict[str, Any]]:
    """Return the keys of a JWK set. Raises LedgerFileInvalid."""
    text = read_text_file(file, "The file of keys", LedgerFileInvalid)
    try:
        return msgspec.json.decode(text, type=dict[str, list[dict[str, Any]]])["keys"]
    except (msgspec.DecodeError, KeyError):
        raise LedgerFileInvalid("The file of keys is not a JWK set.") from None


def _parse_time(field: str, text: str) -> datetime:
    """Parse a time with an offset. Raises PredictionInvalid."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise PredictionInvalid(f"{field}: must be a time with an offset.", param=field)
    return parse_instant(at, parse_time_zone("UTC"))
