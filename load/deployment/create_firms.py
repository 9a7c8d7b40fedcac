"""`python -m load.deployment.create_firms [--priority] NAME …`: accounts without limits that a load would
meet, each with a key and an owner who has a link to sign in by.

Owns making them, in one process and by the functions that the commands call: a command for each
would take longer than the load. With --priority they are on a plan that sells the service tier
priority. Reads the settings as those commands do. Says what it made as JSON.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import AccountLimits, open_account
from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.plan_changes.plan_changes import start_plan
from billing.rating.plan_file import parse_plan_file
from billing.subscriptions.plans import publish_plan
from billing.tables import Account
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import create_key
from gateway.access.price_book import catalog_prices
from gateway.cli.runner import run_in_transaction
from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.invitations import InvitationService
from gateway.identity.roles import Role
from infra import ids
from infra.clock import SystemClock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings, load_settings
from infra.telemetry.log import configure_logging
from models.catalog import load_catalog

# Every limit is in force, and none is reached.
PLENTY = AccountLimits(credit_nano=10**6 * 10**9, requests=10**9, tokens=10**12, streams=10**5)
PRIORITY = "--priority"
PRIORITY_PLAN = """
plan = "load"
names = { en = "Load", zh = "压测" }
currency = "CURRENCY"
list_prices = true

[[tier]]
name = "priority"
percent = 200
"""


async def sell_priority(session: AsyncSession, settings: Settings, account: Account) -> None:
    """Put an account on a plan of list prices that sells `priority` at twice the price."""
    clock, catalog = SystemClock(), load_catalog(settings.profile)
    plan = parse_plan_file(
        PRIORITY_PLAN.replace("CURRENCY", account.currency),
        lambda currency: catalog_prices(catalog, currency),
    )
    version = await publish_plan(session, clock, plan, listed=False)
    await start_plan(session, clock, account.id, version)


async def open_firm(
    session: AsyncSession, settings: Settings, name: str, *, priority: bool = False
) -> dict[str, Any]:
    """An account with a key and an invited owner; the link is the invitation's."""
    clock = SystemClock()
    account = await open_account(session, clock, name, settings.currency, PLENTY)
    if priority:
        await sell_priority(session, settings, account)
    key = await create_key(session, clock, secret_key(settings), account.id, "line 1")
    email = f"owner@{name}.example"
    inviting = InvitationService.from_settings(settings, clock)
    invited = await inviting.invite(session, CLI_ACTOR, account.id, email, Role.OWNER)
    return {
        "name": name,
        "account": ids.format_id(ACCOUNT_ID_PREFIX, account.id),
        "key_id": ids.format_id(KEY_PREFIX, key.row.id),
        "key": key.secret,
        "email": email,
        "link": invited.link,
    }


def main(arguments: Sequence[str]) -> None:
    """Make firms of these names."""
    priority, names = PRIORITY in arguments, [one for one in arguments if one != PRIORITY]
    configure_logging("warning")
    settings = load_settings()

    async def work(session: AsyncSession) -> list[dict[str, Any]]:
        return [await open_firm(session, settings, name, priority=priority) for name in names]

    sys.stdout.write(json.dumps(run_in_transaction(settings, work)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
