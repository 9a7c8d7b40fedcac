"""Fixtures: the official client, and fast polling."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from infra.timing import Timing
from tests.support import builders
from tests.support.builders import Gateway
from tests.support.openai_client import openai_client


@pytest.fixture
def timing() -> Timing:
    """Background responses are looked for often, because a released one waits for the next look."""
    return builders.polling("responses")


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(gateway) as openai:
        yield openai
