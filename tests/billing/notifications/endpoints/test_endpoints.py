"""Endpoints of an account: limit, changes, the webhook of the alert settings, other accounts."""

from dataclasses import replace
from uuid import uuid4

import pytest

from billing.notifications.alert_targets import get_alert_target, update_alert_target
from billing.notifications.endpoints.deliveries import (
    DeliveryFilter,
    NotificationDeliveryNotFound,
    NotificationNotRepeatable,
    deliver_again,
    get_delivery,
    list_deliveries,
)
from billing.notifications.endpoints.endpoints import (
    MAX_ENDPOINTS,
    NotificationEndpointNotFound,
    StoredEndpoint,
    TooManyNotificationEndpoints,
    get_endpoint,
    list_endpoints,
    remove_endpoint,
    roll_secret,
)
from billing.notifications.endpoints.fields import NotificationEndpointInvalid
from tests.support.billing.making import sql
from tests.support.billing.notified import Notified
from tests.support.builders import SEALER
from tests.support.fakes.webhook_receiver import Hook


async def listed(notified: Notified) -> list[StoredEndpoint]:
    async with notified.story.database.transaction() as session:
        return await list_endpoints(session, notified.story.clock, notified.account_id)


async def alert_webhook(notified: Notified, url: str) -> None:
    async with notified.story.database.transaction() as session:
        await update_alert_target(session, notified.account_id, url)


async def test_account_has_at_most_twenty_endpoints(notified: Notified) -> None:
    for _ in range(MAX_ENDPOINTS):
        made = await notified.add("slack")
    with pytest.raises(TooManyNotificationEndpoints):
        await notified.add("slack")
    async with notified.story.database.transaction() as session:
        await remove_endpoint(session, notified.story.clock, notified.account_id, made.row.id)
    await notified.add("slack")


async def test_address_and_secret_are_stored_encrypted(notified: Notified) -> None:
    await notified.add("dingtalk")
    (row,) = await sql(notified.story.database, "select sealed, address from notification_endpoint")
    assert (b"SEC" in row.sealed, b"access_token" in row.sealed) == (False, False)
    assert "…1234" in row.address


async def test_changes_apply_and_leave_the_rest(notified: Notified, hook: Hook) -> None:
    made = await notified.add("webhook", hook.url, description="One")
    changed = await notified.change(made, language="zh", enabled_events=["jobs"], secret="")
    assert (changed.secret, changed.row.description) == (None, "One")
    moved = await notified.change(made, address=f"{hook.url}/2")
    assert (moved.secret or "").startswith("whsec_")
    assert moved.secret != made.secret
    async with notified.story.database.transaction() as session:
        rolled = await roll_secret(session, SEALER, notified.account_id, made.row.id)
    assert rolled.secret not in (None, moved.secret)
    assert (rolled.row.language, rolled.row.enabled_events) == ("zh", ["jobs"])


async def test_robot_has_no_secret_of_ours_and_unreadable_address_is_entered_again(
    notified: Notified,
) -> None:
    made = await notified.add("feishu")
    async with notified.story.database.transaction() as session:
        with pytest.raises(NotificationEndpointInvalid):
            await roll_secret(session, SEALER, notified.account_id, made.row.id)
    await sql(notified.story.database, "update notification_endpoint set sealed = 'x'")
    with pytest.raises(NotificationEndpointInvalid):
        await notified.change(made, secret="new")


async def test_disabled_endpoint_gets_nothing_and_its_pending_deliveries_end(
    notified: Notified,
) -> None:
    made = await notified.add("slack")
    await notified.emit("1")
    await notified.change(made, enabled=False)
    await notified.emit("2")
    assert await notified.send() == 0
    (logged,) = await notified.log()
    assert (logged.row.status, logged.row.last_error) == ("failed", "The endpoint is disabled.")


async def test_webhook_of_the_alert_settings_is_an_endpoint_for_the_former_events(
    notified: Notified, hook: Hook
) -> None:
    await alert_webhook(notified, hook.url)
    await notified.emit("1", "invoice.paid")
    await notified.emit("2", "fapiao.issued")
    assert await notified.send() == 1
    (made,) = await listed(notified)
    assert (made.address, made.row.enabled_events) == (hook.url, ["limits", "models", "fapiao"])
    assert hook.posts[0].headers["webhook-id"].startswith("alert_")
    moved = await notified.change(made, address=f"{hook.url}/2", enabled_events=["*"])
    async with notified.story.database.transaction() as session:
        target = await get_alert_target(session, notified.account_id)
        rolled = await roll_secret(session, SEALER, notified.account_id, made.row.id)
        assert (target.url, target.secret) == (f"{hook.url}/2", rolled.secret)
    assert moved.secret != rolled.secret
    async with notified.story.database.transaction() as session:
        await remove_endpoint(session, notified.story.clock, notified.account_id, made.row.id)
    assert await listed(notified) == []
    await alert_webhook(notified, hook.url)
    assert len(await listed(notified)) == 1


async def test_url_that_is_removed_before_the_message_is_not_called(
    notified: Notified, hook: Hook
) -> None:
    await alert_webhook(notified, hook.url)
    await notified.emit("1", "fapiao.issued")
    await alert_webhook(notified, "")
    assert await notified.send() == 0
    assert hook.posts == []


async def test_deliveries_are_filtered_paged_and_repeated(notified: Notified) -> None:
    slack, wecom = await notified.add("slack"), await notified.add("wecom")
    for key in "12":
        await notified.emit(key)
    account_id, clock = notified.account_id, notified.story.clock
    async with notified.story.database.transaction() as session:
        every = await list_deliveries(session, account_id, DeliveryFilter(), 10)
        assert [one.id for one in every] == sorted((one.id for one in every), reverse=True)
        rest = await list_deliveries(session, account_id, DeliveryFilter(), 10, every[0].id)
        assert list(rest) == list(every[1:])
        own = DeliveryFilter(slack.row.id, "pending", "invoice.paid")
        assert len(await list_deliveries(session, account_id, own, 10)) == 2
        other = DeliveryFilter(event_type="batch.failed")
        assert await list_deliveries(session, account_id, other, 10) == []
    await notified.send()
    async with notified.story.database.transaction() as session:
        again = await deliver_again(session, clock, account_id, every[0].id)
        with pytest.raises(NotificationNotRepeatable):
            await deliver_again(session, clock, account_id, again.id)
    assert await notified.send(4) == 1
    await notified.change(wecom, enabled=False)
    async with notified.story.database.transaction() as session:
        of_wecom = DeliveryFilter(wecom.row.id)
        (row, _) = await list_deliveries(session, account_id, of_wecom, 10)
        with pytest.raises(NotificationNotRepeatable):
            await deliver_again(session, clock, account_id, row.id)


async def test_other_accounts_find_neither_endpoint_nor_delivery(notified: Notified) -> None:
    made = await notified.add("slack")
    await notified.emit()
    (logged,) = await notified.log()
    stranger = (await notified.story.firm("Other")).account.id
    async with notified.story.database.transaction() as session:
        with pytest.raises(NotificationEndpointNotFound):
            await get_endpoint(session, stranger, made.row.id)
        with pytest.raises(NotificationDeliveryNotFound):
            await get_delivery(session, stranger, logged.row.id)
        with pytest.raises(NotificationDeliveryNotFound):
            await get_delivery(session, notified.account_id, uuid4())
        assert replace(await get_endpoint(session, notified.account_id, made.row.id))
