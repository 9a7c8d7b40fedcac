"""The decorator of commands: dependencies, options, output, errors and exit codes."""

import asyncio
import json
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Annotated, Any

import pytest
import typer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner

from gateway.cli.output import Output
from gateway.cli.results import Record, Report, Result, Table
from gateway.cli.runner import command
from infra.clock import Clock, SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.settings import Settings
from tests.support.gateway.commands import Maas

Name = Annotated[str, typer.Argument(help="A name.")]
# A unique key that is checked at commit: the second row of the same name makes the commit fail.
TABLE = "create temporary table late (name text, unique (name) deferrable initially deferred)"


@command
def show_sync(settings: Settings, output: Output, clock: Clock, name: Name) -> Record:
    """Show the injected dependencies."""
    return Record(f"{name}:", {"host": settings.host, "system": isinstance(clock, SystemClock)})


@command
async def show_session(session: AsyncSession, name: Name) -> Record:
    """Read in the command's transaction."""
    return Record("Read.", {"name": (await session.execute(text("select 'x'"))).scalar_one()})


@command
async def show_database(database: Database, name: Name) -> Record:
    """Read in a separate transaction."""
    async with database.transaction() as session:
        return Record("Read.", {"one": (await session.execute(text("select 1"))).scalar_one()})


@command
async def fail_at_commit(session: AsyncSession) -> Record:
    """Return a result, and fail when the transaction is committed."""
    await session.execute(text(TABLE))
    await session.execute(text("insert into late values ('x'), ('x')"))
    return Record("Done.", {})


@command
def fail() -> None:
    """Raise an AppError."""
    raise AppError("It failed. Try again.", param="name")


@command
def show_report() -> Report:
    """Return a report whose exit code is 1."""
    table = Table([{"a": 1, "b": None}], ("a", "b"))
    return Report({"rows": 1}, (Record("Rows:", {"count": 1}), table), exit_code=1)


@command
def show_nothing() -> Result:
    """Return a table without rows."""
    return Table([], ("a",))


async def run(
    function: Callable[..., Any], environment: Mapping[str, str], *arguments: str
) -> tuple[int, str, str, BaseException | None]:
    """Exit code, stdout, stderr and exception of a command."""
    app = typer.Typer()
    app.command()(function)
    done = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=dict(environment))
    return done.exit_code, done.stdout, done.stderr, done.exception


def test_command_dependencies_are_not_cli_options() -> None:
    assert list(signature(show_sync).parameters) == ["name", "as_json"]
    assert list(signature(fail).parameters) == ["as_json"]


async def test_command_dependencies_are_injected(maas: Maas) -> None:
    _, out, _, _ = await run(show_sync, maas.environment, "n", "--json")
    assert json.loads(out) == {"host": "127.0.0.1", "system": True}
    _, out, _, _ = await run(show_session, maas.environment, "n")
    assert out == "Read.\n  name: x\n"
    _, out, _, _ = await run(show_database, maas.environment, "n", "--json")
    assert json.loads(out) == {"one": 1}


async def test_failed_commit_prints_no_result(maas: Maas) -> None:
    code, out, _, exception = await run(fail_at_commit, maas.environment)
    assert (code, out) == (1, "")
    assert "late_name_key" in str(exception)


async def test_app_errors_are_printed_with_exit_code_1(maas: Maas) -> None:
    code, out, err, _ = await run(fail, maas.environment)
    assert (code, out, err) == (1, "", "It failed. Try again.\n")
    code, out, err, _ = await run(fail, maas.environment, "--json")
    assert (code, json.loads(out)["error"]["param"], err) == (1, "name", "")


async def test_report_has_its_own_json_and_exit_code(maas: Maas) -> None:
    code, out, _, _ = await run(show_report, maas.environment)
    assert (code, out.splitlines()[:2]) == (1, ["Rows:", "  count: 1"])
    assert out.splitlines()[2:] == ["a  b", "1  –"]
    code, out, _, _ = await run(show_report, maas.environment, "--json")
    assert (code, json.loads(out)) == (1, {"rows": 1})


@pytest.mark.parametrize(("option", "shown"), [([], "No results.\n"), (["--json"], "[]\n")])
async def test_empty_table_prints_no_results(maas: Maas, option: list[str], shown: str) -> None:
    assert (await run(show_nothing, maas.environment, *option))[1] == shown
