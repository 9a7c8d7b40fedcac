"""Create batches: store the lines, then hold the highest cost of all and start, or store nothing.

    rows of the lines (several transactions, status `validating`) -> hold + `in_progress` (one)

Until the last transaction the batch holds no money and no line of it can be sent. It has the
status `validating` in the meantime, in which a lost process leaves it (batches.py cleans up).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.holds import HoldRefused, open_hold
from billing.metering.leases import recall_leases
from billing.metering.pack_holds import PackDemand
from gateway.batches.batches import BATCH_ID_PREFIX, delete_lines
from gateway.batches.errors import TooManyBatches
from gateway.batches.lines import insert_lines
from gateway.batches.notices import emit_batch_ended
from gateway.batches.offers import BatchOffer
from gateway.batches.requests import WINDOW_HOURS
from gateway.batches.throughput import count_waiting_lines
from gateway.call.values import Principal
from gateway.inference.quota_errors import quota_error
from gateway.quota.demand import Demand
from gateway.quota.leaser import QuotaShortage
from gateway.registry.files import parse_file_id
from gateway.tables import OPEN_BATCH_STATUSES, Batch, BatchStatus
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.timing import DEFAULT_TIMING, Timing

MAX_OPEN_BATCHES = 20
MAX_WAITING_LINES = 200_000
_WINDOW = timedelta(hours=WINDOW_HOURS)
# A hold that nobody ended is returned so long after its batch has expired.
_HOLD_MARGIN = timedelta(days=2)
_ROWS_PER_TRANSACTION = 1_000
_NO_DEMAND = Demand(0, 0, 0, 0, 0, {}, ())

Result = TypeVar("Result")
Change = Callable[[AsyncSession], Awaitable[Batch]]
"""Starts the batch in the caller's transaction, and returns its row."""


