"""An operator and a support person, beside an account with a billed month."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gateway.identity.roles import Role
from tests.support.billing.making import bill_all_usage
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker
from tests.support.stories import story as stories


@pytest.fixture
async def operator(firm: Firm) -> AsyncIterator[Looker]:
    async with looker(firm.gateway.url, firm.gateway.parts, None, Role.OPERATOR) as one:
        yield one


@pytest.fixture
async def debtor(firm: Firm) -> stories.Firm:
    """Another account, which owes 30.00 for the billed month."""
    database, story = firm.gateway.parts.database, stories.Story(firm.gateway.parts.database)
    story.clock._now = firm.clock.now() - timedelta(days=10)
    made = await story.firm("Big", net_days=30)
    await made.use("vib", rows=30_000)
    await bill_all_usage(database, firm.clock)
    return made


@pytest.fixture
async def support(firm: Firm) -> AsyncIterator[Looker]:
    async with looker(firm.gateway.url, firm.gateway.parts, None, Role.SUPPORT) as one:
        yield one
