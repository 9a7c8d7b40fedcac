"""A gateway in front of the real engine, which all tests of a run share (tests/support/engine)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.openai_client import openai_client


@pytest.fixture(autouse=True)
def _turn(turn: None) -> None:
    """Beside tests that use the engine too, or alone where a test is marked so."""


@pytest.fixture
async def real(serving_url: str, database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with run_gateway(builders.settings(database_url, tmp_path, serving_url)) as running:
        yield running


@pytest.fixture
async def openai(real: Gateway) -> AsyncIterator[AsyncOpenAI]:
    """The official client, with the first account's key."""
    async with openai_client(real) as client:
        yield client
