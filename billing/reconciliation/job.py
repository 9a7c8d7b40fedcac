"""Nightly check that usage, quotas, invoices and ledger agree; stores the result.

Unlike `maas reconcile`, it does not query the engines or the collector.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import structlog

from billing.money import nano_text
from billing.reconciliation.history import RATED_UNTIL, get_rated_until, store_check_run
from billing.reconciliation.usage_and_quotas import ReconciliationResult, reconcile
from infra.clock import Clock
from infra.database.database import Database


async def run_record_check(database: Database, clock: Clock) -> int:
    """Compare usage, quotas, invoices and ledger; store, log and count the differences.

    For operators: reads across accounts (account_id).
    """
    began_at = clock.now()
    async with database.transaction() as session:
        since = await get_rated_until(session)
    async with database.transaction() as session:
        result = await reconcile(session, since)
    differences = [asdict(difference) for difference in result.differences]
    async with database.transaction() as session:
        await store_check_run(session, clock, began_at, "job", check_figures(result), differences)
    if differences:
        structlog.get_logger().error("records do not agree", differences=len(differences))
    return len(differences)


def check_figures(result: ReconciliationResult) -> Mapping[str, Any]:
    """Return the figures of a check (how much was compared) as JSON."""
    return {
        "usage_rows": result.usage_rows,
        "usage_rows_rated": result.rated.rows,
        RATED_UNTIL: result.rated.until,
        "settled_unknown": result.unknown_rows,
        "open_calls": result.open_calls,
        "gateway_processes": result.processes,
        "credit_held": nano_text(result.held),
    }
