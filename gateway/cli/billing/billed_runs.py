"""Commands that start a billed run for an account: components, the key that pays, confirmation.

The commands quote and queue, as the API does; a running gateway executes the run.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import typer
from pydantic import SecretStr
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import AccountNotFound, get_account, list_accounts
from billing.tables import GatewayProcess
from gateway.app import build_components
from gateway.call.errors import Unavailable
from gateway.call.values import Principal, SignedInCaller
from gateway.cli.output import Output
from gateway.cli.paying_key import find_paying_key
from gateway.cli.process.supervisor import serving_base_url
from gateway.cli.results import Report
from gateway.components import Components
from infra.clock import SystemClock
from infra.errors import AppError
from infra.settings import Settings
from models.catalog import load_configured_catalog


class ConfirmationNeeded(AppError):
    """The command cannot ask, because its output is not a terminal."""

    status = 400
    code = "confirmation_needed"


def confirm(output: Output, quote: Report, what: str) -> None:
    """Show the quote and ask whether to start. Raises ConfirmationNeeded, Abort."""
    if not output.is_interactive:
        raise ConfirmationNeeded(f"The {what} is billed. Add --yes to start it without asking.")
    output.show(quote)
    typer.confirm(f"Start the {what}?", abort=True)


@asynccontextmanager
async def open_components(settings: Settings) -> AsyncIterator[Components]:
    """Build a gateway's components for quoting, and close their connections at the end."""
    parts = build_components(settings, SystemClock(), load_configured_catalog(settings))
    try:
        await parts.availability.refresh()
        yield parts
    finally:
        await parts.upstream.stop()
        for connection in parts.connections.all:
            await connection.close()


def with_servers(settings: Settings, database_url: str) -> Settings:
    """Return the settings with the addresses of the database and the model servers."""
    addresses = {
        "database_url": SecretStr(database_url),
        "serving_url": serving_base_url(settings),
    }
    return settings.model_copy(update=addresses)


async def load_principal(parts: Components, account: str | None, key: str | None) -> Principal:
    """Return the principal of the key that pays: the named one, or a default.

    Raises AccountNotFound, KeyNotFound and the errors of a key that may not make calls.
    """
    async with parts.database.transaction() as session:
        account_id = await _find_account(session, account)
        key_id = await find_paying_key(session, parts.clock, account_id, key)
    caller = SignedInCaller(account_id, key_id)
    record = await parts.authenticator.identify_key(caller, parts.clock.now())
    parts.authenticator.require_not_suspended(record)
    return parts.authenticator.require_active(record)


async def _find_account(session: AsyncSession, name: str | None) -> UUID:
    """Return the id of the named account, or of the only one. Raises AccountNotFound."""
    if name is not None:
        return (await get_account(session, name)).id
    accounts = await list_accounts(session)
    if len(accounts) != 1:
        raise AccountNotFound(
            f"There are {len(accounts)} accounts. Name the one that pays with --account."
        )
    return accounts[0].id


async def require_gateway(parts: Components) -> None:
    """Raise Unavailable unless a gateway process runs, which would execute the run."""
    query = select(func.count()).where(
        col(GatewayProcess.ended_at).is_(None),
        col(GatewayProcess.expires_at) > func.now(),
        col(GatewayProcess.pid) > 0,  # holds of batches have none
    )
    async with parts.database.transaction() as session:
        running = (await session.execute(query)).scalar_one()
    if not running:
        raise Unavailable("No gateway is running. Start the service with `maas up`.")
