"""Gateways whose clients speak Anthropic's Messages API."""

from collections.abc import AsyncIterator

import pytest

from tests.support.builders import PLENTY, Gateway, Limited
from tests.support.fakes.raw_server import RawServer, answering, run_raw_server
from tests.support.gateway.faults import answer
from tests.support.gateway.reasoning import REASONING


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with run_raw_server(answering(answer())) as server:
        yield server


@pytest.fixture
async def thinking(limited: Limited) -> AsyncIterator[Gateway]:
    async with limited(PLENTY, catalog=REASONING) as gateway:
        yield gateway
