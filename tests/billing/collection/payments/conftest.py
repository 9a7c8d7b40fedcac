"""Billing stories whose customers pay by QR code."""

from collections.abc import AsyncIterator

import pytest

from tests.support.stories.payment_story import PaymentStory, StandIns, run_stand_ins
from tests.support.stories.story import Story


@pytest.fixture(scope="module")
async def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StandIns]:
    """The stand-ins of WeChat Pay and Alipay on sockets, for all stories of a module."""
    async with run_stand_ins(tmp_path_factory.mktemp("keys")) as running:
        yield running


@pytest.fixture
def paying(story: Story, stand_ins: StandIns) -> PaymentStory:
    """Accounts that pay by WeChat Pay and Alipay."""
    return stand_ins.tell(story)
