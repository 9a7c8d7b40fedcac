"""Fixtures of the shared-model tests: a calling firm, and a platform with a shared model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.builders import Gateway
from tests.support.gateway.askers import Asker
from tests.support.gateway.customers import client
from tests.support.gateway.shops import Shop, run_shop


@pytest.fixture
async def asker(gateway: Gateway) -> AsyncIterator[Asker]:
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Asker(openai)


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with run_shop(database_url, tmp_path) as running:
        yield running
