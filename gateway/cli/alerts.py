"""`maas alerts`: where an account's alerts go, and the percentages of a limit that send one."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.notifications.alert_target_changes import change_alert_target
from billing.notifications.alert_targets import alert_target_json
from billing.notifications.sample_alert import send_sample_alert
from gateway.cli.results import Record, Report
from gateway.cli.runner import AccountName, command
from gateway.process.integrations import create_webhook_poster
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

alerts_app = typer.Typer(no_args_is_help=True)
_NONE = "none"


@alerts_app.command("show")
@command
async def alerts_show(session: AsyncSession, account: AccountName) -> Record:
    """Show where an account's alerts are sent.

    Also lists alerts that could not be delivered.
    """
    owner = await get_account(session, account)
    return Record("Alert settings:", await alert_target_json(session, owner.id))


@alerts_app.command("set")
@command
async def alerts_set(
    database: Database,
    settings: Settings,
    account: AccountName,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="Webhook URL, or `none` to remove it. The host name is checked by DNS. The "
            "signing secret is shown once."
        ),
    ] = None,
    percent: Annotated[
        list[int] | None,
        typer.Option(help="Percentage of a limit that sends an alert. Repeatable."),
    ] = None,
) -> Record:
    """Set where an account's alerts are sent.

    E-mails go to the address set by `maas billing set ACCOUNT --email ADDRESS`.
    """
    async with database.transaction() as session:
        account_id = (await get_account(session, account)).id
    url = "" if webhook == _NONE else webhook
    allowed = create_webhook_poster(settings).allowed_addresses
    target = await change_alert_target(database, allowed, account_id, url, percent)
    return Record("Alert settings updated.", target)


@alerts_app.command("test")
@command
async def alerts_test(
    database: Database, settings: Settings, clock: Clock, account: AccountName
) -> Report:
    """Send a test alert to an account's webhook and e-mail address.

    Shows the response of the webhook.
    """
    async with database.transaction() as session:
        account_id = (await get_account(session, account)).id
    poster = create_webhook_poster(settings)
    result = (await send_sample_alert(database, clock, poster, account_id)).to_json()
    fields = {"email_queued": result["email_queued"], **(result["webhook"] or {})}
    return Report(result, (Record("Test alert sent.", fields),))
