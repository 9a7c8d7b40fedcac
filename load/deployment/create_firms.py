"""`python -m load.deployment.create_firms [--priority] NAME …`: create accounts for a load test.

Each has limits that no load test reaches, an API key and an invited owner. With --priority the
accounts are on a plan with the service tier `priority`. Runs in one process, because one command
per account would take longer than the load test. Prints the accounts as JSON.
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
from models.catalog import load_configured_catalog

# All limits are set, and none is reached.
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


async def subscribe_to_priority_plan(
    session: AsyncSession, settings: Settings, account: Account
) -> None:
    """Subscribe an account to list prices plus the service tier `priority` at twice the price."""
    clock, catalog = SystemClock(), load_configured_catalog(settings)
    plan = parse_plan_file(
        PRIORITY_PLAN.replace("CURRENCY", account.currency),
        lambda currency: catalog_prices(catalog, currency),
    )
    version = await publish_plan(session, clock, plan, listed=False)
    await start_plan(session, clock, account.id, version)


async def open_firm(
    session: AsyncSession, settings: Settings, name: str, *, priority: bool = False
) -> dict[str, Any]:
    """Create an account with an API key and an invited owner. Returns it as JSON with the
    invitation link."""
    clock = SystemClock()
    account = await open_account(session, clock, name, settings.currency, PLENTY)
    if priority:
        await subscribe_to_priority_plan(session, settings, account)
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
    """Create firms with these names."""
    priority, names = PRIORITY in arguments, [one for one in arguments if one != PRIORITY]
    configure_logging("warning")
    settings = load_settings()

    async def work(session: AsyncSession) -> list[dict[str, Any]]:
        return [await open_firm(session, settings, name, priority=priority) for name in names]

    sys.stdout.write(json.dumps(run_in_transaction(settings, work)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
