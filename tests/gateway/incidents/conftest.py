"""A billing story, whose firms have notification endpoints."""

import pytest

from infra.database.database import Database
from tests.support.stories.story import Story


@pytest.fixture
def story(database: Database) -> Story:
    return Story(database)
