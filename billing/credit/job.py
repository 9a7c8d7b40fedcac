"""The job that evaluates credit policies: each account daily and after each of its events."""

from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from billing.credit.evaluation import evaluate_credit, list_credit_events
from billing.credit.policies import list_policies_in_force
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError


async def evaluate_due_credit(database: Database, clock: Clock) -> int:
    """Decide the limits of accounts with new events, each in its own transaction.

    Returns the number of decisions. An error in one account is logged and does not stop the others.
    """
    async with database.transaction() as session:
        now = clock.now()
        accounts = {one.account_id for one in await list_policies_in_force(session, now)}
        events = await list_credit_events(session, now, accounts) if accounts else []
    decided = 0
    for account_id, event in events:
        decided += await _evaluate(database, clock, account_id, event)
    return decided


async def _evaluate(database: Database, clock: Clock, account_id: UUID, event: str) -> bool:
    """Decide one account's limit in its own transaction; return whether it was decided."""
    try:
        async with database.transaction() as session:
            return await evaluate_credit(session, clock, account_id, event) is not None
    except (AppError, SQLAlchemyError, ValueError) as error:
        log = structlog.get_logger()
        log.error("a credit limit was not decided", account=account_id.hex, reason=str(error))
        return False
