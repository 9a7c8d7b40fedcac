"""A gateway with the real engine, shared by all tests of a run (tests/support/engine)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.openai_client import openai_client


@pytest.fixture(autouse=True)
def _turn(turn: None) -> None:
    """Share the engine with other tests, or use it exclusively if the test is marked `alone`."""


@pytest.fixture
async def real(serving_url: str, database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with run_gateway(builders.settings(database_url, tmp_path, serving_url)) as running:
        yield running


@pytest.fixture
async def openai(real: Gateway) -> AsyncIterator[AsyncOpenAI]:
    """The official client with the key of the first account."""
    async with openai_client(real) as client:
        yield client
