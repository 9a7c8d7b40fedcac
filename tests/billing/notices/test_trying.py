"""A test of an account's alerts: where they go, and once a minute."""

import pytest

from billing.accounts.profiles import change_profile
from billing.notices.targets import set_target
from billing.notices.trying import NobodyToTell, send_test
from tests.billing.making import sql
from tests.flows.stories import Firm, Story


async def tries(firm: Firm) -> list[tuple[str, str]]:
    """Sends a test; gives all that wait since the beginning, with what is said."""
    async with firm.story.database.transaction() as session:
        await send_test(session, firm.story.clock, firm.account.id)
    statement = "select action, coalesce(payload->>'subject', payload->>'type') from outbox"
    return sorted(await sql(firm.story.database, f"{statement} order by id"))


async def reachable(firm: Firm, email: str = "", url: str = "") -> None:
    async with firm.story.database.transaction() as session:
        await change_profile(session, firm.account.id, email=email)
        await set_target(session, firm.account.id, url=url)


async def test_where_there_is_nobody(story: Story) -> None:
    firm = await story.firm()
    with pytest.raises(NobodyToTell):
        await tries(firm)


async def test_by_mail_and_webhook_once_a_minute(story: Story) -> None:
    firm = await story.firm()
    await reachable(firm, email="li@acme.example")
    assert await tries(firm) == [("email", "测试提醒")]
    await reachable(firm, url="https://acme.example/hook")
    story.clock.pass_(minutes=1)
    for _ in range(2):
        assert await tries(firm) == [("alert", "alert.test"), ("email", "测试提醒")]
