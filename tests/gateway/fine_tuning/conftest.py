"""Fixtures of the fine-tuning tests: gateways with an official OpenAI client."""

from collections.abc import AsyncIterator

import pytest

from infra.timing import Timing
from tests.support import builders
from tests.support.builders import PLENTY, Gateway, Limited
from tests.support.gateway.customers import Customer, Talker, client
from tests.support.gateway.dialogues import TEXTS


@pytest.fixture
def timing() -> Timing:
    """Short epoch polling, because a job succeeds only when its process serves the variant. Work is
    polled less often, so that polling does not dominate a test's run time."""
    return builders.polling("adaptations", "retraining", every_s=0.2, epoch_poll_s=0.03)


@pytest.fixture
async def talker(limited: Limited) -> AsyncIterator[Talker]:
    async with limited(PLENTY, catalog=TEXTS) as gateway:
        async with client(gateway.url, gateway.key.secret) as openai:
            yield Talker(gateway, openai)


@pytest.fixture
async def customer(gateway: Gateway) -> AsyncIterator[Customer]:
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Customer(gateway, openai)