class BatchCreation:
    """Creates the batches of offers in one gateway process.

    `credit_wait_s` is how long a batch waits for money that running calls have reserved.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        credit_wait_s: float,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._database = database
        self._clock = clock
        self._credit_wait_s = credit_wait_s
        self._timing = timing

    async def create(
        self, offer: BatchOffer, apply: Callable[[Change], Awaitable[Result]]
    ) -> Result:
        """Create the batch; `apply` runs its last step in a transaction and returns the response.

        A batch of an invalid file is stored as failed. If `apply` repeats the response of an
        earlier request, nothing is created.

        Raises TooManyBatches, CreditExhausted, CreditReserved, BudgetExhausted.
        """
        if offer.problems:
            return await apply(lambda session: self._add_failed(session, offer))
        batch = await self._stage(offer)
        try:
            return await self._start(offer, batch, apply)
        finally:
            # What was not started, because of an error or a repeated request, is removed.
            await asyncio.shield(self._drop(batch))

    async def _add_failed(self, session: AsyncSession, offer: BatchOffer) -> Batch:
        """Add the row of a batch whose file is invalid."""
        batch = self._row(offer)
        batch.status, batch.finished_at = BatchStatus.FAILED, batch.created_at
        batch.errors = [problem.as_json() for problem in offer.problems]
        batch.total, batch.model = 0, None
        session.add(batch)
        await session.flush()
        name = ids.format_id(BATCH_ID_PREFIX, batch.id)
        await emit_batch_ended(session, self._clock, batch, name)
        return batch

    async def _stage(self, offer: BatchOffer) -> Batch:
        """Store the batch and its lines. Raises TooManyBatches."""
        batch = self._row(offer)
        async with self._database.transaction() as session:
            await _check_limits(session, offer)
            session.add(batch)
        for first in range(0, len(offer.lines), _ROWS_PER_TRANSACTION):
            part = offer.lines[first : first + _ROWS_PER_TRANSACTION]
            async with self._database.transaction() as session:
                await insert_lines(session, batch, first, part)
        return batch

    async def _start(
        self, offer: BatchOffer, batch: Batch, apply: Callable[[Change], Awaitable[Result]]
    ) -> Result:
        """Hold the cost and start the batch, waiting for money that others may return."""
        deadline = self._clock.monotonic() + self._credit_wait_s
        while True:
            try:
                return await apply(lambda session: self._hold(session, offer, batch))
            except HoldRefused as refused:
                if not refused.can_wait or self._clock.monotonic() >= deadline:
                    raise refused_error(refused, offer.principal) from None
                async with self._database.transaction() as session:
                    await recall_leases(session, [refused.quota.id])
                await asyncio.sleep(self._timing.lease_tick_s)

    async def _hold(self, session: AsyncSession, offer: BatchOffer, batch: Batch) -> Batch:
        """Hold the highest cost of the batch, and let it be run. Raises HoldRefused.

        A batch that was failed meanwhile, because this process stood still, is returned as it is.
        """
        query = select(Batch).where(
            col(Batch.id) == batch.id, col(Batch.account_id) == batch.account_id
        )
        row = (await session.scalars(query.with_for_update())).one()
        if row.status != BatchStatus.VALIDATING:
            await delete_lines(session, row)  # those that were stored since then
            return row
        lifetime = _WINDOW + _HOLD_MARGIN
        demand = PackDemand(batch.account_id, offer.packs, offer.max_units, batch.expires_at)
        quotas, packs = offer.principal.quotas, demand if offer.packs else None
        held = await open_hold(session, batch.id, quotas, offer.max_nano, lifetime, packs)
        row.status, row.in_progress_at = BatchStatus.IN_PROGRESS, self._clock.now()
        row.held_nano = held
        await session.flush()
        return row

    async def _drop(self, batch: Batch) -> None:
        """Delete the batch with its lines if it was not started."""
        async with self._database.transaction() as session:
            query = select(Batch).where(
                col(Batch.id) == batch.id,
                col(Batch.account_id) == batch.account_id,
                col(Batch.status) == BatchStatus.VALIDATING,
            )
            row = (await session.scalars(query.with_for_update())).one_or_none()
            if row is None:
                return
            await delete_lines(session, row)
            await session.execute(
                delete(Batch).where(
                    col(Batch.id) == row.id, col(Batch.account_id) == row.account_id
                )
            )

    def _row(self, offer: BatchOffer) -> Batch:
        """Return the row of a batch that is still being validated."""
        now, request, principal = self._clock.now(), offer.request, offer.principal
        return Batch(
            id=ids.new_id(),
            account_id=principal.account_id,
            key_id=principal.key_id,
            endpoint=request.endpoint,
            model=offer.lines[0].model if offer.lines else None,
            input_file_id=parse_file_id(request.input_file_id),
            labels=request.metadata,
            tags=offer.tags,
            status=BatchStatus.VALIDATING,
            total=len(offer.lines),
            held_nano=0 if offer.problems else offer.max_nano,
            currency=principal.currency,
            estimated_s=offer.estimated_s,
            created_at=now,
            expires_at=now + _WINDOW,
        )


def refused_error(refused: HoldRefused, principal: Principal) -> AppError:
    """Return the API error of a hold that a quota does not cover, as for a call."""
    shortage = QuotaShortage(
        refused.quota, refused.snapshot, not refused.can_wait, 1.0, refused.units
    )
    return quota_error(shortage, principal, _NO_DEMAND)


async def _check_limits(session: AsyncSession, offer: BatchOffer) -> None:
    """Raise TooManyBatches if the account has too many open batches or waiting lines."""
    account_id = offer.principal.account_id
    query = select(func.count()).where(
        col(Batch.account_id) == account_id, col(Batch.status).in_(OPEN_BATCH_STATUSES)
    )
    if (await session.execute(query)).scalar_one() >= MAX_OPEN_BATCHES:
        raise TooManyBatches(
            f"An account can have {MAX_OPEN_BATCHES} open batches. Wait until one has ended."
        )
    waiting = await count_waiting_lines(session, account_id)
    if waiting + len(offer.lines) > MAX_WAITING_LINES:
        raise TooManyBatches(
            f"An account can have {MAX_WAITING_LINES} lines waiting in batches; {waiting} wait "
            "now. Wait until a batch has ended."
        )
