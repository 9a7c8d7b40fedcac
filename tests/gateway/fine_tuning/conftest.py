"""What tests of adaptations share: the official client, a training file and jobs that end."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from infra.timing import Timing
from tests.support import builders
from tests.support.builders import PLENTY, Gateway, Limited
from tests.support.gateway.customers import Customer, Talker, client
from tests.support.gateway.dialogues import TEXTS


@pytest.fixture
def timing() -> Timing:
    """A job is over when its process serves the variant: here it hears of that at once. What is
    tried again is not looked for so often that looking is most of what a test takes."""
    return replace(builders.BUSY, work_poll_s=0.2, epoch_poll_s=0.03)


@pytest.fixture
async def talker(limited: Limited) -> AsyncIterator[Talker]:
    async with limited(PLENTY, catalog=TEXTS) as gateway:
        async with client(gateway.url, gateway.key.secret) as openai:
            yield Talker(gateway, openai)


@pytest.fixture
async def customer(gateway: Gateway) -> AsyncIterator[Customer]:
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Customer(gateway, openai)
