"""What tests of knowledge share: a firm with the official client, and files that come in."""

from collections.abc import AsyncIterator

import pytest

from infra.timing import Timing
from tests.gateway.knowledge.firm import Firm
from tests.support import builders
from tests.support.builders import Gateway
from tests.support.gateway.customers import client


@pytest.fixture
def timing() -> Timing:
    return builders.BUSY


@pytest.fixture
async def firm(gateway: Gateway) -> AsyncIterator[Firm]:
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Firm(gateway, openai)
