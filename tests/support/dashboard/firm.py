"""Accounts whose members use the dashboard."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from tests.support.builders import Gateway, customer
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.looking import Looker, looker
from tests.support.gateway.billed_month import bill_a_month
from tests.support.outcomes.told import Told


@dataclass
class Firm:
    """A gateway, a signed-in owner of its account, and a member of another account."""

    gateway: Gateway
    owner: Looker
    stranger: Looker
    clock: ShiftedClock


@asynccontextmanager
async def looked_at(gateway: Gateway, clock: ShiftedClock) -> AsyncIterator[Firm]:
    parts = gateway.parts
    other, _ = await customer(parts.database, parts.settings, "Other")
    own = looker(gateway.url, parts, gateway.account.id)
    async with own as owner, looker(gateway.url, parts, other.id) as stranger:
        yield Firm(gateway, owner, stranger, clock)


@asynccontextmanager
async def billed(gateway: Gateway, clock: ShiftedClock) -> AsyncIterator[Firm]:
    """A firm with three billed calls of the last month and one call of this month."""
    await bill_a_month(gateway, clock)
    async with looked_at(gateway, clock) as firm:
        yield firm


@dataclass
class Seen:
    """A firm with an agreed contract on 20 October, and another firm. Sessions end while months
    pass, so who looks signs in anew."""

    told: Told
    other: UUID

    def owner(self) -> AbstractAsyncContextManager[Looker]:
        gateway = self.told.gateway
        return looker(gateway.url, gateway.parts, gateway.account.id)

    def stranger(self) -> AbstractAsyncContextManager[Looker]:
        gateway = self.told.gateway
        return looker(gateway.url, gateway.parts, self.other)
