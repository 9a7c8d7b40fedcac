"""A firm with contracts, in October 2026 in China."""

import pytest

from tests.support.outcomes.deals import Deal
from tests.support.stories.story import Story


@pytest.fixture
async def deal(story: Story) -> Deal:
    return Deal(await story.firm())
