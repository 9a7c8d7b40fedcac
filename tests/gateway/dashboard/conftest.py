"""Firms behind the real application: with a month that is billed, and with a contract."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from playwright.async_api import Browser, async_playwright

from billing.rounds import bill_accounts
from infra.db import Database
from tests.support.billing.making import count_all_usage
from tests.support.builders import PLENTY, Gateway, Limited, customer
from tests.support.clocks import CalendarClock, ShiftedClock
from tests.support.dashboard.browsing import CHROMIUM
from tests.support.dashboard.firm import Firm, Seen, looked_at
from tests.support.outcomes.told import Told
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Firm as StoryFirm
from tests.support.stories.story import Story


@pytest.fixture
def dashboard() -> bool:
    return True


@pytest.fixture
def limited(limited: Limited) -> Limited:
    """The same, with the dashboard."""
    return partial(limited, dashboard=True)


@pytest.fixture
async def gateway(limited: Limited) -> AsyncIterator[Gateway]:
    async with limited(PLENTY) as running:
        yield running


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
        clock.to_middle_of_month()
        for number in range(3):
            await gateway.chat(" ".join(["w"] * (number + 1)))
        clock.to_next_month()
        await bill_accounts(gateway.parts.database, clock)
        await gateway.chat("a new month")
        await count_all_usage(gateway.parts.database, clock)
        async with looked_at(gateway, clock) as firm:
            yield firm


@pytest.fixture
async def seen(limited: Limited) -> AsyncIterator[Seen]:
    clock = CalendarClock()
    async with limited(PLENTY, clock=clock) as gateway:
        story = Story(gateway.parts.database)
        story.clock = clock.calendar
        of = await contract(StoryFirm(story, gateway.account, gateway.key.row.id))
        story.clock.set(2026, 10, 20)
        other, _ = await customer(gateway.parts.database, gateway.parts.settings, "Other")
        yield Seen(Told(gateway, of), other.id)


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests of pages, each of which opens a context of its own: to start it takes more
    than most of them."""
    async with async_playwright() as playwright:
        # As root, which tests may run as, Chromium has no sandbox.
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        await made.close()


@pytest.fixture
async def story(database: Database) -> Story:
    """A billing story in October 2026, in China, which Stripe may take part in."""
    return Story(database)
