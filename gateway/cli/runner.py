"""The frame of every `maas` command: dependencies, database, result, error and exit code."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import bind_contextvars

from gateway.cli.output import Output
from gateway.cli.results import Result
from infra.clock import Clock, SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.installation import migrated_database_url
from infra.settings import Settings, load_settings
from infra.telemetry.log import configure_logging, write_money_log_to

Value = TypeVar("Value")
_DEPENDENCIES = (Settings, Output, Clock, Database, AsyncSession)
_MAX_FILE_BYTES = 1 << 20
# Connections are opened on demand; `maas demo` needs the most.
_POOL_SIZE = 3
Json = Annotated[bool, typer.Option("--json", help="Output JSON.")]
AccountName = Annotated[str, typer.Argument(help="Account ID (acct_…) or name.")]


def command(function: Callable[..., Any]) -> Callable[..., None]:
    """Make a function a command: pass its dependencies and print the Result that it returns.

    Parameters of these types are passed; all others are arguments and options of the command:

        settings: Settings       the loaded settings
        output: Output           for progress and streams, which are not a Result
        clock: Clock             the system clock
        database: Database       the migrated database, for commands with several transactions
        session: AsyncSession    one transaction, committed before the result is printed

    Functions with a database or session are coroutine functions. The option `--json` is added. An
    AppError is printed, with exit code 1.
    """
    parameters = signature(function, eval_str=True).parameters.values()
    injected = {one.name: one.annotation for one in parameters if one.annotation in _DEPENDENCIES}
    options = [one for one in parameters if one.name not in injected]
    options.append(Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=Json))

    @wraps(function)
    def run(*, as_json: bool = False, **arguments: Any) -> None:
        _run(partial(function, **arguments), injected, Output(as_json))

    run.__annotations__ = {one.name: one.annotation for one in options}
    # Typer reads options from the signature.
    run.__signature__ = signature(function).replace(  # type: ignore[attr-defined]
        parameters=options, return_annotation=None
    )
    return run


def run_in_transaction(
    settings: Settings, action: Callable[[AsyncSession], Awaitable[Value]]
) -> Value:
    """Run an action in one transaction on the configured or embedded database."""

    async def run(database: Database) -> Value:
        """Run the action in one transaction, committed at its end."""
        async with database.transaction() as session:
            return await action(session)

    return run_with_database(settings, run)


def run_with_database(settings: Settings, action: Callable[[Database], Awaitable[Value]]) -> Value:
    """Run an action that opens its own transactions, on the configured or embedded database."""

    async def run(url: str) -> Value:
        """Open the database, run the action and close the database."""
        database = Database(url, pool_size=_POOL_SIZE)
        try:
            return await action(database)
        finally:
            await database.close()

    with migrated_database_url(settings) as url:
        return asyncio.run(run(url))


def read_text_file(file: Path, label: str, error_type: type[AppError]) -> str:
    """Read a UTF-8 file of at most 1 MiB. Raises `error_type`, with the file called `label`."""
    content = file.read_bytes()
    if len(content) > _MAX_FILE_BYTES:
        raise error_type(
            f"{label} is too large: {file} has {len(content)} bytes, more than {_MAX_FILE_BYTES}."
        )
    try:
        return content.decode("utf-8-sig")  # accepts a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{label} is not valid UTF-8: {file}, line {line}. Save the file as UTF-8."
        raise error_type(message, param=f"line {line}") from None


def _run(function: Callable[..., Any], injected: Mapping[str, Any], output: Output) -> None:
    """Run a command's function, print its result or AppError, and exit with its code."""
    configure_logging("warning")
    # Only the command's name: arguments may contain secrets.
    bind_contextvars(caused_by={"command": sys.argv[1] if len(sys.argv) > 1 else ""})
    try:
        settings = load_settings()
        write_money_log_to(settings.data_dir / "logs" / "money.log")
        result = _call(function, injected, settings, output)
    except AppError as error:
        output.error(error)
        raise typer.Exit(1) from None
    if result is not None:
        output.show(result)
        if result.exit_code:
            raise typer.Exit(result.exit_code)


def _call(
    function: Callable[..., Any], injected: Mapping[str, Any], settings: Settings, output: Output
) -> Result | None:
    """Call a command's function with its dependencies."""
    values: Mapping[Any, Any] = {Settings: settings, Output: output, Clock: SystemClock()}

    def call(opened: Database | AsyncSession | None = None) -> Any:
        """Call the function with its dependencies; `opened` is the database or session."""
        return function(**{name: values.get(kind, opened) for name, kind in injected.items()})

    result: Result | None
    if Database in injected.values():
        result = run_with_database(settings, call)
    elif AsyncSession in injected.values():
        result = run_in_transaction(settings, call)
    else:
        result = call()
    return result
