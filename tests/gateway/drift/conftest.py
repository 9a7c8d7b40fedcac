"""Fixtures of the drift tests: an account whose model has a reference."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from infra.timing import Timing
from tests.support import builders
from tests.support.builders import Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, client
from tests.support.gateway.drift_references import REFERENCE


@pytest.fixture
def timing() -> Timing:
    """Short epoch polling, because a job succeeds only when its process serves the variant. Counts
    are written when a test asks for it."""
    return builders.polling(
        "adaptations", "retraining", every_s=0.2, epoch_poll_s=0.03, input_counts_s=3600.0
    )


@pytest.fixture
async def customer(gateway: Gateway, upstream: FakeUpstream) -> AsyncIterator[Customer]:
    upstream.learner.artefact = msgspec.msgpack.encode({"version": 1, "reference": REFERENCE})
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Customer(gateway, openai)
