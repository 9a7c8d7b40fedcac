"""What tests of knowledge share: a firm with the official client, and files that come in."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.retrieval import ingestion, token_length
from infra.timing import Timing
from tests.gateway.retrieval.firm import Firm, cut_here, encoder
from tests.support import builders
from tests.support.builders import Gateway
from tests.support.gateway.customers import client


@pytest.fixture
def timing() -> Timing:
    """Files that come in wake their process; what is tried again is looked for now and then."""
    return replace(builders.BUSY, work_poll_s=0.2)


@pytest.fixture
async def firm(gateway: Gateway) -> AsyncIterator[Firm]:
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Firm(gateway, openai)


@pytest.fixture
def cut_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a child for each file, which takes longer to start than such a test takes. What
    children do test_ingestion.py has."""
    monkeypatch.setattr(ingestion, "chunk_in_subprocess", cut_here)
    monkeypatch.setattr(token_length, "load_encoder", encoder)
