"""`maas alerts`: where an account's alerts go, and the percentages of a limit that send one."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.notifications.alert_target_changes import change_alert_target
from billing.notifications.alert_targets import alert_target_json
from billing.notifications.sample_alert import send_sample_alert
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, run_command, run_in_transaction, run_with_database
from gateway.process.integrations import create_webhook_poster
from infra.clock import SystemClock
from infra.database.database import Database
from infra.settings import Settings

alerts_app = typer.Typer(no_args_is_help=True)
_NONE = "none"


@alerts_app.command("show")
def alerts_show(account: AccountName, as_json: Json = False) -> None:
    """Where an account's alerts go, and those that could not be delivered."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_target(session: AsyncSession) -> dict[str, Any]:
            return await alert_target_json(session, (await get_account(session, account)).id)

        output.record("It is told so:", run_in_transaction(settings, load_target))

    run_command(as_json, execute)


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

    def execute(settings: Settings, output: Output) -> None:
        async def update_target(database: Database) -> dict[str, Any]:
            async with database.transaction() as session:
                account_id = (await get_account(session, account)).id
            url = "" if webhook == _NONE else webhook
            return await change_alert_target(
                database,
                create_webhook_poster(settings).allowed_addresses,
                account_id,
                url,
                percent,
            )

        output.record("It is told so from now on:", run_with_database(settings, update_target))

    run_command(as_json, execute)


@alerts_app.command("test")
def alerts_test(account: AccountName, as_json: Json = False) -> None:
    """Send a test event to the account's webhook and e-mail address, and show how it went."""

    def execute(settings: Settings, output: Output) -> None:
        async def send_test(database: Database) -> dict[str, Any]:
            async with database.transaction() as session:
                account_id = (await get_account(session, account)).id
            test_result = await send_sample_alert(
                database, SystemClock(), create_webhook_poster(settings), account_id
            )
            return test_result.to_json()

        result = run_with_database(settings, send_test)
        webhook = result["webhook"] or {}
        fields = result if as_json else {"email_queued": result["email_queued"], **webhook}
        output.record("The test:", fields)

    run_command(as_json, execute)
