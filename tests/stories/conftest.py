"""A billing story with its own clock, for all tests of the package."""

import pytest

from infra.database.database import Database
from tests.support.stories.story import Story


@pytest.fixture
async def story(database: Database) -> Story:
    """A billing story in October 2026, in China."""
    return Story(database)
