"""`maas alerts`: where an account's alerts go, and from which percentages on."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.notifications.alert_target_changes import change_target
from billing.notifications.alert_targets import target_json
from billing.notifications.sample_alert import try_out
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, beside_database, tell, with_database
from gateway.process.integrations import poster_of
from infra.clock import SystemClock
from infra.database.database import Database
from infra.settings import Settings

alerts_app = typer.Typer(no_args_is_help=True)
_NONE = "none"


@alerts_app.command("show")
def alerts_show(account: AccountName, as_json: Json = False) -> None:
    """Where an account's alerts go, and those that could not be delivered."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> dict[str, Any]:
            return await target_json(session, (await get_account(session, account)).id)

        terminal.record("It is told so:", with_database(settings, read))

    tell(as_json, work)


@alerts_app.command("set")
def alerts_set(
    account: AccountName,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="A URL, or `none`. Its host name is looked up; its secret is shown once."
        ),
    ] = None,
    percent: Annotated[
        list[int] | None, typer.Option(help="Of a limit; may be given several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change where alerts go. E-mails go to the address of `maas billing set --email`."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def change(database: Database) -> dict[str, Any]:
            async with database.transaction() as session:
                owner = (await get_account(session, account)).id
            url = "" if webhook == _NONE else webhook
            return await change_target(database, poster_of(settings).reach, owner, url, percent)

        terminal.record("It is told so from now on:", beside_database(settings, change))

    tell(as_json, work)


@alerts_app.command("test")
def alerts_test(account: AccountName, as_json: Json = False) -> None:
    """Send a test event to the account's webhook and e-mail address, and show how it went."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def run(database: Database) -> dict[str, Any]:
            async with database.transaction() as session:
                owner = (await get_account(session, account)).id
            tested = await try_out(database, SystemClock(), poster_of(settings), owner)
            return tested.to_json()

        said = beside_database(settings, run)
        webhook = said["webhook"] or {}
        shown = said if as_json else {"email_queued": said["email_queued"], **webhook}
        terminal.record("The test:", shown)

    tell(as_json, work)
