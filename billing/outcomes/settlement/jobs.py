"""Rounds of outcomes: what falls due by itself, each piece in a transaction of its own.

    months over -> settlements;  deadlines missed -> decisions;  windows over -> charges

Every piece may be tried again, late, twice or on several machines at once. A contract with which
something is wrong holds up no other.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.settlement.disputes import disputes_overdue, end_overdue
from billing.outcomes.settlement.replay import Measure
from billing.outcomes.settlement.settlement import (
    accept,
    contracts_to_settle,
    settle,
    settlements_to_accept,
)
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_Find = Callable[[AsyncSession, datetime], Awaitable[Sequence[tuple[UUID, UUID]]]]
_Work = Callable[[AsyncSession, Clock, UUID, UUID], Awaitable[object]]


async def settle_outcomes(database: Database, clock: Clock, measure: Measure) -> None:
    """Make settlements that are due, decide overdue disputes, charge what is accepted."""
    await _each(database, clock, contracts_to_settle, partial(settle, measure=measure))
    await _each(database, clock, disputes_overdue, end_overdue)
    await _each(database, clock, settlements_to_accept, accept)


async def _each(database: Database, clock: Clock, find: _Find, work: _Work) -> None:
    async with database.transaction() as session:
        due = await find(session, clock.now())
    for account_id, subject in due:
        try:
            async with database.transaction() as session:
                await work(session, clock, account_id, subject)
        except (AppError, SQLAlchemyError) as error:
            log = structlog.get_logger()
            log.error("an outcome could not be settled", subject=subject.hex, reason=str(error))
