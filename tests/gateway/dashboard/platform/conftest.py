"""The platform's people, beside a firm with a month that is billed."""

from collections.abc import AsyncIterator

import pytest

from gateway.identity.roles import Role
from tests.gateway.dashboard.conftest import Firm
from tests.gateway.dashboard.looking import Looker, looker


@pytest.fixture
async def operator(firm: Firm) -> AsyncIterator[Looker]:
    async with looker(firm.gateway.url, firm.gateway.parts, None, Role.OPERATOR) as one:
        yield one


@pytest.fixture
async def support(firm: Firm) -> AsyncIterator[Looker]:
    async with looker(firm.gateway.url, firm.gateway.parts, None, Role.SUPPORT) as one:
        yield one
