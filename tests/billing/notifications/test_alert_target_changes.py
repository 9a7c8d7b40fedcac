"""Changes of alert targets: a new webhook URL is resolved first, outside of transactions."""

import pytest

from billing.notifications.alert_target_changes import change_alert_target, check_webhook_url
from billing.notifications.alert_targets import get_alert_target
from billing.notifications.webhook_addresses import HOST_NOT_CHECKED, WebhookUnreachable
from infra.database.database import Database
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.resolver import Address
from tests.support.fakes import names
from tests.support.stories.story import Firm, Story

HOOK = "https://hook.example/"


class Watching:
    """A resolver that records the looked-up host names and the database connections in use."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str) -> list[Address]:
        self.asked.append((host, self.database.in_use))
        return await names.resolve(host)


@pytest.fixture
async def firm(story: Story) -> Firm:
    return await story.firm()


@pytest.fixture
def watching(firm: Firm) -> Watching:
    return Watching(firm.story.database)


async def stored(firm: Firm) -> str:
    async with firm.story.database.transaction() as session:
        return (await get_alert_target(session, firm.account.id)).url


async def test_new_webhook_url_is_resolved_outside_of_transactions(
    firm: Firm, watching: Watching
) -> None:
    made = await change_alert_target(
        watching.database, AllowedAddresses(resolve=watching), firm.account.id, HOOK
    )
    assert watching.asked == [("hook.example", 0)]
    assert made["url"] == HOOK
    assert made["secret"].startswith("whsec_")
    assert "warning" not in made


async def test_unchanged_or_empty_webhook_url_is_not_resolved(
    firm: Firm, watching: Watching
) -> None:
    database, reach, owner = watching.database, AllowedAddresses(resolve=watching), firm.account.id
    await change_alert_target(database, reach, owner, HOOK)
    watching.asked.clear()
    again = await change_alert_target(database, reach, owner, HOOK, [70])
    assert (again["url"], again["percentages"]) == (HOOK, [70])
    assert (await change_alert_target(database, reach, owner, None, [80]))["url"] == HOOK
    assert (await change_alert_target(database, reach, owner, ""))["url"] is None
    assert watching.asked == []


async def test_webhook_url_used_by_another_account_is_resolved_again(
    firm: Firm, watching: Watching
) -> None:
    reach, other = AllowedAddresses(resolve=watching), await firm.story.firm(name="Other")
    for account in (firm.account, other.account):
        await change_alert_target(watching.database, reach, account.id, HOOK)
    assert [host for host, _ in watching.asked] == ["hook.example"] * 2


@pytest.mark.parametrize("host", ["missing.example", "inside.example"])
async def test_rejected_webhook_url_leaves_the_alert_target_unchanged(
    firm: Firm, watching: Watching, host: str
) -> None:
    database, reach = watching.database, AllowedAddresses(resolve=watching)
    await change_alert_target(database, reach, firm.account.id, HOOK)
    with pytest.raises(WebhookUnreachable):
        await change_alert_target(database, reach, firm.account.id, f"https://{host}/", [10])
    async with database.transaction() as session:
        target = await get_alert_target(session, firm.account.id)
    assert (target.url, target.percentages) == (HOOK, [50, 80, 100])


async def test_webhook_url_is_stored_with_a_warning_if_dns_is_unavailable(
    firm: Firm, watching: Watching
) -> None:
    url, reach = "https://away.example/", AllowedAddresses(resolve=watching)
    made = await change_alert_target(watching.database, reach, firm.account.id, url)
    assert (made["url"], made["warning"]) == (url, HOST_NOT_CHECKED)
    assert await stored(firm) == url
    checked = await check_webhook_url(watching.database, firm.account.id, url, reach)
    assert checked.warning is None  # stored already
