"""The periodic job that settles outcome contracts, decides overdue disputes and charges.

    month over -> settlement;  deadline missed -> decision;  dispute window over -> charge

Each contract, dispute and settlement is processed in its own transaction. Every step is idempotent
and may run late, repeatedly or on several machines at once. An error in one contract does not block
the others.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.settlement.disputes import decide_overdue_dispute, list_overdue_disputes
from billing.outcomes.settlement.replay import MeasureFunction
from billing.outcomes.settlement.settlement import (
    accept_settlement,
    list_contracts_to_settle,
    list_settlements_to_accept,
    settle_contract,
)
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_Find = Callable[[AsyncSession, datetime], Awaitable[Sequence[tuple[UUID, UUID]]]]
_Handle = Callable[[AsyncSession, Clock, UUID, UUID], Awaitable[object]]


async def settle_outcomes(
    database: Database, clock: Clock, measure_function: MeasureFunction
) -> None:
    """Create due settlements, decide overdue disputes, and charge accepted settlements."""
    await _process_due(
        database,
        clock,
        list_contracts_to_settle,
        partial(settle_contract, measure_function=measure_function),
    )
    await _process_due(database, clock, list_overdue_disputes, decide_overdue_dispute)
    await _process_due(database, clock, list_settlements_to_accept, accept_settlement)


async def _process_due(database: Database, clock: Clock, find: _Find, handle: _Handle) -> None:
    """Handle each due (account id, subject id) in a transaction of its own; log failures."""
    async with database.transaction() as session:
        due = await find(session, clock.now())
    for account_id, subject in due:
        try:
            async with database.transaction() as session:
                await handle(session, clock, account_id, subject)
        except (AppError, SQLAlchemyError) as error:
            log = structlog.get_logger()
            log.error("an outcome could not be settled", subject=subject.hex, reason=str(error))
