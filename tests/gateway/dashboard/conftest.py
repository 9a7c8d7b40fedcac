"""Accounts behind the real application: with a billed month, and with an outcome contract."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from playwright.async_api import async_playwright

from infra.database.database import Database
from tests.support.builders import (
    PLENTY,
    Emptying,
    Gateway,
    Limited,
    customer,
    run_gateway,
    settings,
)
from tests.support.clocks import CalendarClock, ShiftedClock
from tests.support.dashboard.browsing import CHROMIUM, Windows
from tests.support.dashboard.firm import Firm, Seen, billed, looked_at
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.outcomes.told import Told
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Firm as StoryFirm
from tests.support.stories.story import Story


@pytest.fixture
def dashboard() -> bool:
    return True


@pytest.fixture
def limited(limited: Limited) -> Limited:
    """`limited` with the dashboard enabled."""
    return partial(limited, dashboard=True)


@pytest.fixture
async def gateway(limited: Limited) -> AsyncIterator[Gateway]:
    async with limited(PLENTY) as running:
        yield running


@pytest.fixture
async def office(limited: Limited) -> AsyncIterator[Firm]:
    """An account before its first call, for pages of people and keys."""
    clock = ShiftedClock()
    async with limited(PLENTY, clock=clock) as gateway, looked_at(gateway, clock) as firm:
        yield firm


@pytest.fixture
async def firm(limited: Limited) -> AsyncIterator[Firm]:
    """An account with three billed calls of last month and one call of this month."""
    clock = ShiftedClock()
    async with limited(PLENTY, clock=clock) as gateway, billed(gateway, clock) as firm:
        yield firm


@pytest.fixture(scope="module")
async def shared_upstream() -> AsyncIterator[FakeUpstream]:
    """The model server of `shared_gateway`."""
    async with run_fake_upstream() as fake:
        yield fake


@pytest.fixture(scope="module")
async def shared_clock() -> ShiftedClock:
    """The clock of `shared_gateway`."""
    return ShiftedClock()


@pytest.fixture(scope="module")
async def shared_gateway(
    postgres: str,
    emptying: Emptying,
    lasting: tuple[Database, Database],
    tmp_path_factory: pytest.TempPathFactory,
    shared_upstream: FakeUpstream,
    shared_clock: ShiftedClock,
) -> AsyncIterator[Gateway]:
    """A gateway for all tests of a module. No test of that module may empty the database."""
    folder = tmp_path_factory.mktemp("gateway")
    configured = settings(postgres, folder, shared_upstream.url, dashboard=True, credit_wait_s=0.3)
    with emptying.keeping():
        async with run_gateway(configured, shared_clock) as running:
            yield running


@pytest.fixture(scope="module")
async def shared_office(shared_gateway: Gateway, shared_clock: ShiftedClock) -> AsyncIterator[Firm]:
    """`office`, shared by all tests of a module, which change nothing."""
    async with looked_at(shared_gateway, shared_clock) as firm:
        yield firm


@pytest.fixture(scope="module")
async def shared_firm(shared_gateway: Gateway, shared_clock: ShiftedClock) -> AsyncIterator[Firm]:
    """`firm`, shared by all tests of a module. They only read, or change what no other test of the
    module reads."""
    async with billed(shared_gateway, shared_clock) as firm:
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
async def browser() -> AsyncIterator[Windows]:
    """One browser for all tests of pages, each of which opens its own tab: starting it takes longer
    than most tests."""
    async with async_playwright() as playwright:
        # Tests may run as root, where Chromium's sandbox does not work.
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield Windows(made)
        await made.close()


@pytest.fixture
async def story(database: Database) -> Story:
    """A billing story in October 2026, in China, which can be connected to Stripe."""
    return Story(database)
