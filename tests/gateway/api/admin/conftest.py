"""A gateway with a client that has a platform admin key with all scopes."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.builders import Gateway
from tests.support.gateway.admin_keys import admin_client, issue


@pytest.fixture
async def admin(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    key = await issue(gateway)
    async with admin_client(gateway, key.secret) as http:
        yield http
