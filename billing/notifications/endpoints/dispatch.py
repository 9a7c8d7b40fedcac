"""Send due deliveries: several endpoints at a time, one message at a time to each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlmodel import col, select

from billing.notifications.endpoints.outgoing import Turn, claim_turn, record_result
from billing.notifications.endpoints.sending import EndpointSender
from billing.tables import NotificationEvent
from infra.account_work import AccountWork, do_due_work
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer

_MAX_RUN_S = 60.0
_DELETED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Sends due deliveries of all accounts. `retention` is how long events are stored."""

    database: Database
    clock: Clock
    sealer: Sealer
    sender: EndpointSender
    retention: timedelta

    async def send_due(self) -> int:
        """Send all due deliveries; return the number of messages.

        A slow receiver holds one of 16 places for at most ten seconds, and an account 4 of them.
        Ends after a minute, so that the next run can start elsewhere.
        """
        ends_at = self.clock.monotonic() + _MAX_RUN_S
        return await do_due_work(self._claim, lambda: self.clock.monotonic() < ends_at)

    async def delete_old_events(self) -> int:
        """Delete events past the retention, with deliveries and attempts; return how many.

        Of any account_id: the retention is the deployment's.
        """
        old = (
            select(col(NotificationEvent.id))
            .where(col(NotificationEvent.created_at) < self.clock.now() - self.retention)
            .order_by(col(NotificationEvent.created_at))
            .limit(_DELETED_AT_ONCE)
        )
        statement = delete(NotificationEvent).where(col(NotificationEvent.id).in_(old))
        async with self.database.transaction() as session:
            deleted = await session.execute(statement.returning(col(NotificationEvent.id)))
            return len(deleted.all())

    async def _claim(self, busy_accounts: Collection[UUID]) -> AccountWork | None:
        """Claim the next turn, of an account that is not busy."""
        async with self.database.transaction() as session:
            turn = await claim_turn(session, self.clock, self.sealer, busy_accounts)
        if turn is None:
            return None
        return AccountWork(turn.recipient.account_id, partial(self._take, turn))

    async def _take(self, turn: Turn) -> None:
        """Send one message and record what came of it.

        After an unexpected error the claim expires, and the deliveries are sent again.
        """
        sent_at = self.clock.now()
        try:
            result = await self.sender.send(turn.recipient, turn.events, sent_at)
            async with self.database.transaction() as session:
                await record_result(session, self.clock, turn, result, sent_at)
        except Exception:
            structlog.get_logger().exception(
                "a notification was not sent", endpoint=turn.recipient.id.hex
            )
