"""`maas decision-records`: list, show and verify signed decision records."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.evidence.decision_records import PURPOSE, is_authentic
from billing.outcomes.evidence.signatures import parse_public_key
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.collaboration.decisions import RECORD_PREFIX
from gateway.registry.decision_records import (
    find_record,
    list_records,
    record_json,
)
from infra import ids
from infra.errors import AppError
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings

decision_records_app = typer.Typer(no_args_is_help=True)
_MAX_LISTED = 1_000


class RecordFileInvalid(AppError):
    """The file holds no decision record."""

    code = "decision_record_invalid"


class _RecordFile(msgspec.Struct):
    """A record as `GET /v1/decision_records/{id}` returns it."""

    id: str
    document: str
    signature: str
    public_key: str | None = None


@decision_records_app.command("list")
@command
async def records_list(
    session: AsyncSession,
    settings: Settings,
    account: AccountName,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_LISTED, help="Most records.")] = 50,
) -> Table:
    """List an account's decision records, the newest first."""
    owner = await get_account(session, account)
    key = SigningKey(secret_key(settings), PURPOSE)
    rows = [record_json(row, key) for row in await list_records(session, owner.id, limit)]
    return Table(rows, ("id", "model", "verdict", "created_at"))


@decision_records_app.command("show")
@command
async def records_show(
    session: AsyncSession,
    settings: Settings,
    account: AccountName,
    record: Annotated[str, typer.Argument(help="Decision record ID (drec_…).")],
) -> Record:
    """Show a decision record with its signature and public key."""
    owner = await get_account(session, account)
    key = SigningKey(secret_key(settings), PURPOSE)
    found = await find_record(session, owner.id, record)
    return Record("Decision record", record_json(found, key))


@decision_records_app.command("verify")
@command
def records_verify(
    file: Annotated[Path, typer.Argument(help="File with a record, as the API returns it.")],
    public_key: Annotated[
        str | None,
        typer.Option(help="Public key in PEM or base64. Default: the one in the file."),
    ] = None,
) -> Record:
    """Verify a record's signature. Needs no database; exit code 1 if it is not authentic."""
    try:
        record = msgspec.json.decode(file.read_bytes(), type=_RecordFile)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordFileInvalid(f"{file.name} holds no decision record.") from error
    record_id = ids.parse_id(RECORD_PREFIX, record.id)
    text = public_key or record.public_key
    if record_id is None or text is None:
        raise RecordFileInvalid(f"{file.name} lacks an id or a public key.")
    key = parse_public_key(text)
    authentic = is_authentic(record_id, record.document, record.signature, key)
    title = "The record is authentic." if authentic else "The record is NOT authentic."
    return Record(title, {"id": record.id, "authentic": authentic}, 0 if authentic else 1)
