"""A gateway in front of recorded answers of the real engine (tests/support/recording).

A test module has a file of recordings of its own. `python -m tests.support.recording` runs these
tests against the engine instead, and records.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.openai_client import openai_client
from tests.support.recording.recordings import FOLDER, RECORD_FROM, Recording
from tests.support.recording.servers import recorded, replaying


@pytest.fixture
async def model_server(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """URL of a server that replays recorded answers, or that records them from the engine."""
    path = FOLDER / f"{request.path.stem.removeprefix('test_')}.json"
    engine_url = os.environ.get(RECORD_FROM)
    if engine_url is None:
        async with replaying(Recording.read(path)) as url:
            yield url
        return
    recording = Recording.read(path) if path.exists() else Recording(path)
    async with recorded(engine_url, recording) as url:
        yield url
    recording.write()


@pytest.fixture
async def replayed(model_server: str, database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with run_gateway(builders.settings(database_url, tmp_path, model_server)) as running:
        yield running


@pytest.fixture
async def openai(replayed: Gateway) -> AsyncIterator[AsyncOpenAI]:
    """The official OpenAI client, with the first account's key."""
    async with openai_client(replayed) as client:
        yield client
