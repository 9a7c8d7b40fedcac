"""Fixtures of the retrieval tests: a firm with the official client, in-process chunking, and a
gateway that the tests of a module share."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.retrieval import ingestion, token_length
from infra.timing import Timing
from tests.gateway.retrieval.firm import Firm, cut_here, encoder
from tests.support import builders
from tests.support.builders import Emptying, Gateway
from tests.support.gateway.customers import client
from tests.support.gateway.lasting import Lasting, run_lasting


@pytest.fixture
def timing() -> Timing:
    """New files wake the worker at once; retries are polled every 0.2 s."""
    return builders.polling("knowledge", every_s=0.2)


@pytest.fixture
async def firm(gateway: Gateway) -> AsyncIterator[Firm]:
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Firm(gateway, openai)


@pytest.fixture
def cut_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunk files in this process: starting a subprocess per file takes longer than such a test.
    test_ingestion.py tests the subprocess."""
    monkeypatch.setattr(ingestion, "chunk_in_subprocess", cut_here)
    monkeypatch.setattr(token_length, "load_encoder", encoder)


@pytest.fixture(scope="module")
def lasting_settings() -> dict[str, Any]:
    """Settings of the module's gateway; a module can override them."""
    return {}


@pytest.fixture(scope="module")
async def served(
    postgres: str, emptying: Emptying, lasting: object, lasting_settings: dict[str, Any]
) -> AsyncIterator[Lasting]:
    """One gateway for the module, which chunks files without subprocesses."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingestion, "chunk_in_subprocess", cut_here)
        async with run_lasting(postgres, emptying, **lasting_settings) as running:
            yield running
