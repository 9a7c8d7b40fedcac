"""What every `maas` command does: read the settings, open the database, show the result.

Owns that frame, and the arguments and the reading of files that commands share.
"""

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
from gateway.cli.output import Terminal
from infra.clock import SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.installation import database_url
from infra.settings import Settings, load_settings
from infra.telemetry.log import configure_logging, keep_money_log

Result = TypeVar("Result")
_MOST_BYTES = 1 << 20
Json = Annotated[bool, typer.Option("--json", help="Say it as JSON, for programs.")]
AccountName = Annotated[str, typer.Argument(help="The account's id (acct_…) or name.")]


def tell(as_json: bool, work: Callable[[Settings, Terminal], None]) -> None:
    """Do it and show it; a fact that prevents it is told in plain words, with exit code 1."""
    terminal = Terminal(as_json)
    configure_logging("warning")
    # What was asked for, without its arguments: those may be anything.
    bind_contextvars(caused_by={"command": sys.argv[1] if len(sys.argv) > 1 else ""})
    try:
        settings = load_settings()
        keep_money_log(settings.data_dir / "logs" / "money.log")
        work(settings, terminal)
    except AppError as error:
        terminal.error(error)
        raise typer.Exit(1) from None


def with_database(settings: Settings, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    """Run it in one transaction, on the database that is configured or an embedded one."""

    async def run(database: Database) -> Result:
        async with database.transaction() as session:
            return await work(session)

    return beside_database(settings, run)


def beside_database(settings: Settings, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """The same for work that makes its transactions itself, as it waits for others in between."""

    async def run(url: str) -> Result:
        database = Database(url, pool_size=1)
        try:
            return await work(database)
        finally:
            await database.close()

    with database_url(settings) as url:
        return asyncio.run(run(url))


def propagated(settings: Settings, change: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    """The same of a change of keys or models, and wait until every gateway process serves it."""

    async def run(database: Database) -> Result:
        async with database.transaction() as session:
            changed = await change(session)
            epoch = await read_epoch(session)
        await Propagation(database, SystemClock()).wait(epoch)
        return changed

    return beside_database(settings, run)


def text_of(file: Path, what: str, otherwise: type[AppError]) -> str:
    """A file's text. Raises `otherwise`, which says that `what` cannot be read."""
    content = file.read_bytes()
    if len(content) > _MOST_BYTES:
        raise otherwise(f"{what} cannot be read: it has more than {_MOST_BYTES} bytes.")
    try:
        return content.decode("utf-8-sig")  # as some editors begin a file
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = f"{what} cannot be read: it is not UTF-8 (line {line})."
        raise otherwise(said, param=f"line {line}") from None
