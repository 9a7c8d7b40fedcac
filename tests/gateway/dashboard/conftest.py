"""A firm with a month that is billed and one that runs, behind the real application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from billing.rounds import bill_accounts, count_usage
from tests.builders import PLENTY, Gateway, Limited, customer
from tests.clocks import ShiftedClock
from tests.gateway.dashboard.looking import Looker, looker


@dataclass
class Firm:
    """A gateway, its owner who looks at pages, and somebody of another firm."""

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


@pytest.fixture
async def office(limited: Limited) -> AsyncIterator[Firm]:
    """A firm before its first call, for pages of people and keys."""
    clock = ShiftedClock()
    async with limited(PLENTY, clock=clock) as gateway, looked_at(gateway, clock) as firm:
        yield firm


@pytest.fixture
async def firm(limited: Limited) -> AsyncIterator[Firm]:
    """Three calls of the last month, billed; and one of this month."""
    clock = ShiftedClock()
    async with limited(PLENTY, clock=clock) as gateway:
        gateway.http.headers["x-maas-tags"] = "order=A-17"
        for number in range(3):
            await gateway.chat(" ".join(["w"] * (number + 1)))
        clock.to_next_month()
        await bill_accounts(gateway.parts.database, clock)
        await gateway.chat("a new month")
        await count_usage(gateway.parts.database, clock)
        async with looked_at(gateway, clock) as firm:
            yield firm
