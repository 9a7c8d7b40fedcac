"""`maas decision-records`: list, show and verify signed decision records."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.outcomes.evidence.decision_records import PURPOSE, is_authentic
from billing.outcomes.evidence.signatures import parse_public_key
from gateway.agents.public_ids import ROUND
from gateway.agents.rounds.signing import is_authentic_report
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


class _ReportFile(msgspec.Struct):
    """The report of an inspection round as `GET /v1/agents/rounds/{id}/report` returns it."""

    id: str
    report: dict[str, Any]
    signature: str
    public_key: str | None = None

    def is_authentic(self, key: bytes) -> bool:
        """Return whether the signature is by this key over this report."""
        round_id = ids.parse_id(ROUND, self.id)
        if round_id is None or self.report.get("round") != self.id:
            return False
        return is_authentic_report(round_id, self.report, self.signature, key)


class _RecordFile(msgspec.Struct):
    """A record as `GET /v1/decision_records/{id}` returns it."""

    id: str
    document: str
    signature: str
    public_key: str | None = None

    def is_authentic(self, key: bytes) -> bool:
        """Return whether the signature is by this key over this record."""
        record_id = ids.parse_id(RECORD_PREFIX, self.id)
        return record_id is not None and is_authentic(record_id, self.document, self.signature, key)


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
    file: Annotated[
        Path, typer.Argument(help="File with a record, or with the report of an inspection round.")
    ],
    public_key: Annotated[
        str | None,
        typer.Option(help="Public key in PEM or base64. Default: the one in the file."),
    ] = None,
) -> Record:
    """Verify the signature of a decision record, or of the report of an inspection round.

    Needs no database; exit code 1 if it is not authentic.
    """
    record = _read_file(file)
    text = public_key or record.public_key
    if text is None:
        raise RecordFileInvalid(f"{file.name} lacks a public key.")
    authentic = record.is_authentic(parse_public_key(text))
    what = "report" if isinstance(record, _ReportFile) else "record"
    title = f"The {what} is authentic." if authentic else f"The {what} is NOT authentic."
    return Record(title, {"id": record.id, "authentic": authentic}, 0 if authentic else 1)


def _read_file(file: Path) -> _RecordFile | _ReportFile:
    """Return the signed document of a file, as the API returns it. Raises RecordFileInvalid."""
    try:
        fields = msgspec.json.decode(file.read_bytes())
        record: _RecordFile | _ReportFile
        if isinstance(fields, dict) and "report" in fields:
            record = msgspec.convert(fields, _ReportFile)
        else:
            record = msgspec.convert(fields, _RecordFile)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordFileInvalid(f"{file.name} holds no decision record or report.") from error
    prefix = ROUND if isinstance(record, _ReportFile) else RECORD_PREFIX
    if ids.parse_id(prefix, record.id) is None:
        raise RecordFileInvalid(f"{file.name} lacks an id.")
    return record
