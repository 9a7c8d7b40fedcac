"""Fixtures: the official client, a model with scripted answers, and fast polling."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from infra.timing import Timing
from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.fakes.scripted_model import ScriptedModel, run_scripted_model
from tests.support.openai_client import openai_client


@pytest.fixture
def timing() -> Timing:
    """Background responses are looked for often, because a released one waits for the next look."""
    return builders.polling("responses")


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(gateway) as openai:
        yield openai


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with run_scripted_model() as running:
        yield running


@pytest.fixture
async def scripted(
    database_url: str, tmp_path: Path, model: ScriptedModel, timing: Timing
) -> AsyncIterator[Gateway]:
    """A gateway in front of the scripted model."""
    configured = builders.impatient(database_url, tmp_path, model.url, timing)
    async with run_gateway(configured) as running:
        yield running
