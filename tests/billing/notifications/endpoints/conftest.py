"""Fixtures: a firm with robots, a webhook receiver and a mail server on sockets."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.outbound.mail import Mailer
from tests.support.billing.notified import Notified
from tests.support.fakes.robots import run_robots
from tests.support.fakes.smtp import FakeSmtp, run_fake_smtp
from tests.support.fakes.webhook_receiver import Hook, run_hook
from tests.support.stories.story import Calendar, Story


@pytest.fixture
async def smtp() -> AsyncIterator[FakeSmtp]:
    async with run_fake_smtp() as running:
        yield running


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with run_hook() as running:
        yield running


@pytest.fixture
async def notified(story: Story, tmp_path: Path, smtp: FakeSmtp) -> AsyncIterator[Notified]:
    calendar = Calendar(story.clock.zone)
    calendar.pass_(seconds=(datetime.now(UTC) - calendar.now()).total_seconds())
    story.clock = calendar
    async with run_robots(calendar) as robots:
        firm = await story.firm()
        yield Notified(story, firm, robots, Mailer(smtp.url, tmp_path))
