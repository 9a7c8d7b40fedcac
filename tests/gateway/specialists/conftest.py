"""Fixtures: a gateway in front of the real specialists."""

import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.support import builders
from tests.support.builders import CHAT, INDUSTRIAL, Gateway, run_gateway
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.openai_client import openai_client


@pytest.fixture(scope="session")
async def specialists_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """URL of the specialists' server, started once; each test uses its own variants."""
    pytest.importorskip("ray", reason="needs the serving-cpu extra")
    # Imported here only: importing Ray takes half a second, and other gateway tests do not need it.
    server = importlib.import_module("tests.support.specialist_server")
    async with server.run_specialists(tmp_path_factory.mktemp("specialists")) as url:
        yield url


@pytest.fixture
async def real(specialists_url: str, database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with run_gateway(builders.settings(database_url, tmp_path, specialists_url)) as running:
        yield running


@pytest.fixture
async def model() -> AsyncIterator[FakeUpstream]:
    """The language model: without the specialist's figures, unless a test says otherwise."""
    async with run_fake_upstream() as fake:
        fake.says = "I would say so."
        yield fake


@pytest.fixture
async def both(
    model: FakeUpstream, specialists_url: str, database_url: str, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """A gateway in front of the fake language model and the real specialists."""
    serving = f"{CHAT}={model.url},{INDUSTRIAL}={model.url},{specialists_url}"
    async with run_gateway(builders.settings(database_url, tmp_path, serving)) as running:
        yield running


@pytest.fixture
async def openai(real: Gateway) -> AsyncIterator[AsyncOpenAI]:
    """The official OpenAI client, with the first account's key."""
    async with openai_client(real) as client:
        yield client
