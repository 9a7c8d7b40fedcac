"""Nightly: comparing all records once a day, and keeping what was found.

Does not ask the engines nor Stripe, as `maas reconcile` does.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import structlog

from billing.money import nano_text
from billing.reconciliation.history import RATED_UNTIL, keep_run, rated_until
from billing.reconciliation.usage_and_quotas import Reconciled, reconcile
from infra.clock import Clock
from infra.database.database import Database


async def check_records(database: Database, clock: Clock) -> int:
    """Gives how many things did not agree, which are logged too. For operators: it looks across
    accounts (account_id)."""
    began_at = clock.now()
    async with database.transaction() as session:
        since = await rated_until(session)
    async with database.transaction() as session:
        found = await reconcile(session, since)
    differences = [asdict(one) for one in found.differences]
    async with database.transaction() as session:
        await keep_run(session, clock, began_at, "job", figures_of(found), differences)
    if differences:
        structlog.get_logger().error("records do not agree", differences=len(differences))
    return len(differences)


def figures_of(found: Reconciled) -> Mapping[str, Any]:
    """How much was compared."""
    return {
        "usage_rows": found.usage_rows,
        "usage_rows_rated": found.rated.rows,
        RATED_UNTIL: found.rated.until,
        "settled_unknown": found.unknown_rows,
        "open_calls": found.open_calls,
        "gateway_processes": found.processes,
        "credit_held": nano_text(found.held),
    }
