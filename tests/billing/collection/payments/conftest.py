"""A billing story whose customers pay by QR code."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stories.payment_story import PaymentStory, run_payment_story
from tests.support.stories.story import Story


@pytest.fixture
async def paying(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PaymentStory]:
    """Accounts that pay by WeChat Pay and Alipay, whose stand-ins are on sockets."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with run_payment_story(story, tmp_path) as told:
        yield told
