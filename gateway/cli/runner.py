"""The frame of every `maas` command: load settings, open the database, print the result or
error."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import bind_contextvars

from billing.metering.key_epoch import read_epoch
from gateway.access.propagation import Propagation
from gateway.cli.output import Output
from infra.clock import SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.installation import migrated_database_url
from infra.settings import Settings, load_settings
from infra.telemetry.log import configure_logging, write_money_log_to

Result = TypeVar("Result")
_MAX_FILE_BYTES = 1 << 20
Json = Annotated[bool, typer.Option("--json", help="Say it as JSON, for programs.")]
AccountName = Annotated[str, typer.Argument(help="The account's id (acct_…) or name.")]


def run_command(as_json: bool, action: Callable[[Settings, Output], None]) -> None:
    """Run an action with settings and output. An AppError is printed, with exit code 1."""
    output = Output(as_json)
    configure_logging("warning")
    # Only the command's name: arguments may contain secrets.
    bind_contextvars(caused_by={"command": sys.argv[1] if len(sys.argv) > 1 else ""})
    try:
        settings = load_settings()
        write_money_log_to(settings.data_dir / "logs" / "money.log")
        action(settings, output)
    except AppError as error:
        output.error(error)
        raise typer.Exit(1) from None


def run_in_transaction(
    settings: Settings, action: Callable[[AsyncSession], Awaitable[Result]]
) -> Result:
    """Run an action in one transaction on the configured or embedded database."""

    async def run(database: Database) -> Result:
        async with database.transaction() as session:
            return await action(session)

    return run_with_database(settings, run)


def run_with_database(
    settings: Settings, action: Callable[[Database], Awaitable[Result]]
) -> Result:
    """Run an action that opens its own transactions, on the configured or embedded database."""

    async def run(url: str) -> Result:
        database = Database(url, pool_size=1)
        try:
            return await action(database)
        finally:
            await database.close()

    with migrated_database_url(settings) as url:
        return asyncio.run(run(url))


def run_and_propagate(
    settings: Settings, change: Callable[[AsyncSession], Awaitable[Result]]
) -> Result:
    """Run a change of keys or models in one transaction, and wait until all gateways apply it."""

    async def run(database: Database) -> Result:
        async with database.transaction() as session:
            changed = await change(session)
            epoch = await read_epoch(session)
        await Propagation(database, SystemClock()).wait(epoch)
        return changed

    return run_with_database(settings, run)


def read_text_file(file: Path, label: str, error_type: type[AppError]) -> str:
    """Read a UTF-8 file. Raises `error_type` if it is too large or not UTF-8; `label` names the
    file."""
    content = file.read_bytes()
    if len(content) > _MAX_FILE_BYTES:
        raise error_type(f"{label} cannot be read: it has more than {_MAX_FILE_BYTES} bytes.")
    try:
        return content.decode("utf-8-sig")  # accepts a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{label} cannot be read: it is not UTF-8 (line {line})."
        raise error_type(message, param=f"line {line}") from None
