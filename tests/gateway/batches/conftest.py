"""Fixtures of the batch tests: an account that runs batches."""

from collections.abc import AsyncIterator

import pytest

from infra.timing import Timing
from tests.support import builders
from tests.support.builders import Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.batching import Batcher


@pytest.fixture
def timing() -> Timing:
    """Queued batches are looked for often, because a released batch waits for the next look."""
    return builders.polling("batches")


@pytest.fixture
async def batcher(gateway: Gateway, upstream: FakeUpstream) -> AsyncIterator[Batcher]:
    batcher = Batcher(gateway, upstream)
    yield batcher
    await batcher.client.close()
